"""A comparison as pandas frames: where notebooks enter."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd
import pyarrow as pa

from regress.comparison.compared import Compared
from regress.errors import UnknownName
from regress.types import QUADRANTS, Estimate, QuadrantCounts, TaskComparison

# pandas' own bool has no room for the null of a score scale, its own int64 none for texts that do not part
_NULLABLE = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype()}


@dataclass(frozen=True, kw_only=True)
class ComparedRuns(Compared):
    """A comparison for notebooks: what it found, and every pair, as pandas frames."""

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
