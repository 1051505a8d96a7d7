"""McNemar's tests: published p-values to the printed digit, and exact arithmetic as the judge."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from regress.statistics.mcnemar import chi2, exact, exact_worse, mid_p, odds_ratio_interval

flips = st.integers(0, 600)
TINY = 1e-12
"""Room for a number that lies on the edge of what was printed."""

# (b, c), and as printed: exact, mid-p, asymptotic, with correction; (value, half a unit of its last digit)
TABLES = {
    "Bentur 2009": ((1, 7), (0.070312, 5e-7), (0.039063, 5e-7), (0.033895, 5e-7), (0.077100, 5e-7)),
    "Cavo 2012": ((6, 16), (0.052479, 5e-7), (0.034690, 5e-7), (0.033006, 5e-7), (0.055009, 5e-7)),
    "Ezra 2010": ((25, 2), (5.648e-6, 5e-10), (3.032e-6, 5e-10), (9.6e-6, 5e-8), (2.3e-5, 5e-7)),
    "Agresti-Min": ((16, 8), (0.15159, 5e-6), (0.10775, 5e-6), (0.10247, 5e-6), (0.15304, 5e-6)),
    "Altman/Tango": ((9, 3), (0.145996, 5e-7), (0.092285, 5e-7), (0.083265, 5e-7), (0.148915, 5e-7)),
    "Fay": ((9, 2), (0.065430, 5e-7), (0.038574, 5e-7), (0.034808, 5e-7), (0.070440, 5e-7)),
}

KUEBLER = {
    "rerun": (163, 168, "6.29e-01"),
    "A100 swap": (327, 363, "9.21e-01"),
    "FP8": (1095, 1106, "6.01e-01"),
    "KV-FP8": (1241, 1042, "1.69e-05"),
    "w4a16": (1816, 1378, "4.80e-15"),
    "2:4 sparse": (2981, 2325, "1.09e-19"),
}


def tail(b: int, m: int) -> float:
    """P(X ≥ b), X ~ Bin(m, ½), in integers."""
    return float(Fraction(sum(math.comb(m, i) for i in range(b, m + 1)), 2**m))


# ── published tables ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("count", "exact_p", "mid", "asymptotic", "corrected"), TABLES.values(), ids=list(TABLES)
)
def test_published_p_values_to_the_printed_digit(count, exact_p, mid, asymptotic, corrected):
    values = exact(*count), mid_p(*count), chi2(*count)[1], chi2(*count, correction=True)[1]
    for value, (printed, half) in zip(values, (exact_p, mid, asymptotic, corrected), strict=True):
        assert value == pytest.approx(printed, abs=half + TINY)


def test_statistics_of_cavo():
    assert math.sqrt(chi2(6, 16)[0]) == pytest.approx(2.132, abs=5e-4)
    assert math.sqrt(chi2(6, 16, correction=True)[0]) == pytest.approx(1.919, abs=5e-4)


@pytest.mark.parametrize(("lost", "gained", "printed"), KUEBLER.values(), ids=list(KUEBLER))
def test_six_one_sided_p_values_of_kuebler(lost, gained, printed):
    assert f"{exact_worse(lost, gained):.2e}" == printed


def test_the_p_value_in_circulation_for_412_against_340_is_not_the_true_one():
    assert round(exact_worse(412, 340), 5) == 0.00479


def test_literals_of_the_mid_p_value():
    assert mid_p(5, 1) == 0.125
    assert mid_p(8, 1) == pytest.approx(11 / 512, rel=1e-12)


def test_matrices_of_statsmodels():
    statistic, p = chi2(121, 59, correction=True)
    assert (statistic, p) == (pytest.approx(20.67222, abs=5e-6), pytest.approx(5.450095e-6, abs=5e-13))
    assert chi2(121, 59)[0] == pytest.approx(21.35556, abs=5e-6)
    assert exact(121, 59) == pytest.approx(4e-6, abs=5e-7)
    assert exact(70, 59) == pytest.approx(0.378688, abs=5e-7)
    assert chi2(70, 59, correction=True)[1] == pytest.approx(0.3786151, abs=5e-8)
    assert exact(30, 60) == pytest.approx(0.00206, abs=5e-6)
    assert exact(10, 10) == 1.0


@pytest.mark.parametrize(
    ("method", "interval"),
    [
        ("wald", (2.9608, 52.7731)),
        ("clopper-pearson", (3.1169, 108.8892)),
        ("mid-p", (3.4681, 78.2972)),
    ],
)
def test_odds_ratio_of_ezra(method, interval):
    assert odds_ratio_interval(25, 2, method=method) == pytest.approx(interval, abs=5e-5 + TINY)


# ── oracles in the same run ──────────────────────────────────────────────────────────────────────


def test_p_values_are_those_of_statsmodels_and_of_scipys_binomial_test():
    from statsmodels.stats.contingency_tables import mcnemar

    rng = np.random.default_rng(0)
    for lost, gained in rng.integers(1, 900, size=(60, 2)).tolist():
        table = [[7, lost], [gained, 9]]
        assert exact(lost, gained) == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)
        greater = binomtest(lost, lost + gained, 0.5, "greater").pvalue
        assert exact_worse(lost, gained) == pytest.approx(greater, rel=1e-9)
        for correction in (False, True):
            if lost == gained and correction:
                continue  # statsmodels corrects a difference of 0 to -1
            theirs = mcnemar(table, exact=False, correction=correction)
            ours = chi2(lost, gained, correction)
            assert ours == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


@pytest.mark.parametrize(("lost", "gained"), [(2981, 2325), (1816, 1378), (1300, 1), (3000, 0), (40, 41)])
def test_small_tails_agree_with_integer_arithmetic(lost, gained):
    assert exact_worse(lost, gained) == pytest.approx(tail(lost, lost + gained), rel=1e-9, abs=0)
    assert exact(lost, gained) == pytest.approx(min(2 * tail(max(lost, gained), lost + gained), 1), rel=1e-9)


def test_a_million_flips():
    """P(X ≥ m/2) = ½ + ½ P(X = m/2), and P(X = m/2) is √(2/πm) (1 - 1/4m + …)."""
    m = 1_000_000
    central = math.sqrt(2 / (math.pi * m)) * (1 - 1 / (4 * m))
    assert exact_worse(m // 2, m // 2) == pytest.approx(0.5 + central / 2, rel=1e-12)
    assert mid_p(m // 2, m // 2) == pytest.approx(1 - central / 2, rel=1e-12)
    assert exact(500_700, 499_300) == pytest.approx(2 * binom.sf(500_699, m, 0.5), rel=1e-6)
    assert 0 < exact_worse(510_000, 490_000) < 1e-80
    assert exact_worse(m, 0) == 0.0
    low, high = odds_ratio_interval(510_000, 490_000, method="mid-p")
    assert (low, high) == pytest.approx(odds_ratio_interval(510_000, 490_000, method="wald"), rel=1e-5)


# ── what holds for all counts ────────────────────────────────────────────────────────────────────


@given(flips, flips)
def test_two_sided_tests_do_not_care_which_side_is_old(lost, gained):
    for test in (exact, mid_p, chi2):
        assert test(lost, gained) == test(gained, lost)


@given(flips, flips)
def test_mid_p_is_the_exact_p_value_less_half_of_what_was_observed_on_each_side(lost, gained):
    m = lost + gained
    observed = binom.pmf(lost, m, 0.5)
    expected = 1 - observed / 2 if lost == gained else exact(lost, gained) - observed
    assert mid_p(lost, gained) == pytest.approx(expected if m else 1.0, rel=1e-9, abs=1e-12)


@given(flips, flips)
def test_the_one_sided_tests_share_what_was_observed(lost, gained):
    both = exact_worse(lost, gained) + exact_worse(gained, lost)
    assert both == pytest.approx(1 + binom.pmf(lost, lost + gained, 0.5), rel=1e-9)


@given(flips, flips)
def test_one_more_lost_is_more_evidence_and_one_more_gained_less(lost, gained):
    p = exact_worse(lost, gained)
    assert exact_worse(lost + 1, gained) <= p <= exact_worse(lost, gained + 1)


@given(flips, flips, st.sampled_from(["clopper-pearson", "mid-p"]), st.floats(0.6, 0.99))
def test_odds_ratio_lies_in_its_interval_and_turns_over_with_the_sides(lost, gained, method, confidence):
    low, high = odds_ratio_interval(lost, gained, confidence, method)
    if not lost + gained:
        assert math.isnan(low)
        assert math.isnan(high)
        return
    assert low <= (lost / gained if gained else math.inf)
    assert (lost / gained if gained else math.inf) <= high
    turned = odds_ratio_interval(gained, lost, confidence, method)
    expected = (1 / high if high else math.inf, 1 / low if low else math.inf)
    assert turned == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 400), st.integers(1, 400))
def test_mid_p_interval_lies_within_the_exact_one(lost, gained):
    inner = odds_ratio_interval(lost, gained, method="mid-p")
    outer = odds_ratio_interval(lost, gained, method="clopper-pearson")
    assert outer[0] < inner[0]
    assert inner[1] < outer[1]


@given(st.integers(1, 200), st.integers(1, 200))
def test_mid_p_interval_ends_where_the_mid_p_tail_is_half_of_alpha(lost, gained):
    m = lost + gained
    low, high = (odds / (1 + odds) for odds in odds_ratio_interval(lost, gained, 0.9, "mid-p"))
    above = binom.sf(lost, m, low) + binom.pmf(lost, m, low) / 2
    below = binom.cdf(lost - 1, m, high) + binom.pmf(lost, m, high) / 2
    assert (above, below) == pytest.approx((0.05, 0.05), rel=1e-6)


@pytest.mark.parametrize("flips", range(1, 41))
def test_exact_tests_hold_their_level_whatever_the_number_of_flips(flips):
    lost = np.arange(flips + 1)
    weight = binom.pmf(lost, flips, 0.5)
    for test in (exact, exact_worse):
        rejected = np.array([test(b, flips - b) <= 0.05 for b in lost.tolist()])
        assert weight[rejected].sum() <= 0.05


# ── edges ────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_flip_no_test_finds_anything():
    assert (exact_worse(0, 0), exact(0, 0), mid_p(0, 0)) == (1.0, 1.0, 1.0)
    for correction in (False, True):
        statistic, p = chi2(0, 0, correction)
        assert math.isnan(statistic)
        assert p == 1.0
    assert np.isnan([odds_ratio_interval(0, 0, method=m) for m in ("clopper-pearson", "mid-p", "wald")]).all()


def test_a_correction_never_turns_no_difference_into_one():
    assert chi2(10, 10, correction=True) == (0.0, 1.0)


def test_flips_one_way_only_leave_the_odds_open_at_one_end():
    for method in ("clopper-pearson", "mid-p"):
        low, high = odds_ratio_interval(5, 0, method=method)
        assert low > 0
        assert high == math.inf
        low, high = odds_ratio_interval(0, 5, method=method)
        assert low == 0.0
        assert high < math.inf
    assert np.isnan(odds_ratio_interval(5, 0, method="wald")).all()


@pytest.mark.parametrize("lost", [1, 5, 300])
def test_mid_p_interval_of_flips_one_way_only_has_a_closed_form(lost):
    """½ q^b = α/2, counting what was observed half."""
    q = 0.05 ** (1 / lost)
    assert odds_ratio_interval(lost, 0, 0.95, "mid-p")[0] == pytest.approx(q / (1 - q), rel=1e-9)


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="clopper-pearson, mid-p or wald, got 'exact'"):
        odds_ratio_interval(5, 2, method="exact")


def test_numpy_counts_give_python_floats():
    b, c = np.int64(9), np.int64(2)
    values = [exact_worse(b, c), exact(b, c), mid_p(b, c), *chi2(b, c), *odds_ratio_interval(b, c)]
    assert {type(value) for value in values} == {float}
