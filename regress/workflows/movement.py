"""What reruns moved, in a few numbers: advice for people, not what the gate decides by."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.metrics.continuous import TAU, change
from regress.statistics.noise import margin_noise, self_falls, self_flips
from regress.types import Pairs, Reruns


@dataclass(frozen=True, kw_only=True)
class Movement:
    """What one kind of change moved, on average over all pairs of a run and its reruns.

    What the task's scale does not define is nan.
    """

    runs: int
    """The run and its reruns."""
    paths: tuple[str, ...]
    """Folders of the reruns."""
    flips: float
    """Share of answers that are right in one of two runs only."""
    nfr: float
    """The floor of NFR: half the flips; on score scales the share whose score is lower in the second run."""
    identical: float
    """Share of outputs that are the same to the last character."""
    moved: float
    """On score scales, share of scores that differ at all."""
    moved_tau: float
    """The same by more than `regress.metrics.continuous.TAU`."""
    moved_95: float
    """95 % of the scores differ by at most this."""
    epsilon: float
    """Nearly all gold margins differ by at most this (`regress.statistics.noise.margin_noise`)."""
    capped: bool
    """Whether epsilon is the largest difference seen, there being too few for its quantile."""


def movement(reruns: Reruns, beside: Sequence[Pairs], paths: Sequence[str]) -> Movement:
    """The numbers of one kind.

    Args:
        reruns: The judged columns of the run and its reruns.
        beside: The run beside each of them.
        paths: Their folders.
    """
    flips = moved = moved_tau = moved_95 = math.nan
    if reruns.correct is not None:
        nfr = float(np.mean(self_flips(reruns.correct)))
        flips = 2 * nfr
    else:
        nfr = float(np.mean(self_falls(reruns.score, 0.0)))
        moved, moved_tau = 2 * nfr, 2 * float(np.mean(self_falls(reruns.score, TAU)))
        moved_95 = _quantile(reruns, 0.95)
    epsilon, capped = (math.nan, False) if reruns.margin is None else margin_noise(reruns.margin)
    return Movement(
        runs=len(reruns.score),
        paths=tuple(paths),
        flips=flips,
        nfr=nfr,
        identical=_identical([beside[0].old, *(pairs.new for pairs in beside)]),
        moved=moved,
        moved_tau=moved_tau,
        moved_95=moved_95,
        epsilon=float(epsilon),
        capped=bool(capped),
    )


def _quantile(reruns: Reruns, level: float) -> float:
    changes = [np.abs(change(a, b)) for a, b in itertools.combinations(reruns.score, 2)]
    return float(np.quantile(np.concatenate(changes), level, method="higher"))


def _identical(tables: Sequence[pa.Table]) -> float:
    outputs = [pc.fill_null(table["output"], "") for table in tables]
    same = [pc.mean(pc.equal(a, b)).as_py() for a, b in itertools.combinations(outputs, 2)]
    return float(np.mean(same))
