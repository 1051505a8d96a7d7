"""The nouns of the gate: what a release is held to, and what came of it.

`regress.policy` makes and judges them, `regress.views` puts them in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from regress.types import FLOOR_KINDS, Notice, Scale, Variation

Measure = Literal[
    "max_accuracy_drop",
    "max_nfr",
    "max_nfr_mc",
    "max_excess_nfr",
    "max_score_drop",
]
"""What a statistical rule limits: a harm theta that is at most the limit."""
MEASURES: tuple[Measure, ...] = (
    "max_accuracy_drop",
    "max_score_drop",
    "max_nfr",
    "max_nfr_mc",
    "max_excess_nfr",
)

Tier = Literal["blocking", "advisory"]
Outcome = Literal["pass", "fail", "undecided", "not applicable", "not gateable"]
Scope = Literal["population", "items"]
Undecided = Literal["block", "warn"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One limit on one harm."""

    measure: Measure
    """Which harm."""
    limit: float
    """The most of it that may be."""
    tier: Tier = "blocking"
    """Whether it decides, or is only reported."""
    scale: Scale | None = None
    """Only for tasks judged on this scale; null for every scale that defines the harm."""
    tau: float | None = None
    """On score scales: how far a score must fall to count as a negative flip."""
    named: bool = False
    """Whether the policy names it for this very task, not as a default for all."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one task is held to."""

    rules: tuple[Rule, ...] = ()
    """The statistical rules."""
    max_unreadable: float | None = None
    """The largest share of unreadable answers on either side; null for no limit."""
    max_truncated: float | None = None
    """The largest share of answers cut off at the longest length; null for no limit."""
    minimum_n: int = 1
    """The fewest instances that can be judged."""
    must_not_flip: tuple[str, ...] = ()
    """Ids of instances that must stay right."""


@dataclass(frozen=True, kw_only=True)
class SliceTerms:
    """A part of a task, declared before the run, and what it is held to."""

    name: str
    """What the policy calls it."""
    tags: Mapping[str, str]
    """An instance belongs to it if it bears all of these tags."""
    tasks: tuple[str, ...] = ()
    """The tasks it is part of; all that are judged if empty."""
    tier: Tier = "advisory"
    """Whether its rules decide, or are only reported."""
    rules: tuple[Rule, ...] = ()
    """Its own rules; the task's if empty."""
    minimum_n: int | None = None
    """The fewest instances that can be judged; the task's if null."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a release is held to."""

    name: str
    """A preset's name, or the file it was read from."""
    base: str | None = None
    """The preset that it builds upon; null for none."""
    confidence: float = 0.95
    """1 - alpha: of every one-sided test."""
    scope: Scope = "population"
    """`population`: the items are a sample; `items`: these items are all that matters."""
    undecided: Undecided = "block"
    """Whether an undecided verdict blocks the release."""
    noise_kinds: tuple[Variation, ...] = FLOOR_KINDS
    """Which reruns make the noise floor."""
    allow: tuple[str, ...] = ()
    """Refusals to compare that it overrides: then settings are judged, not models."""
    default: Terms = Terms()
    """What a task is held to that is not named below."""
    tasks: Mapping[str, Terms] = field(default_factory=dict)
    """What single tasks, or pooled groups of tasks, are held to: all of it, the default merged in."""
    slices: tuple[SliceTerms, ...] = ()
    """Declared parts of tasks."""


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """What came of one rule on one task."""

    task: str
    """Which task, or pooled group of tasks."""
    rule: str
    """Which rule: a measure, `must_not_flip`, `max_unreadable`, `max_truncated`, `minimum_n`, `evidence`."""
    outcome: Outcome
    """What came of it."""
    code: str
    """Why, for example `within-limit`, `straddles`, `extraction`, `few-clusters`."""
    tier: Tier = "blocking"
    """Whether it decides."""
    slice: str | None = None
    """Which part of the task; null for all of it."""
    limit: float = math.nan
    """The most that may be."""
    tau: float | None = None
    """On score scales: how far a score must fall to count as a negative flip."""
    estimate: float = math.nan
    """The harm observed."""
    low: float = math.nan
    """One-sided lower bound of the harm; nan where no such test is available."""
    high: float = math.nan
    """One-sided upper bound of the harm."""
    confidence: float | None = None
    """Confidence of either bound."""
    method: str | None = None
    """How the bounds were made, for example `tango`, `clopper-pearson`, `korn-graubard`, `bca`."""
    n: int = 0
    """Instances it rests on."""
    clusters: int | None = None
    """Groups of instances sampled together; null where each was sampled alone."""
    p_pass: float = math.nan
    """p-value against "the harm is at least the limit"; a pass needs at most 1 - confidence."""
    p_fail: float = math.nan
    """p-value against "the harm is at most the limit"; nan where no such test is available."""
    p_fail_holm: float = math.nan
    """The same, adjusted over all blocking rules of all tasks (Holm); nan for advisory rules."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What else its sentence needs, for example the ids that flipped."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""

    @property
    def blocks(self) -> bool:
        """Whether it decides."""
        return self.tier == "blocking"


_WAIVED = {"straddles", "holm"}
"""Codes of undecided results that a policy may let go."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the release may go out."""

    outcome: Outcome
    """`pass`, `fail`, `undecided` or `not gateable`."""
    policy: Policy
    """What it was held to."""
    results: tuple[RuleResult, ...]
    """Every rule's result, task by task."""

    @property
    def exit_code(self) -> int:
        """0 passed (or undecided where the policy only warns), 1 failed, 2 not gateable, 3 undecided.

        Only intervals that straddle a limit are waived, not verdicts that hang on how answers are read.
        """
        if self.outcome == "undecided" and self.policy.undecided == "warn":
            open_ones = {one.code for one in self.results if one.blocks and one.outcome == "undecided"}
            return 0 if open_ones <= _WAIVED else 3
        return {"pass": 0, "fail": 1, "not gateable": 2}.get(self.outcome, 3)
