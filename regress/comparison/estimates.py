"""The estimates of one task, or of several pooled, from its judged columns.

Estimates by scale (definitions: `regress.metrics.flips`, `regress.metrics.continuous`):

    binary    old new delta nfr pfr nfr_mc btc bec nfi relative_nfr churn
    bounded   old new delta nfr pfr nfr_tau pfr_tau m_g m_r churn
    unbounded old new delta nfr pfr m_g m_r churn

Each estimate's `n` is the number of instances it rests on: those in its denominator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from regress.metrics import continuous
from regress.metrics import flips as discrete
from regress.types import Estimate, Pairs, QuadrantCounts, Scale, TaskSpec

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Rate = tuple[float, Bools | None]
"""A value, and the rows it rests on; all of them if null."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The judged columns of one task, or of several pooled: all that estimates are made from."""

    scale: Scale
    """How answers are judged."""
    answers: bool
    """False where the task has no answers that could be told apart (`has_answers`)."""
    repeated: bool
    """Whether an instance may have several rows."""
    item: npt.NDArray[np.int64]
    """[n] number of the instance, the same for its repeats."""
    old_correct: Bools
    """[n] whether the old answer is right; all false unless the scale is binary."""
    new_correct: Bools
    """[n] the same for the new answer."""
    same_answer: Bools
    """[n] whether both gave the same answer."""
    old_score: Floats
    """[n] the old score, higher is better."""
    new_score: Floats
    """[n] the new score."""
    readable: Bools
    """[n] whether both sides could be read."""

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.item.size

    @property
    def counts(self) -> QuadrantCounts | None:
        """Rows in each quadrant; null unless the scale is binary."""
        if self.scale != "binary":
            return None
        return discrete.counts(discrete.quadrants(self.old_correct, self.new_correct, self.same_answer))

    def items(self, mask: Bools | None = None) -> int:
        """Instances with at least one row that `mask` picks."""
        if not self.repeated:
            return int(self.item.size if mask is None else np.count_nonzero(mask))
        return int(np.unique(self.item if mask is None else self.item[mask]).size)

    def readable_rows(self) -> Judged:
        """Only the rows that could be read on both sides."""
        picked: dict[str, Any] = {name: vector[self.readable] for name, vector in self._vectors().items()}
        return replace(self, **picked)

    def _vectors(self) -> dict[str, npt.NDArray[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    @classmethod
    def pooled(cls, parts: Sequence[Judged]) -> Judged:
        """The rows of several tasks of one scale, one after the other."""
        # instances of different tasks are different instances, whatever their ids
        starts = np.cumsum([0, *(part.item.max() + 1 for part in parts)])
        apart = [replace(part, item=part.item + start) for part, start in zip(parts, starts, strict=False)]
        columns = [part._vectors() for part in apart]
        joined: dict[str, Any] = {
            name: np.concatenate([column[name] for column in columns]) for name in columns[0]
        }
        answers, repeated = all(part.answers for part in parts), any(part.repeated for part in parts)
        return replace(parts[0], answers=answers, repeated=repeated, **joined)


def has_answers(task: TaskSpec) -> bool:
    """Whether two wrong answers can be told apart: not where there are only likelihoods, and not where
    the task's own code reads a text and keeps to itself what it read.
    """
    return task.kind != "likelihood" and not (
        task.kind == "generation" and task.scorer.get("kind") == "lm-eval"
    )


def judged(pairs: Pairs) -> Judged:
    """The judged columns of `pairs`."""
    unjudged = np.zeros(pairs.n, dtype=np.bool_)
    item = np.arange(pairs.n, dtype=np.int64)
    if pairs.repeats > 1:
        ids = pairs.old["instance_id"]
        item = pc.index_in(ids, value_set=ids.unique()).to_numpy().astype(np.int64)
    return Judged(
        scale=pairs.old_spec.task.scale,
        answers=has_answers(pairs.old_spec.task),
        repeated=pairs.repeats > 1,
        item=item,
        old_correct=unjudged if pairs.old_correct is None else pairs.old_correct,
        new_correct=unjudged if pairs.new_correct is None else pairs.new_correct,
        same_answer=pairs.same_answer,
        old_score=pairs.old_score,
        new_score=pairs.new_score,
        readable=pairs.old_readable & pairs.new_readable,
    )


def estimates(columns: Judged) -> dict[str, Estimate]:
    """Every estimate that the scale defines, by name, without an interval."""
    rates = _binary(columns) if columns.scale == "binary" else _scored(columns)
    rates["churn"] = (discrete.churn(columns.same_answer) if columns.answers else math.nan, None)
    n = columns.items()
    return {
        name: Estimate(value=value, n=n if mask is None else columns.items(mask))
        for name, (value, mask) in rates.items()
    }


def _binary(columns: Judged) -> dict[str, Rate]:
    old, new, same = columns.old_correct, columns.new_correct, columns.same_answer
    return {
        "old": (discrete.accuracy(old), None),
        "new": (discrete.accuracy(new), None),
        "delta": (discrete.delta(old, new), None),
        "nfr": (discrete.nfr(old, new), None),
        "pfr": (discrete.pfr(old, new), None),
        "nfr_mc": (discrete.nfr_mc(new, same) if columns.answers else math.nan, None),
        "btc": (discrete.btc(old, new), old),
        "bec": (discrete.bec(old, new), ~new),
        "nfi": (discrete.nfi(old, new), ~new),
        "relative_nfr": (discrete.relative_nfr(old, new), None),
    }


def _scored(columns: Judged) -> dict[str, Rate]:
    old, new = columns.old_score, columns.new_score
    change = continuous.change(old, new)
    rates: dict[str, Rate] = {
        "old": (continuous.mean_score(old), None),
        "new": (continuous.mean_score(new), None),
        "delta": (continuous.delta(old, new), None),
        "nfr": (continuous.nfr(old, new), None),
        "pfr": (continuous.pfr(old, new), None),
    }
    if columns.scale == "bounded":
        rates["nfr_tau"] = (continuous.nfr(old, new, tau=continuous.TAU), None)
        rates["pfr_tau"] = (continuous.pfr(old, new, tau=continuous.TAU), None)
    rates["m_g"] = (continuous.m_g(old, new), change > 0)
    rates["m_r"] = (continuous.m_r(old, new), change < 0)
    return rates
