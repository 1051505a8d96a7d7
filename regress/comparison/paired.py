"""One instance of a comparison, whole: what was asked, and what either side answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.compared import Compared
from regress.errors import UnknownName, UsageError
from regress.types import FlipKind, Instance, Prediction, Quadrant, TaskSpec

_NAMED = 8
"""Candidates that a refusal names."""


@dataclass(frozen=True, kw_only=True)
class PairedInstance:
    """One instance, answered by both sides."""

    task: TaskSpec
    """The task, as the old side was asked."""
    instance: Instance
    """What was asked; null where it is not known."""
    quadrant: Quadrant | None
    """Where it lies; null for an unchanged score."""
    kind: FlipKind | None
    """Why it flipped; null where it did not, or nobody knows."""
    delta: float
    """New less old: of choices the gold margin, else the score."""
    parted: int | None
    """Of generations, the first word in which the outputs part, counted from 0."""
    old: Prediction
    """What the old model answered."""
    new: Prediction
    """What the new model answered."""


def find(compared: Compared, where: str) -> tuple[PairedInstance, ...]:
    """The instance that `TASK/ID` names, once for each of its repeats.

    An id may be cut short as long as only one begins so, and an index will do in its place; an id that is
    whole comes before an index, and that before the beginning of an id.

    Raises:
        UnknownName: If there is no such task or instance.
        UsageError: If several ids begin so, or no instance is named.
    """
    task = max((name for name in compared.pairs if where.startswith(f"{name}/")), key=len, default=None)
    if task is None:
        raise UnknownName("task", where.partition("/")[0], compared.pairs)
    rows = _rows(compared.pairs[task].old, task, where.removeprefix(f"{task}/"))
    found = compared.table(task).take(pa.array(rows)).to_pylist()
    pairs = compared.pairs[task]
    sides = [
        [_prediction(row) for row in side.take(pa.array(rows)).to_pylist()] for side in (pairs.old, pairs.new)
    ]
    instance = _instance(compared.instances.get(task), sides[0][0])
    return tuple(
        PairedInstance(
            task=pairs.old_spec.task,
            instance=instance,
            **{name: row.get(name) for name in ("quadrant", "kind", "delta", "parted")},
            old=old,
            new=new,
        )
        for row, old, new in zip(found, *sides, strict=True)
    )


def _rows(predictions: pa.Table, task: str, named: str) -> Sequence[int]:
    ids = predictions["instance_id"]
    conditions = [pc.equal(ids, named)]
    if named.isdecimal() and len(named) < 10:
        conditions.append(pc.equal(predictions["index"], int(named)))
    if named:
        conditions.append(pc.starts_with(ids, named))
    for holds in conditions:
        rows = np.flatnonzero(holds.to_numpy())
        if rows.size:
            _require_one(ids.take(pa.array(rows)).unique().to_pylist(), task, named)
            return rows.tolist()
    raise UnknownName(f"instance of {task}", named, ids.unique().to_pylist())


def _require_one(ids: Sequence[str], task: str, named: str) -> None:
    if len(ids) > 1:
        more = ", …" if len(ids) > _NAMED else ""
        raise UsageError(
            f"{len(ids)} instances of {task} have an id that begins with {named!r}",
            allowed=", ".join(ids[:_NAMED]) + more,
        )


def _prediction(row: dict[str, Any]) -> Prediction:
    known = {one.name: row[one.name] for one in fields(Prediction)}
    lists = {name: row[name] and tuple(row[name]) for name in ("choice_logprobs", "choice_lengths")}
    return Prediction(**(known | lists | {"scores": dict(row["scores"] or ())}))


def _instance(instances: pa.Table | None, answered: Prediction) -> Instance:
    """What is known of the instance that was answered."""
    unknown = Instance(id=answered.instance_id, index=answered.index, prompt=None, target=None)
    if instances is None:
        return unknown
    rows = instances.filter(pc.equal(instances["instance_id"], answered.instance_id)).to_pylist()
    if not rows:
        return unknown
    row = rows[0]
    row |= {"tags": dict(row["tags"] or ()), "golds": tuple(row["golds"] or ())}
    row["choices"] = None if row["choices"] is None else tuple(row["choices"])
    return Instance(id=row.pop("instance_id"), **row)
