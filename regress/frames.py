"""A comparison as pandas frames: where notebooks enter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison import deltas, quadrant_codes
from regress.errors import UnknownName
from regress.types import QUADRANTS, Comparison, Pairs, TaskComparison

_COUNTS = ("both_right", "positive_flips", "negative_flips", "both_wrong_same", "both_wrong_different")
_SIDES = ("unreadable", "truncated", "left_truncated")
# pandas' own bool has no room for the null of a score scale
_NULLABLE = {pa.bool_(): pd.BooleanDtype()}


@dataclass(frozen=True, kw_only=True)
class ComparedRuns(Comparison):
    """A comparison that still holds the pairs it was made from, so that one can look into it."""

    pairs: Mapping[str, Pairs] = field(default_factory=dict, repr=False, compare=False)
    """The aligned runs, by task name."""
    instances: Mapping[str, pa.Table] = field(default_factory=dict, repr=False, compare=False)
    """The tasks' instances (`regress.schema.INSTANCE`), by task name, where they are known."""

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        pairs: Mapping[str, Pairs],
        instances: Mapping[str, pa.Table] | None = None,
    ) -> Self:
        """`comparison` with the pairs and instances it was made from."""
        made = {one.name: getattr(comparison, one.name) for one in fields(Comparison)}
        return cls(**made, pairs=pairs, instances=instances or {})

    def to_frame(self) -> pd.DataFrame:
        """One row a task: its estimates, quadrant counts and what went wrong on either side.

        Estimates are rates in [0, 1] or, on score scales, in the unit of the score; nan where they
        are undefined or the scale does not define them. Counts are null where nobody knows.
        """
        frame = pd.DataFrame([_row(task) for task in self.tasks])
        counted = [name for name in frame.columns if name in _COUNTS or name.endswith(_SIDES)]
        return frame.astype(dict.fromkeys(counted, "Int64"))

    def flips(
        self, task: str | None = None, *, quadrant: str | Collection[str] | None = None
    ) -> pd.DataFrame:
        """One row an instance: where it lies, and both answers side by side.

        On score scales a better score is a positive and a worse one a negative flip; an unchanged
        score lies in no quadrant.

        Args:
            task: A task or group by name; all tasks, with a `task` column in front, if null.
            quadrant: Only this quadrant, or these.

        Raises:
            UnknownName: If there is no such task or quadrant.
        """
        wanted = QUADRANTS if quadrant is None else (quadrant,) if isinstance(quadrant, str) else quadrant
        for name in wanted:
            if name not in QUADRANTS:
                raise UnknownName("quadrant", name, QUADRANTS)
        names = self._members(task)
        tables = [_flip_table(name, self.pairs[name], self.instances.get(name)) for name in names]
        table = pa.concat_tables(tables, promote_options="default")
        frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
        if quadrant is not None:
            frame = frame[frame["quadrant"].isin(list(wanted))].reset_index(drop=True)
        return frame.drop(columns="task") if names == [task] else frame

    def _members(self, task: str | None) -> list[str]:
        if task is None:
            return list(self.pairs)
        if task in self.pairs:
            return [task]
        for row in self.tasks:
            if row.task.name == task and row.members:
                return list(row.members)
        raise UnknownName("task", task, [row.task.name for row in self.tasks])


def _row(row: TaskComparison) -> dict[str, Any]:
    return {
        "task": row.task.name,
        "scale": row.task.scale,
        "metric": row.task.metric,
        "n": row.n,
        **{name: estimate.value for name, estimate in row.estimates.items()},
        **{name: getattr(row.counts, name, None) for name in _COUNTS},
        **{f"old_{name}": getattr(row.old_side, name) for name in _SIDES},
        **{f"new_{name}": getattr(row.new_side, name) for name in _SIDES},
    }


def _flip_table(name: str, pairs: Pairs, instances: pa.Table | None) -> pa.Table:
    """All pairs of one task as an Arrow table with the columns of `ComparedRuns.flips`."""
    old, new = pairs.old, pairs.new
    codes = quadrant_codes(pairs)
    columns: dict[str, Any] = {
        "task": pa.DictionaryArray.from_arrays(np.zeros(pairs.n, np.int32), [name]).cast(pa.string()),
        "instance_id": old["instance_id"],
        "index": old["index"],
    }
    if pc.max(old["repeat"]).as_py():
        columns["repeat"] = old["repeat"]
    columns["quadrant"] = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), QUADRANTS)
    columns |= {"old_answer": old["answer"], "new_answer": new["answer"]}
    columns |= {"old_correct": _correct(pairs.old_correct, pairs.n)}
    columns |= {"new_correct": _correct(pairs.new_correct, pairs.n)}
    columns |= {"old_score": pairs.old_score, "new_score": pairs.new_score, "delta": deltas(pairs)}
    for column in ("output", "gold_margin", "finish"):
        columns |= {f"old_{column}": old[column], f"new_{column}": new[column]}
    return pa.table(columns | _texts(old["instance_id"], instances))


def _correct(correct: np.ndarray[Any, np.dtype[np.bool_]] | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.bool_()) if correct is None else pa.array(correct)


def _texts(ids: pa.ChunkedArray, instances: pa.Table | None) -> dict[str, Any]:
    """Prompt, target and one column a tag, in the order of `ids`; null where they are not known."""
    if instances is None:
        return {name: pa.nulls(len(ids), pa.string()) for name in ("prompt", "target")}
    rows = pc.index_in(ids, value_set=instances["instance_id"])
    known = instances.select(["prompt", "target", "tags"]).take(rows)
    tags = known["tags"].combine_chunks()
    names = sorted(filter(None, pc.unique(tags.keys).to_pylist())) if len(tags) else []
    columns = {"prompt": known["prompt"], "target": known["target"]}
    return columns | {f"tags.{tag}": pc.map_lookup(tags, tag, occurrence="first") for tag in names}
