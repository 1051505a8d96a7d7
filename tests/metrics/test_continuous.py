"""Flips of scores: the definitions, their identities and the toy oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.metrics import continuous

OLD = [0.5, 0.2, 0.9, 0.4, 0.3]
NEW = [0.6, 0.2, 0.7, 0.4, 0.8]

score = st.floats(0, 1) | st.sampled_from([k / 20 for k in range(21)])
scored = st.lists(st.tuples(score, score), min_size=1, max_size=60).map(lambda rows: np.array(rows).T)


def zero(value: float) -> float:
    """0 * nan is 0 in the identities."""
    return 0.0 if math.isnan(value) else value


def test_toy_oracle_to_the_digit():
    assert continuous.pfr(OLD, NEW) == 0.4
    assert continuous.nfr(OLD, NEW) == 0.2
    assert continuous.m_g(OLD, NEW) == pytest.approx(0.3, abs=1e-15)
    assert continuous.m_r(OLD, NEW) == pytest.approx(0.2, abs=1e-15)
    assert continuous.delta(OLD, NEW) == pytest.approx(0.08, abs=1e-15)


@given(scored)
def test_mean_change_is_gains_minus_losses(rows):
    old, new = rows
    gains = continuous.pfr(old, new) * zero(continuous.m_g(old, new))
    losses = continuous.nfr(old, new) * zero(continuous.m_r(old, new))
    assert continuous.delta(old, new) == pytest.approx(gains - losses, abs=1e-12)
    means = continuous.mean_score(new) - continuous.mean_score(old)
    assert continuous.delta(old, new) == pytest.approx(means, abs=2e-9)


@given(scored, st.sampled_from([0.0, 0.05, 0.3]))
def test_swapping_old_and_new_swaps_gains_and_losses(rows, tau):
    old, new = rows
    assert continuous.nfr(old, new, tau=tau) == continuous.pfr(new, old, tau=tau)
    assert zero(continuous.m_g(old, new)) == zero(continuous.m_r(new, old))


@given(scored)
def test_a_tolerance_never_adds_flips(rows):
    old, new = rows
    assert continuous.nfr(old, new, tau=0.05) <= continuous.nfr(old, new)
    assert continuous.pfr(old, new, tau=0.05) <= continuous.pfr(old, new)


@given(scored)
def test_identical_scores_have_no_flips_and_no_mean_gain(rows):
    old, _ = rows
    assert continuous.nfr(old, old) == continuous.pfr(old, old) == continuous.delta(old, old) == 0.0
    assert math.isnan(continuous.m_g(old, old))
    assert math.isnan(continuous.m_r(old, old))


def test_rounding_is_no_flip():
    assert continuous.nfr([0.1 + 0.2], [0.3]) == 0.0
    assert continuous.nfr([1e-9], [0.0]) == 0.0
    assert continuous.nfr([3e-9], [0.0]) == 1.0


def test_a_change_of_exactly_tau_is_no_flip_however_it_rounds():
    """0.55 - 0.5 is 0.050000000000000044 in floats, 0.5 - 0.45 is 0.04999999999999999."""
    old, new = [0.55, 0.5, 0.5, 0.45], [0.5, 0.45, 0.55, 0.5]
    assert continuous.nfr(old, new, tau=0.05) == continuous.pfr(old, new, tau=0.05) == 0.0
    assert continuous.nfr([0.5], [0.44], tau=0.05) == 1.0


def test_nothing_compared_is_undefined_not_zero():
    for rate in (continuous.nfr, continuous.pfr, continuous.delta, continuous.m_g, continuous.m_r):
        assert math.isnan(rate([], []))


def test_vectors_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one length"):
        continuous.nfr([0.1, 0.2], [0.1])
