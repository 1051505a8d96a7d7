"""The bootstrap against scipy's: both make a BCa interval of a mean, in this process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.stats

from regress.statistics.bootstrap import mean

from .figure import Figure

HELLASWAG, SAMSUM = 10_042, 819
RESAMPLES = 10_000
BATCH = 100
"""Resamples that scipy holds at a time: all 10,000 of HellaSwag would take it 1.6 GB."""


def resampling(*, tiny: bool) -> list[Figure]:
    """A bootstrap interval of flips and of scores, and how long scipy takes for the same."""
    rng = np.random.default_rng(0)
    flips = rng.choice([-1.0, 0.0, 1.0], size=HELLASWAG, p=[0.06, 0.88, 0.06])
    scores = rng.normal(0.01, 0.2, size=HELLASWAG)
    return [
        *_pair("flips", flips[: 200 if tiny else None], tiny=tiny, target=0.5),
        *_pair("scores", scores[: 100 if tiny else SAMSUM], tiny=tiny),
        *_pair("scores", scores[: 200 if tiny else None], tiny=tiny),
    ]


def _pair(kind: str, values: np.ndarray, *, tiny: bool, target: float | None = None) -> list[Figure]:
    """Seconds of ours, and by how much scipy's are more, alternating."""
    resamples = 200 if tiny else RESAMPLES

    def ours() -> object:
        return mean(values, np.random.default_rng(1), resamples=resamples).interval()

    def theirs() -> object:
        return scipy.stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=resamples,
            batch=BATCH,
            method="BCa",
            rng=np.random.default_rng(1),
        ).confidence_interval

    spent = [(_seconds(ours), _seconds(theirs)) for _ in range(2 if tiny else 5)]
    our, their = (statistics.median(side) for side in zip(*spent, strict=True))
    named = f"{resamples} resamples of {values.size} {kind}"
    details = {"n": values.size, "resamples": resamples, "ours": our, "scipy": their}
    return [
        Figure(name=named, value=our, unit="s", target=target, samples=[one for one, _ in spent]),
        Figure(name=f"{named}, scipy / ours", value=their / our, unit="x", samples=spent, details=details),
    ]


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
