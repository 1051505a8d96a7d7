"""One run is of one task by one model: which rows of a table are meant, where it may hold several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regress.errors import DataError
from regress.interop.tables import cells
from regress.interop.tables.files import Cells, TableFile, required
from regress.interop.tables.paths import Tree
from regress.interop.tables.synonyms import folded

_SAY: Mapping[str, frozenset[str]] = {
    "task": frozenset({"task", "taskname", "benchmark", "dataset", "datasetname", "evalname"}),
    "model": frozenset({"model", "modelname", "modelid"}),
}
"""What a column is called that says of which task, or by which model, a row is."""


@dataclass(frozen=True)
class Part:
    """The rows of a table that are meant; itself a `TableFile`."""

    table: TableFile
    where: Mapping[str, str]
    """By column, the text that a row has to hold there."""
    alike: Mapping[str, str]
    """`task` and `model`, by the column that has to say the same in every row."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.table.path

    @property
    def tree(self) -> Tree:
        """The columns, in order."""
        return self.table.tree

    def find(self, column: str) -> bool:
        """Whether there is such a column or path into one."""
        return self.table.find(column)

    def said(self, noun: str) -> str | None:
        """The task or model that the rows are of, as the first of them says; null if none does."""
        if noun not in self.alike:
            return None
        for _, (value,) in self.rows([self.alike[noun]]):
            return cells.text(value)
        return None

    def rows(self, columns: Sequence[str]) -> Iterator[Cells]:
        """See `TableFile.rows`; rows that are not meant are passed over.

        Raises:
            DataError: If two rows are of different tasks or models, or none is meant.
        """
        asked = list(dict.fromkeys([*columns, *self.where, *self.alike.values()]))
        wanted = [(asked.index(name), value) for name, value in self.where.items()]
        alike = [(noun, asked.index(name)) for noun, name in self.alike.items()]
        places = [asked.index(name) for name in columns]
        first: tuple[str, list[str | None]] | None = None
        for at, told in self.table.rows(asked):
            if all(cells.text(told[place]) == value for place, value in wanted):
                said = [cells.text(told[place]) for _, place in alike]
                first = first or (at, said)
                if said != first[1]:
                    raise self._mixed(first, (at, said))
                yield at, tuple([told[place] for place in places])
        if first is None and self.where:
            asked_for = ", ".join(f"{name}={value}" for name, value in self.where.items())
            raise DataError(f"no row of {self.path.name} has {asked_for}", do="Check --where.")

    def _mixed(self, one: tuple[str, list[str | None]], other: tuple[str, list[str | None]]) -> DataError:
        noun, column, before, after = next(
            (noun, column, before, after)
            for (noun, column), before, after in zip(self.alike.items(), one[1], other[1], strict=True)
            if before != after
        )
        return DataError(
            f"{one[0]} is of the {noun} {before!r}, and {other[0]} of {after!r}",
            allowed=f"one {noun} a run",
            do=f"Import one at a time: --where '{column}={before}'.",
        )


def part_of(table: TableFile, where: Mapping[str, str], mapped: Sequence[str]) -> Part:
    """The rows of a table that are meant.

    Args:
        table: The table.
        where: By column, the text that a row has to hold there.
        mapped: Columns that mean something else, as the user says.

    Raises:
        UnknownName: If there is no such column.
    """
    for name in where:
        required(table, name)
    alike = {}
    for noun, names in _SAY.items():
        said = [name for name in table.tree if folded(name) in names and name not in (*where, *mapped)]
        if len(said) == 1:
            alike[noun] = said[0]
    return Part(table, where, alike)
