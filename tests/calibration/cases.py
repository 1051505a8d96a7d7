"""Cases in memory with given flips or falls: what `judge` is called with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.comparison.judged import Judged
from regress.policy.case import Case
from regress.types import NoiseFloor, Reruns, Scale, SideCounts, Subset, TaskSpec

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

NOTHING_WRONG = SideCounts(unreadable=0, truncated=None, left_truncated=0)


def binary(
    name: str,
    lost: int,
    gained: int,
    n: int,
    *,
    otherwise: int = 0,
    cluster: Codes | None = None,
    order: npt.NDArray[np.int64] | None = None,
    differing: npt.NDArray[np.int64] | None = None,
) -> Case:
    """A task judged right or wrong: so many pairs lost, then gained, then wrong otherwise; the rest kept.

    Args:
        name: What it is called.
        lost: Pairs right before and wrong now.
        gained: Pairs wrong before and right now.
        n: Pairs.
        otherwise: Pairs wrong on both sides, with another answer.
        cluster: [n] codes, pair by pair in that order.
        order: [n] an order to bring the pairs into, before clusters are given out.
        differing: [n] in how many of three reruns, one of each kind, the old model judges the pair
            otherwise; null for no reruns.
    """
    row = np.arange(n) if order is None else np.argsort(order)
    old = ~((row >= lost) & (row < lost + gained + otherwise))
    new = ~((row < lost) | ((row >= lost + gained) & (row < lost + gained + otherwise)))
    same = ~(row < lost + gained + otherwise)
    columns = replace(_columns("binary", n, cluster), old_correct=old, new_correct=new, same_answer=same)
    if differing is not None:
        columns = replace(columns, old_floor=_floor(old, differing))
    return _case(name, columns)


def bounded(name: str, falls: npt.NDArray[np.float64], *, cluster: Codes | None = None) -> Case:
    """A task judged by a score in [0, 1], which falls by so much on each item."""
    old = np.clip(falls, 0.0, None)
    columns = _columns("bounded", falls.size, cluster)
    return _case(name, replace(columns, old_score=old, new_score=old - falls))


def _columns(scale: Scale, n: int, cluster: Codes | None) -> Judged:
    none, zero = np.zeros(n, dtype=np.bool_), np.zeros(n)
    return Judged(
        scale=scale,
        answers=True,
        repeated=False,
        item=np.arange(n),
        cluster=cluster,
        old_correct=none,
        new_correct=none,
        same_answer=none,
        old_score=zero,
        new_score=zero,
        readable=~none,
    )


def _floor(old: Bools, differing: npt.NDArray[np.int64]) -> NoiseFloor:
    kinds = ("rerun", "batch", "order")
    runs = {kind: np.stack([old, old ^ (differing > place)]) for place, kind in enumerate(kinds)}
    return NoiseFloor(
        reruns={
            kind: Reruns(kind=kind, correct=correct, score=correct.astype(np.float64), margin=None)
            for kind, correct in runs.items()
        }
    )


def _case(name: str, columns: Judged) -> Case:
    task = TaskSpec(name=name, version="1", kind="choice", scale=columns.scale, metric="acc", n=columns.n)
    return Case(
        name=name,
        old="old",
        tasks=(task,),
        subsets=(Subset(), Subset()),
        columns=columns,
        sides=(NOTHING_WRONG, NOTHING_WRONG),
        ids=pa.chunked_array([pa.array([f"id{i}" for i in range(columns.n)])]),
        tags=pa.chunked_array([pa.nulls(columns.n, pa.map_(pa.string(), pa.string()))]),
    )
