"""A comparison that still holds the pairs it was made from, so that one can look into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.flips import Codes, deltas, quadrant_codes
from regress.comparison.judged import judged, of_instances
from regress.comparison.kinds import causes
from regress.comparison.shifts import written
from regress.comparison.table import Floors
from regress.errors import UnknownName
from regress.types import FLIP_KINDS, QUADRANTS, Comparison, Pairs

_TAG = "tags."
"""What columns of tags begin with."""


@dataclass(frozen=True, kw_only=True)
class Compared(Comparison):
    """A comparison with what it was made from."""

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

    def table(self, task: str) -> pa.Table:
        """All pairs of one task, one row an instance (and repeat): where each lies, and both answers.

        On score scales a better score is a positive and a worse one a negative flip; an unchanged
        score lies in no quadrant. `kind` says why a flip flipped (`regress.metrics.kinds`), and
        of generations `parted` is the first word, counted from 0, in which the outputs part.

        Raises:
            UnknownName: If there is no such task.
        """
        if task not in self.pairs:
            raise UnknownName("task", task, self.pairs)
        floors = self.floors.get(task, (None, None))
        return _flip_table(task, self.pairs[task], self.instances.get(task), floors)


def tags_of(table: pa.Table) -> dict[str, str]:
    """Names of the columns of a `Compared.table` that hold tags, by tag."""
    return {name.removeprefix(_TAG): name for name in table.column_names if name.startswith(_TAG)}


def _flip_table(name: str, pairs: Pairs, instances: pa.Table | None, floors: Floors) -> pa.Table:
    """All pairs of one task as an Arrow table with the columns of `Compared.table`."""
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
    return columns | {f"{_TAG}{tag}": pc.map_lookup(tags, tag, occurrence="first") for tag in names}
