"""Clusters: published statistics, statsmodels' clustered regression, and what resemblance costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri, stdtrit

from regress.statistics import mcnemar
from regress.statistics.clustered import (
    cluster_sums,
    durkalski,
    effective_count,
    korn_graubard,
    korn_graubard_lower,
    korn_graubard_upper,
    mean_differs,
    mean_interval,
    obuchowski,
    standard_error,
    yang,
)
from regress.statistics.rates import clopper_pearson, lower_bound, upper_bound

# (size, b, c) of each of 29 clusters
PSYCHIATRY = np.array(
    """7,0,4; 6,1,2; 7,1,3; 6,1,2; 4,0,1; 6,3,3; 5,3,0; 8,3,2; 4,1,2; 7,0,4; 3,0,2; 6,1,4; 7,0,3; 6,0,2;
    5,0,1; 4,0,3; 6,0,1; 5,0,2; 4,3,0; 3,1,0; 5,1,0; 4,2,2; 4,0,1; 2,0,2; 3,0,2; 2,0,0; 2,0,0; 3,0,1;
    1,0,1""".replace(";", ",").split(","),
    dtype=int,
).reshape(29, 3)

# Its clusters are published with the data only, not as a table. These are made to be as many clusters, items,
# lost and gained (21, 51, 1, 7), and to meet the four clustered statistics at once: they hold the formulas
# against each other and against what was printed, not against the data.
THYROID = np.array(
    [(3, 0, 2), (3, 0, 1), (3, 0, 0), (1, 0, 0), (3, 0, 1), (4, 0, 0), (2, 0, 2), (3, 0, 1), (2, 1, 0)]
    + [(1, 0, 0)] * 2
    + [(2, 0, 0)] * 5
    + [(3, 0, 0)] * 5
)


def items(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each item's change, -1 lost, 1 gained, 0 neither, and its cluster."""
    changes = [[-1] * b + [1] * c + [0] * (size - b - c) for size, b, c in table.tolist()]
    cluster = np.repeat(np.arange(len(table)), table[:, 0])
    return np.concatenate(changes).astype(float), cluster


@st.composite
def clusters(draw, fewest: int = 2) -> np.ndarray:
    """Codes of n items in K clusters, in any order, every code used."""
    sizes = draw(st.lists(st.integers(1, 8), min_size=fewest, max_size=12))
    return np.array(draw(st.permutations(np.repeat(np.arange(len(sizes)), sizes).tolist())))


@st.composite
def clustered_rates(draw) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong, or the mean over repeats, and the cluster of each item."""
    cluster = draw(clusters())
    part = st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0])
    return np.array(draw(st.lists(part, min_size=cluster.size, max_size=cluster.size))), cluster


# ── published tables ─────────────────────────────────────────────────────────────────────────────


def test_psychiatry_to_the_printed_digit():
    size, b, c = PSYCHIATRY.T
    assert (len(size), size.sum(), b.sum(), c.sum()) == (29, 135, 21, 50)
    assert mcnemar.chi2(21, 50)[0] == pytest.approx(11.8451, abs=5e-5)
    assert obuchowski(b, c)[0] == pytest.approx(7.19, abs=5e-3)
    assert durkalski(b, c, size)[0] == pytest.approx(7.542, abs=5e-4)
    assert yang(b, c, size)[0] == pytest.approx(8.43, abs=5e-3)
    change, cluster = items(PSYCHIATRY)
    error = standard_error(change, cluster)
    assert error == pytest.approx(0.06612, abs=5e-6)
    assert (change.mean() / error) ** 2 == pytest.approx(10.5550, abs=5e-5)
    assert standard_error(change) == pytest.approx(0.05984, abs=5e-6)


def test_thyroid_to_the_printed_digit():
    size, b, c = THYROID.T
    assert (len(size), size.sum(), b.sum(), c.sum()) == (21, 51, 1, 7)
    assert mcnemar.chi2(1, 7)[0] == 4.5
    assert obuchowski(b, c)[0] == pytest.approx(2.86, abs=5e-3)
    assert durkalski(b, c, size)[0] == pytest.approx(2.32, abs=5e-3)
    assert yang(b, c, size)[0] == pytest.approx(3.13, abs=5e-3)
    change, cluster = items(THYROID)
    error = standard_error(change, cluster)
    assert error == pytest.approx(0.0617, abs=5e-5)
    assert (change.mean() / error) ** 2 == pytest.approx(3.6378, abs=5e-5)


# ── means ────────────────────────────────────────────────────────────────────────────────────────


def regression(values: np.ndarray, cluster: np.ndarray, corrected: bool) -> float:
    """Standard error of the constant in statsmodels' regression on nothing else."""
    from statsmodels.api import OLS

    options = {"groups": cluster, "use_correction": corrected}
    return float(OLS(values, np.ones(values.size)).fit(cov_type="cluster", cov_kwds=options).bse[0])


