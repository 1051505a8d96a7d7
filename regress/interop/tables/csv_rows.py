"""CSV as it is written: text cells, with the line each row begins on; a broken row is named by its line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from regress.errors import DataError, first_line

_BLOCKS = (512 << 10, 4 << 20)
"""Bytes that are parsed at once, as Arrow holds 32 times as many: more only where a row is longer."""
_STRADDLING = "straddling"
"""What Arrow's message says of a row that is longer than a block."""
_START = 1 << 20
"""Bytes in which the header has to end."""
_BATCH = 4096
_EXPECTED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_QUOTES = "A text with a comma, a quote or a line break in it has to stand in quotes."


def delimiter_of(path: Path) -> str:
    """What separates cells: a tab in `.tsv`; in `.csv` a comma, or what the header has instead."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    header = _start(path).split(b"\n", 1)[0]
    return next((one for one in (",", ";", "\t") if one.encode() in header), ",")


def csv_names(path: Path, delimiter: str) -> list[str]:
    """The names in the header; a column without one has an empty name.

    Raises:
        DataError: If there is no header, or two columns share a name.
    """
    start = _start(path)
    if len(start) == _START and b"\n" not in start:
        raise DataError(f"the first line of {path.name} has more than {_START >> 20} MB", allowed="a header")
    text = start.decode("utf-8-sig", "surrogateescape")
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        "".join(names).encode()
    except (csv.Error, UnicodeEncodeError) as error:
        raise _unreadable(path, error) from None
    if not any(names):
        raise DataError(f"{path.name} begins with an empty line", allowed="the names of its columns")
    if all(map(_is_number, names)):
        raise DataError(
            f"{path.name} has no header: its first line is {', '.join(names[:5])}",
            do="Put the names of the columns into its first line.",
        )
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path.name} has two columns {twice[0]!r}", allowed="one column of each name")
    return names


def csv_rows(path: Path, delimiter: str, columns: Sequence[str]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Where each row begins, and its cells in the columns asked for; rows without any are skipped.

    Raises:
        DataError: Naming the line, if it has too few or too many cells, is not UTF-8, or never ends.
    """
    names = csv_names(path, delimiter)
    places = [names.index(column) for column in columns]
    done = 0
    for size in _BLOCKS:
        try:
            for row in islice(_parsed(path, delimiter, names, places, size), done, None):
                done += 1
                yield row
            return
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            if _STRADDLING not in str(error) or size == _BLOCKS[-1]:
                raise _wrong_cells(path, delimiter, error) or _unreadable(path, error) from None


def _parsed(
    path: Path, delimiter: str, names: list[str], places: Sequence[int], size: int
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    line = 2 + sum(name.count("\n") for name in names)
    last: pa.RecordBatch | None = None
    with pacsv.open_csv(path, _reading(size), _parsing(delimiter), _as_text(names)) as reader:
        if reader.schema.names != names:
            raise _unreadable(path, ValueError("its header can be read in two ways"))
        for block in reader:
            lines = _lines(block, line)
            line, last = int(lines[-1]), block if len(block) else last
            for start in range(0, len(block), _BATCH):
                yield from _rows(path.name, block.slice(start, _BATCH), lines[start:], places)
    if last is not None:
        _refuse_open_quote(path, last)


def _rows(
    name: str, batch: pa.RecordBatch, lines: np.ndarray, places: Sequence[int]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    cells = zip(*(batch.column(place).to_pylist() for place in places), strict=True)
    empty = _empty(batch)
    for row, (line, told) in enumerate(zip(lines[: len(batch)].tolist(), cells, strict=True)):
        if empty is None or not empty[row]:
            yield f"{name}:{line}", told


def _lines(block: pa.RecordBatch, first: int) -> np.ndarray:
    """[rows + 1] the line that each row begins on, and the one after the last."""
    length = np.ones(len(block) + 1, dtype=np.int64)
    for column in block.columns:
        breaks = pc.fill_null(pc.count_substring(column, "\n"), 0)
        length[1:] += breaks.to_numpy(zero_copy_only=False)
    length[0] = first
    return np.cumsum(length)


def _empty(batch: pa.RecordBatch) -> np.ndarray | None:
    """[rows] whether a row has no cell with anything in it; null if that is so of none."""
    if any(column.null_count == 0 for column in batch.columns):
        return None
    nulls = [column.is_null().to_numpy(zero_copy_only=False) for column in batch.columns]
    return np.asarray(np.logical_and.reduce(nulls))


# ── how Arrow is to read ─────────────────────────────────────────────────────────────────────────


def _reading(size: int) -> pacsv.ReadOptions:
    return pacsv.ReadOptions(use_threads=False, block_size=size)


def _parsing(delimiter: str) -> pacsv.ParseOptions:
    # empty lines are rows without cells, so that lines can be counted
    return pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False)


def _as_text(names: Sequence[str]) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def _start(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            start = file.read(_START)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if not start.strip():
        raise DataError(f"{path.name} is empty", allowed="a header and rows")
    return start


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


# ── what is wrong with it ────────────────────────────────────────────────────────────────────────


def _wrong_cells(path: Path, delimiter: str, error: Exception) -> DataError | None:
    """The error about a row with too few or too many cells; null if it is about something else."""
    # Arrow's own handler of such rows cannot be handed one that is not UTF-8
    found = _EXPECTED.search(str(error))
    if found is None:
        return None
    row, expected, met = map(int, found.groups())
    line = _line_of_wrong_cells(path, delimiter, expected)
    where = f"{path.name}:{line}" if line else f"row {row} of {path.name}"
    cells = "1 cell" if met == 1 else f"{met} cells"
    return DataError(f"{where} has {cells}, and the header {expected}", do=f"{_QUOTES} Is it cut off?")


def _line_of_wrong_cells(path: Path, delimiter: str, expected: int) -> int | None:
    """The line that the first row with too few or too many cells begins on; null if it cannot be told."""
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        rows, begins = csv.reader(file, delimiter=delimiter), 1
        try:
            for row in rows:
                if row and len(row) != expected:
                    return begins
                begins = rows.line_num + 1
        except csv.Error:
            return None
    return None


def _unreadable(path: Path, error: Exception) -> DataError:
    said = first_line(error)
    if isinstance(error, OSError):
        return DataError(f"cannot read {path}: {error.strerror or said}")
    if isinstance(error, UnicodeError) or "invalid UTF8" in said:
        return DataError(
            f"{_first_not_utf8(path)} is not UTF-8", do="Save the table as UTF-8 (spreadsheets: “CSV UTF-8”)."
        )
    if _STRADDLING in said:
        return DataError(
            f"{path.name} has a row of more than {_BLOCKS[-1] >> 20} MB",
            do="Is there a quote that never ends? In JSON lines a row may be longer.",
        )
    return DataError(f"{path.name} is not a table: {said}", allowed="a header and rows", do=_QUOTES)


def _first_not_utf8(path: Path) -> str:
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"{path.name}:{number}"
    return path.name


def _refuse_open_quote(path: Path, last: pa.RecordBatch) -> None:
    """A quote that is still open where the file ends has swallowed all rows after it."""
    cell = last.column(last.num_columns - 1)[len(last) - 1].as_py()
    if cell is None:
        return
    written = b'"' + cell.replace('"', '""').encode()
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(written) - 1))
        tail = file.read()
        if tail[1:] == written and tail[:1] != b'"':  # `""` is an empty text
            raise DataError(
                f"the last row of {path.name} has a quote that never ends",
                do="Is the file cut off? Copy it again.",
            )
