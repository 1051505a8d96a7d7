"""The bootstrap: published oracles, scipy as an oracle, and that bounds and p-values agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.metrics import continuous
from regress.statistics import bootstrap as module
from regress.statistics.bootstrap import Bootstrap, admitted, bootstrap, mean, mean_gain, unit_sums

SPATIAL = np.array(
    [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41],
    float,
)
"""Efron and Tibshirani 1993, spatial test data A."""
LSAT = np.array([576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594], float)
GPA = np.array(
    [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96], float
)
"""The law-school data, the same source."""


def variance(sums):
    """Biased variance from the sums of x, x², 1."""
    return sums[..., 1] / sums[..., 2] - (sums[..., 0] / sums[..., 2]) ** 2


def correlation(sums):
    """Correlation from the sums of x, y, x², y², xy, 1."""
    x, y, xx, yy, xy, n = np.moveaxis(sums, -1, 0)
    return (n * xy - x * y) / np.sqrt((n * xx - x**2) * (n * yy - y**2))


def quotient(sums):
    return sums[..., 0] / sums[..., 1]


def of_spatial_data(resamples=200_000, seed=0):
    columns = np.column_stack([SPATIAL, SPATIAL**2, np.ones_like(SPATIAL)])
    return bootstrap(columns, variance, np.random.default_rng(seed), resamples=resamples)


def flips(n, lost, gained, seed=0):
    """[n] differences of -1, 0 and 1."""
    return np.random.default_rng(seed).choice([-1.0, 1.0, 0.0], n, p=[lost, gained, 1 - lost - gained])


# ── published oracles ────────────────────────────────────────────────────────────────────────────


def test_variance_of_the_spatial_data():
    b = of_spatial_data()
    assert b.estimate == pytest.approx(171.534, abs=5e-4)
    assert b.acceleration == pytest.approx(0.06124, abs=5e-6)
    assert b.interval(0.90) == pytest.approx((115.4, 260.3), abs=1.5)
    assert b.percentile_interval(0.90) == pytest.approx((98.0, 235.5), abs=1.5)


def test_correlation_of_the_law_school_data():
    columns = np.column_stack([LSAT, GPA, LSAT**2, GPA**2, LSAT * GPA, np.ones(15)])
    b = bootstrap(columns, correlation, np.random.default_rng(0), resamples=100)
    assert b.estimate == pytest.approx(0.776374, abs=5e-7)
    assert b.acceleration == pytest.approx(-0.075672, abs=5e-7)


# ── scipy as an oracle ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("few_rows", [True, False], ids=["multinomial", "gathered"])
def test_a_mean_has_the_same_bca_interval_as_with_scipy(few_rows, monkeypatch):
    if not few_rows:
        monkeypatch.setattr(module, "_FEW_ROWS", 0)
    values = np.random.default_rng(3).gamma(1.0, size=60).round(1)
    ours = mean(values, np.random.default_rng(1), resamples=40_000)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(2)
    )
    # an endpoint at tail .025 is known to √(.025 · .975 / 40,000) / density: about 0.015 standard errors
    error = theirs.standard_error * 0.015
    assert ours.interval() == pytest.approx(theirs.confidence_interval, abs=6 * error)
    assert ours.estimate == pytest.approx(values.mean(), rel=1e-14)


def test_a_ratio_of_sums_has_the_same_bca_interval_as_with_scipy():
    rng = np.random.default_rng(4)
    change = np.where(rng.random(80) < 0.5, rng.normal(0.05, 0.2, 80), 0.0)

    def ratio(values, axis):
        return np.maximum(values, 0).sum(axis) / (values > 0).sum(axis)

    ours = mean_gain(change, np.random.default_rng(1), resamples=40_000)
    theirs = scipy.stats.bootstrap(
        (change,), ratio, n_resamples=40_000, method="BCa", rng=np.random.default_rng(2)
    )
    error = theirs.standard_error * 0.015
    assert ours.interval() == pytest.approx(theirs.confidence_interval, abs=6 * error)


def test_clusters_are_resampled_whole_as_scipy_resamples_their_sums():
    rng = np.random.default_rng(5)
    cluster = rng.integers(40, size=300)
    values = rng.normal(size=300) + rng.normal(size=40)[cluster]
    sums = unit_sums(np.column_stack([values, np.ones(300)]), cluster)

    def ratio(total, size, axis):
        return total.sum(axis) / size.sum(axis)

    ours = mean(values, np.random.default_rng(1), resamples=40_000, cluster=cluster)
    theirs = scipy.stats.bootstrap(
        tuple(sums.T), ratio, paired=True, n_resamples=40_000, method="BCa", rng=np.random.default_rng(2)
    )
    assert ours.units == 40
    assert ours.interval() == pytest.approx(theirs.confidence_interval, abs=6 * 0.015 * theirs.standard_error)
    assert np.std(ours.replicates) > 1.5 * np.std(mean(values, np.random.default_rng(1)).replicates)


# ── two ways to draw, one distribution ───────────────────────────────────────────────────────────


def test_counts_of_distinct_rows_and_gathered_units_have_one_distribution(monkeypatch):
    values = flips(150, 0.1, 0.06)
    counted = mean(values, np.random.default_rng(0), resamples=60_000)
    monkeypatch.setattr(module, "_FEW_ROWS", 0)
    gathered = mean(values, np.random.default_rng(0), resamples=60_000)
    exact = values.std() / math.sqrt(150)
    for one in (counted, gathered):
        assert one.replicates.mean() == pytest.approx(values.mean(), abs=5 * exact / math.sqrt(60_000))
        assert one.replicates.std() == pytest.approx(exact, rel=0.015)
        on_the_grid = one.replicates * 150
        assert on_the_grid == pytest.approx(on_the_grid.round(), abs=1e-9)
    # two samples from one lattice distribution: the largest gap of their shares, 0.1 % critical value
    grid = np.arange(-150, 151) / 150 + 1e-6
    shares = [np.searchsorted(one.replicates, grid) / 60_000 for one in (counted, gathered)]
    assert np.abs(shares[0] - shares[1]).max() < 1.95 * math.sqrt(2 / 60_000)
    assert counted.acceleration == pytest.approx(gathered.acceleration, rel=1e-9)
    assert counted.interval() == pytest.approx(gathered.interval(), abs=0.05 * exact)


def test_the_digits_do_not_depend_on_how_many_units_are_drawn_at_a_time(monkeypatch):
    values = np.random.default_rng(0).normal(size=501)
    drawn = []
    for block in (1, 2_000, 2**17):
        monkeypatch.setattr(module, "_BLOCK", block)
        drawn.append(mean(values, np.random.default_rng(7), resamples=300).replicates)
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize("values", [flips(400, 0.1, 0.1), np.random.default_rng(0).normal(size=400)])
def test_same_seed_same_digits_other_seed_other_digits(values):
    one, again, other = (mean(values, np.random.default_rng(seed), resamples=500) for seed in (1, 1, 2))
    assert np.array_equal(one.replicates, again.replicates)
    assert one.interval() == again.interval()
    assert not np.array_equal(one.replicates, other.replicates)


def test_the_order_of_the_instances_and_their_labels_do_not_matter():
    """Where rows are few; gathered units are numbered, so another order is another sample."""
    values, cluster = flips(300, 0.1, 0.1), np.repeat(np.arange(60), 5)
    order = np.random.default_rng(9).permutation(300)
    names = np.array([f"passage {k}" for k in cluster])
    one = mean(values, np.random.default_rng(1), cluster=cluster)
    other = mean(values[order], np.random.default_rng(1), cluster=names[order])
    assert one.interval() == pytest.approx(other.interval(), abs=1e-12)


# ── bounds and p-values ──────────────────────────────────────────────────────────────────────────

harms = st.lists(st.sampled_from([-1.0, -0.25, 0.0, 0.0, 0.0, 0.1, 1.0]), min_size=5, max_size=60)


@settings(max_examples=200)
@given(harms, st.floats(-0.5, 0.8), st.floats(0.01, 0.5))
def test_a_bound_is_within_the_limit_exactly_where_its_p_value_is_small(values, limit, alpha):
    b = mean(values, np.random.default_rng(0), resamples=500)
    if not math.isnan(b.upper(1 - alpha)) and abs(b.upper(1 - alpha) - limit) > 1e-9:
        assert (b.upper(1 - alpha) < limit) == (b.p_pass(limit) < alpha)
    if not math.isnan(b.lower(1 - alpha)) and abs(b.lower(1 - alpha) - limit) > 1e-9:
        assert (b.lower(1 - alpha) > limit) == (b.p_fail(limit) < alpha)


@settings(max_examples=50)
@given(harms, st.sampled_from([0.8, 0.9, 0.95]))
def test_the_p_value_at_a_bound_is_its_level(values, confidence):
    b = mean(values, np.random.default_rng(0), resamples=500)
    if not math.isnan(b.upper(confidence)) and b.replicates[0] < b.upper(confidence) < b.replicates[-1]:
        assert b.p_pass(b.upper(confidence)) == pytest.approx(1 - confidence, abs=1e-9)
    if not math.isnan(b.lower(confidence)) and b.replicates[0] < b.lower(confidence) < b.replicates[-1]:
        assert b.p_fail(b.lower(confidence)) == pytest.approx(1 - confidence, abs=1e-9)


def test_a_bound_beyond_the_replicates_is_not_made_up_and_never_passes():
    b = mean(flips(100, 0.1, 0.1), np.random.default_rng(0), resamples=50)
    assert math.isnan(b.upper(0.9999))
    assert b.p_pass(b.replicates[-1]) > 1e-4
    assert math.isnan(b.lower(0.9999))
    assert b.p_fail(b.replicates[0]) > 1e-4


def test_a_p_value_is_never_0():
    b = mean(flips(500, 0.1, 0.1), np.random.default_rng(0), resamples=999)
    assert 1 / 1000 <= b.p_pass(5.0) < 0.002
    assert 1 / 1000 <= b.p_fail(-5.0) < 0.002
    assert b.p_pass(-5.0) == b.p_fail(5.0) == 1.0


def test_p_values_move_one_way_with_the_limit_and_add_up_to_one():
    b = mean(np.random.default_rng(1).gamma(0.5, size=200), np.random.default_rng(0))
    limits = np.linspace(b.replicates[50], b.replicates[-51], 200)
    passes, fails = [b.p_pass(x) for x in limits], [b.p_fail(x) for x in limits]
    assert np.all(np.diff(passes) < 0)
    assert np.all(np.diff(fails) > 0)
    assert np.add(passes, fails) == pytest.approx(1.0, abs=1e-12)


def test_the_harm_reversed_has_the_bounds_reversed():
    """Where resamples tie with the estimate, half of them count on each side."""
    values = flips(300, 0.12, 0.05)
    harm, good = mean(values, np.random.default_rng(0)), mean(-values, np.random.default_rng(1))
    spread = values.std() / math.sqrt(300)
    assert harm.upper() == pytest.approx(-good.lower(), abs=0.1 * spread)
    assert harm.bias == pytest.approx(-good.bias, abs=0.05)
    assert harm.acceleration == pytest.approx(-good.acceleration, rel=1e-9)


def test_replicates_that_only_rounding_keeps_apart_are_one():
    """Thirds summed in different orders: without this, half of a tie would fall on either side."""
    values = np.repeat([0.1, 0.2, 0.3, 0.0], [30, 30, 30, 30])
    b = mean(values, np.random.default_rng(0))
    gaps = np.diff(np.unique(b.replicates))
    assert gaps.min() > 0.09 / 120
    assert abs(b.bias) < 0.05


def test_a_pole_of_the_acceleration_is_crossed_to_the_safe_side():
    skewed = Bootstrap(
        estimate=0.0, replicates=np.linspace(-3, 3, 1001), bias=0.0, acceleration=0.6, units=50
    )
    # w = -1.9 lies beyond the pole at -1/0.6
    assert skewed.p_pass(-2.9) == 1.0
    assert math.isnan(skewed.upper(0.97))
    assert math.isfinite(skewed.lower(0.97))


@pytest.mark.parametrize("drop", [0.02, 0.0], ids=["at the limit", "unchanged"])
def test_the_test_at_a_limit_keeps_its_level(drop):
    """400 samples of 300 skewed differences: passing at a true harm on the limit happens 5 % of the time."""
    rng, passed, failed = np.random.default_rng(8), 0, 0
    for _ in range(400):
        harm = np.where(rng.random(300) < 0.2, rng.gamma(1.0, 0.1, 300) - 0.1, 0.0) + 0.02 * (
            rng.random(300) < drop / 0.02
        )
        b = mean(harm, rng, resamples=500)
        passed += b.p_pass(0.02) <= 0.05
        failed += b.p_fail(0.02) <= 0.05
    if drop:
        assert passed / 400 <= 0.05 + 0.01 + 3 * math.sqrt(0.05 * 0.95 / 400)
        assert failed / 400 <= 0.05 + 0.01 + 3 * math.sqrt(0.05 * 0.95 / 400)
    else:
        assert passed / 400 > 0.95
        assert failed == 0


# ── where nothing can be said ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "values", [[], [1.0], [0.1] * 20, [1.0] * 1000], ids=["empty", "one", "equal", "all"]
)
def test_without_variation_there_are_no_bounds(values):
    b = mean(values, np.random.default_rng(0), resamples=100)
    for number in (*b.interval(), *b.percentile_interval(), b.p_pass(0.02), b.p_fail(0.02)):
        assert math.isnan(number)


def test_equal_gains_have_no_interval_though_their_number_varies():
    b = mean_gain([0.3] * 30 + [0.0] * 30 + [-0.1] * 7, np.random.default_rng(0))
    assert b.estimate == pytest.approx(0.3)
    assert math.isnan(b.upper())


def test_a_mean_gain_that_some_resamples_do_not_have_has_no_interval():
    b = mean_gain([0.3, 0.1] + [0.0] * 30, np.random.default_rng(0))
    assert b.estimate == pytest.approx(0.2)
    assert np.isnan(b.replicates).any()
    assert all(map(math.isnan, (*b.interval(), b.p_pass(0.5), b.p_fail(0.0))))
    assert math.isnan(mean_gain([0.0, -1.0], np.random.default_rng(0)).estimate)


def test_mean_gain_and_mean_regression_are_those_of_the_metrics():
    old, new = np.random.default_rng(0).random((2, 50)).round(1)
    change, rng = continuous.change(old, new), np.random.default_rng(1)
    assert mean_gain(change, rng).estimate == pytest.approx(continuous.m_g(old, new), rel=1e-12)
    assert mean_gain(-change, rng).estimate == pytest.approx(continuous.m_r(old, new), rel=1e-12)
    assert mean(change, rng).estimate == pytest.approx(continuous.delta(old, new), abs=1e-14)


@pytest.mark.parametrize(
    ("values", "cluster"),
    [([1.0, math.nan], None), ([1.0, math.inf], None), ([1.0, 2.0], [0]), ([1.0, 2.0], [[0, 1]])],
)
def test_what_cannot_be_summed_is_refused(values, cluster):
    with pytest.raises(ValueError, match="expected"):
        mean(values, np.random.default_rng(0), cluster=cluster)


# ── admission ────────────────────────────────────────────────────────────────────────────────────


def test_twenty_instances_must_differ():
    assert not admitted([0.0] * 500 + [0.1] * 19)
    assert admitted([0.0] * 500 + [0.1] * 20)
    assert not admitted([0.0] * 500 + [1e-10] * 20)
    assert not admitted([])


def test_ten_clusters_must_differ():
    cluster = np.repeat(np.arange(40), 5)
    values = np.zeros((40, 5))
    values[:9] = 1.0
    assert not admitted(values.ravel(), cluster)
    values[9, 2] = -1.0
    assert admitted(values.ravel(), cluster)


def test_a_cluster_in_which_losses_and_gains_cancel_does_not_differ():
    values = np.tile([0.1, 0.2, -0.3], 40)
    assert not admitted(values, np.repeat(np.arange(40), 3))


def test_equal_units_are_not_admitted_however_many():
    assert not admitted([0.2] * 1000)
    assert not admitted([1.0] * 100, np.repeat(np.arange(20), 5))
