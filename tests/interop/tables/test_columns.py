"""Which column means what, as the user says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from regress.errors import DataError, UnknownName, UsageError
from regress.interop.tables.columns import Layout, Row, TableMapping, declared, read_mapping, written
from regress.interop.tables.files import TableFile, open_table


def _mapping(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "map.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> TableFile:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": 1, "model": {"output": "a", "b+c": "x"}, "model.output": "b", "y+z": 2}\n')
    return open_table(path)


# ── a mapping file ───────────────────────────────────────────────────────────────────────────────


def test_a_mapping_file_says_columns_marker_task_and_metric(tmp_path: Path) -> None:
    path = _mapping(
        tmp_path,
        'task = "gsm8k"\nmarker = "A: "\nmetric = "exact_match/strict-match"\n'
        '[columns]\nprediction = "6b_finetuning.solution"\nchoices = ["a", "b"]\n'
        'tag.subject = "s"\nid = []\n',
    )
    assert read_mapping(path) == TableMapping(
        columns={"prediction": "6b_finetuning.solution", "choices": "a+b", "id": "", "tag.subject": "s"},
        marker="A: ",
        task="gsm8k",
        metric="exact_match/strict-match",
    )


def test_an_empty_mapping_says_nothing(tmp_path: Path) -> None:
    assert read_mapping(_mapping(tmp_path, "")) == ({}, None, None, None)


def test_a_task_file_lies_beside_the_mapping(tmp_path: Path) -> None:
    path = _mapping(tmp_path, 'task = "mine/task.yaml"')
    assert read_mapping(path).task == str(tmp_path / "mine/task.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns", "is not valid TOML"),
        ('colums = "x"', "did you mean 'columns'"),
        ('[columns]\npredction = "x"', "did you mean 'prediction'"),
        ("[columns]\nprediction = 3", "prediction is 3"),
        ("[columns]\nchoices = ['a', 1]", "choices is"),
        ('columns = "x"', "columns is 'x'"),
        ("marker = 3", "marker is 3"),
        ('task = ""', "task is ''"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises((UsageError, UnknownName), match=r"map\.toml") as error:
        read_mapping(_mapping(tmp_path, text))
    assert said in str(error.value)


def test_a_mapping_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the mapping .*none\.toml"):
        read_mapping(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="cannot read the mapping"):
        read_mapping(tmp_path)


# ── columns looked up in a table ─────────────────────────────────────────────────────────────────


def test_a_column_that_bears_a_dotted_name_wins_over_a_path(table: TableFile) -> None:
    columns = declared({"prediction": "model.output", "target": "model.b+c"}, table)
    layout = Layout.of(columns)
    [(where, cells)] = table.rows(layout.columns)
    row = Row(where, cells, layout)
    assert (row.text("prediction"), row.text("target")) == ("b", "x")


def test_several_columns_are_joined_by_a_plus_unless_one_is_called_so(table: TableFile) -> None:
    assert declared({"tags": "id+model.output"}, table) == {"tags": ("id", "model.output")}
    assert declared({"tags": "y+z"}, table) == {"tags": ("y+z",)}
    assert written(declared({"tags": "id+model.output", "id": ""}, table)) == {"tags": "id+model.output"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prediction": "modl.output"}, r"unknown column 'modl\.output' in answers\.jsonl; did you mean"),
        ({"predicton": "id"}, "unknown role 'predicton'.*did you mean 'prediction'"),
        ({"tag.": "id"}, "unknown role"),
    ],
)
def test_an_unknown_role_or_column_is_refused_with_the_near_ones(
    table: TableFile, given: dict[str, str], said: str
) -> None:
    with pytest.raises(UnknownName, match=said):
        declared(given, table)


def test_a_role_of_one_column_takes_one(table: TableFile) -> None:
    with pytest.raises(UsageError, match=r"2 columns are given for 'id': id, model\.output"):
        declared({"id": "id+model.output"}, table)


def test_a_column_that_first_appears_late_is_found(tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    path.write_text('{"id": 1}\n' * 1500 + '{"id": 2, "problem": {"kind": "x"}}\n')
    late = open_table(path)
    assert declared({"error": "problem.kind"}, late) == {"error": ("problem.kind",)}
    assert [cells for _, cells in late.rows(["problem.kind"])][-1] == ("x",)


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def _row(columns: dict[str, tuple[str, ...]], **cells: object) -> Row:
    layout = Layout.of(columns)
    return Row("a.csv:2", tuple(cells[name] for name in layout.columns), layout)


def test_choices_in_columns_may_end_early_but_have_no_hole() -> None:
    columns = {"choices": ("c0", "c1", "c2")}
    assert _row(columns, c0="a", c1="b", c2=None).texts("choices") == ("a", "b")
    with pytest.raises(DataError, match=r"a\.csv:2 has nothing in the column 'c1'"):
        _row(columns, c0="a", c1=None, c2="c").texts("choices")
    with pytest.raises(DataError, match="'c0'"):
        _row(columns, c0=None, c1=None, c2=None).texts("choices")


def test_every_column_of_log_probabilities_has_a_number() -> None:
    columns = {"logprobs": ("l0", "l1")}
    assert _row(columns, l0="-1", l1=-2).numbers("logprobs") == (-1.0, -2.0)
    with pytest.raises(DataError, match=r"a\.csv:2 has nothing in the column 'l1'"):
        _row(columns, l0="-1", l1=None).numbers("logprobs")


def test_a_role_without_a_column_is_null() -> None:
    row = _row({"id": ("i",)}, i=" ")
    assert (row.text("prediction"), row.whole("index"), row.name("id"), row.each("tags")) == (
        None,
        None,
        None,
        [],
    )


def test_an_object_is_no_text_and_its_fields_are_named(tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl"
    path.write_text('{"q": "a?", "resp": {"text": "4", "tokens": 3}}\n')
    with pytest.raises(UsageError, match=r"'resp' is to be the prediction, and holds objects.*resp\.text"):
        declared({"prediction": "resp"}, open_table(path))
    assert declared({"prediction": "resp.text"}, open_table(path)) == {"prediction": ("resp.text",)}
