"""Several tests at once: published adjustments, the libraries that have them, and suites of tasks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, combine_pvalues, false_discovery_control

from regress.statistics.mcnemar import exact_worse
from regress.statistics.multiplicity import benjamini_hochberg, fisher, holm, max_z, pooled

# fmt: off
BH_1995 = np.array([
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1,
])
# R's multtest, as statsmodels' own tests hold it
MULTTEST = np.array([
    0.838541367553, 0.642193923795, 0.680845947633, 0.967833824309, 0.71626938238,
    0.177096952723, 5.23656777208e-5, 0.0202732688798, 2.8140506198e-4, 0.0149877310796,
])
# fmt: on

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)
counts = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=6)


# ── published tables ─────────────────────────────────────────────────────────────────────────────


def test_benjamini_and_hochbergs_own_example():
    adjusted = benjamini_hochberg(BH_1995)
    printed = [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.063857, 0.063857, 0.0645, 0.0765, 0.486]
    assert adjusted[:10] == pytest.approx(printed, abs=5e-7)
    assert (adjusted <= 0.05).sum() == 4


def test_holm_on_benjamini_and_hochbergs_example():
    adjusted = holm(BH_1995)
    printed = [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, 1]
    assert adjusted[:10] == pytest.approx(printed, abs=1e-12)
    assert (adjusted <= 0.05).sum() == 3
    assert (BH_1995 * 15 <= 0.05).sum() == 3  # Bonferroni


def test_values_of_r_multtest():
    smallest = np.argsort(MULTTEST)[:5]
    printed = [5.2366e-4, 2.53264558e-3, 0.119901848637, 0.141912882158, 1]
    assert holm(MULTTEST)[smallest] == pytest.approx(printed, rel=1e-5)
    printed = [5.2366e-4, 1.40702531e-3, 0.0499591036, 0.0506831722, 0.354193905446]
    assert benjamini_hochberg(MULTTEST)[smallest] == pytest.approx(printed, rel=1e-5)


# ── oracles in the same run ──────────────────────────────────────────────────────────────────────


def test_adjustments_are_those_of_statsmodels_and_scipy():
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(0)
    for size in rng.integers(1, 40, size=30).tolist():
        p = rng.beta(0.3, 1, size=size).round(2)  # ties
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-9)
        assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-9)
        assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh"), abs=1e-9)


def test_fisher_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        p = rng.uniform(size=size)
        assert fisher(p) == pytest.approx(combine_pvalues(p, method="fisher").pvalue, rel=1e-9)


# ── adjustments ──────────────────────────────────────────────────────────────────────────────────


@given(p_values)
def test_adjusting_never_helps_and_keeps_the_order(p):
    order = np.argsort(p, kind="stable")
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(p)
        assert (p - 1e-12 <= adjusted).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[order]) >= 0).all()
    assert (benjamini_hochberg(p) <= holm(p) + 1e-12).all()


@given(p_values, st.randoms(use_true_random=False))
def test_order_does_not_matter(p, random):
    shuffled = list(range(p.size))
    random.shuffle(shuffled)
    for adjust in (holm, benjamini_hochberg):
        np.testing.assert_allclose(adjust(p[shuffled]), adjust(p)[shuffled], atol=1e-12)


@given(p_values, st.integers(1, 5))
def test_what_was_not_tested_does_not_count(p, missing):
    padded = np.concatenate([np.full(missing, np.nan), p])
    for adjust in (holm, benjamini_hochberg):
        assert np.isnan(adjust(padded)[:missing]).all()
        np.testing.assert_array_equal(adjust(padded)[missing:], adjust(p))
    assert fisher(padded) == fisher(p)


def test_empty_families_stay_empty_and_inputs_stay_as_they_are():
    assert holm([]).shape == benjamini_hochberg([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()
    p = np.array([0.04, 0.01])
    holm(p)
    assert p.tolist() == [0.04, 0.01]


def test_one_test_needs_no_adjustment():
    assert holm([0.03])[0] == benjamini_hochberg([0.03])[0] == 0.03
    assert fisher([0.03]) == pytest.approx(0.03, rel=1e-12)


def test_fisher_of_nothing_is_undefined_and_of_impossibility_impossible():
    assert math.isnan(fisher([]))
    assert math.isnan(fisher([np.nan]))
    assert fisher([0.0, 0.5]) == 0.0
    assert fisher([1.0, 1.0]) == 1.0


def test_holm_rejects_a_true_hypothesis_no_more_often_than_alpha():
    """Four tests of nothing, 4,000 times; within three standard errors."""
    p = np.random.default_rng(0).uniform(size=(4000, 4))
    rejected = np.mean([(holm(row) <= 0.05).any() for row in p])
    assert rejected == pytest.approx(1 - (1 - 0.05 / 4) ** 4, abs=3 * math.sqrt(0.05 * 0.95 / 4000))


# ── suites ───────────────────────────────────────────────────────────────────────────────────────


@given(counts)
def test_pooling_counts_all_flips_as_one_tasks(flips):
    lost, gained = np.array(flips).T
    assert pooled(lost, gained) == exact_worse(int(lost.sum()), int(gained.sum()))


def test_pooling_finds_a_small_loss_everywhere_and_max_z_a_large_one_somewhere():
    rng = np.random.default_rng(0)
    everywhere = np.full(12, 60), np.full(12, 50)
    somewhere = np.array([30] + [50] * 11), np.array([5] + [55] * 11)
    assert pooled(*everywhere) < 0.01 < 0.1 < max_z(*everywhere, rng, 20_000)
    assert max_z(*somewhere, rng, 20_000) < 0.01 < 0.1 < pooled(*somewhere)


def z(lost: np.ndarray, flips: int) -> np.ndarray:
    return (2 * lost - flips) / math.sqrt(flips)


@pytest.mark.parametrize("flips", [((9, 3), (14, 10)), ((4, 1), (30, 18)), ((2, 6), (5, 5))])
def test_max_z_agrees_with_the_enumerated_null(flips):
    lost, gained = np.array(flips).T
    (m, k), resamples = (lost + gained).tolist(), 100_000
    first, second = np.arange(m + 1), np.arange(k + 1)
    weight = np.outer(binom.pmf(first, m, 0.5), binom.pmf(second, k, 0.5))
    largest = np.maximum(z(first, m)[:, None], z(second, k)[None, :])
    observed = max(z(lost[0], m), z(lost[1], k))
    expected = weight[largest >= observed - 1e-9].sum()
    error = math.sqrt(expected * (1 - expected) / resamples)
    estimate = max_z(lost, gained, np.random.default_rng(0), resamples)
    assert estimate == pytest.approx(expected, abs=4 * error + 1 / resamples)


def test_max_z_of_one_task_is_its_exact_test():
    estimate = max_z([30], [15], np.random.default_rng(0), 200_000)
    assert estimate == pytest.approx(exact_worse(30, 15), abs=4 * math.sqrt(0.018 / 200_000))


def test_max_z_depends_on_the_generator_alone():
    lost, gained = [12, 9, 20], [5, 6, 22]
    one, again, other = (max_z(lost, gained, np.random.default_rng(seed), 5000) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_max_z_is_never_0_and_tasks_without_a_flip_do_not_count():
    assert max_z([500], [0], np.random.default_rng(0), 999) == 1 / 1000
    assert max_z([0, 0], [0, 0], np.random.default_rng(0), 999) == 1.0
    with_empty = max_z([12, 0], [5, 0], np.random.default_rng(0), 999)
    assert with_empty == max_z([12], [5], np.random.default_rng(0), 999)
