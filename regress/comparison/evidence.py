"""Whether a difference is more than chance, and how large a one could have been missed.

Reported, never what the gate decides by: "not significantly worse" is no proof that nothing broke.

    binary scale   exact McNemar one-sided and mid-p two-sided; with clusters Obuchowski
    score scales   sign-flip permutation of the changes, whole clusters flipped together
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from regress.comparison.intervals import CONFIDENCE
from regress.comparison.judged import Bools, Codes, Judged
from regress.statistics import clustered, mcnemar, multiplicity, permutation, power, rates
from regress.types import Estimate, Evidence, Notice, SuiteEvidence, TaskComparison

Floats = npt.NDArray[np.float64]

POWER = 0.8
"""With which probability the smallest detectable change would have been detected."""

FEW_DISCORDANT = 10
"""With fewer flips, however they fall, little can be said."""

MOSTLY_TIES = 0.5
"""Share of unchanged scores from which they are worth a word."""

FEW_CLUSTERS = 30
"""With fewer, an interval rests on few observations, however many items there are."""


def evidence(columns: Judged, estimates: Mapping[str, Estimate], rng: np.random.Generator) -> Evidence | None:
    """What the judged columns say about delta; null where there are no instances.

    Args:
        columns: The judged columns.
        estimates: The estimates made from them.
        rng: Where random sign flips come from.
    """
    if columns.n == 0:
        return None
    delta = estimates["delta"]
    test, worse, differs = _binary(columns) if columns.scale == "binary" else _scored(columns, rng)
    return Evidence(
        test=test if columns.units is None else f"{test}-clustered",
        p_worse=worse,
        p_differs=differs,
        p_differs_holm=differs,
        p_exact=_exact(columns),
        # where too few changed, or all alike, for an interval, there still is the test
        detected=delta.low > 0 or delta.high < 0 if delta.method else differs < 1 - CONFIDENCE,
        mde=_mde(columns),
        power=POWER,
    )


def adjusted(rows: Mapping[str, TaskComparison]) -> dict[str, TaskComparison]:
    """The rows of all tasks with their p-values adjusted for each other (Holm)."""
    p = [row.evidence.p_differs if row.evidence else math.nan for row in rows.values()]
    return {
        name: replace(row, evidence=row.evidence and replace(row.evidence, p_differs_holm=float(holm)))
        for (name, row), holm in zip(rows.items(), multiplicity.holm(p), strict=True)
    }


def suite(columns: Mapping[str, Judged], rng: np.random.Generator) -> SuiteEvidence | None:
    """All tasks that are judged right or wrong, item by item, taken together; null with fewer than two."""
    together = {name: _flips(one) for name, one in columns.items() if one.scale == "binary" and one.n}
    # exact tests know nothing of clusters
    together = {name: flips for name, flips in together.items() if columns[name].units is None}
    if len(together) < 2:
        return None
    lost, gained = zip(*together.values(), strict=True)
    return SuiteEvidence(
        tasks=tuple(together),
        pooled=multiplicity.pooled(lost, gained),
        max_z=multiplicity.max_z(lost, gained, rng),
        fisher=multiplicity.fisher([mcnemar.exact_worse(*flips) for flips in together.values()]),
    )


def about(columns: Judged) -> Iterator[Notice]:
    """What to know before relying on a difference."""
    clusters = columns.clusters
    if clusters is not None:
        yield Notice(code="clustered", data={"clusters": clusters})
        if clusters < FEW_CLUSTERS:
            yield Notice(code="few-clusters", data={"clusters": clusters, "minimum": FEW_CLUSTERS})
    if columns.scale == "binary":
        discordant = sum(_flips(columns))
        if 0 < discordant < FEW_DISCORDANT:
            yield Notice(code="few-discordant", data={"discordant": discordant, "minimum": FEW_DISCORDANT})
    elif columns.n and (share := float(np.mean(columns.change == 0))) > MOSTLY_TIES:
        yield Notice(code="ties", data={"share": share})
    floor = columns.old_floor
    if floor and floor.unusable:
        yield Notice(code="floor-unusable", data={"reason": floor.unusable})
    if floor and floor.padding and not floor.padding.sound:
        yield Notice(code="engine-padding", data=vars(floor.padding))


def _flips(columns: Judged) -> tuple[int, int]:
    """Rows lost and gained."""
    return int(np.count_nonzero(columns.lost())), int(np.count_nonzero(columns.gained()))


def _exact(columns: Judged) -> float:
    """Two-sided exact McNemar; nan where items are not right or wrong, or were not sampled one by one."""
    if columns.scale != "binary" or columns.units is not None:
        return math.nan
    return mcnemar.exact(*_flips(columns))


def _binary(columns: Judged) -> tuple[str, float, float]:
    lost, gained = _flips(columns)
    differs = flips_differ(columns.lost(), columns.gained(), columns.units)
    if columns.units is None:
        return "mcnemar", mcnemar.exact_worse(lost, gained), differs
    return "mcnemar", differs / 2 if lost >= gained else 1 - differs / 2, differs


def flips_differ(lost: Bools, gained: Bools, units: Codes | None) -> float:
    """Two-sided p-value against "as many flips one way as the other": mid-p McNemar, by unit Obuchowski.

    Args:
        lost: [n] which rows went one way.
        gained: [n] which went the other.
        units: [n] what was sampled together; null where every row was sampled alone.
    """
    if units is None:
        return mcnemar.mid_p(int(np.count_nonzero(lost)), int(np.count_nonzero(gained)))
    _, p = clustered.obuchowski(*(clustered.cluster_sums(side, units) for side in (lost, gained)))
    return p


def _scored(columns: Judged, rng: np.random.Generator) -> tuple[str, float, float]:
    return ("sign-flip", *permutation.sign_flip(columns.change, rng, cluster=columns.units))


def _mde(columns: Judged) -> float:
    """Smallest change of delta that would have been detected, from how much answers changed at all."""
    n = columns.items()
    if columns.scale == "binary" and columns.units is None:
        discordant = sum(_flips(columns))
        # that nothing flipped does not mean that nothing can
        churn = discordant / n if discordant else rates.upper_bound(0, n)
        found = power.mde(n, churn, power=POWER)
        return found if math.isfinite(found) else _one_way(n)
    error = clustered.standard_error(columns.change, columns.units)
    return power.mde_mean(error * math.sqrt(n), n, power=POWER) if error > 0 else math.nan


def _one_way(n: int) -> float:
    """The smallest change that would be detected if every flip went the same way; nan if none would."""
    low, high = 0.0, 1.0
    if power.connor_n(high, 0.0, power=POWER) > n:
        return math.nan
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if power.connor_n(middle, 0.0, power=POWER) <= n else (middle, high)
    return high
