"""A comparison as pandas frames: where notebooks enter."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.flips import Codes, deltas, quadrant_codes
from regress.comparison.judged import judged, of_instances
from regress.comparison.kinds import causes
from regress.comparison.shifts import written
from regress.comparison.table import Floors
from regress.errors import UnknownName
from regress.types import (
    FLIP_KINDS,
    QUADRANTS,
    Comparison,
    Estimate,
    Pairs,
    QuadrantCounts,
    TaskComparison,
)

# pandas' own bool has no room for the null of a score scale, its own int64 none for texts that do not part
_NULLABLE = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype()}


@dataclass(frozen=True, kw_only=True)
class ComparedRuns(Comparison):
    """A comparison that still holds the pairs it was made from, so that one can look into it."""

    pairs: Mapping[str, Pairs] = field(default_factory=dict, repr=False, compare=False)
    """The aligned runs, by task name."""
    instances: Mapping[str, pa.Table] = field(default_factory=dict, repr=False, compare=False)
    """The tasks' instances (`regress.schema.INSTANCE`), by task name, where they are known."""
    floors: Mapping[str, Floors] = field(default_factory=dict, repr=False, compare=False)
    """The old and the new model's stored reruns, by task name."""

    @classmethod
    def of(
        cls,
        comparison: Comparison,
        pairs: Mapping[str, Pairs],
        instances: Mapping[str, pa.Table] | None = None,
        floors: Mapping[str, Floors] | None = None,
    ) -> Self:
        """`comparison` with the pairs, instances and reruns it was made from."""
        made = {one.name: getattr(comparison, one.name) for one in fields(Comparison)}
        return cls(**made, pairs=pairs, instances=instances or {}, floors=floors or {})

    def to_frame(self) -> pd.DataFrame:
        """One row a task: its estimates, quadrant counts and what went wrong on either side.

        Estimates are rates in [0, 1] or, on score scales, in the unit of the score; nan where they
        are undefined or the scale does not define them. `readable.<name>` is the same estimate on the
        items readable on both sides. `<name>.low` and `<name>.high` are there once some row has an
        interval of that estimate. `p_differs`, `p_differs_holm`, `p_worse`, `mde` and `detected` say
        whether delta is more than chance (`regress.types.Evidence`). Counts are null where nobody knows.
        """
        parts = (
            pd.DataFrame([_head(row) for row in self.tasks]),
            _estimates([row.estimates for row in self.tasks]),
            pd.DataFrame([_evidence(row) for row in self.tasks]).astype({"detected": "boolean"}),
            pd.DataFrame([_counts(row) for row in self.tasks]).astype("Int64"),
            _estimates([row.readable for row in self.tasks]).add_prefix("readable."),
        )
        return pd.concat(parts, axis="columns")

    def flips(
        self, task: str | None = None, *, quadrant: str | Collection[str] | None = None
    ) -> pd.DataFrame:
        """One row an instance: where it lies, and both answers side by side.

        On score scales a better score is a positive and a worse one a negative flip; an unchanged
        score lies in no quadrant. `kind` says why a flip flipped (`regress.metrics.kinds`), and
        of generations `parted` is the first word, counted from 0, in which the outputs part.

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
        table = pa.concat_tables([self.table(name) for name in names], promote_options="default")
        frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
        if quadrant is not None:
            frame = frame[frame["quadrant"].isin(list(wanted))].reset_index(drop=True)
        return frame.drop(columns="task") if names == [task] else frame

    def table(self, task: str) -> pa.Table:
        """What `flips` gives for one task, as an Arrow table.

        Raises:
            UnknownName: If there is no such task.
        """
        if task not in self.pairs:
            raise UnknownName("task", task, self.pairs)
        floors = self.floors.get(task, (None, None))
        return _flip_table(task, self.pairs[task], self.instances.get(task), floors)

    def _members(self, task: str | None) -> list[str]:
        if task is None:
            return list(self.pairs)
        if task in self.pairs:
            return [task]
        for row in self.tasks:
            if row.task.name == task and row.members:
                return list(row.members)
        raise UnknownName("task", task, [row.task.name for row in self.tasks])


def _head(row: TaskComparison) -> dict[str, Any]:
    return {"task": row.task.name, "scale": row.task.scale, "metric": row.task.metric, "n": row.n}


def _estimates(rows: Sequence[Mapping[str, Estimate]]) -> pd.DataFrame:
    """One column an estimate, followed by the ends of its interval where any row has one."""
    frame = pd.DataFrame(
        [
            {
                column: value
                for name, one in row.items()
                for column, value in ((name, one.value), (f"{name}.low", one.low), (f"{name}.high", one.high))
            }
            for row in rows
        ]
    )
    bare = [name for name in frame.columns if name.endswith((".low", ".high")) and frame[name].isna().all()]
    return frame.drop(columns=bare)


def _evidence(row: TaskComparison) -> dict[str, Any]:
    found = row.evidence
    return {
        **{
            name: getattr(found, name, math.nan) for name in ("p_differs", "p_differs_holm", "p_worse", "mde")
        },
        "detected": None if found is None else found.detected,
    }


def _counts(row: TaskComparison) -> dict[str, int | None]:
    return {
        **{count.name: getattr(row.counts, count.name, None) for count in fields(QuadrantCounts)},
        **{f"old_{name}": count for name, count in vars(row.old_side).items()},
        **{f"new_{name}": count for name, count in vars(row.new_side).items()},
    }


def _flip_table(name: str, pairs: Pairs, instances: pa.Table | None, floors: Floors) -> pa.Table:
    """All pairs of one task as an Arrow table with the columns of `ComparedRuns.flips`."""
    old, new = pairs.old, pairs.new
    found = causes(pairs, judged(pairs, instances, old_floor=floors[0]), instances)
    kinds = np.full(pairs.n, -1, np.int8) if found is None else found.codes
    columns: dict[str, Any] = {
        "task": pa.DictionaryArray.from_arrays(np.zeros(pairs.n, np.int32), [name]).cast(pa.string()),
        "instance_id": old["instance_id"],
        "index": old["index"],
    }
    if pairs.repeats > 1:
        columns["repeat"] = old["repeat"]
    columns["quadrant"] = _words(quadrant_codes(pairs), QUADRANTS)
    columns["kind"] = _words(kinds, FLIP_KINDS)
    columns |= {"old_answer": old["answer"], "new_answer": new["answer"]}
    columns |= {"old_correct": _correct(pairs.old_correct, pairs.n)}
    columns |= {"new_correct": _correct(pairs.new_correct, pairs.n)}
    columns |= {"old_score": pairs.old_score, "new_score": pairs.new_score, "delta": deltas(pairs)}
    for column in ("output", "gold_margin", "finish"):
        columns |= {f"old_{column}": old[column], f"new_{column}": new[column]}
    if (texts := written(pairs)) is not None:
        columns["parted"] = texts.first_words
    return pa.table(columns | _texts(old["instance_id"], instances))


def _words(codes: Codes, words: Sequence[str]) -> pa.Array:
    """Positions in `words` as those words; null where there is none."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)


def _correct(correct: np.ndarray[Any, np.dtype[np.bool_]] | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.bool_()) if correct is None else pa.array(correct)


def _texts(ids: pa.ChunkedArray, instances: pa.Table | None) -> dict[str, Any]:
    """Prompt, target and one column a tag, in the order of `ids`; null where they are not known."""
    texts = of_instances(ids, instances, ["prompt", "target", "tags"])
    tags = texts["tags"].combine_chunks()
    names = sorted(filter(None, pc.unique(tags.keys).to_pylist())) if len(tags) else []
    columns = {"prompt": texts["prompt"], "target": texts["target"]}
    return columns | {f"tags.{tag}": pc.map_lookup(tags, tag, occurrence="first") for tag in names}
