"""What went wrong on each side, counted."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from regress.types import Kind, Pairs, SideCounts, TaskSpec


def sides(pairs: Pairs) -> tuple[SideCounts, SideCounts]:
    """The counts of the old and of the new side."""
    task = pairs.old_spec.task
    return (
        _side(pairs.old, int((~pairs.old_readable).sum()), task),
        _side(pairs.new, int((~pairs.new_readable).sum()), task),
    )


def added(counts: Sequence[SideCounts], kinds: Sequence[Kind]) -> SideCounts:
    """The counts of several tasks on one side; what is unknown of one generation is unknown of all.

    Args:
        counts: One a task.
        kinds: How each task is asked: what is not written cannot be cut off.
    """
    written = [one.truncated for one, kind in zip(counts, kinds, strict=True) if kind == "generation"]
    truncated = [one for one in written if one is not None]
    return SideCounts(
        unreadable=sum(one.unreadable for one in counts),
        truncated=sum(truncated) if written and len(truncated) == len(written) else None,
        left_truncated=sum(one.left_truncated for one in counts),
    )


def count(mask: pa.ChunkedArray) -> int:
    """Rows where `mask` holds; where it is null, it does not."""
    return int(pc.sum(mask).as_py() or 0)


def _side(table: pa.Table, unreadable: int, task: TaskSpec) -> SideCounts:
    told = task.kind == "generation" and not table["finish"].null_count
    return SideCounts(
        unreadable=unreadable,
        truncated=count(pc.equal(table["finish"], "length")) if told else None,
        left_truncated=count(pc.greater(table["left_truncated"], 0)),
    )
