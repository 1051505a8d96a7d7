"""The sign-flip test of paired differences: were gains and losses dealt out by chance alone?

If old and new are exchangeable, each difference might as well have had the other sign. The observed
mean is compared with the means under all patterns of signs, or under a random sample of them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from regress.statistics.bootstrap import Floats, unit_sums

EXACT = 20
"""With up to so many units that are not 0, all patterns of signs are gone through."""

_BLOCK = 2**18
"""Table look-ups made at a time: a few MB."""
_ROUNDING = 1e-12


def sign_flip(
    differences: npt.ArrayLike,
    rng: np.random.Generator,
    *,
    resamples: int = 10_000,
    cluster: npt.ArrayLike | None = None,
) -> tuple[float, float]:
    """Sign-flip test of [n] differences new - old: p-values (worse, differs).

    `worse` is one-sided against "the mean is at least 0", small if the new model is worse; `differs` is
    two-sided against "the mean is 0". Units that are 0 bear on neither. Exact with at most 20 others: the
    share of the 2^m patterns whose mean lies as far out as the observed one, that one included; else
    (1 + count) / (1 + R) over R random patterns, which is valid too and never 0. nan if n = 0.

    Args:
        differences: [n] finite numbers, new - old.
        rng: Where all randomness comes from; not used if the test is exact.
        resamples: R.
        cluster: [n] labels; the differences of one label change sign together.

    Raises:
        ValueError: if a number is not finite or a length does not fit.

    Reference: Fisher 1935, The Design of Experiments, §21; Phipson and Smyth 2010 for the 1 +.

    >>> sign_flip([-1.0, -2.0, -3.0, 0.0], np.random.default_rng(0))
    (0.125, 0.25)
    """
    units = unit_sums(differences, cluster)[:, 0]
    if not units.size:
        return math.nan, math.nan
    observed, rounding = units.sum(), _ROUNDING * np.abs(units).sum()
    moved = units[np.abs(units) > rounding]
    exact = moved.size <= EXACT
    sums = _all_sums(moved) if exact else _random_sums(moved, rng, resamples)
    worse = np.count_nonzero(sums <= observed + rounding)
    differs = np.count_nonzero(np.abs(sums) >= abs(observed) - rounding)
    own = 0 if exact else 1
    return float((own + worse) / (own + sums.size)), float((own + differs) / (own + sums.size))


def _all_sums(units: Floats) -> Floats:
    """[2^m] sums of the m units under every pattern of signs."""
    sums = np.zeros(1)
    for unit in units:
        sums = np.concatenate([sums + unit, sums - unit])
    return sums


def _random_sums(units: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """[R] sums of the units under random signs.

    Eight signs are one random byte, and what each byte adds up to is looked up.
    """
    words = -(-units.size // 32)
    eights = np.zeros(words * 32)
    eights[: units.size] = units
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1)
    table = eights.reshape(-1, 8) @ (1.0 - 2.0 * bits.T)
    places = np.arange(len(table))
    sums = np.empty(resamples)
    step = max(1, _BLOCK // len(table))
    for start in range(0, resamples, step):
        # whole words, so that what is drawn does not depend on the block size
        drawn = rng.integers(2**32, size=(min(step, resamples - start), words), dtype=np.uint32)
        sums[start : start + step] = table[places, drawn.view(np.uint8)].sum(axis=1)
    return sums
