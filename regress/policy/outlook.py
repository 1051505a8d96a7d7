"""What a scenario, an assumed true change and an assumed churn, means for the rules of a policy.

rule                 true harm                    passes with                    design effect on
max_accuracy_drop    -delta                       pass_probability_drop          (clustered: …_mean) sd
max_nfr              (churn - delta) / 2          pass_probability_rate          n
   on scores         P(|D| > tau + delta) / 2     pass_probability_rate          n
max_nfr_mc           the same + wrong otherwise   pass_probability_rate          n
max_excess_nfr       NFR as above - floor         pass_probability_mean          sd
max_score_drop       -delta                       pass_probability_mean          sd

So half of what changes is lost where delta is 0. On scores, delta shifts every score alike. The variance of
an excess is that of the flips and of the floor as if they were independent: too large where an update flips
what reruns flip.

Reference: `regress.statistics.passing`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from regress.comparison.judged import Judged
from regress.comparison.reruns import own_flips
from regress.plans import Basis
from regress.policy import pilot
from regress.policy.case import Case
from regress.policy.rules import FEWEST_CLUSTERS
from regress.statistics import passing
from regress.statistics.bootstrap import MINIMUM_CLUSTERS, MINIMUM_ITEMS
from regress.verdicts import Policy, Rule

Passes = Callable[[int, float], float]
"""Probability that a rule passes, of items and limit."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What an update is assumed to do."""

    delta: float = 0.0
    """True change of accuracy or score; negative where the new model is worse."""
    churn: float | None = None
    """Share of items that it changes; null for the pilot's upper bound."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One task, and what its columns are evidence of."""

    case: Case
    """The task; with `reruns` the old model beside itself, run again, with `assumed` beside itself."""
    basis: Basis = "pilot"
    """Where its columns come from."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a scenario means for one rule."""

    passes: Passes
    """Probability that it passes."""
    harm: float
    """The true harm."""
    churn: float = math.nan
    """The churn that it follows from; nan for rules about mean scores."""
    sd: float = math.nan
    """Standard deviation of the differences; nan for rules about rates."""


def outlook(subject: Subject, rule: Rule, policy: Policy, scenario: Scenario) -> Outlook | str:
    """What a scenario means for a rule, or the code of why that cannot be said.

    `needs-pilot`: how far scores move, or how often answers are wrong otherwise, is not known.
    `needs-floor`: the old model was not rerun in the ways that the policy names.
    `few-clusters`: too few to judge anything.
    """
    columns, confidence = subject.case.columns, policy.confidence
    if columns.clusters is not None and columns.clusters < FEWEST_CLUSTERS:
        return "few-clusters"
    if rule.measure == "max_score_drop":
        return _score(subject, scenario, confidence)
    flips = _flips(subject, rule.tau, scenario)
    if flips is None:
        return "needs-pilot"
    churn, lost = flips
    match rule.measure:
        case "max_accuracy_drop":
            return _accuracy(columns, churn, scenario.delta, confidence)
        case "max_excess_nfr":
            return _excess(columns, rule.tau, policy, churn, lost)
        case "max_nfr_mc":
            if subject.basis != "pilot":
                return "needs-pilot"
            # the bound of a sum by the sum of the bounds: on the safe side
            otherwise = pilot.share(columns, pilot.still_wrong_otherwise(columns))
            return _rate(columns, churn, lost + otherwise, policy)
        case _:
            return _rate(columns, churn, lost, policy, beyond=rule.tau or 0.0)


def _flips(subject: Subject, tau: float | None, scenario: Scenario) -> tuple[float, float] | None:
    """Share of items that change, and share that are lost; null where a shift of scores is not known."""
    columns, delta = subject.case.columns, scenario.delta
    if columns.scale == "binary":
        bound = pilot.share(columns, pilot.changed(columns)) if scenario.churn is None else scenario.churn
        churn = max(bound, abs(delta))  # what falls must change
        return churn, (churn - delta) / 2
    if scenario.churn is not None:
        return None if delta else (scenario.churn, scenario.churn / 2)
    beyond = (tau or 0.0) + delta
    if beyond < 0.0:  # then what does not move falls too
        return 1.0, 1.0
    churn = pilot.share(columns, pilot.changed(columns, beyond))
    return churn, churn / 2


