"""Rows on disk for as long as an import lasts: written in the order of the source, read in any order.

Arrow batches of some megabytes, read one at a time: what is taken out is all that is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.schema import table_of

ROWS, CHARACTERS = 1024, 8 << 20
"""What a batch holds at most, but for a single row that has more."""


class Spool:
    """A file of rows of one schema.

    Args:
        path: Where the file is made.
        schema: Of the rows; dictionary types are written as their values.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self._path = path
        self._plain = pa.schema([pa.field(one.name, _plain(one.type)) for one in schema])
        self._texts = [one.name for one in self._plain if pa.types.is_string(one.type)]
        self._writer: Any = pa.ipc.new_file(str(path), self._plain)
        self._file: Any = None
        self._reader: Any = None
        self._firsts: list[int] = []
        self._bytes = 0
        self.rows = 0
        self.told: set[str] = set()
        """Columns in which some row is not null."""

    def fill(self, rows: Iterable[Any]) -> Iterator[int]:
        """Write rows that have the columns as attributes; yields how many there are, batch by batch."""
        batch: list[Any] = []
        size = 0
        for row in rows:
            batch.append(row)
            size += sum(len(text) for name in self._texts if (text := getattr(row, name)))
            if len(batch) == ROWS or size > CHARACTERS:
                yield self._append(batch)
                batch, size = [], 0
        if batch:
            yield self._append(batch)
        self._writer.close()
        # not mapped: pages that were read would count as memory for as long as the file is open
        self._file = pa.OSFile(str(self._path))
        self._reader = pa.ipc.open_file(self._file)

    def _append(self, rows: list[Any]) -> int:
        table = table_of(rows, self._plain)
        self._writer.write_table(table)
        self._firsts.append(self.rows)
        self._bytes += table.nbytes
        self.rows += len(rows)
        self.told |= {name for name in table.column_names if table[name].null_count < len(rows)}
        return self.rows

    def rows_in(self, size: int) -> int:
        """How many rows `size` bytes hold on average; at least one."""
        return max(1, size * self.rows // max(self._bytes, 1))

    def column(self, name: str) -> pa.ChunkedArray:
        """One column whole, in the order of writing."""
        field = self._plain.field(name)
        if not self._firsts:
            return pa.chunked_array([], field.type)
        with pa.memory_map(str(self._path)) as file:  # of which nothing is read but this column
            reader = pa.ipc.open_file(file)
            columns = [reader.get_batch(i).column(name) for i in range(reader.num_record_batches)]
            # copies, as the file is closed
            return pa.chunked_array([one.take(pa.array(np.arange(len(one)))) for one in columns])

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """These rows, in the order asked for, with the schema asked for."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        within = np.searchsorted(self._firsts, ascending, side="right") - 1
        parts = []
        for batch in np.unique(within).tolist():
            inside = ascending[within == batch] - self._firsts[batch]
            parts.append(pa.Table.from_batches([self._reader.get_batch(batch)]).take(pa.array(inside)))
        table = pa.concat_tables(parts) if parts else self._plain.empty_table()
        if not np.array_equal(order, np.arange(order.size)):
            table = table.take(pa.array(np.argsort(order, kind="stable")))
        return table.cast(self.schema)

    def close(self) -> None:
        """Let the file go."""
        self._writer.close()
        self._reader = None
        if self._file is not None:
            self._file.close()


def _plain(kind: pa.DataType) -> pa.DataType:
    # dictionaries of several batches would have to agree
    return kind.value_type if pa.types.is_dictionary(kind) else kind
