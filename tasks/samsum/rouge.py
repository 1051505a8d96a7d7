"""ROUGE F1 of one summary, for lm-eval, whose own registry has none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any


@cache
def _scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], use_stemmer=True)


def rouge1(references: Sequence[str], predictions: Sequence[str]) -> float:
    """F1 over single words, in [0, 1]."""
    return float(_scorer("rouge1").score(references[0], predictions[0])["rouge1"].fmeasure)


def rouge2(references: Sequence[str], predictions: Sequence[str]) -> float:
    """F1 over pairs of words, in [0, 1]."""
    return float(_scorer("rouge2").score(references[0], predictions[0])["rouge2"].fmeasure)


def rougeL(references: Sequence[str], predictions: Sequence[str]) -> float:  # noqa: N802 - ROUGE's own name
    """F1 over the longest common subsequence of words, in [0, 1]."""
    return float(_scorer("rougeL").score(references[0], predictions[0])["rougeL"].fmeasure)
