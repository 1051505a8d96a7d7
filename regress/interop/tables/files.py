"""Rows of CSV, JSON lines and Parquet: the columns asked for, one row at a time, with where it stands.

CSV is read as text throughout: an empty cell is null, `""` is an empty text, and a text in quotes may
hold line breaks. A dotted name reaches into objects (JSON) and structs (Parquet), unless a column
bears that very name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from regress.errors import DataError, UnknownName, first_line
from regress.interop.lines import json_lines
from regress.interop.tables.csv_rows import csv_names, csv_rows, delimiter_of
from regress.interop.tables.paths import Tree, dotted, getter, grow, path_to, tree_of

HEAD = 1000
"""Rows that are looked at to see what columns there are and what they hold."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Names of tables end so."""

Cells = tuple[str, tuple[Any, ...]]
"""Where a row stands (`answers.csv:17`), and its cells in the order asked for."""

_BATCH = 4096
_BYTES = 32 << 20


class TableFile(Protocol):
    """A table on disk."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def tree(self) -> Tree:
        """The columns, in order."""
        ...

    def find(self, column: str) -> bool:
        """Whether there is such a column or path into one."""
        ...

    def rows(self, columns: Sequence[str]) -> Iterator[Cells]:
        """The cells of these columns, row by row, anew at every call.

        Raises:
            DataError: Naming the row, if it cannot be read.
        """
        ...


def open_table(path: Path) -> TableFile:
    """A table, by the ending of its name.

    Raises:
        DataError: If it cannot be read, or is no table with named columns.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder", allowed="a file of one table")
    match path.suffix.lower():
        case ".parquet":
            return _parquet(path)
        case ".csv" | ".tsv":
            delimiter = delimiter_of(path)
            return CsvFile(path, {name: {} for name in csv_names(path, delimiter) if name}, delimiter)
        case _:
            return _json(path)


def required(table: TableFile, column: str) -> str:
    """`column`, if the table has it.

    Raises:
        UnknownName: If not, with the names that are near.
    """
    if not table.find(column):
        raise UnknownName("column", column, dotted(table.tree), where=table.path.name)
    return column


@dataclass(frozen=True)
class CsvFile:
    """CSV or TSV."""

    path: Path
    tree: Tree
    delimiter: str

    def find(self, column: str) -> bool:
        """Whether there is such a column."""
        return column in self.tree

    def rows(self, columns: Sequence[str]) -> Iterator[Cells]:
        """See `TableFile.rows`."""
        return csv_rows(self.path, self.delimiter, columns)


@dataclass(frozen=True)
class JsonFile:
    """One JSON object a line."""

    path: Path
    tree: Tree
    """Of the first `HEAD` rows."""
    _further: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def find(self, column: str) -> bool:
        """Whether there is such a column or path; what the first rows lack is looked for in the others."""
        if path_to(self.tree, column) is None and column not in self._further:
            for _, row in json_lines(self.path):
                if (found := path_to(tree_of(row), column)) is not None:
                    self._further[column] = found
                    break
        return path_to(self.tree, column) is not None or column in self._further

    def rows(self, columns: Sequence[str]) -> Iterator[Cells]:
        """See `TableFile.rows`."""
        cells = [getter(path_to(self.tree, name) or self._further[name]) for name in columns]
        for where, row in json_lines(self.path):
            yield where, tuple(cell(row) for cell in cells)


@dataclass(frozen=True)
class ParquetFile:
    """Parquet."""

    path: Path
    tree: Tree

    def find(self, column: str) -> bool:
        """Whether there is such a column or path."""
        return path_to(self.tree, column) is not None

    def rows(self, columns: Sequence[str]) -> Iterator[Cells]:
        """See `TableFile.rows`; rows are counted from 1."""
        paths = [path_to(self.tree, name) or (name,) for name in columns]
        number = 0
        try:
            with pq.ParquetFile(self.path, memory_map=True) as file:
                batch_rows = _rows_at_once(file.metadata)
                for batch in file.iter_batches(batch_rows, columns=[*{path[0]: None for path in paths}]):
                    told = [_reached(batch, path).to_pylist() for path in paths]
                    for cells in zip(*told, strict=True):
                        number += 1
                        yield f"{self.path.name}:{number}", cells
        except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
            raise _damaged(self.path, error, after=number) from None


def _json(path: Path) -> JsonFile:
    tree: Tree = {}
    for _, row in islice(json_lines(path), HEAD):
        grow(tree, row)
    if not tree:
        raise DataError(f"{path.name} is empty", allowed="one JSON object a line")
    return JsonFile(path, tree)


def _parquet(path: Path) -> ParquetFile:
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            schema = file.schema_arrow
        tree = _fields(schema)
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
        raise _damaged(path, error) from None
    if len(tree) < len(schema.names):
        raise DataError(f"{path.name} has two columns of one name")
    if not tree:
        raise DataError(f"{path.name} has no columns")
    return ParquetFile(path, tree)


def _rows_at_once(metadata: pq.FileMetaData) -> int:
    """As many rows as some megabytes hold."""
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    return int(max(1, min(_BATCH, _BYTES * metadata.num_rows // max(size, 1))))


def _fields(of: Any) -> Tree:
    return {one.name: _fields(one.type) if pa.types.is_struct(one.type) else {} for one in of}


def _reached(batch: pa.RecordBatch, path: Sequence[str]) -> pa.Array:
    array = batch.column(path[0])
    for name in path[1:]:
        array = pc.struct_field(array, name)
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        with contextlib.suppress(pa.ArrowInvalid):  # pictures stay bytes
            return array.cast(pa.large_string())  # some writers do not mark their texts as such
    return array


def _damaged(path: Path, error: Exception, *, after: int = 0) -> DataError:
    seen = f" after row {after}" if after else ""
    return DataError(
        f"{path.name} cannot be read as Parquet{seen}: {first_line(error)}",
        do="Is the file damaged or cut off? Copy it again.",
    )
