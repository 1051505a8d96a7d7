"""Divergence: how far the next-token distributions of two models lie apart, whichever answers better.

Everything is told of positions: a model reads the tokens before one, and spreads its probability over the
V tokens that may come next. A block is [rows, V], one row a position, from the old model and from the new one
row for row, over the same V tokens; blocks are joined as vectors of one number a row, so that a text of any
length is measured without keeping its logits. All is float64: the divergence of a model from its copy in
another number format is below what float32 sums can hold, and comes out negative in them.

What llama.cpp prints as `--kl-divergence` is followed except in one thing: it leaves out the tokens whose
log-probability under the old model is at most -16, which is what its 16-bit file of logits cannot tell
apart. Here every token counts, because a sum without some of its terms is no divergence (it can be negative,
and misses probability that moves into the tail).

References: Kullback & Leibler 1951; Dutta et al. 2024, Accuracy is Not All You Need.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

QUANTILES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
"""Which quantiles of a divergence, or of a change of probability, are told; 0 and 1 are the extremes."""

Band = Literal["same function", "nearly the same", "number format", "light compression", "behavioural"]
BANDS: tuple[tuple[Band, float], ...] = (
    ("same function", 1e-9),
    ("nearly the same", 1e-7),
    ("number format", 1e-4),
    ("light compression", 1e-2),
    ("behavioural", math.inf),
)
"""What updates of known kinds measured, and the mean divergence in nats below which they lie; no known kind
lies in the second."""

_SMALL = 0.5
"""Below this difference of log-probabilities the terms are taken from `expm1`, which does not cancel."""


# ── one block ────────────────────────────────────────────────────────────────────────────────────


def log_softmax(logits: npt.ArrayLike) -> Floats:
    """Log-probabilities of [rows, V] logits: x - log Σ exp(x), along the last axis, in nats.

    A logit of minus infinity stays one: that token cannot come. A row with nan or plus infinity is nan.

    >>> np.exp(log_softmax([[0.0, np.log(3.0)]])).round(12).tolist()
    [[0.25, 0.75]]
    """
    x = np.asarray(logits, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity is nan, as said
        shifted = x - x.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def token_divergences(old_logprobs: npt.ArrayLike, new_logprobs: npt.ArrayLike) -> Floats:
    """KLD(old ‖ new) = Σ_v p_old (log p_old - log p_new) of each row, in nats: [rows], in [0, ∞].

    The sum is taken as Σ (p_old (log p_old - log p_new) - p_old + p_new), which is the same where both rows
    sum to 1. Each of its terms is at least 0, so the result is never negative; it is 0 exactly where the
    rows are equal, keeps its digits down to 1e-25, and is blind to first order to rows that sum to 1 only
    nearly. ∞ where a token that the old model allows is impossible in the new one; nan where a row has nan.

    Args:
        old_logprobs: [rows, V] log-probabilities of the old model.
        new_logprobs: [rows, V] of the new one.

    Raises:
        ValueError: If the shapes differ.

    >>> token_divergences(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])).round(6).tolist()  # ½ ln 2 + ½ ln ⅔
    [0.143841]
    """
    old, new = _blocks(old_logprobs, new_logprobs)
    p_old = np.exp(old)
    with np.errstate(invalid="ignore"):  # what cannot come in either is nan here, and mended below
        fall = old - new
        near = np.abs(fall) < _SMALL
        small = np.where(near, fall, 0.0)
        terms = np.where(near, p_old * (np.expm1(-small) + small), p_old * fall - p_old + np.exp(new))
    impossible = np.isneginf(old)
    terms[impossible] = np.exp(new[impossible])
    # rounding of expm1 can leave -1e-33
    return np.asarray(np.maximum(terms, 0.0).sum(axis=-1))


def same_top(old_logprobs: npt.ArrayLike, new_logprobs: npt.ArrayLike) -> Bools:
    """Whether both rows rank the same token first: [rows]; of several equal ones the first counts.

    Raises:
        ValueError: If the shapes differ.

    >>> same_top([[-1.0, -2.0], [-1.0, -2.0]], [[-0.5, -3.0], [-2.0, -1.0]]).tolist()
    [True, False]
    """
    old, new = _blocks(old_logprobs, new_logprobs)
    return np.asarray(old.argmax(axis=-1) == new.argmax(axis=-1))


def outside(logits: npt.ArrayLike, shared: int) -> Floats:
    """Probability of the tokens after the first `shared` ones, in each row of [rows, V] logits: [rows].

    What one model spends on tokens that the other does not have; 0 where V is `shared`.

    >>> outside([[0.0, 0.0, 0.0, 0.0]], 3).tolist()
    [0.25]
    """
    x = np.asarray(logits)
    if x.shape[-1] == shared:
        return np.zeros(x.shape[:-1])
    return np.asarray(np.exp(log_softmax(x)[..., shared:]).sum(axis=-1))


def right_logprobs(logprobs: npt.ArrayLike, right: npt.ArrayLike) -> Floats:
    """Log-probability of the token that did come, `right`, in each row: [rows], in nats.

    >>> right_logprobs([[-1.0, -2.0], [-3.0, -4.0]], [1, 0]).tolist()
    [-2.0, -3.0]
    """
    block = np.asarray(logprobs, dtype=np.float64)
    return block[np.arange(len(block)), np.asarray(right, dtype=np.intp)]


# ── vectors ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Positions:
    """What is kept of n positions: four numbers each."""

    kld: Floats
    """KLD(old ‖ new), in nats."""
    same_top: Bools
    """Whether both models rank the same token first."""
    old: Floats
    """Log-probability that the old model gave to the token that did come."""
    new: Floats
    """The same of the new model."""

    @property
    def delta_p(self) -> Floats:
        """Change of the right token's probability, p_new - p_old, in [-1, 1]."""
        return np.asarray(np.exp(self.new) - np.exp(self.old))


