"""Which parts of a task lose most: every part with its estimates and two tests, adjusted for their number.

    p_worse          is the new model worse here? The test that the whole task gets (`comparison.evidence`)
    p_concentrated   are answers lost here more often than in the rest? Fisher's exact test; with clusters
                     (or repeats) a score test

Whether a part is large enough is decided by its size alone, and all that are count for Holm's
adjustment, which holds however they overlap. A cluster that is a part is looked at as it is, not as
a sample of clusters, so its items are the unit.

Parts by the old margin are described and not tested: who is picked for having been right by little
loses more often than it gains, whatever the update (regression to the mean).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.comparison.cuts import Cutting, cuttings
from regress.comparison.estimates import basic
from regress.comparison.evidence import evidence
from regress.comparison.judged import Bools, Judged, judged
from regress.comparison.rows import SEED, stream
from regress.findings import MIN_N, SLICE_BY, SliceBy, SlicedComparison, SliceRow, TaskSlices
from regress.metrics.slices import Part
from regress.statistics import concentration, multiplicity
from regress.types import Comparison, Notice, Pairs, TaskComparison

_SAID_OF_THE_TASK = ("clustered", "few-clusters", "repeats", "metric-negated")
"""What was said of a task that holds for its parts."""


def sliced(
    comparison: Comparison,
    pairs: Mapping[str, Pairs],
    instances: Mapping[str, pa.Table],
    *,
    by: Sequence[SliceBy] | None = None,
    min_n: int = MIN_N,
    seed: int = SEED,
) -> SlicedComparison:
    """Every task of a comparison in parts; pooled rows are left out.

    Args:
        comparison: The comparison.
        pairs: The aligned runs, by task name.
        instances: The tasks' instances, by task name, where they are known.
        by: What to cut by, and to say so where that cannot be; null cuts by all that can be.
        min_n: Instances that a part must have, at least 1.
        seed: Seed of random sign flips: same seed, same digits, whatever else is cut.
    """
    tasks = tuple(
        slices(row, pairs[row.task.name], instances.get(row.task.name), by=by, min_n=min_n, seed=seed)
        for row in comparison.tasks
        if row.task.name in pairs and not row.members
    )
    return SlicedComparison(
        comparison=comparison, tasks=tasks, min_n=min_n, warnings=(Notice(code="parts-after-the-fact"),)
    )


def slices(
    whole: TaskComparison,
    pairs: Pairs,
    instances: pa.Table | None = None,
    *,
    by: Sequence[SliceBy] | None = None,
    min_n: int = MIN_N,
    seed: int = SEED,
) -> TaskSlices:
    """One task in parts, those first of which the interval of NFR lies highest.

    Args: as those of `sliced`, for one task.
    """
    columns = judged(pairs, instances)
    rows: list[SliceRow] = []
    skipped: dict[SliceBy, int] = {}
    for cutting in cuttings(pairs, columns, instances, SLICE_BY if by is None else by, min_n):
        sizes = _sizes(columns, cutting.cut.codes, len(cutting.cut.parts))
        for code in np.flatnonzero(sizes >= min_n).tolist():
            if sizes[code] < columns.items():  # a part that is everything is none
                here = cutting.cut.codes == code
                rng = stream(seed, whole.task.name, cutting.by, cutting.name, str(cutting.cut.parts[code]))
                rows.append(_row(cutting, cutting.cut.parts[code], columns, here, rng))
        if small := int(np.count_nonzero(sizes < min_n)):
            skipped[cutting.by] = skipped.get(cutting.by, 0) + small
    return TaskSlices(
        whole=whole,
        rows=tuple(sorted(_adjusted(rows), key=_place)),
        skipped=skipped,
        warnings=(
            *_uncut({row.by for row in rows} | skipped.keys(), by or ()),
            *_unknown(pairs, instances),
            *(notice for notice in whole.warnings if notice.code in _SAID_OF_THE_TASK),
        ),
    )


def _sizes(columns: Judged, codes: npt.NDArray[np.int64], parts: int) -> npt.NDArray[np.int64]:
    """Instances in each part."""
    inside = codes >= 0
    if not columns.repeated:
        return np.bincount(codes[inside], minlength=parts)
    # a repeated instance counts once in each part in which it has a row
    width = 1 + int(columns.item.max(initial=0))
    return np.bincount(np.unique(codes[inside] * width + columns.item[inside]) // width, minlength=parts)


def _row(cutting: Cutting, part: Part, columns: Judged, here: Bools, rng: np.random.Generator) -> SliceRow:
    unit = replace(columns, cluster=None) if cutting.by == "cluster" else columns
    inside = unit.rows(here)
    made = basic(inside)
    worse = concentrated = math.nan
    if cutting.by != "margin":
        found = evidence(inside, made, rng)
        worse = math.nan if found is None else found.p_worse
        concentrated = _concentrated(unit, here)
    return SliceRow(
        by=cutting.by,
        name=cutting.name,
        **part._asdict(),
        n=inside.n,
        estimates=made,
        p_worse=worse,
        p_worse_holm=worse,
        p_concentrated=concentrated,
        p_concentrated_holm=concentrated,
    )


def _concentrated(columns: Judged, here: Bools) -> float:
    lost = columns.lost()
    if columns.units is not None:
        return concentration.score(lost, here, columns.units)
    lost_here, inside, in_all = (int(np.count_nonzero(mask)) for mask in (lost & here, here, lost))
    return concentration.exact(lost_here, inside, in_all, columns.n)


def _adjusted(rows: Sequence[SliceRow]) -> Iterator[SliceRow]:
    worse = multiplicity.holm([row.p_worse for row in rows]).tolist()
    concentrated = multiplicity.holm([row.p_concentrated for row in rows]).tolist()
    for row, one, other in zip(rows, worse, concentrated, strict=True):
        yield replace(row, p_worse_holm=one, p_concentrated_holm=other)


def _place(row: SliceRow) -> tuple[float, ...]:
    """Where a row stands: what surely loses most first; parts by margin last, in their own order."""
    if row.by == "margin":
        return 1.0, row.low
    nfr = row.estimates["nfr"]
    return 0.0, -nfr.low if math.isfinite(nfr.low) else 0.0, -nfr.value


def _uncut(made: Collection[SliceBy], by: Sequence[SliceBy]) -> Iterator[Notice]:
    if uncut := [one for one in by if one not in made]:
        yield Notice(code="not-cut", data={"by": uncut})
    if "margin" in made:
        yield Notice(code="margin-regresses")


def _unknown(pairs: Pairs, instances: pa.Table | None) -> Iterator[Notice]:
    """Where what the items say is not stored."""
    if instances is None or not pairs.old_spec.text:
        yield Notice(code="items-unknown", data={"hashed": instances is not None})
