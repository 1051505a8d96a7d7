"""Data with a known true harm: every table that can be met with its probability, or draws of them.

Of every pair, what matters is whether it was lost, gained or kept. Clusters are Dirichlet-multinomial:
each has rates of its own, so that two pairs of one cluster correlate by `ICC`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlog1py, xlogy

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ICC = 0.1
"""Correlation of two pairs of one cluster."""

_DEVIATIONS = 9.0
"""Counts further from their mean than this have a probability below 1e-12 together."""
_BLOCK = 400_000
"""Clusters drawn at a time: some tens of MB."""


# ── every table, with its probability ────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Enumerated:
    """All tables of n pairs that can be met, but for a probability below 1e-12."""

    lost: Ints
    """[tables] pairs lost."""
    gained: Ints
    """[tables] pairs gained."""
    weight: Floats
    """[tables] probability of each."""

    def share(self, mask: npt.NDArray[np.bool_]) -> float:
        """Probability of the tables that `mask` picks."""
        return float(self.weight[mask].sum())


def enumerated(n: int, p_lost: float, p_gained: float) -> Enumerated:
    """The trinomial distribution of (lost, gained) of n independent pairs."""
    lost, gained = (grid.ravel() for grid in np.meshgrid(_window(n, p_lost), _window(n, p_gained)))
    fits = lost + gained <= n
    lost, gained = lost[fits], gained[fits]
    kept = n - lost - gained
    ways = gammaln(n + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(kept + 1)
    logs = xlogy(lost, p_lost) + xlogy(gained, p_gained) + xlogy(kept, max(1 - p_lost - p_gained, 0.0))
    weight = np.exp(ways + logs)
    met = weight > 1e-18
    return Enumerated(lost=lost[met], gained=gained[met], weight=weight[met])


def binomial(n: int, p: float) -> tuple[Ints, Floats]:
    """Counts that can be met among n, and their probabilities."""
    k = _window(n, p)
    return k, np.exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, p) + xlog1py(n - k, -p))


def _window(n: int, p: float) -> Ints:
    reach = _DEVIATIONS * math.sqrt(n * p * (1 - p)) + (40 if p else 0)
    return np.arange(max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach)) + 1)


# ── clusters ─────────────────────────────────────────────────────────────────────────────────────

UNEQUAL = (1, 1, 2, 3, 8, 15)
"""Sizes of six clusters, of five pairs on average."""


def sizes(n: int, pattern: Sequence[int]) -> Ints:
    """[K] sizes of clusters of n pairs altogether, the pattern over and over; the last is what is left."""
    repeated = np.tile(np.asarray(pattern, dtype=np.int64), n // sum(pattern) + 1)
    kept = repeated[: int(np.searchsorted(np.cumsum(repeated), n)) + 1]
    kept[-1] -= kept.sum() - n
    return kept


def clustered(sizes: Ints, rates: Sequence[float], draws: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Blocks of [some, K, kinds] counts: how many pairs of each cluster are of each kind."""
    concentration = (1 / ICC - 1) * np.asarray(rates, dtype=np.float64)
    step = max(1, _BLOCK // sizes.size)
    for start in range(0, draws, step):
        some = min(step, draws - start)
        own = rng.standard_gamma(concentration, size=(some, sizes.size, len(rates)))
        yield rng.multinomial(sizes, own / own.sum(axis=2, keepdims=True))


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A distribution of falls of a score in [0, 1]: ties, losses and gains, the last two Beta."""

    name: str
    """What it is like."""
    p_lost: float
    """Share of scores that fall."""
    p_gained: float
    """Share of scores that rise."""
    loss: tuple[float, float]
    """Beta parameters of a fall."""
    gain: tuple[float, float]
    """Beta parameters of a rise."""

    @property
    def rates(self) -> tuple[float, float, float]:
        """Shares that fall, rise and stay."""
        return self.p_lost, self.p_gained, 1 - self.p_lost - self.p_gained

    def drawn(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Falls: old score minus new score."""
        kind = rng.random(shape)
        lost, gained = kind < self.p_lost, kind > 1 - self.p_gained
        falls = np.zeros(shape)
        falls[lost] = rng.beta(*self.loss, size=int(lost.sum()))
        falls[gained] = -rng.beta(*self.gain, size=int(gained.sum()))
        return falls


def tied(drop: float, changed: float = 0.4) -> Scores:
    """Most summaries keep their score; the others change by 0.2 on average, more of them for the worse."""
    lost = changed / 2 + drop / 0.4
    name = f"{100 * changed:.0f} % change"
    return Scores(name=name, p_lost=lost, p_gained=changed - lost, loss=(2, 8), gain=(2, 8))


def skewed(drop: float) -> Scores:
    """Many summaries gain a little (0.05), a few collapse (0.6)."""
    return Scores(name="skewed", p_lost=(drop + 0.02) / 0.6, p_gained=0.4, loss=(6, 4), gain=(1, 19))


# ── a noise floor ────────────────────────────────────────────────────────────────────────────────

RERUN_KINDS = 3
"""One rerun of the old model of each kind that the presets average."""


@dataclass(frozen=True, kw_only=True)
class Noisy:
    """What one pair can be, beside reruns of the old model: a share of items are coin tosses for it."""

    flip: Ints
    """[kinds] 1 where the pair was lost."""
    differing: Ints
    """[kinds] reruns of the old model that judge the item otherwise than its run; each is half a flip."""
    rates: Floats
    """[kinds] probability of each."""

    @property
    def excess(self) -> Floats:
        """[kinds] the flip less what the old model flips by itself."""
        return self.flip - self.differing / (2 * RERUN_KINDS)


def noisy(excess: float, floor: float) -> Noisy:
    """Pairs whose true excess NFR and floor are these.

    A share 4 * floor of the items is right every other time, whoever answers and however often; of the
    others, which the old model always gets right, the new one loses what makes up the excess.
    """
    coins = 4 * floor
    kinds = list(itertools.product((0, 1), range(RERUN_KINDS + 1)))
    rates = [
        coins * (0.25 if flip else 0.75) * math.comb(RERUN_KINDS, differing) / 2**RERUN_KINDS
        for flip, differing in kinds
    ]
    rates[kinds.index((1, 0))] += excess
    rates[kinds.index((0, 0))] += 1 - coins - excess
    flip, differing = np.array(kinds, dtype=np.int64).T
    return Noisy(flip=flip, differing=differing, rates=np.array(rates))
