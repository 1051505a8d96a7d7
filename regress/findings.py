"""The nouns of `regress slices`: parts of a task, and what the update did to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from regress.types import Estimate, ModelSpec, Notice, Scale

SliceBy = Literal["tag", "cluster", "prompt length", "steps", "choice position", "margin"]
SLICE_BY: tuple[SliceBy, ...] = ("tag", "cluster", "prompt length", "steps", "choice position", "margin")
"""By what a task can be cut into parts (`regress.metrics.slices`)."""


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One part of a task, and what the update did to it."""

    by: SliceBy
    """What the task was cut by."""
    name: str
    """Which tag; empty for everything else."""
    value: str
    """Which part: the tag's or cluster's value, a range, a number."""
    n: int
    """Pairs in it."""
    estimates: Mapping[str, Estimate]
    """old, new, delta, nfr, pfr on it, each with its interval."""
    p_worse: float
    """One-sided p-value against "the new model is not worse here"."""
    p_worse_holm: float
    """The same, adjusted over all parts of the task (Holm)."""
    p_concentrated: float
    """One-sided p-value against "answers are lost here no more often than elsewhere"."""
    p_concentrated_holm: float
    """The same, adjusted over all parts of the task (Holm)."""


@dataclass(frozen=True, kw_only=True)
class TaskSlices:
    """All parts of one task, those that lose most first."""

    task: str
    """Its name."""
    scale: Scale
    """How it is judged."""
    n: int
    """Pairs in all."""
    nfr: Estimate
    """NFR of the whole task, to compare with."""
    rows: tuple[SliceRow, ...]
    """Parts of at least the smallest size asked for."""
    skipped: Mapping[str, int]
    """Parts that were too small, counted by what the task was cut by."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""


@dataclass(frozen=True, kw_only=True)
class SlicedComparison:
    """Where an update loses answers."""

    old: ModelSpec
    """The old model."""
    new: ModelSpec
    """The new model."""
    tasks: tuple[TaskSlices, ...]
    """One a task."""
