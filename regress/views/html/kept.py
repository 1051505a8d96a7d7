"""Which instances a page holds: all of them, unless there are too many; then flips first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.types import QUADRANTS, Quadrant
from regress.views.html.texts import LONGEST

MOST = 50_000
"""Instances that one page holds."""

MOST_CHARACTERS = 60_000_000
"""Characters of text that one page holds: what a browser can unpack and search without stopping."""

Rows = npt.NDArray[np.intp]

_ORDER: tuple[Quadrant, ...] = (
    "negative flip",
    "positive flip",
    "both wrong different",
    "both wrong same",
    "both right",
)
_TEXTS = ("prompt", "target", "old_output", "new_output")


def kept(
    tables: Mapping[str, pa.Table], *, most: int = MOST, most_characters: int = MOST_CHARACTERS
) -> dict[str, Rows]:
    """The rows of each task's table that a page holds, in the order of the table.

    Where there are too many, negative flips of all tasks come first, then positive ones, wrong answers
    that changed, wrong answers that did not, and last what is right on both sides or unchanged.

    Args:
        tables: `Compared.table` of each task.
        most: Instances that the page may hold.
        most_characters: Characters of text that it may hold.
    """
    rank = np.concatenate([_ranks(table) for table in tables.values()])
    task = np.repeat(np.arange(len(tables)), [len(table) for table in tables.values()])
    row = np.concatenate([np.arange(len(table)) for table in tables.values()])
    order = np.argsort(rank, kind="stable")[:most]
    size = np.concatenate([_characters(table) for table in tables.values()])
    order = order[np.cumsum(size[order]) <= most_characters]
    return {name: np.sort(row[order[task[order] == place]]) for place, name in enumerate(tables)}


def _ranks(table: pa.Table) -> npt.NDArray[np.int64]:
    """[n] how soon each row gets its place, 0 first."""
    words = table["quadrant"].combine_chunks().cast(pa.string())
    found = pc.fill_null(pc.index_in(words, value_set=pa.array(_ORDER)), len(_ORDER))
    assert set(_ORDER) == set(QUADRANTS)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _characters(table: pa.Table) -> npt.NDArray[np.int64]:
    """[n] how much text each row brings along, long texts as they are cut."""
    total = np.zeros(len(table), dtype=np.int64)
    for column in _TEXTS:
        length = pc.fill_null(pc.utf8_length(table[column].cast(pa.string())), 0)
        total += np.minimum(length.to_numpy(), LONGEST)
    return total
