"""Flips of right-or-wrong answers: the definitions, their identities and the toy oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.metrics import flips

GOLD = np.array(list("AAAABBBBCCCCDDDDABCD"))
OLD = np.array(list("AAAAABBBCACCDDBAABCA"))
NEW = np.array(list("ABAAABBCCBCCDDCAABDB"))


def answered(choices: int = 4, min_size: int = 1):
    """Gold, old and new answers of one item each, out of so many choices."""
    choice = st.integers(0, choices - 1)
    return st.lists(st.tuples(choice, choice, choice), min_size=min_size, max_size=60).map(
        lambda rows: np.array(rows, dtype=int).reshape(-1, 3).T
    )


def judged(gold, old, new):
    return old == gold, new == gold, old == new


def zero(value: float) -> float:
    """0 * nan is 0 in the identities."""
    return 0.0 if math.isnan(value) else value


def test_toy_oracle_to_the_digit():
    old, new, same = judged(GOLD, OLD, NEW)
    counts = flips.counts(flips.quadrants(old, new, same))
    assert (old.sum(), new.sum()) == (15, 12)
    assert (counts.negative_flips, counts.positive_flips) == (3, 0)
    assert (counts.both_wrong_different, counts.both_wrong_same) == (3, 2)
    assert flips.nfr(old, new) == 3 / 20
    assert flips.pfr(old, new) == 0.0
    assert flips.nfr_mc(new, same) == 6 / 20
    assert flips.churn(same) == 6 / 20
    assert flips.delta(old, new) == -3 / 20
    assert flips.btc(old, new) == 12 / 15
    assert flips.bec(old, new) == 5 / 8
    assert flips.nfi(old, new) == 3 / 8
    assert flips.relative_nfr(old, new) == pytest.approx(0.15 / (0.75 * 0.4), abs=1e-15)


@given(answered())
def test_counts_sum_to_n(rows):
    old, new, same = judged(*rows)
    assert flips.counts(flips.quadrants(old, new, same)).n == old.size


@given(answered())
def test_change_of_accuracy_is_positive_minus_negative_flips(rows):
    old, new, _ = judged(*rows)
    expected = flips.pfr(old, new) - flips.nfr(old, new)
    assert flips.delta(old, new) == pytest.approx(expected, abs=1e-12)
    assert flips.accuracy(new) - flips.accuracy(old) == pytest.approx(expected, abs=1e-12)


@given(answered())
def test_nfr_mc_is_nfr_and_changed_mistakes_and_churn_adds_the_positive_flips(rows):
    old, new, same = judged(*rows)
    counts = flips.counts(flips.quadrants(old, new, same))
    changed = counts.both_wrong_different / counts.n
    nfr_mc = flips.nfr_mc(new, same)
    assert nfr_mc == pytest.approx(flips.nfr(old, new) + changed, abs=1e-12)
    assert flips.churn(same) == pytest.approx(nfr_mc + flips.pfr(old, new), abs=1e-12)


@given(answered(choices=2))
def test_with_two_choices_nfr_mc_is_nfr(rows):
    old, new, same = judged(*rows)
    assert flips.nfr_mc(new, same) == flips.nfr(old, new)


@given(answered())
def test_nfr_lies_between_its_bounds(rows):
    old, new, same = judged(*rows)
    before, after, rate = flips.accuracy(old), flips.accuracy(new), flips.nfr(old, new)
    assert max(0.0, before - after) - 1e-12 <= rate <= min(before, 1 - after) + 1e-12
    assert rate <= flips.nfr_mc(new, same) <= 1 - after + 1e-12


@given(answered())
def test_compatibility_scores_follow_from_nfr(rows):
    old, new, _ = judged(*rows)
    before, wrong, rate = flips.accuracy(old), 1 - flips.accuracy(new), flips.nfr(old, new)
    assert before * zero(flips.btc(old, new)) == pytest.approx(before - rate, abs=1e-12)
    assert wrong * zero(flips.nfi(old, new)) == pytest.approx(rate, abs=1e-12)
    assert before * wrong * zero(flips.relative_nfr(old, new)) == pytest.approx(rate, abs=1e-12)
    if wrong:
        assert flips.bec(old, new) == pytest.approx(1 - flips.nfi(old, new), abs=1e-12)


@given(answered())
def test_swapping_old_and_new_swaps_negative_and_positive_flips(rows):
    old, new, same = judged(*rows)
    assert flips.nfr(old, new) == flips.pfr(new, old)
    there = flips.counts(flips.quadrants(old, new, same))
    back = flips.counts(flips.quadrants(new, old, same))
    assert (there.negative_flips, there.positive_flips) == (back.positive_flips, back.negative_flips)
    assert there.both_wrong_different == back.both_wrong_different


@given(answered())
def test_identical_answers_have_no_flips(rows):
    gold, old, _ = rows
    right, _, same = judged(gold, old, old)
    assert flips.nfr(right, right) == flips.pfr(right, right) == flips.churn(same) == 0.0
    assert flips.nfr_mc(right, same) == 0.0
    assert not flips.negative(right, right).any()
    assert not flips.positive(right, right).any()


@given(answered(), st.randoms(use_true_random=False))
def test_order_does_not_matter(rows, random):
    order = list(range(rows.shape[1]))
    random.shuffle(order)
    old, new, same = judged(*rows)
    assert flips.counts(flips.quadrants(old, new, same)) == flips.counts(
        flips.quadrants(old[order], new[order], same[order])
    )


@pytest.mark.parametrize(
    "rate", [flips.nfr, flips.pfr, flips.delta, flips.btc, flips.bec, flips.nfi, flips.relative_nfr]
)
def test_nothing_compared_is_undefined_not_zero(rate):
    assert math.isnan(rate([], []))


def test_a_model_never_right_has_no_trust_to_keep_and_one_never_wrong_no_mistakes_to_share():
    assert math.isnan(flips.btc([0, 0], [1, 0]))
    assert math.isnan(flips.relative_nfr([0, 0], [1, 0]))
    assert math.isnan(flips.bec([1, 0], [1, 1]))
    assert math.isnan(flips.nfi([1, 0], [1, 1]))


def test_bec_divides_by_the_new_mistakes():
    """BackwardCompatibilityML divides by the old ones, which would be 1 / 3 here."""
    assert flips.bec([1, 0, 0, 0], [0, 0, 1, 1]) == 1 / 2


def test_vectors_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"one length, got shapes \(2,\), \(1,\)"):
        flips.nfr([1, 0], [1])
