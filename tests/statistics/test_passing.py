"""Passing: what the gate would say of harmless updates, by enumeration of every outcome."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.statistics.paired import non_inferiority_p, tango_lower
from regress.statistics.passing import (
    items_needed,
    pass_probability_drop,
    pass_probability_mean,
    pass_probability_rate,
    smallest_limit,
)
from regress.statistics.power import exact_power
from regress.statistics.rates import upper_bound


def test_how_often_an_unchanged_model_passes():
    """At 10 % churn: GSM8K at a margin of 1 point, PIQA at 2 points."""
    assert pass_probability_drop(1319, 0.10, 0.01) == pytest.approx(0.308, abs=5e-4)
    assert pass_probability_drop(1838, 0.10, 0.02) == pytest.approx(0.854, abs=5e-4)


def test_no_proof_of_harm_would_pass_what_the_gate_does_not():
    """A true loss of 2 points at a margin of 1: "not significantly worse" would pass 28 % of the time."""
    assert 1 - exact_power(1319, 0.06, 0.04, sides=1) == pytest.approx(0.283, abs=5e-4)
    assert pass_probability_drop(1319, 0.10, 0.01, delta=-0.02) == pytest.approx(0.0026, abs=5e-5)


@pytest.mark.parametrize(
    ("n", "churn", "limit", "delta", "confidence"),
    [
        (60, 0.2, 0.1, 0.0, 0.95),
        (45, 0.5, 0.2, -0.1, 0.95),
        (80, 0.1, 0.05, 0.1, 0.95),
        (44, 0.03, 0.1, 0.0, 0.99),  # without a flip the exact bound passes there, and Tango's would not
    ],
)
def test_the_drop_passes_where_the_bound_of_the_gate_does(outcomes, n, churn, limit, delta, confidence):
    """Tango's, and where nothing was gained Clopper and Pearson's of the losses."""

    def bound(lost, gained):
        if not gained:
            return upper_bound(lost, n, confidence)
        return -tango_lower(lost, gained, n, confidence)

    by_hand = sum(
        chance
        for lost, gained, chance in outcomes(n, (churn - delta) / 2, (churn + delta) / 2)
        if chance > 1e-15 and bound(lost, gained) <= limit
    )
    planned = pass_probability_drop(n, churn, limit, delta=delta, confidence=confidence)
    assert planned == pytest.approx(by_hand, abs=1e-11)


def test_the_drop_is_simulated():
    rng = np.random.default_rng(0)
    lost, gained, _ = rng.multinomial(1838, [0.055, 0.045, 0.9], size=40_000).T
    passed = non_inferiority_p(lost, gained, 1838, 0.02) <= 0.05
    probability = pass_probability_drop(1838, 0.10, 0.02, delta=-0.01)
    assert passed.mean() == pytest.approx(probability, abs=4 * 0.5 / math.sqrt(40_000))


@pytest.mark.parametrize("n", [100, 300, 819, 1319, 1838, 10_042])
@pytest.mark.parametrize("limit", [0.01, 0.02, 0.03])
def test_a_loss_as_large_as_the_limit_passes_hardly_more_often_than_alpha(n, limit):
    for churn in (1.25 * limit, 0.1, 0.2):
        assert pass_probability_drop(n, churn, limit, delta=-limit) <= 0.06


def test_where_each_flip_is_a_loss_the_test_is_exact():
    """A churn equal to the limit, nothing gained: Tango's alone would pass up to 7 % of these."""
    for limit in (0.01, 0.02, 0.03):
        for n in range(100, 600, 4):
            assert pass_probability_drop(n, limit, limit, delta=-limit) <= 0.05
    lost = np.arange(269)
    alone = scipy.stats.binom.pmf(lost, 268, 0.01)[non_inferiority_p(lost, 0, 268, 0.01) <= 0.05].sum()
    assert alone == pytest.approx(0.068, abs=5e-4)


