"""Power: the printed oracles, and enumeration of every outcome."""

from __future__ import annotations

import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from regress.statistics.power import connor_n, exact_power, mde, mde_excess, mde_mean, miller_n


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
def test_exact_power_is_that_of_exact2x2_and_of_enumeration(outcomes, method, printed):
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
def test_exact_power_adds_up_every_outcome_that_is_rejected(outcomes, rates, sides, method):
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
