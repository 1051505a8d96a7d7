"""What was measured of each token, as estimates: intervals against statsmodels, and what has none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from regress.comparison.divergence import FEW_UNITS, row
from regress.metrics.divergence import Positions, log_softmax, positions, summary


def tokens(n=120, seed=0, size=0.3) -> Positions:
    """Of every six consecutive tokens, all diverge much or all little."""
    rng = np.random.default_rng(seed)
    x = 3 * rng.normal(size=(n, 11))
    shift = size * np.exp(rng.normal(size=(n // 6, 1))).repeat(6, axis=0) * rng.normal(size=(n, 11))
    return positions(log_softmax(x), log_softmax(x + shift), rng.integers(0, 11, n))


def units(n=120, each=6):
    return np.arange(n) // each


def statsmodels_interval(values, unit):
    """Of the constant of a regression on nothing else, clustered without a small-sample factor; by t."""
    from statsmodels.api import OLS

    options = {"groups": unit, "use_correction": False}
    fitted = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds=options)
    half = student.ppf(0.975, len(set(unit)) - 1) * fitted.bse[0]
    return fitted.params[0] - half, fitted.params[0] + half


def test_intervals_are_statsmodels_by_window():
    found, windows = tokens(), units()
    told = row("text", found, windows)
    assert (told.kld.low, told.kld.high) == pytest.approx(statsmodels_interval(found.kld, windows))
    assert (told.delta_p.low, told.delta_p.high) == pytest.approx(
        statsmodels_interval(found.delta_p, windows)
    )
    low, high = statsmodels_interval(found.old - found.new, windows)
    assert (told.ratio.low, told.ratio.high) == pytest.approx((math.exp(low), math.exp(high)))
    low, high = statsmodels_interval(-found.old, windows)
    assert (told.old_perplexity.low, told.old_perplexity.high) == pytest.approx(
        (math.exp(low), math.exp(high))
    )
    low, high = statsmodels_interval(found.delta_p**2, windows)
    assert (told.delta_p_rms.low, told.delta_p_rms.high) == pytest.approx(
        (math.sqrt(max(low, 0)), math.sqrt(high))
    )


def test_tokens_that_resemble_their_neighbours_tell_less():
    """As if each were alone, llama.cpp's standard error, the interval would be narrower."""
    found = tokens()
    together, alone = row("text", found, units()), row("text", found, np.arange(120))
    assert together.kld.high - together.kld.low > 1.2 * (alone.kld.high - alone.kld.low)


@given(st.integers(0, 2**32 - 1))
def test_values_are_those_of_the_definitions(seed):
    found = tokens(30, seed)
    told, expected = row("text", found, units(30)), summary(found)
    for name in ("kld", "same_top", "delta_p", "delta_p_rms", "old_perplexity", "new_perplexity"):
        assert getattr(told, name).value == expected[name]
    assert told.ratio.value == pytest.approx(expected["new_perplexity"] / expected["old_perplexity"])
    assert told.tokens == 30
    assert told.units == 5


@given(st.integers(0, 2**32 - 1))
def test_the_other_way_round_the_ratio_is_its_reciprocal(seed):
    found = tokens(30, seed)
    turned = Positions(kld=found.kld, same_top=found.same_top, old=found.new, new=found.old)
    there, back = row("text", found, units(30)).ratio, row("text", turned, units(30)).ratio
    assert (there.value, there.low, there.high) == pytest.approx(
        (1 / back.value, 1 / back.high, 1 / back.low)
    )


def test_no_interval_reaches_below_zero():
    found = tokens()
    rare = np.zeros(120)
    rare[:2] = 1.0
    told = row("text", Positions(kld=rare, same_top=found.same_top, old=found.old, new=found.new), units())
    assert told.kld.low == 0
    assert told.kld.high > told.kld.value


def test_one_window_has_no_interval_and_says_so():
    told = row("text", tokens(), np.zeros(120))
    assert math.isnan(told.kld.low)
    assert told.kld.confidence is None
    assert [(one.code, one.data["units"]) for one in told.warnings] == [("few-units", 1)]


def test_enough_windows_bear_no_warning():
    assert row("text", tokens(), units(120, 120 // FEW_UNITS)).warnings == ()


def test_a_model_against_itself_has_no_spread_to_estimate():
    x = log_softmax(np.random.default_rng(1).normal(size=(60, 5)))
    told = row("text", positions(x, x, np.zeros(60)), units(60))
    assert (told.kld.value, told.same_top.value, told.delta_p.value, told.ratio.value) == (0, 1, 0, 1)
    assert told.kld.confidence is None
    # no difference in 10 windows does not show that there is none
    assert told.same_top.low < 1


def test_a_token_that_cannot_come_any_more_has_no_mean_and_no_warning_of_numpys():
    old = log_softmax([[0.0, 0.0, 0.0]] * 6)
    new = log_softmax([[0.0, 0.0, -math.inf]] * 6)
    told = row("text", positions(old, new, [0, 1, 2, 0, 1, 2]), [0, 0, 1, 1, 2, 2])
    assert told.kld.value == told.new_perplexity.value == told.ratio.value == math.inf
    assert math.isnan(told.ratio.low)
    assert told.old_perplexity.value == pytest.approx(3)


def test_units_may_be_any_codes():
    found = tokens(12)
    assert row("text", found, [7] * 6 + [3] * 6).kld == row("text", found, [0] * 6 + [1] * 6).kld


def test_nothing_measured_is_refused():
    empty = np.array([])
    nothing = Positions(kld=empty, same_top=empty.astype(bool), old=empty, new=empty)
    with pytest.raises(ValueError, match="no token"):
        row("text", nothing, [])