def test_clustered_error_is_that_of_statsmodels_without_its_small_sample_factor():
    change, cluster = items(PSYCHIATRY)
    assert regression(change, cluster, corrected=True) == pytest.approx(0.06729, abs=5e-6)
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, cluster = rng.normal(size=200), rng.permutation(np.arange(200) % 17)
        expected = regression(values, cluster, corrected=False)
        assert standard_error(values, cluster) == pytest.approx(expected, rel=1e-9)


@given(clusters(), st.integers(0, 2**32 - 1))
def test_clustered_error_adds_what_items_of_one_cluster_share(cluster, seed):
    """SE² = biased SE_CLT² + (1/n²) Σ over pairs within a cluster, as Miller writes it."""
    values = np.random.default_rng(seed).normal(size=cluster.size)
    n, deviation = values.size, values - values.mean()
    within = (cluster[:, None] == cluster[None, :]) & ~np.eye(n, dtype=bool)
    shared = (np.outer(deviation, deviation) * within).sum() / n**2
    expected = standard_error(values) ** 2 * (n - 1) / n + shared
    assert standard_error(values, cluster) ** 2 == pytest.approx(expected, rel=1e-9, abs=1e-15)


@given(clusters(), st.integers(0, 2**32 - 1))
def test_sums_over_clusters_are_the_sum_over_all(cluster, seed):
    values = np.random.default_rng(seed).normal(size=cluster.size)
    sums = cluster_sums(values, cluster)
    assert sums.shape == (cluster.max() + 1,)
    assert sums.sum() == pytest.approx(values.sum(), abs=1e-12)
    assert sums[0] == pytest.approx(values[cluster == 0].sum(), abs=1e-12)


def test_copies_of_items_tell_nothing_new_if_they_are_clusters():
    values = np.random.default_rng(0).normal(size=40)
    copies, cluster = np.repeat(values, 5), np.repeat(np.arange(40), 5)
    alone = standard_error(values, np.arange(40))
    assert standard_error(copies, cluster) == pytest.approx(alone, rel=1e-12)
    assert standard_error(copies) < alone / 2
    assert mean_interval(copies, cluster) == pytest.approx(mean_interval(values, np.arange(40)), rel=1e-12)


def test_interval_of_a_mean_is_students():
    from scipy.stats import t

    values = np.random.default_rng(0).normal(size=30)
    theirs = t.interval(0.9, 29, loc=values.mean(), scale=values.std(ddof=1) / math.sqrt(30))
    assert mean_interval(values, confidence=0.9) == pytest.approx(theirs, abs=1e-9)
    cluster = np.arange(30) % 7
    theirs = t.interval(0.9, 6, loc=values.mean(), scale=standard_error(values, cluster))
    assert mean_interval(values, cluster, 0.9) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("values", "cluster"), [([], None), ([1.0], None), ([], []), ([1.0, 2.0], [0, 0])])
def test_spread_is_undefined_below_two_values_or_clusters(values, cluster):
    assert math.isnan(standard_error(values, cluster))
    assert np.isnan(mean_interval(values, cluster)).all()


