"""Paired differences: published tables to the printed digit, and what ties bounds and tests together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, xlogy

from regress.statistics import mcnemar
from regress.statistics.paired import (
    bonett_price_interval,
    equivalence_p,
    inferiority_p,
    newcombe_interval,
    non_inferiority_p,
    tango_interval,
    tango_lower,
    tango_upper,
    tango_z,
    wald_interval,
)

# (n11, n12, n21, n22) as printed, and the four intervals of (n12 - n21) / n: n12 is our gained, n21 our lost
TABLES = {
    "Bentur 2009": (
        (1, 1, 7, 12),
        (-0.5172, -0.0260),
        (-0.5069, -0.0256),
        (-0.5197, -0.0517),
        (-0.5084, -0.0134),
    ),
    "Cavo 2012": (
        (59, 6, 16, 80),
        (-0.1240, -0.0054),
        (-0.1186, -0.0046),
        (-0.1184, -0.0058),
        (-0.1195, -0.0032),
    ),
    "Ezra 2010": ((7, 25, 2, 68), (0.1392, 0.3213), (0.1329, 0.3185), (0.1357, 0.3152), (0.1290, 0.3133)),
    "Agresti-Min": (
        (53, 16, 8, 9),
        (-0.0197, 0.2069),
        (-0.0201, 0.2039),
        (-0.0169, 0.2029),
        (-0.0211, 0.2029),
    ),
    "Altman/Tango": ((4, 9, 3, 16), (-0.0271, 0.3897), (-0.0273, 0.3807), None, None),
    "Fay": ((21, 9, 2, 12), (0.0132, 0.3116), (0.0112, 0.2954), None, None),
}

levels = st.floats(0.6, 0.999)
deltas = st.floats(-0.99, 0.99)


@st.composite
def flips(draw, fewest: int = 0) -> tuple[int, int, int]:
    """Lost, gained and n; at least `fewest` flips."""
    lost, gained = draw(st.integers(0, 400)), draw(st.integers(0, 400))
    assume(lost + gained >= fewest)
    return lost, gained, max(lost + gained + draw(st.integers(0, 5000)), 1)


# ── published tables ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("table", "tango", "newcombe", "wald", "bonett_price"), TABLES.values(), ids=TABLES)
def test_published_intervals_to_the_printed_digit(table, tango, newcombe, wald, bonett_price):
    n11, gained, lost, n00 = table
    n = sum(table)
    assert tango_interval(lost, gained, n) == pytest.approx(tango, abs=5e-5)
    assert newcombe_interval(n11, lost, gained, n00) == pytest.approx(newcombe, abs=5e-5)
    if wald:
        assert wald_interval(lost, gained, n) == pytest.approx(wald, abs=5e-5)
        assert bonett_price_interval(lost, gained, n) == pytest.approx(bonett_price, abs=5e-5)


def test_published_edge_cases():
    assert newcombe_interval(1, 0, 0, 1) == pytest.approx((-0.5734, 0.5734), abs=5e-5)
    low, high = tango_interval(lost=0, gained=3, n=3)
    assert low == pytest.approx(-0.1230, abs=5e-5)
    assert high == 1.0


def test_non_inferiority_of_the_lens_data():
    lost, gained, n = 1, 0, 44
    assert (gained - lost) / n == pytest.approx(-0.0227, abs=5e-5)
    low, high = tango_interval(lost, gained, n, confidence=0.90)
    assert (low, high) == pytest.approx((-0.0957, 0.0365), abs=5e-5)
    assert (round(low, 3), round(high, 3)) == (-0.096, 0.037)
    assert tango_z(lost, gained, n, -0.10) == pytest.approx(1.7086, abs=5e-5)
    assert non_inferiority_p(lost, gained, n, 0.10) == pytest.approx(0.0438, abs=5e-5)


def test_lens_data_are_equivalent_within_ten_points_too():
    """The gain is even less likely to reach the margin, so that the loss decides."""
    assert equivalence_p(1, 0, 44, 0.10) == non_inferiority_p(1, 0, 44, 0.10)


# ── the statistic ────────────────────────────────────────────────────────────────────────────────


def likeliest(lost: int, gained: int, n: int, delta: float) -> float:
    """P(lost) that maximises the likelihood if P(gained) - P(lost) = delta, by numerical search."""

    def surprise(q: float) -> float:
        return -(xlogy(lost, q) + xlogy(gained, q + delta) + xlogy(n - lost - gained, 1 - 2 * q - delta))

    ends = (max(0.0, -delta), (1 - delta) / 2)
    return minimize_scalar(surprise, bounds=ends, method="bounded", options={"xatol": 1e-12}).x


@given(flips(fewest=1), st.floats(-0.9, 0.9))
def test_standard_error_is_that_of_the_likeliest_rates_under_the_hypothesis(count, delta):
    lost, gained, n = count
    q = likeliest(lost, gained, n, delta)
    error = math.sqrt(max(2 * q + delta - delta**2, 1e-300) / n)
    expected = ((gained - lost) / n - delta) / error
    assert tango_z(lost, gained, n, delta) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@given(flips(fewest=1))
def test_against_no_difference_it_is_mcnemars_z(count):
    lost, gained, n = count
    assert tango_z(lost, gained, n, 0.0) == pytest.approx((gained - lost) / math.sqrt(lost + gained))


@given(flips(), deltas, deltas)
def test_it_falls_with_the_delta_tested(count, one, other):
    low, high = sorted((one, other))
    assume(high - low > 1e-6 and 0 not in (low, high))
    assert tango_z(*count, low) > tango_z(*count, high)


@given(flips(), deltas)
def test_swapping_the_sides_turns_its_sign(count, delta):
    lost, gained, n = count
    assume(delta != 0)
    assert tango_z(gained, lost, n, -delta) == pytest.approx(-tango_z(lost, gained, n, delta), rel=1e-12)


def test_it_is_undefined_or_infinite_where_the_hypothesis_leaves_nothing_to_chance():
    assert math.isnan(tango_z(0, 0, 10, 0.0))
    assert math.isnan(tango_z(0, 10, 10, 1.0))
    assert math.isnan(tango_z(10, 0, 10, -1.0))
    assert (tango_z(0, 9, 10, 1.0), tango_z(9, 0, 10, -1.0)) == (-math.inf, math.inf)


# ── intervals ────────────────────────────────────────────────────────────────────────────────────


@given(flips(), levels)
def test_every_interval_lies_in_range_and_around_the_estimate(count, confidence):
    lost, gained, n = count
    n11 = (n - lost - gained) // 2
    intervals = [
        tango_interval(lost, gained, n, confidence),
        newcombe_interval(n11, lost, gained, n - lost - gained - n11, confidence),
        wald_interval(lost, gained, n, confidence),
    ]
    delta = (gained - lost) / n
    for low, high in intervals:
        assert -1 <= low <= delta + 1e-12
        assert delta - 1e-12 <= high <= 1
    shrunk = (gained - lost) / (n + 2)  # one more flip each way moves the centre of this one
    low, high = bonett_price_interval(lost, gained, n, confidence)
    assert -1 <= low <= shrunk <= high <= 1


@given(flips(), levels)
def test_swapping_the_sides_mirrors_every_interval(count, confidence):
    lost, gained, n = count
    same = n - lost - gained
    for interval, before, after in (
        (tango_interval, (lost, gained, n), (gained, lost, n)),
        (wald_interval, (lost, gained, n), (gained, lost, n)),
        (bonett_price_interval, (lost, gained, n), (gained, lost, n)),
        (newcombe_interval, (same, lost, gained, 0), (same, gained, lost, 0)),
    ):
        low, high = interval(*before, confidence)
        assert interval(*after, confidence) == pytest.approx((-high, -low), abs=1e-12)


@given(flips(), levels, levels)
def test_more_confidence_never_narrows(count, one, other):
    less, more = sorted((one, other))
    for interval in (tango_interval, wald_interval, bonett_price_interval):
        inner, outer = interval(*count, less), interval(*count, more)
        assert outer[0] <= inner[0] + 1e-12
        assert outer[1] >= inner[1] - 1e-12


@pytest.mark.parametrize("n", [1, 20, 1319, 10042])
def test_without_a_flip_the_score_interval_still_has_a_width(n):
    z2 = 1.959963984540054**2
    assert tango_interval(0, 0, n) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), abs=1e-12)
    assert wald_interval(0, 0, n) == (0.0, 0.0)


def test_everything_lost_or_gained_ends_at_the_end():
    assert tango_lower(10, 0, 10) == -1.0
    assert tango_upper(0, 10, 10) == 1.0
    assert tango_upper(10, 0, 10) < 0 < tango_lower(0, 10, 10)


def test_one_sided_bounds_are_the_ends_of_the_two_sided_interval_of_twice_the_error():
    assert (tango_lower(60, 40, 1319, 0.95), tango_upper(60, 40, 1319, 0.95)) == pytest.approx(
        tango_interval(60, 40, 1319, 0.90), abs=1e-12
    )


# ── tests at a margin ────────────────────────────────────────────────────────────────────────────


@given(flips(), levels, st.floats(0.001, 0.5))
def test_a_bound_keeps_the_margin_exactly_where_its_test_rejects(count, confidence, margin):
    alpha = 1 - confidence
    passes, fails = non_inferiority_p(*count, margin), inferiority_p(*count, margin)
    assume(abs(passes - alpha) > 1e-9 and abs(fails - alpha) > 1e-9)
    assert (tango_lower(*count, confidence) > -margin) == (passes <= alpha)
    assert (tango_upper(*count, confidence) < -margin) == (fails <= alpha)
    assert passes + fails == pytest.approx(1, abs=1e-12)


@given(flips(fewest=1))
def test_the_interval_leaves_out_0_exactly_where_mcnemars_test_rejects(count):
    lost, gained, n = count
    p = mcnemar.chi2(lost, gained)[1]
    assume(abs(p - 0.05) > 1e-9)
    low, high = tango_interval(lost, gained, n)
    assert (low > 1e-15 or high < -1e-15) == (p < 0.05)


@given(flips(), st.floats(0.001, 0.5))
def test_equivalence_is_the_worse_of_both_directions(count, margin):
    lost, gained, n = count
    both = non_inferiority_p(lost, gained, n, margin), non_inferiority_p(gained, lost, n, margin)
    assert equivalence_p(lost, gained, n, margin) == max(both)
    assert equivalence_p(gained, lost, n, margin) == max(both)


def test_identical_runs_are_equivalent_only_given_enough_items():
    """20 items without a flip do not show a loss below 2 points; 1,319 do."""
    assert non_inferiority_p(0, 0, 20, 0.02) > 0.05
    assert non_inferiority_p(0, 0, 1319, 0.02) < 1e-6


def trinomial(n: int, p_lost: float, p_gained: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every pair of counts, and how likely it is."""
    lost, gained = (axis.ravel() for axis in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    possible = lost + gained <= n
    lost, gained = lost[possible], gained[possible]
    same = n - lost - gained
    arrangements = gammaln(n + 1) - gammaln(lost + 1) - gammaln(gained + 1) - gammaln(same + 1)
    logs = xlogy(lost, p_lost) + xlogy(gained, p_gained) + xlogy(same, 1 - p_lost - p_gained)
    return lost, gained, np.exp(arrangements + logs)


@pytest.mark.parametrize(("p_lost", "p_gained"), [(0.02, 0.01), (0.06, 0.05), (0.15, 0.05), (0.4, 0.3)])
@pytest.mark.parametrize("n", [30, 100, 300])
def test_with_the_loss_at_the_margin_a_pass_is_no_likelier_than_alpha(n, p_lost, p_gained):
    """Exactly, by enumeration; the score test may miss its level by half a point."""
    lost, gained, weight = trinomial(n, p_lost, p_gained)
    p = non_inferiority_p(lost, gained, n, p_lost - p_gained)
    assert weight[p <= 0.05].sum() <= 0.055


@pytest.mark.parametrize(("p_lost", "p_gained"), [(0.06, 0.05), (0.1, 0.05), (0.15, 0.1), (0.4, 0.3)])
def test_with_the_loss_at_the_margin_a_fail_is_no_likelier_than_alpha_given_thirty_flips(p_lost, p_gained):
    """With ten it is up to 7 %: few flips are skewed, and the normal tail is not."""
    lost, gained, weight = trinomial(300, p_lost, p_gained)
    p = inferiority_p(lost, gained, 300, p_lost - p_gained)
    assert weight[p <= 0.05].sum() <= 0.06


# ── shapes and edges ─────────────────────────────────────────────────────────────────────────────


def test_numbers_give_floats_and_arrays_broadcast():
    lost, gained = np.array([[0], [7]]), np.array([0, 5, 20])
    for function, argument in (
        (tango_z, -0.02),
        (tango_lower, 0.9),
        (tango_upper, 0.9),
        (non_inferiority_p, 0.02),
        (inferiority_p, 0.02),
        (equivalence_p, 0.02),
    ):
        table = function(lost, gained, 100, argument)
        assert table.shape == (2, 3)
        assert type(function(7, 5, 100, argument)) is float
        assert function(7, 5, 100, argument) == table[1, 1]
    low, high = tango_interval(lost, gained, np.array([[100], [200]]))
    assert low.shape == high.shape == (2, 3)
    assert tango_interval(7, 20, 200) == (low[1, 2], high[1, 2])
    assert tango_z(7, 5, 100, np.array([-0.1, 0.1])).shape == (2,)


def test_without_pairs_everything_is_undefined():
    values = [
        *tango_interval(0, 0, 0),
        *newcombe_interval(0, 0, 0, 0),
        *bonett_price_interval(0, 0, 0),
        *wald_interval(0, 0, 0),
        tango_z(0, 0, 0, 0.1),
        non_inferiority_p(0, 0, 0, 0.1),
        equivalence_p(0, 0, 0, 0.1),
    ]
    assert np.isnan(values).all()
