"""One row of the table: what the update did on one task, or on several pooled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from regress.comparison.estimates import Judged, estimates, judged
from regress.comparison.flips import flips, worst_rows
from regress.comparison.notices import from_counts, from_pairs
from regress.comparison.sides import sides
from regress.identity import run_fingerprint
from regress.types import Notice, Pairs, SideCounts, TaskComparison, TaskSpec


def summarise(
    pairs: Pairs,
    *,
    instances: pa.Table | None = None,
    worst: int = 3,
    old_path: str | None = None,
    new_path: str | None = None,
) -> TaskComparison:
    """What the update did on one task.

    Args:
        pairs: The aligned runs.
        instances: The task's instances (`regress.schema.INSTANCE`), for prompts and targets of flips.
        worst: How many of the worst negative flips to keep.
        old_path: Where the old run lies.
        new_path: Where the new run lies.
    """
    old_side, new_side = sides(pairs)
    notices = from_pairs(pairs, old_side, new_side)
    return replace(
        row(pairs.old_spec.task, judged(pairs), old_side, new_side, notices),
        worst=tuple(flips(pairs, instances, rows=worst_rows(pairs, worst))),
        old_path=old_path,
        new_path=new_path,
        old_fingerprint=run_fingerprint(pairs.old_spec),
        new_fingerprint=run_fingerprint(pairs.new_spec),
    )


def row(
    task: TaskSpec, columns: Judged, old_side: SideCounts, new_side: SideCounts, notices: Iterable[Notice]
) -> TaskComparison:
    """What judged columns say: all that an ordinary and a pooled row have in common.

    Args:
        task: The task, or what stands for several.
        columns: How its answers are judged.
        old_side: What went wrong on the old side.
        new_side: What went wrong on the new side.
        notices: Warnings, to stand after those that follow from the counts.
    """
    return TaskComparison(
        task=task,
        n=columns.n,
        estimates=estimates(columns),
        counts=columns.counts,
        old_side=old_side,
        new_side=new_side,
        readable=estimates(columns.readable_rows()),
        warnings=(*from_counts(columns.n, columns.items(), old_side, new_side), *notices),
    )
