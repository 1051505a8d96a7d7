"""Cuts: who belongs together, whatever ties, gaps and infinities the values have."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regress.metrics.slices import Part, names, quantiles, steps, whole_numbers

NAN = math.nan
values = arrays.arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.one_of(st.sampled_from([0.0, 1.0, 2.0, NAN, math.inf, -math.inf]), st.floats(-5, 5)),
)


# ── quantiles ────────────────────────────────────────────────────────────────────────────────────


def test_quartiles_of_distinct_values_are_of_equal_size():
    cut = quantiles(np.random.default_rng(0).permutation(40), 4)
    assert np.bincount(cut.codes).tolist() == [10, 10, 10, 10]
    assert [(part.low, part.high) for part in cut.parts] == [(0, 9), (10, 19), (20, 29), (30, 39)]


def test_equal_values_never_part_so_parts_may_be_fewer():
    cut = quantiles([7] * 90 + [8] * 10, 4)
    assert np.bincount(cut.codes).tolist() == [90, 10]
    assert cut.parts == (Part(low=7.0, high=7.0), Part(low=8.0, high=8.0))


def test_one_value_is_one_part():
    assert quantiles([3.0] * 12, 10).parts == (Part(low=3.0, high=3.0),)


def test_what_is_not_known_is_in_no_part_and_moves_no_other():
    cut = quantiles([NAN, 1, NAN, 2, 3, 4], 2)
    assert cut.codes.tolist() == [-1, 0, -1, 0, 1, 1]


def test_infinite_values_have_ranks_too():
    cut = quantiles([math.inf, -math.inf, 0, 1], 2)
    assert cut.codes.tolist() == [1, 0, 0, 1]
    assert (cut.parts[0].low, cut.parts[1].high) == (-math.inf, math.inf)


@pytest.mark.parametrize("cut", [quantiles([], 4), whole_numbers([]), names(pa.array([], pa.string()))])
def test_nothing_is_no_part(cut):
    assert cut.codes.tolist() == []
    assert cut.parts == ()


@given(values, st.integers(1, 12))
def test_quantiles_follow_the_order_of_the_values(numbers, parts):
    cut = quantiles(numbers, parts)
    known = ~np.isnan(numbers)
    assert len(cut.parts) <= parts
    assert (cut.codes >= 0).tolist() == known.tolist()
    order = np.argsort(numbers[known], kind="stable")
    assert (np.diff(cut.codes[known][order]) >= 0).all()
    for value in np.unique(numbers[known]):
        assert len(set(cut.codes[numbers == value])) == 1


@given(values, st.integers(1, 12))
def test_no_part_is_empty_and_its_ends_are_its_smallest_and_largest_value(numbers, parts):
    for cut in (quantiles(numbers, parts), whole_numbers(numbers, parts)):
        for code, part in enumerate(cut.parts):
            inside = numbers[cut.codes == code]
            assert (part.low, part.high) == (inside.min(), inside.max())


@given(st.integers(1, 200), st.integers(1, 12))
def test_sizes_of_parts_of_distinct_values_differ_by_one_at_most(n, parts):
    sizes = np.bincount(quantiles(np.arange(n), parts).codes)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.size == min(n, parts)


# ── whole numbers ────────────────────────────────────────────────────────────────────────────────


def test_each_number_is_a_part_and_nothing_is_pooled_by_default():
    cut = whole_numbers([2, 1, 4, 2])
    assert cut.codes.tolist() == [1, 0, 2, 1]
    assert [part.low for part in cut.parts] == [1, 2, 4]


def test_the_largest_numbers_are_pooled_until_they_are_enough():
    """GSM8K: few solutions take more than seven steps."""
    counts = {1: 30, 2: 50, 3: 40, 7: 25, 8: 9, 9: 8, 11: 4}
    numbers = [step for step, n in counts.items() for _ in range(n)]
    cut = whole_numbers(numbers, tail=20)
    assert [(part.low, part.high) for part in cut.parts] == [(1, 1), (2, 2), (3, 3), (7, 7), (8, 11)]
    assert np.bincount(cut.codes).tolist() == [30, 50, 40, 25, 21]


def test_a_tail_that_is_large_enough_stays_as_it_is():
    assert len(whole_numbers([1] * 20 + [2] * 20, tail=20).parts) == 2


def test_fewer_than_asked_for_are_one_part():
    assert whole_numbers([1, 2, 3], tail=20).parts == (Part(low=1.0, high=3.0),)


# ── names and steps ──────────────────────────────────────────────────────────────────────────────


def test_names_are_in_alphabetical_order_and_null_is_none():
    cut = names(pa.chunked_array([["b", None], ["a", "b", ""]]))
    assert [part.value for part in cut.parts] == ["", "a", "b"]
    assert cut.codes.tolist() == [2, -1, 1, 2, 0]
    assert all(math.isnan(part.low) and math.isnan(part.high) for part in cut.parts)


def test_names_that_are_all_null_are_no_part():
    cut = names(pa.nulls(3, pa.string()))
    assert (cut.codes.tolist(), cut.parts) == ([-1, -1, -1], ())


@pytest.mark.parametrize(
    ("target", "count"),
    [
        ("4/2=<<4/2=2>>2 and 2+4=<<2+4=6>>6\n#### 6", 2),
        ("No sums here.\n#### 6", 0),
        ("", 0),
        ("a << b, << c", 0),
        ("<<1+1=2>><<2+2=4>>", 2),
        ("<<1\n+1=2>>", 1),
    ],
)
def test_steps_are_annotations_of_the_reference_solution(target, count):
    assert steps(pa.array([target])).tolist() == [count]


def test_steps_of_no_target_are_not_known():
    assert np.isnan(steps(pa.nulls(2, pa.string()))).all()
