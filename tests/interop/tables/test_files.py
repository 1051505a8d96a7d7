"""Rows of CSV, JSON lines and Parquet, and where each stands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regress.errors import DataError
from regress.interop.tables.files import open_table
from regress.interop.tables.heads import Head


def _rows(path: Path, columns: Sequence[str] = ()) -> list[tuple[str, tuple[Any, ...]]]:
    table = open_table(path)
    return list(table.rows(columns or list(table.tree)))


def _file(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_cell_is_null_and_quotes_around_nothing_are_an_empty_text(tmp_path: Path) -> None:
    assert _rows(_file(tmp_path, 'a,b\n,""\nNA,null\n')) == [
        ("t.csv:2", (None, "")),
        ("t.csv:3", ("NA", "null")),
    ]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    """Line breaks in texts and empty lines count, and rows without any cell are left out."""
    text = 'a,b\n1,2\n\n"x\ny",3\n,\n4,5\n\n'
    assert [where for where, _ in _rows(_file(tmp_path, text))] == ["t.csv:2", "t.csv:4", "t.csv:7"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\r\n1,2\r\n", "t.csv"),
        ("\ufeffa,b\n1,2", "t.csv"),
        ("a\tb\n1\t2\n", "t.tsv"),
        ("a;b\n1;2\n", "t.CSV"),
        ("a\tb\n1\t2\n", "t.csv"),
        ('"a","b"\n"1","2"\n', "t.csv"),
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, content: str, name: str) -> None:
    assert [cells for _, cells in _rows(_file(tmp_path, content, name))] == [("1", "2")]


def test_columns_without_a_name_are_left_out(tmp_path: Path) -> None:
    path = _file(tmp_path, ",a,,b,\n0,1,,2,\n")
    assert list(open_table(path).tree) == ["a", "b"]
    assert _rows(path, ["b", "a"]) == [("t.csv:2", ("2", "1"))]


def test_rows_around_a_long_one_come_once_each(tmp_path: Path) -> None:
    """Longer blocks are read from the start, and what was handed out already is not again."""
    cells = ["x"] * 60_000 + ["y" * (3 << 20)] + ["z"] * 60_000
    path = _file(tmp_path, "a,b\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    rows = _rows(path)
    assert [(where, number) for where, (number, _) in rows] == [
        (f"t.csv:{i + 2}", str(i)) for i in range(len(cells))
    ]
    assert [cell for _, (_, cell) in rows] == cells


def test_a_cell_may_have_a_megabyte(tmp_path: Path) -> None:
    long = "x,\n" * 400_000
    path = _file(tmp_path, f'a,b\n1,"{long}"\n2,y\n')
    assert _rows(path) == [("t.csv:2", ("1", long)), (f"t.csv:{3 + 400_000}", ("2", "y"))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "t.csv is empty"),
        ("\n\n", "t.csv is empty"),
        ("\na,b\n1,2\n", "begins with an empty line"),
        ("a,b,a\n1,2,3\n", "two columns 'a'"),
        ("0,-1.5,3\n1,2,3\n", "has no header: its first line is 0, -1.5, 3"),
        ('a,b\n1,2\n\n"x\ny",3\n1,2,3\n5,6\n', "t.csv:6 has 3 cells, and the header 2"),
        (",".join(f"c{i}" for i in range(200_000)) + "\n", "the first line of t.csv has more than 1 MB"),
        ("a,b\n1,2\n3\n", "t.csv:3 has 1 cell, and the header 2"),
        ("a,b\n1,2\nü,3\n".encode("latin-1"), "t.csv:3 is not UTF-8"),
        ("a,ü\n1,2\n".encode("latin-1"), "t.csv:1 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "is not UTF-8"),
        ('a,b\n1,2\n3,"it\nis cut off\n', "the last row of t.csv has a quote that never ends"),
        ('a,b\n1,2\n3,"it ""is', "the last row of t.csv has a quote that never ends"),
        ('a,b\n1,2\n"3,it\nis cut off\n', "t.csv:3 has 1 cell"),
        ('a,b\n1,"' + "x" * (9 << 20) + '"\n3,4\n', "a row of more than 4 MB"),
    ],
)
def test_what_is_no_table_is_refused_by_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        _rows(_file(tmp_path, content))
    assert said in str(error.value)


@pytest.mark.parametrize("ending", ['"x"', '"a""b"', '"l\n"', "x", '5"', "", '""'])
@pytest.mark.parametrize("newline", ["", "\n", "\r\n"])
def test_a_last_cell_that_ends_is_not_taken_for_an_open_quote(
    tmp_path: Path, ending: str, newline: str
) -> None:
    assert len(_rows(_file(tmp_path, f"a,b\n1,{ending}{newline}"))) == 1


def test_a_header_alone_holds_no_rows(tmp_path: Path) -> None:
    for name, content in (("t.csv", b"a,b\n"), ("t.parquet", None)):
        path = tmp_path / name
        if content is None:
            pq.write_table(pa.table({"a": pa.array([], pa.string())}), path)
        else:
            path.write_bytes(content)
        with pytest.raises(DataError, match="has a header and no rows"):
            Head.of(open_table(path), [])


# ── JSON lines ───────────────────────────────────────────────────────────────────────────────────


def test_names_reach_into_objects(tmp_path: Path) -> None:
    path = _file(
        tmp_path, '{"a": {"b": {"c": 1}}, "a.b": {"c": 2}}\n{"a": null}\n{"a": {"b": 3}}\n', "t.jsonl"
    )
    assert _rows(path, ["a.b.c", "a.b"]) == [
        ("t.jsonl:1", (2, {"c": 2})),
        ("t.jsonl:2", (None, None)),
        ("t.jsonl:3", (None, None)),
    ]


def test_rows_before_a_broken_line_are_handed_out(tmp_path: Path) -> None:
    """Nothing is held back or read ahead: a file need not fit into memory."""
    table = open_table(_file(tmp_path, '{"a": 1}\n' * 3000 + "{", "t.jsonl"))
    rows = table.rows(["a"])
    assert len(list(islice(rows, 3000))) == 3000
    with pytest.raises(DataError, match=r"t\.jsonl:3001 is not JSON.*cut off"):
        next(rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "t.jsonl is empty"),
        ("\n \n", "t.jsonl is empty"),
        ('[{"a": 1}]\n', "t.jsonl:1 is '[{"),
        ('{"a": 1}\n3\n', "t.jsonl:2 is '3'"),
        (b'{"a": "\xff"}\n', "t.jsonl:1 is not UTF-8"),
    ],
)
def test_what_is_no_object_a_line_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as error:
        _rows(_file(tmp_path, content, "t.jsonl"))
    assert said in str(error.value)


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────


def test_parquet_holds_lists_structs_and_names_with_dots(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    struct = pa.array([{"b": 1, "c": None}, None], pa.struct([("b", pa.int64()), ("c", pa.string())]))
    pq.write_table(pa.table({"a": struct, "a.c": ["x", "y"], "l": [[-1.0], [-2.0, -3.0]]}), path)
    assert _rows(path, ["a.b", "a.c", "l"]) == [
        ("t.parquet:1", (1, "x", [-1.0])),
        ("t.parquet:2", (None, "y", [-2.0, -3.0])),
    ]


def test_texts_that_a_writer_did_not_mark_as_such_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"said": pa.array(["ä".encode(), None]), "picture": [b"\xff\xd8", b""]}), path)
    assert _rows(path) == [("t.parquet:1", ("ä", b"\xff\xd8")), ("t.parquet:2", (None, b""))]


def test_rows_of_many_row_groups_are_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(25))}), path, row_group_size=10)
    assert _rows(path)[-1] == ("t.parquet:25", (24,))


@pytest.mark.parametrize("cut", [0, 3, 20, -1, -10])
def test_a_damaged_parquet_file_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"t\.parquet cannot be read as Parquet"):
        _rows(path)


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(DataError, match="two columns of one name"):
        open_table(path)


# ── files that are none ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"t\."):
        open_table(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match="is a folder"):
        open_table(tmp_path / name)
