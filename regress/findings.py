"""The nouns of `regress slices`: parts of a task, and what the update did to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from regress.types import Comparison, Estimate, Notice, TaskComparison

SliceBy = Literal["tag", "cluster", "prompt length", "steps", "choice position", "margin"]
SLICE_BY: tuple[SliceBy, ...] = ("tag", "cluster", "prompt length", "steps", "choice position", "margin")
"""By what a task can be cut into parts (`regress.comparison.cuts`)."""

MIN_N = 20
"""Instances that a part must have, where nobody says otherwise."""

ALPHA = 0.05
"""Adjusted p-values below this are worth a mark."""


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One part of a task, and what the update did to it."""

    by: SliceBy
    """What the task was cut by."""
    name: str
    """Which tag, or what a length is counted in (`tokens`, `characters`); empty for everything else."""
    value: str
    """The tag's or cluster's value; empty where a part is a range of numbers."""
    low: float
    """The smallest number in the part (length, steps, position from 1, margin); nan where it has a name."""
    high: float
    """The largest number in the part."""
    n: int
    """Pairs in it."""
    estimates: Mapping[str, Estimate]
    """old, new, delta, nfr, pfr on it, each with its interval."""
    p_worse: float
    """One-sided p-value against "the new model is not worse here"; nan for a part by margin."""
    p_worse_holm: float
    """The same, adjusted over all parts of the task (Holm)."""
    p_concentrated: float
    """One-sided p-value against "answers are lost here no more often than elsewhere"; nan by margin."""
    p_concentrated_holm: float
    """The same, adjusted over all parts of the task (Holm)."""

    @property
    def worse(self) -> bool:
        """Whether the new model is shown to be worse here."""
        return self.p_worse_holm < ALPHA

    @property
    def concentrated(self) -> bool:
        """Whether answers are shown to be lost here more often than in the rest of the task."""
        return self.p_concentrated_holm < ALPHA


@dataclass(frozen=True, kw_only=True)
class TaskSlices:
    """All parts of one task, those that demonstrably lose most first."""

    whole: TaskComparison
    """The whole task, to compare with."""
    rows: tuple[SliceRow, ...]
    """Parts of at least the smallest size asked for; those by margin last, from the smallest margin."""
    skipped: Mapping[SliceBy, int] = field(default_factory=dict)
    """Parts that were too small, counted by what the task was cut by."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""


@dataclass(frozen=True, kw_only=True)
class SlicedComparison:
    """Where an update loses answers."""

    comparison: Comparison
    """What was cut into parts."""
    tasks: tuple[TaskSlices, ...]
    """One a task."""
    min_n: int
    """Instances that a part must have."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on any of it."""
