"""What columns are called in the wild, without regard to case, spaces, `_` and `-`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

_JOINTS = re.compile(r"[\s_\-]+")


@cache
def folded(name: str) -> str:
    """A name as it is compared.

    >>> folded("Is_Correct"), folded("is correct")
    ('iscorrect', 'iscorrect')
    """
    return _JOINTS.sub("", name).lower()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NAMES: Mapping[str, tuple[frozenset[str], ...]] = {
    "id": (
        _words("itemid instanceid sampleid problemid questionuid itemhash taskid docid uuid guid rowid"),
        _words("hash dochash"),
    ),
    "correct": (_words("correct iscorrect acc exactmatch em right hit isright passed ispassed"),),
    "question": (
        _words("question questiontext problem query"),
        _words("goal ctx context dialogue dialog article document passage sentence instruction stem"),
    ),
    "prompt": (
        _words("prompt fullprompt renderedprompt prompttext"),
        _words("input inputtext inputs"),
    ),
    "target": (
        _words(
            "target gold label reference groundtruth expected goldanswer goldlabel correctanswer answerkey "
            "trueanswer truelabel expectedanswer expectedoutput referenceanswer targettext correctchoice "
            "goldindex correctindex targets references"
        ),
        _words("summary translation"),
    ),
    "prediction": (
        _words(
            "prediction pred predicted output response completion generation modeloutput answerraw "
            "modelanswer modelresponse modelprediction modelcompletion generatedtext rawoutput rawresponse "
            "predictedtext predictedlabel predictedindex predictedchoice predlabel llmoutput llmresponse"
        ),
    ),
    "answer": (
        _words(
            "extractedanswer answerextracted extracted parsedanswer answerparsed parsed predictedanswer "
            "filteredanswer predanswer"
        ),
    ),
    "score": (
        _words(
            "score rouge1 rouge2 rougel rougelsum bleu f1 chrf meteor bertscore bleurt rating reward "
            "loss nll ppl perplexity wer"
        ),
    ),
    "index": (_words("index position"),),
    "repeat": (_words("repeat repetition trial attempt replicate"),),
    "finish": (_words("finish finishreason stopreason"),),
    "prompt_tokens": (_words("prompttokens inputtokens numprompttokens nprompttokens numinputtokens"),),
    "output_tokens": (
        _words(
            "outputtokens completiontokens generatedtokens numoutputtokens noutputtokens numcompletiontokens"
        ),
    ),
    "cluster": (_words("cluster clusterid"),),
    "error": (_words("error errormessage exception"),),
}
"""By role, groups of names: those of a later group count only where there are none of an earlier one."""

ELSEWHERE = ("index", "repeat", "finish", "prompt_tokens", "output_tokens", "cluster", "error")
"""Roles without which a table can be read: where several columns could be meant, none is."""

TAGS = _words("subject category topic domain difficulty level activitylabel")
"""Columns that are strata."""

DIRECTIONS: dict[str, str] = {
    **dict.fromkeys(
        _words(
            "logprob lp loglikelihood loglik ll logp choicelogprob logprobchoice choiceloglikelihood "
            "loglikelihoodchoice"
        ),
        "logprobs",
    ),
    **dict.fromkeys(
        _words("nll loss ppl perplexity negloglikelihood choicenll nllchoice choiceloss losschoice"), "nll"
    ),
    **dict.fromkeys(_words("length len choicelength lengthchoice choicelen numchars"), "lengths"),
}
"""What the names of counted columns (`lp_0`, `lp_1`, …) say of what belongs to each choice."""

NEUTRAL = _words("choice option ending sol candidate alternative answer") | {""}
"""Names of counted columns that may hold the choices' texts or their scores; `A`, `B`, … have none."""

LISTS: Mapping[str, str] = {
    **{f"{name}s": name for name in DIRECTIONS if name not in ("loss", "perplexity")},
    **{f"{name}s": name for name in NEUTRAL if name},
    **{name: name for name in DIRECTIONS},
    **{"losses": "loss", "perplexities": "perplexity", "answerchoices": "choice", "choicetexts": "choice"},
}
"""The same of columns that hold a list."""

LOWER_IS_BETTER = _words("loss nll ppl perplexity wer")
"""Scores whose name says so."""

UNCLEAR = _words("answer solution")
"""What is right in some tables, and what the model said in others."""
