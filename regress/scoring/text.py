"""Metrics of one text against its references: exact match as lm-eval has it, and ROUGE."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from functools import cache
from typing import Any

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_DIGITS = str.maketrans("", "", string.digits)


def normalise_answer(
    text: str,
    *,
    regexes_to_ignore: Sequence[str] | None = None,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    ignore_numbers: bool = False,
) -> str:
    """The text that exact match compares, after the task's normalisation.

    >>> normalise_answer("$1,000.", regexes_to_ignore=[",", r"\\$", r"\\.$"])
    '1000'
    """
    # lm-eval compares in numpy, whose strings lose trailing NULs and never grow in lower case
    for pattern in regexes_to_ignore or ():
        text = re.sub(pattern, "", text).rstrip("\0")
    text = text.rstrip("\0")
    if ignore_case:
        text = text.lower()[: len(text)].rstrip("\0")
    if ignore_punctuation:
        text = text.translate(_NO_PUNCTUATION).rstrip("\0")
    if ignore_numbers:
        text = text.translate(_NO_DIGITS).rstrip("\0")
    return text


def exact_match(text: str, references: Sequence[str], **options: Any) -> float:
    """1.0 if the normalised text equals one of the normalised references, else 0.0.

    `options` are those of `normalise_answer`.

    >>> exact_match("1,000", ["It is #### 1000"], regexes_to_ignore=[",", "(?s).*#### "])
    1.0
    """
    answer = normalise_answer(text, **options)
    return float(any(answer == normalise_answer(reference, **options) for reference in references))


def rouge(kind: str, text: str, reference: str, *, stemmer: bool = True) -> float:
    """ROUGE F1 in [0, 1] as the package rouge-score gives it; `kind` is `rouge1`, `rouge2`, … or `rougeL`.

    A text without a single word scores 0.

    Reference: Lin (2004), ROUGE: A Package for Automatic Evaluation of Summaries.

    >>> round(rouge("rouge1", "the cat sat", "the cats sat down"), 6)
    0.857143
    """
    return float(_rouge_scorer(kind, stemmer).score(reference, text)[kind].fmeasure)


@cache
def _rouge_scorer(kind: str, stemmer: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # takes 1.7 s

    return RougeScorer([kind], use_stemmer=stemmer)
