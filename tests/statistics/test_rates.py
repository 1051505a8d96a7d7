"""Rates: exact and score intervals, and the tests that agree with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from regress.statistics.rates import (
    clopper_pearson,
    lower_bound,
    p_at_least,
    p_at_most,
    upper_bound,
    wilson,
)

ROOT = Path(__file__).parents[2]
levels = st.floats(0.6, 0.999)
limits = st.floats(0.001, 0.999)


@st.composite
def counts(draw, fractional: bool = False) -> tuple[float, float]:
    """k successes of n items."""
    n = draw(st.integers(1, 3000))
    # below the smallest normal number scipy's betaincinv is off by 2e-12
    k = draw(st.floats(0, n, allow_subnormal=False) if fractional else st.integers(0, n))
    return k, n


# ── oracles ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("n", "bound"), [(819, 0.00365), (1319, 0.00227), (1838, 0.00163), (10042, 0.00030)])
def test_upper_bound_of_no_flips_at_the_sizes_of_the_tasks(n, bound):
    assert upper_bound(0, n) == pytest.approx(bound, abs=5e-6)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("n", [1, 20, 1319, 10042])
def test_bounds_at_the_ends_have_a_closed_form(n, confidence):
    root = (1 - confidence) ** (1 / n)
    assert upper_bound(0, n, confidence) == pytest.approx(1 - root, rel=1e-9)
    assert lower_bound(n, n, confidence) == pytest.approx(root, rel=1e-9)
    assert (lower_bound(0, n, confidence), upper_bound(n, n, confidence)) == (0.0, 1.0)


def test_wilson_ends_exactly_at_the_ends():
    n = np.arange(1, 2000)
    assert (wilson(0, n)[0] == 0.0).all()
    assert (wilson(n, n)[1] == 1.0).all()


def test_intervals_are_those_of_statsmodels(statsmodels_proportion):
    rng = np.random.default_rng(0)
    for n in rng.integers(1, 20_000, size=50).tolist():
        k, confidence = int(rng.integers(0, n + 1)), float(rng.uniform(0.6, 0.999))
        for ours, method in ((wilson, "wilson"), (clopper_pearson, "beta")):
            theirs = statsmodels_proportion(k, n, alpha=1 - confidence, method=method)
            assert ours(k, n, confidence) == pytest.approx(theirs, abs=1e-9)


def test_bounds_and_p_values_are_those_of_scipys_binomial_test():
    rng = np.random.default_rng(1)
    for n in rng.integers(1, 5000, size=50).tolist():
        k, limit = int(rng.integers(0, n + 1)), float(rng.uniform(0, 1))
        less, greater = (binomtest(k, n, limit, alternative=side) for side in ("less", "greater"))
        assert p_at_most(k, n, limit) == pytest.approx(less.pvalue, rel=1e-9, abs=1e-300)
        assert p_at_least(k, n, limit) == pytest.approx(greater.pvalue, rel=1e-9, abs=1e-300)
        assert upper_bound(k, n, 0.9) == pytest.approx(less.proportion_ci(0.9).high, abs=1e-9)
        assert lower_bound(k, n, 0.9) == pytest.approx(greater.proportion_ci(0.9).low, abs=1e-9)


@pytest.fixture
def statsmodels_proportion():
    from statsmodels.stats.proportion import proportion_confint

    return proportion_confint


# ── what holds for all counts ────────────────────────────────────────────────────────────────────


@given(counts(fractional=True), levels)
def test_bounds_contain_the_observed_rate(count, confidence):
    k, n = count
    for low, high in (wilson(k, n, confidence), clopper_pearson(k, n, confidence)):
        assert 0 <= low <= k / n + 1e-12
        assert k / n - 1e-12 <= high <= 1
        assert low < high


@given(counts(fractional=True), levels, limits)
def test_a_bound_keeps_the_limit_exactly_where_its_test_rejects(count, confidence, limit):
    (k, n), alpha = count, 1 - confidence
    below, above = p_at_most(k, n, limit), p_at_least(k, n, limit)
    assume(abs(below - alpha) > 1e-9 and abs(above - alpha) > 1e-9)
    assert (upper_bound(k, n, confidence) <= limit) == (below <= alpha)
    assert (lower_bound(k, n, confidence) >= limit) == (above <= alpha)


@given(counts(fractional=True), levels)
def test_counting_failures_instead_mirrors_the_interval(count, confidence):
    k, n = count
    for interval in (wilson, clopper_pearson):
        low, high = interval(k, n, confidence)
        assert interval(n - k, n, confidence) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(counts(fractional=True), levels, levels)
def test_more_confidence_never_narrows(count, one, other):
    (k, n), (less, more) = count, sorted((one, other))
    for interval in (wilson, clopper_pearson):
        inner, outer = interval(k, n, less), interval(k, n, more)
        assert outer[0] <= inner[0] + 1e-12
        assert outer[1] >= inner[1] - 1e-12


@given(counts(), st.floats(0, 1))
def test_fractional_counts_lie_between_whole_ones(count, part):
    k, n = count
    assume(k < n)
    for bound in (lower_bound, upper_bound):
        assert bound(k, n) - 1e-12 <= bound(k + part, n) <= bound(k + 1, n) + 1e-12


@given(counts(), limits)
def test_the_two_tests_share_what_was_observed(count, limit):
    k, n = count
    both = p_at_most(k, n, limit) + p_at_least(k, n, limit)
    assert both == pytest.approx(1 + binom.pmf(k, n, limit), abs=1e-9)


# ── coverage, by enumeration ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [5, 20, 100])
def test_exact_bounds_cover_at_least_as_often_as_they_say_at_every_rate(n):
    k, rate = np.arange(n + 1), np.linspace(0.001, 0.999, 500)[:, None]
    weight = binom.pmf(k, n, rate)
    low, high = clopper_pearson(k, n)
    assert (weight * ((low <= rate) & (rate <= high))).sum(axis=1).min() >= 0.95
    assert (weight * (rate <= upper_bound(k, n))).sum(axis=1).min() >= 0.95
    assert (weight * (rate >= lower_bound(k, n))).sum(axis=1).min() >= 0.95


def test_wilson_covers_too_little_where_hardly_a_flip_is_expected():
    k = np.arange(101)
    low, high = wilson(k, 100)
    covered = binom.pmf(k, 100, 0.005) * ((low <= 0.005) & (high >= 0.005))
    assert covered.sum() == pytest.approx(0.910, abs=5e-4)


# ── shapes and edges ─────────────────────────────────────────────────────────────────────────────


def test_numbers_give_floats_and_arrays_broadcast():
    k, n, limit = np.array([[0], [3]]), np.array([5, 10, 20]), 0.3
    for function in (p_at_most, p_at_least, upper_bound, lower_bound):
        table = function(k, n, limit)
        assert table.shape == (2, 3)
        assert type(function(3, 10, limit)) is float
        assert function(3, 10, limit) == table[1, 1]
    for interval in (wilson, clopper_pearson):
        low, high = interval(k, n)
        assert low.shape == high.shape == (2, 3)
        assert interval(3, 10) == (low[1, 1], high[1, 1])
        assert [type(bound) for bound in interval(np.int64(3), np.int64(10))] == [float, float]


def test_without_items_bounds_are_undefined_and_no_test_rejects():
    assert np.isnan([*wilson(0, 0), *clopper_pearson(0, 0), upper_bound(0, 0), lower_bound(0, 0)]).all()
    assert (p_at_most(0, 0, 0.02), p_at_least(0, 0, 0.02)) == (1.0, 1.0)


def test_limits_of_nothing_and_everything():
    assert (p_at_least(0, 5, 0.0), p_at_least(1, 5, 0.0)) == (1.0, 0.0)
    assert (p_at_most(5, 5, 1.0), p_at_most(4, 5, 1.0)) == (1.0, 0.0)


def test_statistics_load_neither_scipy_stats_nor_statsmodels_nor_an_optimiser():
    modules = sorted(
        f"regress.statistics.{path.stem}"
        for path in (ROOT / "regress" / "statistics").glob("*.py")
        if path.stem != "__init__"
    )
    assert "regress.statistics.rates" in modules
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.split()
    assert "scipy.special" in loaded
    assert not {"scipy.stats", "scipy.optimize", "statsmodels", "pandas"} & set(loaded)
