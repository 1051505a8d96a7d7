"""`regress slices`: which parts of a task lose most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from regress.comparison.rows import SEED
from regress.comparison.slices import sliced
from regress.errors import UsageError
from regress.findings import MIN_N, SLICE_BY, SliceBy, SlicedComparison, SliceRow
from regress.workflows.compare import compare
from regress.workflows.typed import dashed, typed

_KEYS = tuple(one.name for one in fields(SliceRow) if one.name not in ("n", "estimates"))


@dataclass(frozen=True, kw_only=True)
class SlicedRuns(SlicedComparison):
    """Parts of the tasks of a comparison, for notebooks."""

    def to_frame(self) -> pd.DataFrame:
        """One row a part: task, what it was cut by, its estimates with their intervals, and p-values.

        Columns as the fields of `regress.findings.SliceRow`; rates in [0, 1], nan where undefined or not
        tested. The whole tasks are in `comparison.to_frame()`.
        """
        rows = [(task.whole.task.name, row) for task in self.tasks for row in task.rows]
        made = [
            {"task": task, "n": row.n}
            | {name: getattr(row, name) for name in _KEYS}
            | {
                f"{name}{end}": getattr(one, end[1:] or "value")
                for name, one in row.estimates.items()
                for end in ("", ".low", ".high")
            }
            for task, row in rows
        ]
        frame = pd.DataFrame(made, columns=None if made else ["task", "n", *_KEYS])
        first = ["task", "by", "name", "value", "low", "high", "n"]
        return frame[[*first, *(name for name in frame.columns if name not in first)]]


def slices(
    old: str,
    new: str,
    *,
    by: Sequence[str] | str | None = None,
    min_n: int = MIN_N,
    resampling_seed: int = SEED,
    **asked: Any,
) -> SlicedRuns:
    """Which parts of each task lose most; runs that are not stored yet are evaluated first.

    Args:
        old: As `compare` takes it.
        new: As `compare` takes it.
        by: What to cut by: `tag`, `cluster`, `prompt length`, `steps`, `choice position`, `margin`
            (dashes will do for blanks); by default all that can be.
        min_n: Instances that a part must have; smaller ones are counted and left out.
        resampling_seed: Seed of all randomness.
        **asked: What else `compare` takes.

    Raises:
        UsageError: If `min_n` cannot be meant.
        UnknownName: If `by` names something else.
        RegressError: What `compare` raises.
    """
    if min_n < 1:
        raise UsageError(f"the smallest part is {min_n} instances", allowed="a whole number from 1")
    cut = known_cuts(by)
    compared = compare(old, new, worst=0, resampling_seed=resampling_seed, **asked)
    found = sliced(compared, compared.pairs, compared.instances, by=cut, min_n=min_n, seed=resampling_seed)
    return SlicedRuns(**vars(found))


def known_cuts(by: Sequence[str] | str | None) -> tuple[SliceBy, ...] | None:
    """What to cut by, in the order in which it is listed; null if that is null.

    Raises:
        UnknownName: If one is none of them.
        UsageError: If there is none.

    >>> known_cuts("steps,prompt-length")
    ('prompt length', 'steps')
    """
    if by is None:
        return None
    named = typed("cut", by, map(dashed, SLICE_BY), none="nothing to cut by")
    return tuple(one for one in SLICE_BY if dashed(one) in named)
