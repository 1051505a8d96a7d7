"""Divergence of next-token distributions: worked by hand, against scipy, and what always holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax as scipys_log_softmax
from scipy.special import rel_entr
from scipy.stats import entropy

from regress.metrics.divergence import (
    BANDS,
    QUANTILES,
    Positions,
    band,
    joined,
    log_softmax,
    perplexity,
    positions,
    quantiles,
    right_logprobs,
    same_top,
    summary,
    token_divergences,
)

SEEDS = st.integers(0, 2**32 - 1)
SPREADS = st.sampled_from([0.01, 1.0, 5.0, 40.0])


def logits(seed, spread=1.0, rows=4, vocabulary=17):
    return spread * np.random.default_rng(seed).normal(size=(rows, vocabulary))


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────


def test_two_tokens_by_hand():
    """KL((½, ½) ‖ (¼, ¾)) = ½ ln 2 + ½ ln ⅔ = ½ ln 4/3; the other way round ¼ ln ½ + ¾ ln 3/2."""
    even, skewed = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    assert token_divergences(even, skewed)[0] == pytest.approx(math.log(4 / 3) / 2, rel=1e-14)
    assert token_divergences(skewed, even)[0] == pytest.approx(0.75 * math.log(3) - math.log(2), rel=1e-14)


def test_a_block_of_two_rows_by_hand():
    """Row 1: ½ becomes ¼ for the right token; row 2: nothing changes, and ⅛ is right."""
    old = np.log([[0.5, 0.5], [0.125, 0.875]])
    new = np.log([[0.25, 0.75], [0.125, 0.875]])
    found = summary(positions(old, new, [0, 0]))
    assert found["kld"] == pytest.approx(math.log(4 / 3) / 4)
    assert found["kld_max"] == pytest.approx(math.log(4 / 3) / 2)
    assert found["same_top"] == 0.5  # of two equal tokens the first is the top one
    assert found["delta_p"] == -0.125
    assert found["delta_p_rms"] == pytest.approx(math.sqrt(0.25**2 / 2))
    assert found["old_perplexity"] == pytest.approx(4)  # √(2 · 8)
    assert found["new_perplexity"] == pytest.approx(math.sqrt(4 * 8))
    assert found["ln_ratio"] == pytest.approx(math.log(2) / 2)


def test_a_token_that_cannot_come_any_more_is_infinitely_far():
    masked, free = log_softmax([[0.0, 1.0, -math.inf]]), log_softmax([[0.0, 1.0, 2.0]])
    assert token_divergences(free, masked)[0] == math.inf
    # the other way round, two tokens share what three shared: -ln(1 - p) of the third
    share = math.exp(2) / (1 + math.e + math.exp(2))
    assert token_divergences(masked, free)[0] == pytest.approx(-math.log1p(-share), rel=1e-14)
    assert token_divergences(masked, masked)[0] == 0


def test_broken_logits_are_not_a_number():
    broken = log_softmax([[0.0, math.nan], [0.0, math.inf], [0.0, 1.0]])
    assert np.isnan(broken).any(axis=1).tolist() == [True, True, False]
    assert np.isnan(token_divergences(broken, broken)).tolist() == [True, True, False]


def test_blocks_must_match():
    with pytest.raises(ValueError, match=r"one shape, got \(1, 2\), \(1, 3\)"):
        token_divergences(np.zeros((1, 2)), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="two blocks"):
        same_top(np.zeros(3), np.zeros(3))


def test_nothing_measured_is_nowhere_a_number():
    empty = np.array([])
    found = summary(Positions(kld=empty, same_top=empty.astype(bool), old=empty, new=empty))
    assert all(math.isnan(value) for value in found.values())
    assert quantiles(empty) == {}


# ── rivals ───────────────────────────────────────────────────────────────────────────────────────


@given(SEEDS, SEEDS, SPREADS, SPREADS)
def test_scipy_has_the_same_divergence(one, other, spread, wider):
    old, new = log_softmax(logits(one, spread)), log_softmax(logits(other, wider))
    found = token_divergences(old, new)
    np.testing.assert_allclose(found, rel_entr(np.exp(old), np.exp(new)).sum(axis=1), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found, entropy(np.exp(old), np.exp(new), axis=1), rtol=1e-9, atol=1e-12)


@given(SEEDS, SPREADS)
def test_scipy_has_the_same_log_softmax(seed, spread):
    x = logits(seed, spread)
    np.testing.assert_allclose(log_softmax(x), scipys_log_softmax(x, axis=1), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9, 1e-12])
def test_a_small_change_diverges_by_half_its_variance(size):
    """To second order KLD = ½ Var_p(Δlogit): here down to 1e-25, where sums of p ln(p/q) hold nothing."""
    x, moved = logits(1, 3.0), logits(2)
    found = token_divergences(log_softmax(x), log_softmax(x + size * moved))
    p = np.exp(log_softmax(x))
    really = (x + size * moved) - x  # what of the change a float of this size can carry
    variance = (p * really**2).sum(axis=1) - (p * really).sum(axis=1) ** 2
    np.testing.assert_allclose(found, variance / 2, rtol=max(4 * size, 1e-3))


# ── what always holds ────────────────────────────────────────────────────────────────────────────


@given(SEEDS, SEEDS, SPREADS)
def test_it_is_never_negative(one, other, spread):
    assert (token_divergences(log_softmax(logits(one, spread)), log_softmax(logits(other))) >= 0).all()


@given(SEEDS, SPREADS)
def test_it_is_zero_for_equal_rows_and_only_for_them(seed, spread):
    old = log_softmax(logits(seed, spread))
    assert (token_divergences(old, old) == 0).all()
    changed = logits(seed, spread)
    changed[:, 3] += 1e-6
    assert (token_divergences(old, log_softmax(changed)) > 0).all()


def test_sums_in_single_precision_go_below_zero_and_these_do_not():
    """Two models 1e-6 of a logit apart: of plain float32 sums some lie on the wrong side of 0."""
    x = logits(3, 3.0, rows=200, vocabulary=512)
    y = x + 1e-6 * logits(4, rows=200, vocabulary=512)
    old, new = (scipys_log_softmax(each.astype(np.float32), axis=1) for each in (x, y))
    naive = (np.exp(old) * (old - new)).sum(axis=1)
    assert naive.dtype == np.float32
    assert (naive < 0).any()
    found = token_divergences(log_softmax(x), log_softmax(y))
    assert (found > 0).all()
    assert found.max() < 1e-11


def test_rows_that_sum_to_one_only_nearly_hardly_matter():
    """A log-softmax taken in float32 is off by 1e-7; a sum of p ln(p/q) would be off by as much."""
    old, new = log_softmax(logits(5, 3.0)), log_softmax(logits(5, 3.0) + 1e-4 * logits(6))
    exact = token_divergences(old, new)
    np.testing.assert_allclose(token_divergences(old, new + 1e-7), exact, rtol=1e-2)
    assert (np.abs(rel_entr(np.exp(old), np.exp(new + 1e-7)).sum(axis=1) - exact) > exact).all()


@given(SEEDS, SEEDS, st.permutations(range(17)), st.floats(-50, 50))
def test_neither_the_order_of_tokens_nor_a_shift_of_logits_matters(one, other, order, shift):
    x, y = logits(one, 3.0), logits(other, 3.0)
    found = token_divergences(log_softmax(x), log_softmax(y))
    moved = token_divergences(log_softmax(x[:, order] + shift), log_softmax(y[:, order]))
    np.testing.assert_allclose(found, moved, rtol=1e-9, atol=1e-26)


@given(SEEDS, st.floats(1.01, 10))
def test_a_temperature_keeps_every_top_token_and_still_diverges(seed, temperature):
    """Divergence and choices are computed from different things."""
    x = logits(seed)
    old, new = log_softmax(x), log_softmax(x / temperature)
    assert same_top(old, new).all()
    assert (token_divergences(old, new) > 0).all()


@given(SEEDS, st.integers(1, 7))
def test_blocks_joined_are_the_whole(seed, rows):
    x, y = logits(seed, rows=8), logits(seed + 1, rows=8)
    right = np.arange(8)
    whole = positions(log_softmax(x), log_softmax(y), right)
    parts = [
        positions(log_softmax(x[cut]), log_softmax(y[cut]), right[cut])
        for cut in (slice(None, rows), slice(rows, None))
    ]
    for name, vector in vars(joined(parts)).items():
        np.testing.assert_array_equal(vector, getattr(whole, name))


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def test_the_right_token_is_the_one_asked_for():
    block = log_softmax(logits(7))
    assert right_logprobs(block, [0, 16, 3, 3]).tolist() == [
        block[0, 0],
        block[1, 16],
        block[2, 3],
        block[3, 3],
    ]


def test_perplexity_of_a_uniform_model_is_the_vocabulary():
    assert perplexity(np.full(5, -math.log(512))) == pytest.approx(512)
    assert perplexity([-math.inf, 0.0]) == math.inf
    assert math.isnan(perplexity([]))


def test_quantiles_are_linear_between_neighbours():
    """At q (n - 1), as llama.cpp has them."""
    found = quantiles(np.arange(1001.0)[::-1])
    assert list(found) == list(QUANTILES)
    assert found == pytest.approx({q: 1000 * q for q in QUANTILES})
    x = np.random.default_rng(0).normal(size=777)
    assert list(quantiles(x).values()) == pytest.approx(np.quantile(x, QUANTILES).tolist())


def test_quantiles_between_infinities_are_infinite():
    found = quantiles([0.0, 1.0, math.inf, math.inf])
    assert (found[0.25], found[0.5], found[0.9], found[1.0]) == (0.75, math.inf, math.inf, math.inf)


def test_bands_follow_each_other_and_hold_what_was_measured():
    """Means that known updates of a small trained model left."""
    assert [below for _, below in BANDS] == sorted(below for _, below in BANDS)
    assert band(1.8e-12) == "same function"
    assert band(1e-9) == "nearly the same"
    assert band(5.9e-7) == band(5.4e-5) == "number format"
    assert band(4.6e-4) == band(7.8e-3) == "light compression"
    assert band(3.2e-2) == band(7.66) == band(math.inf) == "behavioural"
    assert band(math.nan) is None