@given(st.integers(0, 99))
def test_a_mean_is_tested_as_scipy_does_and_the_interval_says_the_same(seed):
    values = np.random.default_rng(seed).normal(0.3, 1, 30)
    assert mean_differs(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    for cluster in (None, np.arange(30) // 3):
        low, high = mean_interval(values, cluster)
        assert (mean_differs(values, cluster) < 0.05) == (low > 0 or high < 0)


def test_values_that_all_agree_prove_no_more_than_their_number():
    assert mean_differs([2.0] * 5) == 2 * 0.5**5
    assert mean_differs([2.0] * 5 + [2.0 + 1e-12]) == 2 * 0.5**6
    assert mean_differs([2.0] * 12, [0, 1, 2, 3] * 3) == 2 * 0.5**4


def test_no_mean_is_no_difference_and_one_unit_tells_nothing():
    assert mean_differs([0.0, 0.0, 0.0]) == 1
    assert mean_differs([1.0, -1.0]) == 1
    assert math.isnan(mean_differs([]))
    assert math.isnan(mean_differs([1.0]))
    assert math.isnan(mean_differs([1.0, 2.0], [0, 0]))


# ── rates ────────────────────────────────────────────────────────────────────────────────────────


@given(clustered_rates(), st.sampled_from([0.9, 0.95, 0.975]))
def test_effective_count_is_korns_and_graubards(rated, quantile):
    successes, cluster = rated
    rate, count = successes.mean(), cluster.max() + 1
    k, n = effective_count(successes, cluster, quantile)
    if rate in (0, 1):
        assert (k, n) == (rate * count, count)
        return
    error = math.sqrt(sum((successes - rate)[cluster == c].sum() ** 2 for c in range(count))) / successes.size
    ratio = (ndtri(quantile) / stdtrit(count - 1, quantile)) ** 2
    expected = rate * (1 - rate) / error**2 * ratio if error > 1e-12 else math.inf
    assert n == pytest.approx(min(expected, successes.size), rel=1e-6)
    assert k == pytest.approx(rate * n, rel=1e-12)


@given(clustered_rates())
def test_clustered_interval_contains_the_rate_and_is_exact_in_effective_counts(rated):
    successes, cluster = rated
    low, high = korn_graubard(successes, cluster)
    assert 0 <= low <= successes.mean() + 1e-12
    assert successes.mean() - 1e-12 <= high <= 1
    assert (low, high) == clopper_pearson(*effective_count(successes, cluster, 0.975), 0.95)
    one_sided = effective_count(successes, cluster, 0.95)
    assert korn_graubard_lower(successes, cluster) == lower_bound(*one_sided)
    assert korn_graubard_upper(successes, cluster) == upper_bound(*one_sided)


@given(clustered_rates())
def test_counting_failures_instead_mirrors_the_clustered_interval(rated):
    successes, cluster = rated
    low, high = korn_graubard(successes, cluster)
    assert korn_graubard(1 - successes, cluster) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(clustered_rates(), st.data())
def test_a_domain_is_judged_by_its_own_items_and_clusters(rated, data):
    successes, cluster = rated
    inside = np.array(data.draw(st.lists(st.booleans(), min_size=cluster.size, max_size=cluster.size)))
    _, codes = np.unique(cluster[inside], return_inverse=True)
    np.testing.assert_array_equal(
        effective_count(successes, cluster, domain=inside), effective_count(successes[inside], codes)
    )


def test_clusters_that_never_succeed_count_as_one_item_each():
    cluster = np.repeat(np.arange(30), 50)
    assert effective_count(np.zeros(1500), cluster) == (0.0, 30.0)
    assert effective_count(np.ones(1500), cluster) == (30.0, 30.0)
    assert korn_graubard_upper(np.zeros(1500), cluster) == pytest.approx(1 - 0.05 ** (1 / 30), rel=1e-9)


def test_copies_count_as_the_items_copied_and_unlike_items_for_what_they_are():
    right = (np.arange(200) % 5 == 0).astype(float)
    copies = effective_count(np.repeat(right, 4), np.repeat(np.arange(200), 4))
    shrinkage = (ndtri(0.975) / stdtrit(199, 0.975)) ** 2
    assert copies == pytest.approx((40 * shrinkage, 200 * shrinkage), rel=1e-12)
    balanced = effective_count(right, np.arange(200) // 5)  # one right in each cluster: no spread between
    assert balanced == pytest.approx((40.0, 200.0), rel=1e-12)


def test_effective_count_is_undefined_without_items_and_within_one_cluster():
    assert np.isnan(effective_count([], [])).all()
    assert np.isnan(effective_count([1, 0], [0, 1], domain=[False, False])).all()
    assert np.isnan(effective_count([1, 0], [0, 0])).all()
    assert np.isnan(korn_graubard([1, 0], [0, 0])).all()


def test_clustered_bound_covers_where_the_one_for_independent_items_does_not():
    """50 clusters of 20 items with a rate of 10 %, correlated within a cluster (0.2); 1,000 draws."""
    rng, rate, correlation = np.random.default_rng(0), 0.1, 0.2
    cluster, strength = np.repeat(np.arange(50), 20), 1 / correlation - 1
    covered = np.zeros(2)
    for _ in range(1000):
        chance = rng.beta(rate * strength, (1 - rate) * strength, size=50)
        flips = (rng.random(1000) < chance[cluster]).astype(float)
        covered += [korn_graubard_upper(flips, cluster) >= rate, upper_bound(flips.sum(), 1000) >= rate]
    clustered, independent = covered / 1000
    assert clustered >= 0.92
    assert independent <= 0.85


# ── flips ────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=15))
def test_clustered_tests_do_not_care_which_side_is_old(flips):
    b, c = np.array(flips).T
    size = b + c + 1
    assert obuchowski(b, c) == pytest.approx(obuchowski(c, b), nan_ok=True)
    assert durkalski(b, c, size) == pytest.approx(durkalski(c, b, size), nan_ok=True)
    assert yang(b, c, size) == pytest.approx(yang(c, b, size), nan_ok=True)


def test_in_clusters_of_one_they_come_to_mcnemars():
    b, c = np.repeat([1, 0, 0], [40, 25, 935]), np.repeat([0, 1, 0], [40, 25, 935])
    plain, ones = mcnemar.chi2(40, 25)[0], np.ones(1000)
    assert obuchowski(b, c)[0] == pytest.approx(plain * 999 / 1000, rel=1e-12)
    assert durkalski(b, c, ones)[0] == pytest.approx(plain, rel=1e-12)
    assert yang(b, c, ones)[0] == pytest.approx(plain, rel=0.01)


def test_where_every_cluster_balances_nothing_differs():
    for statistic, p in (obuchowski([1, 0], [1, 0]), durkalski([1], [1], [4]), yang([2, 0], [2, 0], [4, 3])):
        assert math.isnan(statistic)
        assert p == 1.0
