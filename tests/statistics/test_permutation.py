"""The sign-flip test: Fisher's figures, scipy as an oracle, and its level."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from regress.statistics import permutation
from regress.statistics.permutation import sign_flip

DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)
"""Fisher 1935: crossed minus self-fertilised maize, in eighths of an inch."""

small = st.lists(st.sampled_from([-2.0, -1.0, -0.3, 0.0, 0.1, 0.2, 1.0]), min_size=1, max_size=9)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_darwins_maize():
    worse, differs = sign_flip(-DARWIN, rng())
    assert worse == 863 / 32_768
    assert differs == 1726 / 32_768
    assert differs == pytest.approx(0.0526733, abs=5e-8)
    assert sign_flip(DARWIN, rng())[0] > 0.97


@given(small)
def test_with_few_differences_every_pattern_of_signs_is_counted(values):
    """With a tolerance, because 0.1 + 0.2 is not 0.3."""
    d = np.array(values)
    sums = [np.dot(signs, d) for signs in itertools.product((1, -1), repeat=d.size)]
    worse = np.mean([one <= d.sum() + 1e-9 for one in sums])
    differs = np.mean([abs(one) >= abs(d.sum()) - 1e-9 for one in sums])
    assert sign_flip(d, rng()) == (worse, differs)


@given(small, st.integers(0, 3))
def test_instances_that_do_not_differ_bear_on_nothing(values, seed):
    assert sign_flip(values, rng(seed)) == sign_flip([0.0, *values, 0.0, 0.0], rng(5))


def test_it_agrees_with_scipy_exactly_and_by_chance(monkeypatch):
    d = rng(3).normal(-0.4, 1.0, size=12).round(2)

    def p(alternative):
        return scipy.stats.permutation_test(
            (d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative=alternative
        ).pvalue

    exact = sign_flip(d, rng())
    assert exact == pytest.approx((p("less"), p("two-sided")), abs=1e-12)
    monkeypatch.setattr(permutation, "EXACT", 0)
    by_chance = sign_flip(d, rng(), resamples=100_000)
    assert by_chance != exact
    assert by_chance == pytest.approx(exact, abs=4 * 0.5 / math.sqrt(100_000))


@pytest.mark.parametrize("n", [21, 31, 32, 33, 500])
def test_random_signs_give_the_distribution_of_the_sum(n):
    d = rng(n).exponential(size=n)
    sums = permutation._random_sums(d, rng(1), 40_000)
    spread = math.sqrt(np.sum(d**2))
    assert sums.mean() == pytest.approx(0.0, abs=4 * spread / math.sqrt(40_000))
    assert sums.std() == pytest.approx(spread, rel=0.02)
    # each instance keeps its sign as often as it loses it: a sum has the right covariance with each
    assert np.all(np.abs(sums) <= d.sum() * (1 + 1e-12))


def test_each_sign_is_drawn_on_its_own():
    """Powers of two tell from their sum which signs were drawn."""
    d = 2.0 ** np.arange(40)
    sums = permutation._random_sums(d, rng(), 20_000)
    up = ((sums[:, np.newaxis] + d.sum()) / 2).astype(np.int64) >> np.arange(40) & 1
    correlation = np.corrcoef(up.T) - np.eye(40)
    assert up.mean(axis=0) == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(20_000))
    assert np.abs(correlation).max() < 5 / math.sqrt(20_000)


def test_many_differences_give_nearly_the_p_value_of_the_t_test():
    d = rng(2).normal(-0.05, 1.0, size=2_000)
    worse, differs = sign_flip(d, rng())
    assert worse == pytest.approx(scipy.stats.ttest_1samp(d, 0, alternative="less").pvalue, abs=0.01)
    assert differs == pytest.approx(scipy.stats.ttest_1samp(d, 0).pvalue, abs=0.02)


def test_a_p_value_by_chance_counts_the_observed_pattern_too():
    assert sign_flip(-np.ones(100), rng(), resamples=999) == (1 / 1000, 1 / 1000)


def test_clusters_change_sign_together():
    cluster = np.repeat(np.arange(12), 10)
    sums = rng(4).normal(-0.5, 1.0, size=12)
    d = np.repeat(sums / 10, 10)
    assert sign_flip(d, rng(), cluster=cluster) == pytest.approx(sign_flip(sums, rng()), abs=1e-12)
    assert sign_flip(d, rng())[0] < 0.01 < sign_flip(d, rng(), cluster=cluster)[0]


def test_same_seed_same_digits_other_seed_other_digits():
    d = rng(1).normal(size=300)
    assert sign_flip(d, rng(1)) == sign_flip(d, rng(1))
    assert sign_flip(d, rng(1)) != sign_flip(d, rng(2))


def test_the_digits_do_not_depend_on_how_many_signs_are_looked_up_at_a_time(monkeypatch):
    d = rng(1).normal(size=300)
    whole = permutation._random_sums(d, rng(1), 100)
    monkeypatch.setattr(permutation, "_BLOCK", 1)
    assert np.array_equal(permutation._random_sums(d, rng(1), 100), whole)


def test_differences_that_are_all_0_say_nothing_against_equality():
    assert sign_flip([0.0] * 50, rng()) == (1.0, 1.0)
    assert sign_flip([0.1, 0.2, -0.3], rng(), cluster=[0, 0, 0]) == (1.0, 1.0)


def test_nothing_is_said_about_nothing():
    assert all(map(math.isnan, sign_flip([], rng())))


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        sign_flip([1.0, math.nan], rng())


def test_it_keeps_its_level():
    """Exchangeable pairs of skewed scores: 5 % of the p-values of 4,000 samples are at most 5 %."""
    samples = rng(0)
    differences = np.diff(samples.exponential(size=(4000, 60, 2)))[..., 0]
    small = np.mean([np.array(sign_flip(d, samples, resamples=400)) <= 0.05 for d in differences], axis=0)
    assert small == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 4000))
