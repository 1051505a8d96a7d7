"""Precision, recall and F1 by class, against scikit-learn."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.metrics.classes import scores


@st.composite
def answered(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Right classes, each of which occurs, and answers, -1 for none of them."""
    classes = draw(st.integers(1, 5))
    more = draw(st.lists(st.integers(0, classes - 1), max_size=30))
    right = draw(st.permutations([*range(classes), *more]))
    given = draw(st.lists(st.integers(-1, classes - 1), min_size=len(right), max_size=len(right)))
    return list(right), given, classes


@given(answered())
def test_all_of_it_is_what_scikit_learn_says(case: tuple[list[int], list[int], int]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    right, given, classes = case
    found = scores(right, given, classes)
    settings = {"labels": list(range(classes)), "zero_division": math.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a mean of nothing
        each = metrics.precision_recall_fscore_support(right, given, average=None, **settings)
        macro = metrics.precision_recall_fscore_support(right, given, average="macro", **settings)
    for ours, theirs in zip((found.precision, found.recall, found.f1), each, strict=False):
        np.testing.assert_allclose(ours, theirs)
    np.testing.assert_allclose((found.macro_precision, found.macro_recall, found.macro_f1), macro[:3])


def test_a_class_never_answered_has_no_precision_and_an_f1_of_0() -> None:
    found = scores([0, 0, 0, 1], [0, 0, 0, 0], 2)
    assert found.precision[0] == 0.75
    assert math.isnan(found.precision[1])
    assert (found.macro_precision, found.macro_recall) == (0.75, 0.5)
    assert found.f1 == pytest.approx((6 / 7, 0.0))
    assert found.macro_f1 == pytest.approx(3 / 7)  # which tells what precision alone would hide
    assert found.never_answered == 1


def test_an_answer_that_is_no_class_misses_its_row_and_nobody_gains_by_it() -> None:
    found = scores([0, 0, 1, 1], [0, -1, 1, 1], 2)
    assert found.precision == (1.0, 1.0)
    assert found.recall == (0.5, 1.0)


def test_where_nothing_can_be_read_precision_is_undefined_and_never_0() -> None:
    found = scores([0, 1], [-1, -1], 2)
    assert math.isnan(found.macro_precision)
    assert (found.macro_recall, found.macro_f1) == (0.0, 0.0)


def test_accuracy_is_the_mean_of_recalls_weighted_by_how_often_a_class_is_right() -> None:
    right = np.array([0, 0, 0, 1, 1, 2])
    given = np.array([0, 1, 0, 1, 2, 2])
    weights = np.bincount(right) / right.size
    assert np.dot(scores(right, given, 3).recall, weights) == pytest.approx((right == given).mean())


@pytest.mark.parametrize(
    ("right", "given", "classes"), [([0, 1], [0], 2), ([0, 0], [0, 1], 2), ([0, 3], [0, 0], 2)]
)
def test_other_lengths_and_classes_that_are_nowhere_right_are_refused(
    right: list[int], given: list[int], classes: int
) -> None:
    with pytest.raises(ValueError, match=r"rows|nowhere right"):
        scores(right, given, classes)
