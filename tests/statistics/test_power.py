"""Power: the printed oracles, and enumeration of every outcome."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.statistics.paired import non_inferiority_p, tango_lower
from regress.statistics.power import (
    connor_n,
    exact_power,
    items_needed,
    mde,
    mde_excess,
    mde_mean,
    miller_n,
    pass_probability_drop,
    pass_probability_mean,
    pass_probability_rate,
    smallest_limit,
)
from regress.statistics.rates import upper_bound


def outcomes(n, p_lost, p_gained):
    """Every (lost, gained) among n pairs with its probability."""
    for lost, gained in itertools.product(range(n + 1), repeat=2):
        if lost + gained <= n:
            rest = 1 - p_lost - p_gained
            chance = scipy.stats.multinomial.pmf(
                [lost, gained, n - lost - gained], n, [p_lost, p_gained, rest]
            )
            yield lost, gained, float(chance)


def mcnemar_p(lost, gained, sides, method):
    """p-value of McNemar's test, from its definition."""
    m = lost + gained
    own = 0.5 if method == "mid-p" else 0.0
    if sides == 1:
        return scipy.stats.binom.sf(lost - 1, m, 0.5) - own * scipy.stats.binom.pmf(lost, m, 0.5)
    fewer = min(lost, gained)
    if method == "exact":
        return min(1.0, 2 * scipy.stats.binom.cdf(fewer, m, 0.5))
    if lost == gained:
        return 1 - scipy.stats.binom.pmf(lost, m, 0.5) / 2
    return 2 * scipy.stats.binom.cdf(fewer - 1, m, 0.5) + scipy.stats.binom.pmf(fewer, m, 0.5)


# ── McNemar ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rates", "options", "printed"),
    [
        ((0.05, 0.45), {}, 22.0113),
        ((0.05, 0.45), {"sides": 1}, 17.0948),
        ((0.125, 0.25), {"power": 0.9}, 247.997),
        ((0.10, 0.20), {}, 233.095),
    ],
)
def test_connors_formula_gives_the_figures_of_mess(rates, options, printed):
    digits = len(str(printed).split(".")[1])
    assert round(connor_n(*rates, **options), digits) == printed
    assert connor_n(*rates[::-1], **options) == pytest.approx(connor_n(*rates, **options), rel=1e-14)


def test_no_number_of_pairs_shows_what_is_not_there():
    assert connor_n(0.1, 0.1) == miller_n(1.0, 0.0) == math.inf


@pytest.mark.parametrize(("method", "printed"), [("exact", 0.56931), ("mid-p", 0.60896)])
def test_exact_power_is_that_of_exact2x2_and_of_enumeration(method, printed):
    """exact2x2 leaves out flips of small probability, and so its fifth digit is low."""
    ours = exact_power(100, 0.5, 0.3, method=method)
    assert ours == pytest.approx(printed, abs=2e-5)
    by_hand = sum(
        chance
        for lost, gained, chance in outcomes(100, 0.5, 0.3)
        if chance > 1e-15 and mcnemar_p(lost, gained, 2, method) <= 0.05
    )
    assert ours == pytest.approx(by_hand, abs=1e-10)


@pytest.mark.parametrize(
    ("n", "rates", "printed", "digits"),
    [(1000, (0.30, 0.28), 0.1207, 4), (1000, (0.02, 0.0), 0.99994, 5), (500, (0.0225, 0.0025), 0.7976, 4)],
)
def test_exact_power_is_that_of_card_et_al(n, rates, printed, digits):
    """They count a significant result only where it points the right way: one side at half the level."""
    assert round(exact_power(n, *rates, alpha=0.025, sides=1), digits) == printed


@pytest.mark.parametrize("method", ["exact", "mid-p"])
@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("rates", [(0.3, 0.1), (0.1, 0.25), (0.2, 0.2), (0.6, 0.4), (0.3, 0.0)])
def test_exact_power_adds_up_every_outcome_that_is_rejected(rates, sides, method):
    by_hand = sum(
        chance
        for lost, gained, chance in outcomes(17, *rates)
        if mcnemar_p(lost, gained, sides, method) <= 0.05
    )
    assert exact_power(17, *rates, sides=sides, method=method) == pytest.approx(by_hand, abs=1e-12)


