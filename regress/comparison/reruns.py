"""A model's reruns row for row: which rows, of which tasks, and how often each of them flips by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.statistics.noise import self_falls, self_flips
from regress.types import NoiseFloor, Reruns, Variation

ENOUGH_RUNS = 3
"""With fewer runs of a model, its floor is conditional on those that there are."""

Floats = npt.NDArray[np.float64]


def rows(floor: NoiseFloor | None, mask: npt.NDArray[np.bool_]) -> NoiseFloor | None:
    """Only the rows that `mask` picks; null stays null."""
    if floor is None:
        return None
    picked = {
        kind: replace(
            one,
            correct=None if one.correct is None else one.correct[:, mask],
            score=one.score[:, mask],
            margin=None if one.margin is None else one.margin[:, mask],
        )
        for kind, one in floor.reruns.items()
    }
    return replace(floor, reruns=picked)


def joined(floors: Sequence[NoiseFloor | None]) -> NoiseFloor | None:
    """The floors of several tasks, one after the other: only kinds that each of them has; else null."""
    known = [floor for floor in floors if floor is not None]
    if not known or len(known) < len(floors):
        return None
    kinds = [kind for kind in known[0].reruns if all(kind in floor.reruns for floor in known)]
    return NoiseFloor(reruns={kind: _joined([floor.reruns[kind] for floor in known]) for kind in kinds})


def _joined(parts: Sequence[Reruns]) -> Reruns:
    runs = min(
        len(part.score) for part in parts
    )  # what every task has: the estimator is unbiased for any number

    def beside(arrays: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
        known = [array[:runs] for array in arrays if array is not None]
        return np.concatenate(known, axis=1) if len(known) == len(parts) else None

    return Reruns(
        kind=parts[0].kind,
        correct=beside([part.correct for part in parts]),
        score=np.concatenate([part.score[:runs] for part in parts], axis=1),
        margin=beside([part.margin for part in parts]),
    )


def runs(floor: NoiseFloor, kinds: Collection[Variation]) -> int:
    """How many runs of the model these kinds hold: each kind begins with the run itself."""
    return 1 + sum(len(floor.reruns[kind].score) - 1 for kind in kinds)


def own_flips(floor: NoiseFloor, kinds: Collection[Variation], *, tau: float = 0.0) -> Floats:
    """How often each row flips negatively between reruns of the same model: [n] float64 in [0, 1].

    The mean over the kinds of the mean over ordered pairs of runs of one kind. On score scales a
    flip is a fall by more than `tau`.

    Raises:
        KeyError: If a kind was not rerun.

    >>> right = np.array([[True, True], [True, False]])
    >>> again = Reruns(kind="rerun", correct=right, score=right.astype(float), margin=None)
    >>> own_flips(NoiseFloor(reruns={"rerun": again}), ["rerun"]).tolist()
    [0.0, 0.5]
    """
    each = []
    for kind in kinds:
        one = floor.reruns[kind]
        each.append(self_falls(one.score, tau) if one.correct is None else self_flips(one.correct))
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)
