"""What stands in one cell is read, or refused with its place, its column and its value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from regress.errors import DataError
from regress.interop.tables import cells

HERE = ("answers.csv:17", "it")


@pytest.mark.parametrize("value", ["true", "TRUE", " Yes ", "1", "1.0", True, 1, 1.0])
def test_right_is_written_in_these_ways(value: Any) -> None:
    assert cells.truth(value, *HERE) is True


@pytest.mark.parametrize("value", ["false", "No", "0", "0.0", False, 0, 0.0])
def test_wrong_is_written_in_these_ways(value: Any) -> None:
    assert cells.truth(value, *HERE) is False


@pytest.mark.parametrize("value", ["", "maybe", "t", "y", "right", "2", 2, 0.5, None, float("nan"), [], "on"])
def test_any_other_truth_value_is_refused_by_line_column_and_value(value: Any) -> None:
    with pytest.raises(DataError) as error:
        cells.truth(value, *HERE)
    met = "nothing" if value is None else cells.shown(value)
    said = f"answers.csv:17 has {met} in the column 'it'. Allowed: true, false, yes, no, 1 or 0."
    assert str(error.value).startswith(said)


def test_a_fraction_among_truth_values_may_be_a_score() -> None:
    with pytest.raises(DataError, match="--map score=it"):
        cells.truth("0.5", *HERE)


@pytest.mark.parametrize(
    ("value", "number"), [("-1.5", -1.5), (" 2 ", 2.0), (3, 3.0), (Decimal("0.5"), 0.5), ("1e-3", 0.001)]
)
def test_numbers(value: Any, number: float) -> None:
    assert cells.number(value, *HERE) == number


@pytest.mark.parametrize(
    "value", ["", "nan", "-inf", float("nan"), float("inf"), True, None, "1_000", "1,5", [1.0], 10**400]
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"answers\.csv:17 has .* in the column 'it'.*a finite number"):
        cells.number(value, *HERE)


@pytest.mark.parametrize(("value", "number"), [("7", 7), ("7.0", 7), (7, 7), (7.0, 7), (0, 0)])
def test_whole_numbers(value: Any, number: int) -> None:
    assert cells.whole(value, *HERE) == number


@pytest.mark.parametrize("value", ["-1", "1.5", 2**31, "1e300", "inf", None, True, "x"])
def test_what_is_no_whole_number_that_a_run_can_store_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match="a whole number from 0 to 2147483647"):
        cells.whole(value, *HERE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a\n", " a\n"),
        ("", ""),
        (18, "18"),
        (18.0, "18"),
        (0.1, "0.1"),
        (True, "true"),
        ({"a": "ü"}, '{"a": "ü"}'),
        (None, None),
        (float("nan"), None),
        (Decimal("1.50"), "1.50"),
    ],
)
def test_texts_are_kept_as_they_are_and_other_values_are_written_out(value: Any, text: str | None) -> None:
    assert cells.text(value) == text


@pytest.mark.parametrize("value", ['["a", "it\'s"]', "['a', \"it's\"]", ["a", "it's"], ("a", "it's")])
def test_lists_are_read_as_json_as_python_writes_them_and_as_they_are(value: Any) -> None:
    assert cells.texts(value, *HERE) == ("a", "it's")


@pytest.mark.parametrize("value", ["['a' 'b']", "a, b", "[", "[]", '["a", null]', None, 3, {"a": 1}])
def test_what_is_no_list_of_texts_is_refused(value: Any) -> None:
    """`['a' 'b']` is how numpy writes two texts, and how Python writes one."""
    with pytest.raises(DataError, match=r"answers\.csv:17"):
        cells.texts(value, *HERE)


@pytest.mark.parametrize("value", ["[-1, NaN]", "[-1, null]", [-1.0, float("-inf")], "[]", "-1", None])
def test_a_list_with_something_that_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"answers\.csv:17"):
        cells.numbers(value, *HERE)


def test_a_column_of_errors_says_nothing_where_nothing_went_wrong() -> None:
    assert [cells.problem(one) for one in (None, "", "None", "nan", False, 0)] == [None] * 6
    assert cells.problem("CUDA out of memory") == "CUDA out of memory"


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(DataError) as error:
        cells.truth("x" * 10_000, *HERE)
    assert len(str(error.value)) < 200


def test_a_decimal_comma_is_named() -> None:
    with pytest.raises(DataError, match="decimal point"):
        cells.number("-7,608", "answers.csv:2", "choice_0")
