"""The whole table: one row a task, pooled rows after their members, and what concerns them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from regress.comparison.pooling import pool
from regress.comparison.rows import summarise
from regress.errors import UsageError
from regress.types import Comparison, Difference, Notice, Pairs, TaskComparison

_SAID_ONCE = ("setting-differs", "demo-items")
"""Notices that, where every row bears them, are said of the whole table instead."""


def assemble(
    pairs: Sequence[Pairs],
    *,
    instances: Mapping[str, pa.Table] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    worst: int = 3,
    paths: Mapping[str, tuple[str, str]] | None = None,
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

    Raises:
        UsageError: If there is nothing to compare.
    """
    if not pairs:
        raise UsageError("nothing to compare: no task was given", do="Name at least one task.")
    by_name = {one.old_spec.task.name: one for one in pairs}
    rows = {}
    for name, one in by_name.items():
        old_path, new_path = (paths or {}).get(name, (None, None))
        texts = (instances or {}).get(name)
        rows[name] = summarise(one, instances=texts, worst=worst, old_path=old_path, new_path=new_path)
    common = _common(list(rows.values()))
    table = [_without(row, common) for row in rows.values()]
    skipped = []
    for group, members in (groups or {}).items():
        pooled = pool(group, members, by_name, rows)
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
    )


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
