"""The pooled row of a group of tasks, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from regress.comparison.judged import Judged
from regress.comparison.rows import SEED, row
from regress.comparison.sides import added
from regress.types import Notice, TaskComparison, TaskSpec


def pool(
    group: str,
    members: Sequence[str],
    columns: Mapping[str, Judged],
    rows: Mapping[str, TaskComparison],
    *,
    seed: int = SEED,
) -> TaskComparison | Notice:
    """One row over all pairs of a group's members, so that large tasks weigh more.

    Args:
        group: Its name.
        members: Names of the tasks it pools.
        columns: Their judged columns, by task name.
        rows: Their rows, by task name.
        seed: Seed of resampling.

    Returns:
        The row; or a notice, where no member was compared, or they do not share a scale or, where
        scores have a unit, a metric.
    """
    present = [name for name in dict.fromkeys(members) if name in rows]
    specs = [rows[name].task for name in present]
    if reason := not_poolable(specs):
        return Notice(code="pool-skipped", data={"group": group, "reason": reason})
    missing = [name for name in members if name not in rows]
    kinds = [spec.kind for spec in specs]
    pooled = row(
        pooled_spec(group, specs),
        Judged.pooled([columns[name] for name in present]),
        added([rows[name].old_side for name in present], kinds),
        added([rows[name].new_side for name in present], kinds),
        [Notice(code="pool-partial", data={"group": group, "missing": missing})] if missing else [],
        seed=seed,
    )
    return replace(pooled, members=tuple(present))


def not_poolable(specs: Sequence[TaskSpec]) -> str | None:
    """Why these tasks must not be pooled; null if they may be."""
    if not specs:
        return "no member was compared"
    if len({spec.scale for spec in specs}) > 1:
        return "scales differ"
    if specs[0].scale != "binary" and len({spec.metric for spec in specs}) > 1:
        return "metrics differ"
    return None


def pooled_spec(group: str, specs: Sequence[TaskSpec]) -> TaskSpec:
    """What stands for the members' specs: the first one's settings, and the names of all."""

    def joined(name: str) -> str:
        return ", ".join(dict.fromkeys(getattr(spec, name) for spec in specs))

    return TaskSpec(
        name=group,
        version=joined("version"),
        kind=specs[0].kind,
        scale=specs[0].scale,
        metric=joined("metric"),
        higher_is_better=all(spec.higher_is_better for spec in specs),
        num_fewshot=specs[0].num_fewshot,
        data=joined("data"),
        n=sum(spec.n for spec in specs),
    )
