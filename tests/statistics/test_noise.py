"""Noise: floors by enumeration, margins against numpy, and the identity of repeated answers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regress.metrics import continuous, flips
from regress.statistics import noise

answers = arrays.arrays(bool, st.tuples(st.integers(2, 5), st.integers(1, 6)))
scores = arrays.arrays(
    float, st.tuples(st.integers(2, 4), st.integers(1, 6)), elements=st.sampled_from(np.arange(11) / 10)
)


# ── floors ───────────────────────────────────────────────────────────────────────────────────────


@given(answers)
def test_self_flips_are_the_mean_nfr_over_all_ordered_pairs_of_runs(runs):
    by_pairs = [flips.negative(old, new) for old, new in itertools.permutations(runs, 2)]
    assert noise.self_flips(runs) == pytest.approx(np.mean(by_pairs, axis=0), abs=1e-12)


@pytest.mark.parametrize("repeats", [2, 3, 5])
def test_self_flips_are_unbiased(repeats):
    p = 0.3
    outcomes = np.array(list(itertools.product([False, True], repeat=repeats)))
    chance = np.prod(np.where(outcomes, p, 1 - p), axis=1)
    assert chance @ noise.self_flips(outcomes.T) == pytest.approx(p * (1 - p), abs=1e-12)


@given(scores, st.sampled_from([0.0, 0.1, 0.3]))
def test_self_falls_are_the_mean_smooth_nfr_over_all_ordered_pairs_of_runs(runs, tau):
    by_pairs = [continuous.nfr(old, new, tau=tau) for old, new in itertools.permutations(runs, 2)]
    assert np.mean(noise.self_falls(runs, tau)) == pytest.approx(np.mean(by_pairs), abs=1e-12)


@given(answers)
def test_right_and_wrong_are_scores_too(runs):
    assert noise.self_falls(runs.astype(float)) == pytest.approx(noise.self_flips(runs), abs=1e-12)


def test_a_tie_is_the_same_thing_as_in_the_metrics():
    assert noise.TIE == continuous.TIE


@pytest.mark.parametrize("floor", [noise.self_flips, noise.self_falls])
def test_one_run_has_no_floor(floor):
    assert np.isnan(floor([[True, False, True]])).all()
    with pytest.raises(ValueError, match="runs by instances"):
        floor([True, False])
    with pytest.raises(ValueError, match="runs by instances"):
        floor(np.empty((0, 3)))


def test_excess_flips_of_a_mere_rerun_are_nothing_on_average_and_are_not_clipped():
    """p (1 - p) lost by chance, p (1 - p) expected."""
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    old = rng.random((4, 20_000)) < p
    rerun = rng.random(20_000) < p
    e = noise.excess(flips.negative(old[0], rerun), noise.self_flips(old[1:]))
    assert e.min() < 0
    assert e.mean() == pytest.approx(0.0, abs=4 * e.std() / math.sqrt(20_000))


def test_new_noise_alone_raises_the_excess():
    """OLD always right, NEW right nine times in ten: all of the loss of .10 is excess."""
    new = np.random.default_rng(0).random(50_000) < 0.9
    old = np.ones((3, 50_000), dtype=bool)
    e = noise.excess(flips.negative(old[0], new), noise.self_flips(old))
    assert e.mean() == pytest.approx(0.10, abs=0.005)


def test_an_excess_needs_a_floor_for_each_instance():
    with pytest.raises(ValueError, match="one length"):
        noise.excess([True, False], [0.1])


# ── margins ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("runs", "n"), [(2, 1001), (2, 1002), (3, 400), (4, 819), (2, 10_042)])
def test_epsilon_is_the_next_higher_value_at_the_quantile(runs, n):
    margins = np.random.default_rng(n).normal(size=(runs, n))
    pairs = np.concatenate([np.abs(a - b) for a, b in itertools.combinations(margins, 2)])
    epsilon, capped = noise.margin_noise(margins)
    assert epsilon == np.quantile(pairs, 0.999, method="higher")
    assert capped is False
    # the quantile of just 1,000 would be the largest too
    assert epsilon < pairs.max()


def test_below_a_thousand_pairs_epsilon_is_the_largest_and_that_is_said():
    margins = np.random.default_rng(0).normal(size=(2, 1000))
    moved = np.abs(margins[0] - margins[1])
    assert noise.margin_noise(margins[:, :999]) == (moved[:999].max(), True)
    assert noise.margin_noise(margins) == (moved.max(), False)


def test_margins_that_cannot_be_subtracted_are_left_out():
    epsilon, capped = noise.margin_noise([[-math.inf, math.nan, 1.0], [-math.inf, 0.0, 1.5]])
    assert (epsilon, capped) == (0.5, True)
    epsilon, capped = noise.margin_noise([[math.nan], [1.0]])
    assert math.isnan(epsilon)
    assert capped
    assert math.isnan(noise.margin_noise([[1.0, 2.0]])[0])


def test_a_margin_that_falls_to_minus_infinity_moved_infinitely_far():
    assert noise.margin_noise([[1.0, 2.0], [1.0, -math.inf]])[0] == math.inf


def test_a_flip_with_either_margin_near_zero_is_a_coin_toss():
    old, new = [0.2, -0.2, 3.0, 0.21, math.nan, math.nan], [-3.0, 3.0, -0.2, -3.0, -0.1, -3.0]
    assert noise.coin_toss(old, new, 0.2).tolist() == [True, True, True, False, True, False]
    with pytest.raises(ValueError, match="epsilon"):
        noise.coin_toss(old, new, math.nan)


def test_robust_flips_are_counted_over_all_instances():
    flipped, toss = [True, True, True, False], [True, False, False, True]
    assert noise.robust_flip_rate(flipped, toss) == 0.5
    assert math.isnan(noise.robust_flip_rate([], []))
    with pytest.raises(ValueError, match="one length"):
        noise.robust_flip_rate([True], [])


# ── repeated answers ─────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(2, 6), st.integers(1, 40))
def test_flips_beyond_noise_are_half_the_loss_and_half_the_distance_exactly(seed, k_old, k_new, n):
    rng = np.random.default_rng(seed)
    parts = noise.repeat_identity(
        rng.random((k_old, n)) < rng.random(n), rng.random((k_new, n)) < rng.random(n)
    )
    left = parts.nfr - (parts.old_self + parts.new_self) / 2
    assert left == pytest.approx(parts.half_loss + parts.half_distance, abs=1e-12)


@pytest.mark.parametrize(("k_old", "k_new"), [(2, 2), (2, 3), (3, 2)])
def test_each_piece_is_unbiased(k_old, k_new):
    """All outcomes of one instance, weighted by their probability."""
    p_old, p_new = 0.7, 0.45
    mean = dict.fromkeys(("nfr", "old_self", "new_self", "half_loss", "half_distance"), 0.0)
    for outcome in itertools.product([False, True], repeat=k_old + k_new):
        rates = [p_old] * k_old + [p_new] * k_new
        chance = math.prod(p if right else 1 - p for right, p in zip(outcome, rates, strict=True))
        old, new = np.array(outcome[:k_old])[:, np.newaxis], np.array(outcome[k_old:])[:, np.newaxis]
        for name, value in vars(noise.repeat_identity(old, new)).items():
            mean[name] += chance * value
    assert mean == pytest.approx(
        {
            "nfr": p_old * (1 - p_new),
            "old_self": p_old * (1 - p_old),
            "new_self": p_new * (1 - p_new),
            "half_loss": (p_old - p_new) / 2,
            "half_distance": (p_old - p_new) ** 2 / 2,
        },
        abs=1e-12,
    )


def test_the_observed_nfr_is_the_mean_over_all_pairs_of_an_old_and_a_new_answer():
    rng = np.random.default_rng(0)
    old, new = rng.random((3, 50)) < 0.7, rng.random((2, 50)) < 0.6
    by_pairs = [flips.nfr(one, other) for one, other in itertools.product(old, new)]
    assert noise.repeat_identity(old, new).nfr == pytest.approx(np.mean(by_pairs), abs=1e-12)


def test_one_answer_cannot_tell_noise_from_change():
    parts = noise.repeat_identity([[True, True]], [[True, False], [False, False]])
    assert math.isnan(parts.old_self)
    assert math.isnan(parts.half_distance)
    assert parts.nfr == 0.75
    assert parts.half_loss == 0.375


def test_no_instances_say_nothing_and_other_instances_are_refused():
    assert all(map(math.isnan, vars(noise.repeat_identity(np.empty((2, 0)), np.empty((2, 0)))).values()))
    with pytest.raises(ValueError, match="same instances"):
        noise.repeat_identity([[True, True]], [[True]])


def test_the_padding_check_is_far_above_rounding_in_float32_and_below_it_in_bfloat16():
    """Log-likelihoods of -16 to -32 nats: bfloat16 cannot tell them apart, so the check is not for it."""
    float32, bfloat16 = 2.0**-19, 0.125
    assert 1000 * float32 < noise.PADDING_FAULT < bfloat16
