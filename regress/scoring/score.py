"""The one entry: what was answered, what was right and a scorer as data, in; a judgement, out.

A scorer is a mapping that is stored with the run, so that stored outputs can be judged again without
the model and without lm-eval:

    {"kind": "choice", "metrics": ["acc", "acc_norm"]}
    {"kind": "text", "filters": [{"name": …, "filter": [step, …]}, …],
     "metrics": [{"metric": "exact_match", "function": "exact_match", option: value, …},
                 {"metric": "rouge1", "function": "rouge", "stemmer": true}, …]}
    {"kind": "lm-eval"}      judged by the task's own code; not here

A filter named `none` adds nothing to a metric's key; any other gives `metric/filter`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from regress.scoring import choice as by_choice
from regress.scoring import extract as by_extract
from regress.scoring import text as by_text
from regress.types import Status

BINARY = by_choice.CHOOSING | {"exact_match"}
"""Metrics that are 1 for a right answer and 0 for any other."""
LOWER_IS_BETTER = frozenset({"brier_score"})
"""Metrics that are negated in `Judgement.score`."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a scorer makes of one item; the fields mean what they mean in `Prediction`."""

    answer: str | None
    """What was read; for choices the index. Null if unreadable."""
    status: Status
    """`scored` or `unparsable`."""
    correct: bool | None
    """Right or wrong; null where the headline metric is not binary."""
    score: float
    """Headline metric, higher is better."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Every metric, as `metric` or `metric/filter`, in its own direction."""
    gold_margin: float | None = None
    """For choices: gold minus best other, in the units the answer was chosen by."""


def key(metric: str, filter_name: str) -> str:
    """The name of a metric after a filter, as in `Prediction.scores`.

    >>> key("exact_match", "strict-match"), key("acc", "none")
    ('exact_match/strict-match', 'acc')
    """
    return metric if filter_name == "none" else f"{metric}/{filter_name}"


def score(
    scorer: Mapping[str, Any],
    headline: str,
    *,
    outputs: Sequence[str] = (),
    targets: Sequence[str] = (),
    logprobs: Sequence[float] = (),
    choices: Sequence[str] = (),
    golds: Sequence[int] = (),
    unconditional: Sequence[float] | None = None,
    greedy: Sequence[bool] | None = None,
) -> Judgement:
    """Judge one item.

    Args:
        scorer: How, as data (see above).
        headline: Key of the metric that decides, for example `exact_match/strict-match`.
        outputs: Raw texts, one unless the item was repeated (kind `text`).
        targets: Reference answers; matching one is enough (kind `text`).
        logprobs: Sums of log probabilities, one a choice (kind `choice`).
        choices: The choices' texts (kind `choice`).
        golds: Indices of the right choices; with none, no answer is right (kind `choice`).
        unconditional: Sums without the question, for `acc_mutual_info`.
        greedy: Whether greedy decoding writes exactly that choice, for `exact_match` of choices.

    Raises:
        ValueError: If the scorer is unknown or has no such metric.

    >>> score({"kind": "choice", "metrics": ["acc"]}, "acc",
    ...       logprobs=[-3.0, -1.5], choices=["no", "yes"], golds=[1]).gold_margin
    1.5
    """
    match scorer.get("kind"):
        case "choice":
            return _score_choices(scorer, headline, logprobs, choices, golds, unconditional, greedy)
        case "text":
            return _score_text(scorer, headline, outputs, targets)
        case kind:
            raise ValueError(f"a scorer of kind {kind!r} cannot be run from stored outputs")


def _score_choices(
    scorer: Mapping[str, Any],
    headline: str,
    logprobs: Sequence[float],
    choices: Sequence[str],
    golds: Sequence[int],
    unconditional: Sequence[float] | None,
    greedy: Sequence[bool] | None,
) -> Judgement:
    compared = {
        metric: by_choice.units(metric, logprobs, choices, unconditional)
        for metric in scorer["metrics"]
        if metric in by_choice.CHOOSING
    }
    scores = {metric: float(by_choice.chosen(values) in golds) for metric, values in compared.items()}
    if "brier_score" in scorer["metrics"] and len(golds) == 1:
        scores["brier_score"] = by_choice.brier_score(logprobs, golds[0])
    if "exact_match" in scorer["metrics"] and greedy is not None:
        scores["exact_match"] = float(any(greedy[gold] for gold in golds))
    value = _headline(scores, headline)
    values = compared.get(headline)
    if values is None:  # the headline does not choose: the likeliest is what the model answered
        values = by_choice.units("acc", logprobs, choices)
    decides = headline in by_choice.CHOOSING
    return Judgement(
        answer=str(by_choice.chosen(values)),
        status="scored",
        correct=bool(value) if headline in BINARY else None,
        score=-value if headline in LOWER_IS_BETTER else value,
        scores=scores,
        gold_margin=by_choice.gold_margin(values, golds) if decides else None,
    )


def _score_text(
    scorer: Mapping[str, Any], headline: str, outputs: Sequence[str], targets: Sequence[str]
) -> Judgement:
    scores: dict[str, float] = {}
    read: by_extract.Extract | None = None
    answer, binary = "", False
    for pipeline in scorer["filters"]:
        extracted = by_extract.extract(outputs, pipeline["filter"])
        for metric in scorer["metrics"]:
            name = key(metric["metric"], pipeline["name"])
            scores[name] = _text_metric(metric, extracted.text, targets)
            if name == headline:
                read, answer = extracted, _answer(metric, extracted.text)
                binary = metric["function"] == "exact_match"
    value = _headline(scores, headline)
    right = binary and value == 1.0
    # what the benchmark counts as right was an answer, even a blank one; any other blank is none
    readable = right or (read is not None and read.found and bool(answer.strip()))
    return Judgement(
        answer=answer if readable else None,
        status="scored" if readable else "unparsable",
        correct=right if binary else None,
        score=value,
        scores=scores,
    )


def _headline(scores: Mapping[str, float], headline: str) -> float:
    if headline not in scores:
        raise ValueError(f"the scorer gives {sorted(scores)}, not {headline!r}")
    return scores[headline]


def compared(scorer: Mapping[str, Any], headline: str, text: str) -> str:
    """An answer or reference as the headline's exact match compares it; blanks around it aside, else.

    >>> gsm8k = {"metric": "exact_match", "function": "exact_match", "regexes_to_ignore": ["(?s).*#### "]}
    >>> compared({"kind": "text", "metrics": [gsm8k]}, "exact_match/strict-match", "so #### 4")
    '4'
    >>> compared({"kind": "recorded"}, "acc", " B ")
    'B'
    """
    name = headline.partition("/")[0]
    for metric in scorer.get("metrics", ()) if scorer.get("kind") == "text" else ():
        if (metric["metric"], metric["function"]) == (name, "exact_match"):
            return _answer(metric, text)
    return text.strip()


def _options(metric: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metric.items() if name not in ("metric", "function")}


def _text_metric(metric: Mapping[str, Any], text: str, targets: Sequence[str]) -> float:
    match metric["function"]:
        case "exact_match":
            return by_text.exact_match(text, targets, **_options(metric))
        case "rouge":
            options = _options(metric)
            return max(by_text.rouge(metric["metric"], text, target, **options) for target in targets)
        case function:
            raise ValueError(f"unknown function {function!r} for the metric {metric['metric']!r}")


def _answer(metric: Mapping[str, Any], text: str) -> str:
    if metric["function"] == "exact_match":
        return by_text.normalise_answer(text, **_options(metric))
    return text.strip()
