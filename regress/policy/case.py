"""What the gate sees of one task, or of several pooled: judged columns, and which rows are which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.judged import Judged, of_instances
from regress.comparison.sides import added, sides
from regress.identity import hashed
from regress.types import Pairs, SideCounts, Subset, TaskSpec

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the comparison, as the gate judges it."""

    name: str
    """The task's name, or the group's."""
    old: str
    """The old model's name, for the commands that it is told to run."""
    tasks: tuple[TaskSpec, ...]
    """The task; of a pooled group all of them."""
    subsets: tuple[Subset, ...]
    """Which items the old and the new run of each task were asked for."""
    columns: Judged
    """How the pairs were judged."""
    sides: tuple[SideCounts, SideCounts]
    """What went wrong on the old and on the new side."""
    ids: pa.ChunkedArray
    """[n] instance ids."""
    tags: pa.ChunkedArray
    """[n] tags, null where unknown."""
    missing: tuple[str, ...] = ()
    """Tasks of a pooled group that were not compared."""

    @property
    def n(self) -> int:
        """Instances."""
        return self.columns.items()

    def known_tags(self) -> dict[str, list[str]]:
        """The values that each tag has in this task."""
        pairs: set[tuple[str, str]] = {
            (key, value) for row in self.tags.to_pylist() for key, value in (row or ())
        }
        known: dict[str, list[str]] = {}
        for key, value in sorted(pairs):
            known.setdefault(key, []).append(value)
        return known

    def tagged(self, tags: Mapping[str, str]) -> Bools:
        """Which rows bear all these tags: [n]; of runs without texts, their hashes."""
        mask = np.ones(self.columns.n, dtype=np.bool_)
        plain = self.tags.combine_chunks() if isinstance(self.tags, pa.ChunkedArray) else self.tags
        for tag, value in tags.items():
            found = pc.map_lookup(plain, tag, occurrence="first")
            mask &= np.array(pc.fill_null(pc.is_in(found, pa.array([value, hashed(value)])), False))
        return mask


def case(name: str, pairs: Pairs, columns: Judged, instances: pa.Table | None) -> Case:
    """One task as the gate sees it."""
    ids = pairs.old["instance_id"].cast(pa.string())
    return Case(
        name=name,
        old=pairs.old_spec.model.name,
        tasks=(pairs.old_spec.task,),
        subsets=(pairs.old_spec.subset, pairs.new_spec.subset),
        columns=columns,
        sides=sides(pairs),
        ids=ids,
        tags=of_instances(ids, instances, ["tags"])["tags"],
    )


def pooled(name: str, members: Sequence[Case], missing: Sequence[str] = ()) -> Case:
    """A group of tasks as the gate sees it: all their rows, so that large tasks weigh more.

    Args:
        name: The group's name.
        members: Its tasks that were compared.
        missing: Its tasks that were not.
    """
    old_sides, new_sides = zip(*(one.sides for one in members), strict=True)
    kinds = [one.tasks[0].kind for one in members]
    return replace(
        members[0],
        name=name,
        tasks=tuple(task for one in members for task in one.tasks),
        subsets=tuple(subset for one in members for subset in one.subsets),
        columns=Judged.pooled([one.columns for one in members]),
        sides=(added(old_sides, kinds), added(new_sides, kinds)),
        ids=pa.chunked_array([chunk for one in members for chunk in one.ids.chunks], type=pa.string()),
        tags=pa.chunked_array(
            [chunk for one in members for chunk in one.tags.chunks], type=members[0].tags.type
        ),
        missing=tuple(missing),
    )