def test_a_p_value_of_just_alpha_is_significant():
    """Five of five flips lost: p = 2/32."""
    assert exact_power(5, 1.0, 0.0, alpha=2 / 32) == pytest.approx(1.0)
    assert exact_power(5, 1.0, 0.0, alpha=1.99 / 32) == 0.0


def test_the_exact_test_keeps_its_level_and_power_grows():
    powers = [exact_power(n, 0.05, 0.05) for n in (10, 100, 1319, 10_042)]
    assert all(power <= 0.05 for power in powers)
    assert exact_power(10_042, 0.05, 0.05) > 0.04
    assert exact_power(10_042, 0.06, 0.05) > exact_power(1319, 0.06, 0.05)
    assert exact_power(500, 0.0, 0.0) == 0.0


MDE = {
    819: (1.38, 3.09, 4.37, 1.11, 1.55, 2.79),
    1319: (1.09, 2.44, 3.45, 0.85, 1.20, 2.18),
    1838: (0.92, 2.07, 2.92, 0.71, 1.01, 1.84),
    10_042: (0.40, 0.88, 1.25, 0.29, 0.42, 0.77),
}
"""Percentage points, by n: at churn 2, 10, 20 %, and above a floor of 0.65, 1.37, 5 %."""


@pytest.mark.parametrize("n", MDE)
def test_detectable_changes_to_the_printed_digits(n):
    changes = [mde(n, churn) for churn in (0.02, 0.10, 0.20)]
    harms = [mde_excess(n, floor) for floor in (0.0065, 0.0137, 0.05)]
    assert tuple(round(100 * x, 2) for x in (*changes, *harms)) == MDE[n]


@given(st.integers(10, 20_000), st.floats(0.001, 1.0))
def test_connors_formula_needs_n_pairs_for_the_detectable_change(n, churn):
    delta = mde(n, churn)
    if not math.isnan(delta):
        assert 0 < delta <= churn
        assert connor_n((churn + delta) / 2, (churn - delta) / 2) == pytest.approx(n, rel=1e-6)


@given(st.integers(10, 20_000), st.floats(0.001, 0.9))
def test_the_detectable_excess_solves_its_inequality(n, floor):
    x = mde_excess(n, floor)
    if math.isnan(x):
        return

    def needed(x):
        noise = floor * (1 - floor)
        spread = 1.6448536 * math.sqrt(2 * noise) + 0.8416212 * math.sqrt(
            noise + (floor + x) * (1 - floor - x)
        )
        return spread**2 / x**2

    assert needed(x) == pytest.approx(n, rel=1e-5)
    assert needed(0.99 * x) > n


def test_a_change_larger_than_the_churn_cannot_be_seen():
    assert math.isnan(mde(50, 0.02))
    assert not math.isnan(mde(500, 0.02))
    assert math.isnan(mde(500, 0.0))
    assert math.isnan(mde(0, 0.1))


def test_without_a_floor_or_room_above_it_there_is_no_detectable_excess():
    assert math.isnan(mde_excess(500, 0.0))
    assert math.isnan(mde_excess(5, 0.9))
    assert math.isnan(mde_excess(0, 0.1))


# ── means ────────────────────────────────────────────────────────────────────────────────────────


def test_millers_worked_numbers():
    assert miller_n(1 / 9, 0.03) == pytest.approx(968.9975, abs=5e-5)
    printed = {1: 0.13273, 10: 0.07567}
    for answers, detectable in printed.items():
        sd = math.sqrt(1 / 9 + 2 * (1 / 6) / answers)
        assert round(mde_mean(sd, 198), 5) == detectable
        assert miller_n(sd**2, mde_mean(sd, 198)) == pytest.approx(198)
    assert math.isnan(mde_mean(1.0, 0))


# ── the gate ─────────────────────────────────────────────────────────────────────────────────────


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
def test_the_drop_passes_where_the_bound_of_the_gate_does(n, churn, limit, delta, confidence):
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
