"""What reruns say: how much of the flips a model would show against itself, and which are coin tosses.

Estimates, only where the old model was rerun (`regress noise`):

    floor_<kind>    NFR of the old model against its own reruns of one kind
    floor_nfr       their mean over the kinds that count: rerun, batch, order
    excess_nfr      NFR less floor_nfr, instance by instance; may be negative
    robust_nfr, robust_pfr   flips that are no coin tosses, over all instances
    coin_tosses     share of instances whose flip is a coin toss: its margin lies inside the noise
    cross_nfr, self_nfr, half_loss, half_distance   with repeats of both models:
                    cross_nfr - self_nfr = half the accuracy loss + half the distance in behaviour

Reference: `regress.statistics.noise`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from regress.comparison.intervals import rate, resampled
from regress.comparison.judged import Judged
from regress.comparison.reruns import ENOUGH_RUNS, own_flips, runs
from regress.statistics import bootstrap
from regress.statistics import noise as estimators
from regress.types import FLOOR_KINDS, VARIATIONS, Estimate, NoiseFloor, Notice, Variation

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def noise(columns: Judged, rng: np.random.Generator) -> dict[str, Estimate]:
    """Everything that reruns (or repeats) say, by name; empty where there are none.

    Args:
        columns: The judged columns.
        rng: Where resamples come from.
    """
    made = _identity(columns)
    if columns.n and columns.old_floor and columns.old_floor.reruns and columns.scale != "unbounded":
        made |= _floors(columns, columns.old_floor, rng) | _robust(columns)
    return made


def _floors(columns: Judged, floor: NoiseFloor, rng: np.random.Generator) -> dict[str, Estimate]:
    stored = [kind for kind in VARIATIONS if kind in floor.reruns]
    made = {f"floor_{kind}": _mean(columns, own_flips(floor, [kind])) for kind in stored}
    counted = [kind for kind in FLOOR_KINDS if kind in stored]
    if not counted:
        return made
    own = own_flips(floor, counted)
    made["floor_nfr"] = _mean(columns, own)
    excess = columns.lost() - own
    found = resampled(
        columns, float(excess.mean()), excess, lambda: bootstrap.mean(excess, rng, cluster=columns.units)
    )
    made["excess_nfr"] = replace(found, warnings=(*found.warnings, *_warnings(floor, counted)))
    return made


def _warnings(floor: NoiseFloor, counted: list[Variation]) -> tuple[Notice, ...]:
    known = runs(floor, counted)
    missing = [kind for kind in FLOOR_KINDS if kind not in counted]
    made = [Notice(code="floor-conditional", data={"runs": known})] if known < ENOUGH_RUNS else []
    return (*made, *([Notice(code="no-floor-kinds", data={"missing": missing})] if missing else []))


def _mean(columns: Judged, values: Floats) -> Estimate:
    return Estimate(value=float(values.mean()), n=columns.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class Tosses:
    """Which rows lie so near a tie that noise alone may flip them."""

    rows: Bools
    """[n] whether the gold margin of either side lies inside the noise."""
    epsilon: float
    """How far margins move by themselves, in their unit."""
    capped: bool
    """Whether that is the largest such move, for want of enough of them for a quantile."""


def tosses(columns: Judged) -> Tosses | None:
    """Coin tosses by the old model's reruns; null where no floor is stored or the task has no margins."""
    reruns = columns.old_floor.reruns.values() if columns.old_floor else ()
    known = [one.margin for one in reruns if one.margin is not None]
    if columns.old_margin is None or columns.new_margin is None or not known:
        return None
    # every kind starts with the run itself, which is to be counted once
    epsilon, capped = estimators.margin_noise(np.concatenate([known[0], *(more[1:] for more in known[1:])]))
    if np.isnan(epsilon):
        return None
    inside = estimators.coin_toss(columns.old_margin, columns.new_margin, epsilon)
    return Tosses(rows=inside, epsilon=epsilon, capped=capped)


def _robust(columns: Judged) -> dict[str, Estimate]:
    """Flips outside the noise of the margins; empty where that is not known."""
    found = tosses(columns)
    if found is None:
        return {}
    toss = found.rows
    lost, gained = columns.lost(), columns.gained()
    said = Notice(code="epsilon", data={"epsilon": found.epsilon, "capped": found.capped})
    robust = rate(columns, estimators.robust_flip_rate(lost, toss), lost & ~toss)
    tossed = (lost | gained) & toss
    return {
        "robust_nfr": replace(robust, warnings=(*robust.warnings, said)),
        "robust_pfr": rate(columns, estimators.robust_flip_rate(gained, toss), gained & ~toss),
        "coin_tosses": rate(columns, float(np.mean(tossed)), tossed),
    }


def _identity(columns: Judged) -> dict[str, Estimate]:
    """The pieces of METRICS' identity, from repeats, else from reruns of both models."""
    stacks = _repeats(columns) or _reruns(columns)
    if stacks is None or columns.scale != "binary":
        return {}
    parts, n = estimators.repeat_identity(*stacks), columns.items()
    return {
        "cross_nfr": Estimate(value=parts.nfr, n=n),
        "self_nfr": Estimate(value=(parts.old_self + parts.new_self) / 2, n=n),
        "half_loss": Estimate(value=parts.half_loss, n=n),
        "half_distance": Estimate(value=parts.half_distance, n=n),
    }


Stacks = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _repeats(columns: Judged) -> Stacks | None:
    """[K, items] right answers of both sides; null unless every instance was answered equally often."""
    counts = np.bincount(columns.item)
    counts = counts[counts > 0]
    if not columns.repeated or not counts.size or np.ptp(counts):
        return None
    order = np.argsort(columns.item, kind="stable")
    old, new = (side[order].reshape(-1, counts[0]).T for side in (columns.old_correct, columns.new_correct))
    return old, new


def _reruns(columns: Judged) -> Stacks | None:
    """[R, n] right answers of both models' reruns of one kind; null unless both have them."""
    if columns.old_floor is None or columns.new_floor is None:
        return None
    for kind in ("seed", *FLOOR_KINDS):
        sides = columns.old_floor.reruns.get(kind), columns.new_floor.reruns.get(kind)
        if sides[0] and sides[1] and sides[0].correct is not None and sides[1].correct is not None:
            return sides[0].correct, sides[1].correct
    return None
