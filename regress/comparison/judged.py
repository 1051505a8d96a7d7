"""The judged columns of one task, or of several pooled: all that estimates and verdicts are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison import reruns
from regress.metrics import continuous
from regress.metrics import flips as discrete
from regress.schema import INSTANCE
from regress.types import NoiseFloor, Pairs, QuadrantCounts, Scale, TaskSpec

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How every pair was judged, row by row; an instance has several rows where it was asked repeatedly."""

    scale: Scale
    """How answers are judged."""
    answers: bool
    """False where the task has no answers that could be told apart (`has_answers`)."""
    repeated: bool
    """Whether an instance may have several rows."""
    item: Codes
    """[n] number of the instance, the same for its repeats."""
    cluster: Codes | None
    """[n] number of the cluster; null where every instance was sampled alone."""
    old_correct: Bools
    """[n] whether the old answer is right; all false unless the scale is binary."""
    new_correct: Bools
    """[n] the same for the new answer."""
    same_answer: Bools
    """[n] whether both gave the same answer."""
    old_score: Floats
    """[n] the old score, higher is better."""
    new_score: Floats
    """[n] the new score."""
    readable: Bools
    """[n] whether both sides could be read."""
    old_margin: Floats | None = None
    """[n] the old gold margin, nan where unknown; null where the task has none."""
    new_margin: Floats | None = None
    """[n] the new gold margin."""
    old_floor: NoiseFloor | None = None
    """The old model's reruns, row for row; null where none are stored."""
    new_floor: NoiseFloor | None = None
    """The new model's reruns."""

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.item.size

    @property
    def counts(self) -> QuadrantCounts | None:
        """Rows in each quadrant; null unless the scale is binary."""
        if self.scale != "binary":
            return None
        return discrete.counts(discrete.quadrants(self.old_correct, self.new_correct, self.same_answer))

    @property
    def clusters(self) -> int | None:
        """How many clusters there are; null where every instance was sampled alone."""
        return None if self.cluster is None else int(np.unique(self.cluster).size)

    @property
    def change(self) -> Floats:
        """[n] new less old: of scores, 0 within rounding; of right answers -1, 0 or 1."""
        if self.scale == "binary":
            return self.new_correct.astype(np.float64) - self.old_correct
        return continuous.change(self.old_score, self.new_score)

    def lost(self, tau: float = 0.0) -> Bools:
        """[n] which rows got worse: right and now wrong, or a score that fell by more than `tau`."""
        return self.change < (0.0 if self.scale == "binary" else -tau - continuous.TIE)

    def gained(self, tau: float = 0.0) -> Bools:
        """[n] which rows got better."""
        return self.change > (0.0 if self.scale == "binary" else tau + continuous.TIE)

    def items(self, mask: Bools | None = None) -> int:
        """Instances with at least one row that `mask` picks."""
        if not self.repeated:
            return int(self.item.size if mask is None else np.count_nonzero(mask))
        return int(np.unique(self.item if mask is None else self.item[mask]).size)

    def rows(self, mask: Bools) -> Judged:
        """Only the rows that `mask` picks."""
        picked: dict[str, Any] = {name: vector[mask] for name, vector in self._vectors().items()}
        return replace(
            self,
            **picked,
            old_floor=reruns.rows(self.old_floor, mask),
            new_floor=reruns.rows(self.new_floor, mask),
        )

    @property
    def units(self) -> Codes | None:
        """[n] what was sampled together: clusters, else instances with several rows; null if neither."""
        if self.cluster is None and self.repeated:
            return self.item
        return self.cluster

    def averaged(self, values: npt.NDArray[Any]) -> tuple[Floats, Codes | None]:
        """`values`, one a row, averaged within each instance; and the cluster of each instance.

        Returns:
            [items] float64, and [items] codes or null.
        """
        numbers = np.asarray(values, dtype=np.float64)
        if not self.repeated:
            return numbers, self.cluster
        _, first, item = np.unique(self.item, return_index=True, return_inverse=True)
        mean = np.bincount(item, weights=numbers) / np.bincount(item)
        return mean, None if self.cluster is None else self.cluster[first]

    def _vectors(self) -> dict[str, npt.NDArray[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    @classmethod
    def pooled(cls, parts: Sequence[Judged]) -> Judged:
        """The rows of several tasks of one scale, one after the other."""
        # instances of different tasks are different instances, whatever their ids, and so are clusters
        clustered = any(part.cluster is not None for part in parts)
        apart = []
        items = clusters = 0
        for part in parts:
            cluster = part.item if part.cluster is None else part.cluster
            shifted = cluster + clusters if clustered else None
            apart.append(replace(part, item=part.item + items, cluster=shifted))
            items, clusters = items + _above(part.item), clusters + _above(cluster)
        columns = [part._vectors() for part in apart]
        shared = set.intersection(*(set(column) for column in columns))
        merged: dict[str, Any] = {
            name: np.concatenate([column[name] for column in columns]) if name in shared else None
            for name in columns[0]
        }
        return replace(
            apart[0],
            answers=all(part.answers for part in parts),
            repeated=any(part.repeated for part in parts),
            old_floor=reruns.joined([part.old_floor for part in parts]),
            new_floor=reruns.joined([part.new_floor for part in parts]),
            **merged,
        )


def _above(codes: Codes) -> int:
    return 1 + int(codes.max(initial=-1))


def has_answers(task: TaskSpec) -> bool:
    """Whether two wrong answers can be told apart: not where there are only likelihoods, and not where
    the task's own code reads a text and keeps to itself what it read.
    """
    return task.kind != "likelihood" and not (
        task.kind == "generation" and task.scorer.get("kind") == "lm-eval"
    )


def judged(
    pairs: Pairs,
    instances: pa.Table | None = None,
    *,
    old_floor: NoiseFloor | None = None,
    new_floor: NoiseFloor | None = None,
) -> Judged:
    """The judged columns of `pairs`.

    Args:
        pairs: The aligned runs.
        instances: The task's instances (`regress.schema.INSTANCE`), for clusters; without it there are none.
        old_floor: The old model's reruns, aligned with `pairs`.
        new_floor: The new model's reruns.
    """
    unjudged = np.zeros(pairs.n, dtype=np.bool_)
    ids = pairs.old["instance_id"]
    item = np.arange(pairs.n, dtype=np.int64)
    if pairs.repeats > 1:
        item = pc.index_in(ids, value_set=ids.unique()).to_numpy().astype(np.int64)
    return Judged(
        scale=pairs.old_spec.task.scale,
        answers=has_answers(pairs.old_spec.task),
        repeated=pairs.repeats > 1,
        item=item,
        cluster=_clusters(item, ids, instances),
        old_correct=unjudged if pairs.old_correct is None else pairs.old_correct,
        new_correct=unjudged if pairs.new_correct is None else pairs.new_correct,
        same_answer=pairs.same_answer,
        old_score=pairs.old_score,
        new_score=pairs.new_score,
        readable=pairs.old_readable & pairs.new_readable,
        old_margin=_margins(pairs, pairs.old),
        new_margin=_margins(pairs, pairs.new),
        old_floor=old_floor,
        new_floor=new_floor,
    )


def _margins(pairs: Pairs, side: pa.Table) -> Floats | None:
    task = pairs.old_spec.task
    if task.kind != "choice" or task.scale != "binary":
        return None
    return np.array(side["gold_margin"].to_numpy(), dtype=np.float64)


def of_instances(ids: pa.ChunkedArray, instances: pa.Table | None, columns: Sequence[str]) -> pa.Table:
    """What is known of these instances, in the order of `ids`, else null."""
    instances = INSTANCE.empty_table() if instances is None else instances
    found = pc.index_in(ids, value_set=instances["instance_id"])
    return instances.select(list(columns)).take(found)


def _clusters(item: Codes, ids: pa.ChunkedArray, instances: pa.Table | None) -> Codes | None:
    """Codes of the declared clusters; an instance that declares none is one of its own."""
    if instances is None or instances["cluster"].null_count == len(instances):
        return None
    names = of_instances(ids, instances, ["cluster"])["cluster"]
    codes = np.array(
        pc.fill_null(pc.index_in(names, value_set=names.unique()), -1).to_numpy(), dtype=np.int64
    )
    alone = np.array(pc.is_null(names).to_numpy(), dtype=np.bool_)
    codes[alone] = codes.max(initial=-1) + 1 + item[alone]
    # each instance alone in its cluster is what independent sampling means
    return None if np.unique(codes).size == np.unique(item).size else codes
