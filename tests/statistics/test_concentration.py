"""Losses in one part against the rest: the libraries that have the exact test, and clusters by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import fisher_exact, hypergeom

from regress.statistics.concentration import exact, score


@st.composite
def tables(draw):
    """Counts (lost here, here, lost, n) that fit into each other."""
    n = draw(st.integers(1, 400))
    here, lost = draw(st.integers(0, n)), draw(st.integers(0, n))
    return draw(st.integers(max(0, here + lost - n), min(here, lost))), here, lost, n


@given(tables())
def test_exact_is_what_scipy_calls_the_upper_tail(counts):
    lost_here, here, lost, n = counts
    assert exact(*counts) == pytest.approx(hypergeom.sf(lost_here - 1, n, lost, here), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("counts", [(12, 21, 40, 400), (0, 20, 3, 30), (51, 1003, 1284, 10042)])
def test_exact_is_fishers_one_sided_test(counts):
    lost_here, here, lost, n = counts
    table = [[lost_here, here - lost_here], [lost - lost_here, n - here - lost + lost_here]]
    assert exact(*counts) == pytest.approx(fisher_exact(table, alternative="greater").pvalue, rel=1e-9)


def test_exact_keeps_its_digits_in_a_million_items():
    assert exact(60, 100, 50_000, 1_000_000) == pytest.approx(
        hypergeom.sf(59, 1_000_000, 50_000, 100), rel=1e-6
    )


def test_nothing_lost_or_nothing_outside_is_no_evidence():
    assert exact(0, 20, 0, 100) == exact(30, 100, 30, 100) == exact(0, 0, 30, 100) == 1.0


@pytest.mark.parametrize("counts", [(5, 4, 10, 100), (5, 10, 4, 100), (0, 90, 90, 100), (1, 101, 1, 100)])
def test_counts_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match="do not fit"):
        exact(*counts)


# ── clusters ─────────────────────────────────────────────────────────────────────────────────────


def test_score_by_hand():
    """Two clusters inside, two outside; of four items lost, three lie inside."""
    lost, here = [1, 1, 1, 0, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]
    sums = np.array([0.5, 0.0, 0.0, 0.5])  # each item adds or takes away a quarter
    z = sums.sum() / np.sqrt((sums**2).sum() * 4 / 3)
    assert score(lost, here, [0, 0, 1, 1, 2, 2, 3, 3]) == pytest.approx(ndtr(-z))


def test_one_cluster_proves_little_however_many_items_it_loses():
    """20 items lost in a part of one cluster, none in 99 clusters outside."""
    cluster = np.repeat(np.arange(100), 20)
    here = cluster == 0
    assert score(here, here, cluster) > 0.1
    assert exact(20, 20, 20, 2000) < 1e-30


def test_score_says_nothing_where_there_is_nothing_to_say():
    n = 12
    nothing, everything, alone = np.zeros(n), np.ones(n), np.arange(n)
    half = alone < 6
    assert score(nothing, half, alone) == 1.0
    assert score(everything, half, alone) == 1.0
    assert score(half, everything, alone) == 1.0
    assert score(half, half, nothing.astype(int)) == 1.0


def test_which_codes_the_clusters_have_does_not_matter():
    rng = np.random.default_rng(5)
    lost, here, cluster = rng.random(60) < 0.2, rng.random(60) < 0.3, rng.integers(12, size=60)
    assert score(lost, here, cluster) == pytest.approx(score(lost, here, 7 * cluster + 3))


def test_score_keeps_its_level_where_losses_come_in_clusters_and_the_exact_test_does_not():
    """80 clusters of 10 items, 16 of them inside; a cluster loses all its items or none."""
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(80), 10)
    here = cluster < 16
    wrongly = {"score": 0, "exact": 0}
    for _ in range(400):
        lost = (rng.random(80) < 0.15)[cluster]
        wrongly["score"] += score(lost, here, cluster) <= 0.05
        wrongly["exact"] += exact(int((lost & here).sum()), 160, int(lost.sum()), 800) <= 0.05
    assert wrongly["score"] <= 400 * 0.05 + 3 * np.sqrt(400 * 0.05 * 0.95)
    assert wrongly["exact"] > 400 * 0.15


def test_score_finds_what_is_there():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(80), 10)
    here = cluster < 20
    lost = rng.random(800) < np.where(here, 0.25, 0.05)
    assert score(lost, here, cluster) < 1e-4
    assert score(lost, ~here, cluster) > 0.999
