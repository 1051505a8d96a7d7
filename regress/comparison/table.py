"""The whole table: one row a task, pooled rows after their members, and what concerns them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from regress.comparison.claimed import claimed
from regress.comparison.evidence import adjusted, suite
from regress.comparison.judged import Judged, judged
from regress.comparison.pooling import pool
from regress.comparison.price import Recorded, price
from regress.comparison.rows import SEED, stream, summarise
from regress.errors import UsageError
from regress.types import Comparison, Difference, NoiseFloor, Notice, Pairs, TaskComparison

Floors = tuple[NoiseFloor | None, NoiseFloor | None]
"""The old and the new model's reruns of one task; null where none are stored."""

_SAID_ONCE = ("setting-differs", "demo-items")
"""Notices that, where every row bears them, are said of the whole table instead."""


def assemble(
    pairs: Sequence[Pairs],
    *,
    instances: Mapping[str, pa.Table] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    worst: int = 3,
    paths: Mapping[str, tuple[str, str]] | None = None,
    floors: Mapping[str, Floors] | None = None,
    recorded: Mapping[str, Recorded] | None = None,
    seed: int = SEED,
) -> Comparison:
    """One row a task in the order given, each group's pooled row after its members.

    A pooled row is computed over all its members' pairs, so large tasks weigh more. Members that do
    not share a scale (or, where scores have a unit, a metric) are not pooled, and a notice says so.

    Args:
        pairs: The aligned runs, one a task.
        instances: Instances by task name.
        groups: Task names by group name.
        worst: How many of the worst negative flips to keep for each task.
        paths: Where the old and the new run lie, by task name.
        floors: The old and the new model's reruns, by task name.
        recorded: What the manifests of both runs record, by task name, for the price.
        seed: Seed of resampling: same seed, same digits.

    Raises:
        UsageError: If there is nothing to compare.
    """
    if not pairs:
        raise UsageError("nothing to compare: no task was given", do="Name at least one task.")
    by_name = {one.old_spec.task.name: one for one in pairs}
    texts = instances or {}
    columns = columns_of(by_name, texts, floors or {})
    rows = {}
    for name, one in by_name.items():
        old_path, new_path = (paths or {}).get(name, (None, None))
        row = summarise(
            one,
            instances=texts.get(name),
            columns=columns[name],
            seed=seed,
            worst=worst,
            old_path=old_path,
            new_path=new_path,
        )
        said = claimed(one, recorded[name]) if recorded and name in recorded else ()
        rows[name] = replace(row, warnings=(*row.warnings, *said))
    rows = adjusted(rows)
    common = _common(list(rows.values()))
    table = [_without(row, common) for row in rows.values()]
    skipped = []
    for group, members in (groups or {}).items():
        pooled = pool(group, members, columns, rows, seed=seed)
        if isinstance(pooled, Notice):
            skipped.append(pooled)
        else:
            table.insert(_after_members(table, pooled), pooled)
    return Comparison(
        old=pairs[0].old_spec.model,
        new=pairs[0].new_spec.model,
        tasks=tuple(table),
        warnings=(*common, *skipped),
        settings_compared=_distinct([d for one in pairs for d in one.overridden]),
        suite=suite(columns, stream(seed, "suite")),
        price=price(recorded, {name: by_name[name].n for name in recorded}) if recorded else None,
    )


def columns_of(
    pairs: Mapping[str, Pairs], instances: Mapping[str, pa.Table], floors: Mapping[str, Floors]
) -> dict[str, Judged]:
    """The judged columns of every task, with what is known of its clusters and its noise."""
    made = {}
    for name, one in pairs.items():
        old_floor, new_floor = floors.get(name, (None, None))
        made[name] = judged(one, instances.get(name), old_floor=old_floor, new_floor=new_floor)
    return made


def _after_members(table: Sequence[TaskComparison], pooled: TaskComparison) -> int:
    return 1 + max(position for position, row in enumerate(table) if row.task.name in pooled.members)


def _common(rows: Sequence[TaskComparison]) -> tuple[Notice, ...]:
    return tuple(
        notice
        for notice in rows[0].warnings
        if notice.code in _SAID_ONCE and all(notice in row.warnings for row in rows)
    )


def _without(row: TaskComparison, common: tuple[Notice, ...]) -> TaskComparison:
    return replace(row, warnings=tuple(notice for notice in row.warnings if notice not in common))


def _distinct(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    # values may be lists, which have no hash
    return tuple(d for i, d in enumerate(differences) if d not in differences[:i])