def test_without_any_flip_enough_pairs_pass_for_sure():
    assert pass_probability_drop(500, 0.0, 0.02) == 1.0
    assert pass_probability_drop(50, 0.0, 0.02) == 0.0
    assert math.isnan(pass_probability_drop(500, 0.05, 0.02, delta=-0.06))
    assert math.isnan(pass_probability_drop(0, 0.05, 0.02))


@settings(max_examples=60)
@given(st.integers(1, 400), st.just(0.0) | st.floats(0.001, 0.3), st.sampled_from([0.02, 0.05, 0.1]))
def test_the_rate_passes_where_its_clopper_pearson_bound_does(n, rate, limit):
    counts = np.arange(n + 1)
    passes = upper_bound(counts, n) <= limit
    by_hand = scipy.stats.binom.pmf(counts, n, rate)[passes].sum()
    assert pass_probability_rate(n, rate, limit) == pytest.approx(by_hand, abs=1e-9)


def test_a_rate_at_its_limit_passes_at_most_as_often_as_alpha():
    assert pass_probability_rate(58, 0.0, 0.05) == 0.0
    assert pass_probability_rate(59, 0.0, 0.05) == 1.0
    for n in (100, 819, 1319, 10_042):
        assert 0.01 < pass_probability_rate(n, 0.05, 0.05) <= 0.05


def test_the_mean_passes_as_the_normal_distribution_says():
    assert pass_probability_mean(819, 0.2, 0.02, drop=0.02) == pytest.approx(0.05, abs=1e-12)
    assert pass_probability_mean(819, 0.2, 0.02) == pytest.approx(
        scipy.stats.norm.sf(1.6448536, loc=0.02 * math.sqrt(819) / 0.2), abs=1e-7
    )
    assert math.isnan(pass_probability_mean(0, 0.2, 0.02))
    assert math.isnan(pass_probability_mean(819, 0.0, 0.02))


# ── planning ─────────────────────────────────────────────────────────────────────────────────────


def test_the_items_needed_are_enough_and_hardly_fewer_are():
    def probability(n):
        return pass_probability_drop(n, 0.10, 0.01)

    needed = items_needed(probability, 0.8, 10_042)
    assert needed is not None
    assert probability(needed) >= 0.8 > probability(int(needed / 1.02))
    assert items_needed(probability, 0.8, 5_000) is None
    assert items_needed(probability, 0.8, needed) == needed


def test_a_tooth_of_the_saw_is_not_taken_for_enough():
    """A rate of 3 % below a limit of 5 %: the probability dips below 0.8 again after first reaching it."""

    def probability(n):
        return pass_probability_rate(n, 0.03, 0.05)

    needed = items_needed(probability, 0.8, 10_000)
    assert needed is not None
    first = next(n for n in itertools.count(1) if probability(n) >= 0.8)
    dips = [n for n in range(first, 4 * first) if probability(n) < 0.8]
    assert dips[-1] > first
    assert all(probability(math.ceil(needed * 1.01**k)) >= 0.8 for k in range(30))
    assert max(dips) / 1.03 < needed < max(dips) * 1.35


@given(st.integers(1, 3_000), st.integers(1, 3_000))
def test_a_step_is_found_to_within_a_hundredth(step, maximum):
    needed = items_needed(lambda n: float(n >= step), 0.8, maximum)
    if step > maximum:
        assert needed is None
    else:
        assert needed is not None
        assert step <= needed <= max(step, step * 1.01 + 1)


def test_what_cannot_be_said_is_not_reached():
    assert items_needed(lambda n: math.nan, 0.8, 1000) is None
    assert math.isnan(smallest_limit(lambda limit: 0.5, 0.8))


def test_the_smallest_limit_is_where_the_power_is_reached():
    def probability(limit):
        return pass_probability_drop(1319, 0.10, limit)

    limit = smallest_limit(probability, 0.8)
    assert probability(limit) >= 0.8 > probability(limit - 2e-6)
    assert smallest_limit(lambda limit: float(limit >= 0.25), 0.8) == pytest.approx(0.25, abs=1e-6)
