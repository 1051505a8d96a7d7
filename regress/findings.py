"""What other commands than compare and gate find: the nouns of `regress slices`, parts of a task and what the
update did to each, of `regress matrix`, several versions of a model and what each step between two of them
did, and of `regress divergence`, how far two models' next-token distributions lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from regress.types import (
    Comparison,
    Difference,
    Estimate,
    ModelSpec,
    Notice,
    SideCounts,
    TaskComparison,
    TaskSpec,
)

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


# ── several versions ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Version:
    """One of several versions of a model."""

    name: str
    """What it is called, unlike any other of them."""
    model: ModelSpec
    """The model."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How one version does on one task by itself."""

    accuracy: Estimate | None = None
    """Share of right answers, or the mean score; null where the version cannot be judged."""
    side: SideCounts | None = None
    """What went wrong; null where the version cannot be judged."""
    refused: str | None = None
    """Why it cannot be judged; null if it can."""
    path: str | None = None
    """Where the run lies; null for a pooled task, and where there is none."""
    fingerprint: str | None = None
    """Hash of the run's spec."""


@dataclass(frozen=True, kw_only=True)
class VersionPair:
    """One version in another's place, on one task."""

    old: int
    """Which version is replaced, counted from 0."""
    new: int
    """Which version replaces it."""
    n: int = 0
    """Pairs compared."""
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    """old, new, delta, nfr and pfr (`regress.comparison.estimates.basic`); empty if refused."""
    refused: str | None = None
    """Why the two cannot be compared; null if they can."""
    overridden: tuple[Difference, ...] = ()
    """Overridden refusals: if any, settings are compared, not models."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on this pair."""


@dataclass(frozen=True, kw_only=True)
class TaskMatrix:
    """Every version against every other on one task, or on several pooled."""

    task: TaskSpec
    """The task; of a pooled one a spec that bears the group's name."""
    standings: tuple[Standing, ...]
    """How each version does by itself, in the order of the versions."""
    pairs: tuple[VersionPair, ...]
    """Every ordered pair of two versions, by old and then by new."""
    members: tuple[str, ...] = ()
    """Task names that are pooled; empty for an ordinary task."""
    settings: Mapping[str, Mapping[int, Any]] = field(default_factory=dict)
    """Settings that differ among the versions: by dotted name, the value of each version."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on any of it."""

    def pair(self, old: int, new: int) -> VersionPair:
        """The pair of these two versions.

        Raises:
            KeyError: If there is none, as of a version and itself.
        """
        for one in self.pairs:
            if (one.old, one.new) == (old, new):
                return one
        raise KeyError((old, new))


@dataclass(frozen=True, kw_only=True)
class VersionMatrix:
    """Several versions of a model, each against each."""

    versions: tuple[Version, ...]
    """In the order given: each follows the one before it."""
    tasks: tuple[TaskMatrix, ...]
    """One a task, pooled ones after their members."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on any of it."""


# ── divergence ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class DivergenceRow:
    """How far two models lie apart over one text, or over the prompts of one task.

    Its intervals take tokens of one window (of one instance, or cluster of them) as sampled together.
    """

    source: str
    """Path of the text, or name of the task."""
    unit: Literal["window", "instance", "cluster"]
    """What tokens were sampled in."""
    units: int
    """How many of these there are."""
    kld: Estimate
    """Mean KLD(old ‖ new) a token, in nats."""
    kld_quantiles: Mapping[float, float]
    """Its quantiles over tokens (`regress.metrics.divergence.QUANTILES`); 0 and 1 are the extremes."""
    same_top: Estimate
    """Share of tokens at which both models rank the same token first."""
    delta_p: Estimate
    """Mean change of the probability of the token that did come."""
    delta_p_rms: Estimate
    """Root of the mean square of that change."""
    delta_p_quantiles: Mapping[float, float]
    """Quantiles of that change: even tails are noise, a heavier lower tail is damage."""
    old_perplexity: Estimate
    """exp of the mean of -log p of the tokens that did come, by the old model."""
    new_perplexity: Estimate
    """The same by the new model."""
    ratio: Estimate
    """New perplexity over old perplexity; its interval is that of the paired difference of logarithms."""
    old_outside: float = 0.0
    """Mean probability that the old model gives to tokens that the new one does not have."""
    new_outside: float = 0.0
    """The same the other way round."""
    repeated: int = 0
    """Tokens not counted again, because another prompt begins alike up to them."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""

    @property
    def tokens(self) -> int:
        """Tokens measured, each once."""
        return self.kld.n


@dataclass(frozen=True, kw_only=True)
class ModelDivergence:
    """How far two models' next-token distributions lie apart: how much changed, not if for the better."""

    old: ModelSpec
    """The old model."""
    new: ModelSpec
    """The new model."""
    rows: tuple[DivergenceRow, ...]
    """One a text or task."""
    window: int
    """Most tokens that either model was shown at a time."""
    stride: int
    """Tokens from one window of a text to the next."""
    vocabulary: int
    """Tokens that both models have, over which their probabilities are taken."""
