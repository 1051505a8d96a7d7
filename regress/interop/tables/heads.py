"""The first rows of a table: what its columns hold, as far as that can be told from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from regress.errors import DataError
from regress.interop.tables.files import HEAD, Cells, TableFile

_LARGEST = 32 << 20
"""Characters of text that are looked at, so that rows of a megabyte do not fill the memory."""


@dataclass(frozen=True)
class Head:
    """The first rows, in the columns asked for."""

    name: str
    """The file's name, for messages."""
    names: tuple[str, ...]
    """The columns."""
    rows: tuple[Cells, ...]
    """Where each row stands, and its cells."""

    @classmethod
    def of(cls, table: TableFile, columns: Sequence[str]) -> Head:
        """The head of a table, in all its columns and in paths into them.

        Raises:
            DataError: If there are no rows, or they cannot be read.
        """
        names = tuple(dict.fromkeys([*table.tree, *columns]))
        rows: list[Cells] = []
        size = 0
        for where, told in islice(table.rows(names), HEAD):
            rows.append((where, told))
            size += sum(len(cell) for cell in told if isinstance(cell, (str, bytes)))
            if size > _LARGEST:
                break
        if not rows:
            raise DataError(f"{table.path.name} has a header and no rows")
        return cls(name=table.path.name, names=names, rows=tuple(rows))

    def column(self, name: str) -> list[Any]:
        """The cells of a column."""
        place = self.names.index(name)
        return [cells[place] for _, cells in self.rows]

    def fields(self) -> list[str]:
        """The columns; of one that holds objects, the paths to what the first of them holds."""
        told = []
        for name in self.names:
            held = next((cell for cell in self.column(name) if cell is not None), None)
            told += [f"{name}.{field}" for field in held] if isinstance(held, dict) and held else [name]
        return told

    def under(self, columns: Sequence[str]) -> list[Cells]:
        """The rows, in these columns."""
        places = [self.names.index(name) for name in columns]
        return [(where, tuple(cells[place] for place in places)) for where, cells in self.rows]

    def lists(self, name: str) -> bool:
        """Whether a column holds lists."""
        told = [cell for cell in self.column(name) if cell is not None]
        return bool(told) and all(
            isinstance(cell, (list, tuple)) or (isinstance(cell, str) and cell.lstrip()[:1] == "[")
            for cell in told
        )

    def scores(self, names: Sequence[str], *, alone: bool) -> Literal["logprobs", "nll"] | None:
        """What columns of choices hold, if numbers: log-probabilities if none is above 0; null for texts.

        Args:
            names: The columns, whose names say nothing.
            alone: Nothing else tells what the model answered, so that numbers above 0 are scores too
                unless all of them are whole: negative log-likelihoods if none is below 0.
        """
        told: list[float] = []
        for name in names:
            for cell in self.column(name):
                numbers = _numbers(cell)
                if numbers is None:
                    return None
                told += numbers
        below, above = any(number < 0 for number in told), any(number > 0 for number in told)
        if below and (alone or not above):
            return "logprobs"
        return "nll" if alone and any(not number.is_integer() for number in told) else None


def _numbers(cell: Any) -> list[float] | None:
    """The numbers in a cell, nan and infinities too; null if there is anything else."""
    if isinstance(cell, str) and cell.lstrip()[:1] == "[":
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    several = cell if isinstance(cell, (list, tuple)) else [] if cell is None else [cell]
    try:
        return [float(one) for one in several if one is not None]
    except (ValueError, TypeError, OverflowError):
        return None
