"""Rows on disk for as long as an import lasts: written in the order of the source, read in any order.

Arrow batches of a fixed size, read one at a time: what is taken out is all that is held in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.schema import table_of

BATCH = 1024
"""Rows of a batch; every batch but the last has exactly so many."""


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
        self._writer: Any = pa.ipc.new_file(str(path), self._plain)
        self._reader: Any = None
        self.rows = 0

    def append(self, rows: Sequence[Any]) -> None:
        """Add rows, with the columns as attributes: `BATCH` of them, or fewer the last time."""
        self._writer.write_table(table_of(rows, self._plain))
        self.rows += len(rows)

    def finish(self) -> None:
        """No rows come any more; from now on they can be read."""
        self._writer.close()
        # not mapped: pages that were read would count as memory for as long as the file is open
        self._reader = pa.ipc.open_file(pa.OSFile(str(self._path)))

    def column(self, name: str) -> pa.ChunkedArray:
        """One column whole, in the order of writing."""
        kept = []
        for number in range(self._reader.num_record_batches):
            column = self._reader.get_batch(number).column(name)
            # a copy, since the column alone would keep the whole batch that it was read with
            kept.append(column.take(pa.array(np.arange(len(column)))))
        return pa.chunked_array(kept, type=self._plain.field(name).type)

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """These rows, in the order asked for, with the schema asked for."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        parts = []
        for batch in np.unique(ascending // BATCH):
            inside = ascending[ascending // BATCH == batch] - batch * BATCH
            parts.append(pa.Table.from_batches([self._reader.get_batch(int(batch))]).take(pa.array(inside)))
        table = pa.concat_tables(parts) if parts else self._plain.empty_table()
        if not np.array_equal(order, np.arange(order.size)):
            table = table.take(pa.array(np.argsort(order, kind="stable")))
        return table.cast(self.schema)

    def close(self) -> None:
        """Let the file go."""
        self._writer.close()
        self._reader = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _plain(kind: pa.DataType) -> pa.DataType:
    # dictionaries of several batches would have to agree
    return kind.value_type if pa.types.is_dictionary(kind) else kind
