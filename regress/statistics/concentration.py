"""Concentration: are answers lost more often in one part of a task than in the rest of it?

Of n items k were lost, and `here` says which items are of the part. Both p-values are one-sided, against
"an item of the part is lost no more often than any other", lie in [0, 1], and are 1 where nothing was
lost at all.

References: Fisher 1935; Boos 1992, On Generalized Score Tests.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ndtr

from regress.statistics.clustered import cluster_sums
from regress.statistics.rates import Floats


def exact(lost_here: int, here: int, lost: int, n: int) -> float:
    """Fisher's exact p-value: P(X ≥ `lost_here`), X hypergeometric, as if losses fell on items by lot.

    Σ_x C(k, x) C(n - k, m - x) / C(n, m) over x from `lost_here` to min(k, m), with m = `here` and
    k = `lost`.

    Raises:
        ValueError: The counts do not fit into each other.

    Reference: Fisher 1935.

    >>> round(exact(3, 4, 4, 8), 6)  # the lady tasting tea
    0.242857
    """
    least, most = max(0, here + lost - n), min(here, lost)
    if not least <= lost_here <= most or max(here, lost) > n:
        raise ValueError(f"{lost_here} of {here} here, {lost} of {n} in all: these counts do not fit")
    if lost_here == least:
        return 1.0
    x = np.arange(lost_here, most + 1, dtype=np.float64)
    logs = _log_choose(lost, x) + _log_choose(n - lost, here - x) - _log_choose(n, here)
    return min(float(np.exp(logs).sum()), 1.0)


def score(lost: ArrayLike, here: ArrayLike, cluster: ArrayLike) -> float:
    """The same for items that were sampled in clusters: p-value of a score test, robust to them.

    1 - Φ(Σ u_c / √(K / (K - 1) Σ u_c²)), u_c = Σ_i (here_i - m / n) (lost_i - k / n) over the items of
    cluster c. The spread is the one under the hypothesis, and z is at most √(K - 1), so that a part
    of few clusters proves little. 1 for fewer than two clusters, and where every item is of the part.

    Args:
        lost: [n] booleans, or shares of an instance's repeats.
        here: [n] booleans.
        cluster: [n] codes; a cluster may lie in the part and outside.

    Reference: Boos 1992; Obuchowski 1998 for (K - 1) / K.

    >>> lost, here = [1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]
    >>> round(score(lost, here, cluster=[0, 1, 2, 3, 4, 5, 6, 7]), 4)
    0.0202
    >>> round(score(lost, here, cluster=[0, 0, 0, 0, 1, 1, 1, 1]), 4)
    0.1587
    """
    y, part = (np.asarray(values, dtype=np.float64) for values in (lost, here))
    sums = cluster_sums((part - part.mean()) * (y - y.mean()), cluster)
    sums = sums[np.bincount(np.asarray(cluster, dtype=np.intp)) > 0]
    spread = float((sums**2).sum())
    if sums.size < 2 or spread <= _ROUNDING * y.size:
        return 1.0
    z = sums.sum() / math.sqrt(spread * sums.size / (sums.size - 1))
    return float(ndtr(-z))


_ROUNDING = 1e-24
"""A squared sum per item no larger than this is a difference of equal numbers."""


def _log_choose(n: ArrayLike, k: ArrayLike) -> Floats:
    n_, k_ = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    return np.asarray(gammaln(n_ + 1) - gammaln(k_ + 1) - gammaln(n_ - k_ + 1))