def _accuracy(columns: Judged, churn: float, delta: float, confidence: float) -> Outlook:
    if columns.units is None:

        def exact(n: int, limit: float) -> float:
            return passing.pass_probability_drop(n, churn, limit, delta=delta, confidence=confidence)

        return Outlook(passes=exact, harm=-delta, churn=churn)
    sd = math.sqrt(max(churn - delta**2, 0.0) * pilot.design_of_mean(columns))
    few = (churn, (churn - delta) / 2)
    return Outlook(passes=_mean(columns, sd, -delta, confidence, few), harm=-delta, churn=churn)


def _rate(columns: Judged, churn: float, rate: float, policy: Policy, beyond: float = 0.0) -> Outlook:
    rate = min(rate, 1.0)
    design = pilot.design_of_rate(columns, pilot.changed(columns, beyond), policy.confidence)

    def passes(n: int, limit: float) -> float:
        items = int(n / design)
        return (
            passing.pass_probability_rate(items, rate, limit, confidence=policy.confidence) if items else 0.0
        )

    return Outlook(passes=passes, harm=rate, churn=churn)


def _excess(columns: Judged, tau: float | None, policy: Policy, churn: float, lost: float) -> Outlook | str:
    floor = columns.old_floor
    if floor is None or any(kind not in floor.reruns for kind in policy.noise_kinds):
        return "needs-floor"
    own, _ = columns.averaged(own_flips(floor, policy.noise_kinds, tau=tau or 0.0))
    design = pilot.design_of_rate(columns, pilot.changed(columns, tau or 0.0), policy.confidence)
    sd = math.sqrt((lost * (1 - lost) + float(own.var())) * design)
    harm = lost - float(own.mean())
    passes = _mean(columns, sd, harm, policy.confidence, (lost, lost), design=design)
    return Outlook(passes=passes, harm=harm, churn=churn, sd=sd)


def _score(subject: Subject, scenario: Scenario, confidence: float) -> Outlook | str:
    columns, delta = subject.case.columns, scenario.delta
    if subject.basis == "assumed":
        return "needs-pilot"
    moved = pilot.share(columns, pilot.changed(columns))
    # where nothing moved the spread is no evidence: all that may have moved, by as much as can be
    sd = pilot.deviation(columns)
    if not sd > 0.0:
        if columns.scale == "unbounded":
            return "needs-pilot"
        sd = math.sqrt(moved)
    few = (moved, moved / 2 if columns.scale == "bounded" else None)
    return Outlook(passes=_mean(columns, sd, -delta, confidence, few), harm=-delta, sd=sd)


def _mean(
    columns: Judged,
    sd: float,
    harm: float,
    confidence: float,
    few: tuple[float, float | None],
    *,
    design: float = 1.0,
) -> Passes:
    """How likely a limit on a mean passes.

    Where fewer than 20 differences (with clusters 10) are expected, the gate takes the upper bound of the
    share of losses instead: `few` holds the shares of differences and of losses, the latter null where no
    such bound is known, and then nothing passes.
    """
    moved, lost = few
    enough = MINIMUM_ITEMS if columns.cluster is None else MINIMUM_CLUSTERS

    def passes(n: int, limit: float) -> float:
        if n * moved >= enough:
            return passing.pass_probability_mean(n, sd, limit, drop=harm, confidence=confidence)
        items = int(n / design)
        if lost is None or not items:
            return 0.0
        return passing.pass_probability_rate(items, lost, min(limit, 1.0), confidence=confidence)

    return passes
