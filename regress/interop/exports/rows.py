"""The rows of our own exports, as Arrow batches of the types written; `reader` says what they mean."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from regress.errors import DataError, first_line
from regress.interop import lines
from regress.interop.exports.writer import EXPORT, ROWS, flat_type
from regress.schema import PREDICTION
from regress.types import Finish, Status

UNUSABLE = (pa.ArrowException, ValueError, TypeError, OverflowError, KeyError, RecursionError)
"""What pyarrow and `json` raise on content that is not as it should be."""

_WORDS = {"status": get_args(Status), "finish": get_args(Finish)}
_NESTED = [column.name for column in EXPORT if pa.types.is_nested(column.type)]
_PLAIN = pa.schema([(column.name, flat_type(column.type, nested=column.type)) for column in EXPORT])
_REQUIRED = [column.name for column in PREDICTION if not column.nullable]
_HEADER = 1 << 16

Row = Mapping[str, Any]
"""A row by column; numbers, text and lists as Python has them."""


def suffix(path: Path) -> str:
    """The file's ending, which says its format: `parquet`, `csv`, `jsonl`, or anything."""
    return path.suffix.lower().removeprefix(".")


def columns(path: Path) -> Iterable[str]:
    """The file's columns, from its first bytes."""
    match suffix(path):
        case "parquet":
            names: list[str] = pa.parquet.read_schema(path).names
            return names
        case "csv":
            with open(path, "rb") as file:
                header = file.readline(_HEADER).decode("utf-8-sig")
            return next(csv.reader(io.StringIO(header)), [])
        case "jsonl":
            return next(lines.json_lines(path), ("", {}))[1]
    return ()


def rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Every row with the columns of `EXPORT`, and where it stands."""
    number = 1
    for batch in _BATCHES[suffix(path)](path):
        wheres = [f"{path.name}, row {number + i}" for i in range(batch.num_rows)]
        number += batch.num_rows
        yield from _plain(batch, wheres)


def _plain(batch: pa.RecordBatch, wheres: Sequence[str]) -> Iterator[tuple[str, Row]]:
    _check(batch, wheres)
    try:
        rows = batch.to_pylist(maps_as_pydicts="strict")
    except KeyError as error:
        raise DataError(f"{wheres[0]} or one that follows names {first_line(error)} twice") from None
    yield from zip(wheres, rows, strict=True)


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pa.parquet.ParquetFile(path) as file:
            ours = [name for name in file.schema_arrow.names if name in EXPORT.names]
            for batch in file.iter_batches(ROWS, columns=ours):
                yield _shaped(batch)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or first_line(error)}") from None
    except UNUSABLE as error:
        raise DataError(f"{path.name} is no usable export: {first_line(error)}") from None


def _shaped(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The columns of `_PLAIN` in their order and types; null where there is none."""
    columns = [
        batch[column.name].cast(column.type)
        if column.name in batch.schema.names
        else pa.nulls(batch.num_rows, column.type)
        for column in _PLAIN
    ]
    return pa.record_batch(columns, schema=_PLAIN)


def _csv_batches(path: Path) -> Iterator[pa.RecordBatch]:
    types = {name: pa.string() if name in _NESTED else _PLAIN.field(name).type for name in _PLAIN.names}
    # a quoted empty cell is empty text, an unquoted one is null; a block has to hold the longest row whole
    options = pa.csv.ConvertOptions(
        column_types=types,
        include_columns=EXPORT.names,
        include_missing_columns=True,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    try:
        with pa.csv.open_csv(
            path,
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=_block(path)),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        ) as reader:
            for batch in reader:
                for start in range(0, batch.num_rows, ROWS):
                    yield _unpacked(batch.slice(start, ROWS))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or first_line(error)}") from None
    except UNUSABLE as error:
        raise DataError(f"{path.name} is no usable export: {first_line(error)}") from None


def _block(path: Path) -> int:
    """Bytes parsed at once, a number that pyarrow holds in 32 bits."""
    return min(max(path.stat().st_size, 1 << 10), lines.LONGEST_LINE)


def _unpacked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of CSV cells with its lists and maps read from their JSON."""
    columns = [
        _parsed(values, _PLAIN.field(name).type) if name in _NESTED else values
        for name, values in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return _shaped(pa.record_batch(columns, names=batch.schema.names))


def _parsed(cells: pa.Array, type_: pa.DataType) -> pa.Array:
    values = [None if text is None else _pairs(json.loads(text)) for text in cells.to_pylist()]
    return pa.array(values, type_)


def _jsonl_batches(path: Path) -> Iterator[pa.RecordBatch]:
    rows = lines.json_lines(path)
    while some := list(itertools.islice(rows, ROWS)):
        yield _batch(some)


def checked(rows: Sequence[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
    """Rows from elsewhere with the columns of `EXPORT` in their types; null where there is none.

    Raises:
        DataError: Naming the first that is no row of an export.
    """
    yield from _plain(_batch(rows), [where for where, _ in rows])


def _batch(rows: Sequence[tuple[str, Row]]) -> pa.RecordBatch:
    try:
        return _of_rows([row for _, row in rows])
    except UNUSABLE:
        raise _first_unusable(rows) from None


def _of_rows(rows: Sequence[Row]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{name: _pairs(value) for name, value in row.items()} for row in rows], schema=_PLAIN
    )


def _pairs(value: Any) -> Any:
    """A map as Arrow takes it."""
    return list(value.items()) if isinstance(value, dict) else value


def _first_unusable(rows: Iterable[tuple[str, Row]]) -> DataError:
    """What is wrong with the first row that Arrow does not take."""
    for where, row in rows:
        try:
            _of_rows([row])
        except UNUSABLE as error:
            return DataError(f"{where} is no row of an export: {first_line(error)}")
    return DataError("the rows are no rows of an export")


def _check(batch: pa.RecordBatch, wheres: Sequence[str]) -> None:
    """Refuse what the types allow and a prediction does not."""
    for name in _REQUIRED:
        _refuse_first(batch[name].is_null(), wheres, f"has no {name}")
    for name in ("index", "repeat", "left_truncated"):
        _refuse_first(pc.less(batch[name], 0), wheres, f"has a negative {name}")
    for name, words in _WORDS.items():
        known = pc.or_kleene(batch[name].is_null(), pc.is_in(batch[name], pa.array(words)))
        _refuse_first(pc.invert(known), wheres, f"has an unknown {name}", allowed=", ".join(words))
    for name in ("choice_lengths", "choices", "golds"):
        holes = pc.list_parent_indices(batch[name]).filter(pc.list_flatten(batch[name]).is_null())
        if len(holes):
            raise DataError(f"{wheres[holes[0].as_py()]} has a null in {name}")


def _refuse_first(bad: pa.Array, wheres: Sequence[str], what: str, allowed: str | None = None) -> None:
    first = pc.index(bad, True).as_py()
    if first >= 0:
        raise DataError(f"{wheres[first]} {what}", allowed=allowed)


_BATCHES = {"parquet": _parquet_batches, "csv": _csv_batches, "jsonl": _jsonl_batches}