def positions(old_logprobs: npt.ArrayLike, new_logprobs: npt.ArrayLike, right: npt.ArrayLike) -> Positions:
    """What is kept of a block.

    Args:
        old_logprobs: [rows, V] log-probabilities of the old model.
        new_logprobs: [rows, V] of the new one.
        right: [rows] ids of the tokens that did come.

    Raises:
        ValueError: If the shapes differ.
    """
    return Positions(
        kld=token_divergences(old_logprobs, new_logprobs),
        same_top=same_top(old_logprobs, new_logprobs),
        old=right_logprobs(old_logprobs, right),
        new=right_logprobs(new_logprobs, right),
    )


def joined(parts: Sequence[Positions]) -> Positions:
    """The positions of several blocks, one after the other.

    Raises:
        ValueError: If there are none.
    """
    return Positions(
        kld=np.concatenate([part.kld for part in parts]),
        same_top=np.concatenate([part.same_top for part in parts]),
        old=np.concatenate([part.old for part in parts]),
        new=np.concatenate([part.new for part in parts]),
    )


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def summary(found: Positions) -> dict[str, float]:
    """The numbers of n positions; all nan if n = 0.

    Returns:
        kld: Mean KLD(old ‖ new), in nats.
        kld_max: The largest one.
        same_top: Share of positions at which both models rank the same token first, in [0, 1].
        delta_p: Mean change of the right token's probability.
        delta_p_rms: Root of its mean square: noise raises it as damage does, and leaves the mean at 0.
        old_perplexity, new_perplexity: exp of the mean of -log p(right token), from 1.
        ln_ratio: ln(new perplexity / old perplexity).

    >>> found = positions(np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]]), [1])
    >>> {name: round(value, 4) for name, value in summary(found).items() if "p" in name}
    {'same_top': 0.0, 'delta_p': 0.25, 'delta_p_rms': 0.25, 'old_perplexity': 2.0, 'new_perplexity': 1.3333}
    """
    change = found.delta_p
    return {
        "kld": _mean(found.kld),
        "kld_max": float(found.kld.max()) if found.kld.size else math.nan,
        "same_top": _mean(found.same_top),
        "delta_p": _mean(change),
        "delta_p_rms": math.sqrt(_mean(change**2)),
        "old_perplexity": perplexity(found.old),
        "new_perplexity": perplexity(found.new),
        "ln_ratio": _mean(found.old - found.new),
    }


def perplexity(logprobs: npt.ArrayLike) -> float:
    """exp(-mean) of [n] log-probabilities of the right tokens: from 1, ∞ if one is impossible; nan if n = 0.

    >>> round(perplexity(np.log([0.5, 0.125])), 12)
    4.0
    """
    return float(np.exp(-_mean(np.asarray(logprobs, dtype=np.float64))))


def quantiles(values: npt.ArrayLike) -> Mapping[float, float]:
    """`QUANTILES` of [n] values, linear between neighbours (at q (n - 1)); empty if n = 0.

    >>> quantiles([3.0, 1.0, 2.0])[0.25]
    1.5
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    if not x.size:
        return {}
    place = np.array(QUANTILES) * (x.size - 1)
    low, high = x[np.floor(place).astype(int)], x[np.ceil(place).astype(int)]
    with np.errstate(invalid="ignore"):  # between two infinities lies infinity, not their difference
        between = np.where(low == high, low, low + (place - np.floor(place)) * (high - low))
    return dict(zip(QUANTILES, between.tolist(), strict=True))


def band(kld: float) -> Band | None:
    """What kind of update leaves a mean divergence like this one; null for nan.

    >>> band(0.0), band(5.4e-5), band(4.6e-4), band(0.159)
    ('same function', 'number format', 'light compression', 'behavioural')
    """
    return next((name for name, below in BANDS if kld < below or kld == below == math.inf), None)


def _mean(values: Floats | Bools) -> float:
    return float(values.mean()) if values.size else math.nan


def _blocks(old: npt.ArrayLike, new: npt.ArrayLike) -> tuple[Floats, Floats]:
    before, after = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    if before.ndim != 2 or before.shape != after.shape:
        raise ValueError(f"expected two blocks of one shape, got {before.shape}, {after.shape}")
    return before, after
