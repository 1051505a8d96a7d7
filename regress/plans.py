"""The nouns of planning: how likely a harmless update passes, and how many items that takes.

`regress.policy.planning` makes them, `regress.views.plan` puts them in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from regress.types import Notice, Scale
from regress.verdicts import Measure, Policy, Tier

Basis = Literal["pilot", "reruns", "assumed"]
"""Where a plan's churn comes from: an old and a new run, the old model's reruns, or nowhere."""


@dataclass(frozen=True, kw_only=True)
class RulePlan:
    """What one rule asks of the items of one task, if an update does what is assumed."""

    task: str
    """Which task, or pooled group of tasks."""
    rule: Measure
    """Which harm is limited."""
    limit: float
    """The most of it that may be."""
    scale: Scale
    """How the task is judged."""
    tier: Tier = "blocking"
    """Whether the rule decides."""
    tau: float | None = None
    """On score scales: how far a score must fall to count as a negative flip."""
    code: str = "planned"
    """`planned`, or why it cannot be: `needs-pilot`, `needs-floor`, `few-clusters`."""
    basis: Basis = "pilot"
    """Where the churn comes from."""
    assumed_churn: float | None = None
    """The churn that was asked about; null where it is the basis' upper bound."""
    delta: float = 0.0
    """The true change of accuracy or score that is assumed; negative where the new model is worse."""
    churn: float = math.nan
    """Share of the items that an update changes; on score scales, whose score moves by more than tau."""
    sd: float = math.nan
    """Standard deviation of the differences, for rules about a mean; nan for others."""
    harm: float = math.nan
    """The true harm that follows from it."""
    n: int = 0
    """Items at hand: those of the stored runs."""
    pass_at_hand: float = math.nan
    """Probability that the rule passes on so many items."""
    whole: int = 0
    """Items of the task's data set."""
    pass_whole: float = math.nan
    """Probability that the rule passes on all of them."""
    needed: int | None = None
    """Fewest items on which it passes with the power asked for; null if a million do not suffice."""
    smallest_limit: float = math.nan
    """Where more are needed than there are: the smallest limit that passes with that power on all of them."""

    @property
    def reachable(self) -> bool:
        """Whether the task has as many items as are needed."""
        return self.needed is not None and self.needed <= self.whole


@dataclass(frozen=True, kw_only=True)
class GatePlan:
    """Whether the whole gate would pass, were its blocking rules independent of each other."""

    assumed_churn: float | None = None
    """The churn that was asked about; null where it is each task's own upper bound."""
    delta: float = 0.0
    """The true change that is assumed, of every task."""
    pass_at_hand: float = math.nan
    """The product over all blocking rules, on the items at hand; nan where one of them has none."""
    pass_whole: float = math.nan
    """The same on all items of every data set."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many items a policy's rules need to pass an update that does no harm, or a little."""

    old: str
    """What the old model was called."""
    new: str | None
    """What the new model of the pilot was called; null where there is none."""
    policy: Policy
    """What will be judged by."""
    assumed: bool
    """Whether the policy was assumed because none was named."""
    power: float
    """The probability of passing that is asked for."""
    confidence: float
    """Confidence of the one-sided upper bounds of what the pilot shows."""
    rules: tuple[RulePlan, ...]
    """One a task, rule, assumed change and assumed churn, in that order."""
    gate: tuple[GatePlan, ...]
    """One an assumed change and assumed churn."""
    warnings: tuple[Notice, ...] = ()
    """What to know before relying on it."""
