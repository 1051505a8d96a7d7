"""Instances picked out of a comparison: by quadrant, kind and tags, those that moved furthest first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.compared import Compared, tags_of
from regress.errors import UnknownName
from regress.types import FlipKind, Quadrant, TaskSpec

FLIPPED: tuple[Quadrant, ...] = ("negative flip", "positive flip")
"""Quadrants of flips."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which instances; all that is said must hold."""

    quadrants: Collection[Quadrant] = FLIPPED
    """In which quadrants they lie."""
    kinds: Collection[FlipKind] = ()
    """Of which kinds they are; of any if empty."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """What their tags say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Selected:
    """Instances of one task."""

    task: TaskSpec
    """The task."""
    n: int
    """Pairs compared."""
    rows: pa.Table
    """Those that were wanted, as `Compared.table` has them, furthest moved first."""


def select(compared: Compared, wanted: Wanted) -> tuple[Selected, ...]:
    """The wanted instances of every task, those whose `delta` is largest in size first.

    Where nothing tells how far an instance moved, and among equals, they come by index.

    Raises:
        UnknownName: If no task has a tag of that name, or no instance that value of it.
    """
    tables = {name: compared.table(name) for name in compared.pairs}
    for tag, value in wanted.tags.items():
        _require_tag(tables, tag, value)
    return tuple(
        Selected(
            task=compared.pairs[name].old_spec.task, n=table.num_rows, rows=_furthest(_picked(table, wanted))
        )
        for name, table in tables.items()
    )


def _require_tag(tables: Mapping[str, pa.Table], tag: str, value: str) -> None:
    columns = [table[known[tag]] for table in tables.values() if tag in (known := tags_of(table))]
    if not columns:
        raise UnknownName("tag", tag, {name for table in tables.values() for name in tags_of(table)})
    values = {one for column in columns for one in pc.unique(column).to_pylist() if one is not None}
    if value not in values:
        raise UnknownName(f"value of tag {tag}", value, values)


def _picked(table: pa.Table, wanted: Wanted) -> pa.Table:
    mask = np.ones(table.num_rows, dtype=np.bool_)
    for holds in _conditions(table, wanted):
        mask &= pc.fill_null(holds, False).to_numpy()
    return table.filter(pa.array(mask))


def _conditions(table: pa.Table, wanted: Wanted) -> Iterator[pa.ChunkedArray]:
    yield pc.is_in(table["quadrant"].cast(pa.string()), value_set=pa.array(list(wanted.quadrants)))
    if wanted.kinds:
        yield pc.is_in(table["kind"].cast(pa.string()), value_set=pa.array(list(wanted.kinds)))
    known = tags_of(table)
    for tag, value in wanted.tags.items():
        has = pa.chunked_array([pa.array(np.zeros(table.num_rows, dtype=np.bool_))])
        yield pc.equal(table[known[tag]], value) if tag in known else has


def _furthest(table: pa.Table) -> pa.Table:
    moved = np.abs(table["delta"].to_numpy())
    # stable, so rows keep their order by index among equals; nan goes last
    return table.take(pa.array(np.argsort(-moved, kind="stable")))
