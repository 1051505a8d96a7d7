"""One row of the table: what the update did on one task, or on several pooled."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from regress.comparison.classes import classes
from regress.comparison.estimates import estimates
from regress.comparison.evidence import about, evidence
from regress.comparison.flips import flips, worst_rows
from regress.comparison.judged import Judged, judged
from regress.comparison.kinds import Causes, causes, model_rates
from regress.comparison.notices import from_counts, from_pairs
from regress.comparison.readings import readings
from regress.comparison.shifts import divergence, shifts, written
from regress.comparison.sides import sides
from regress.identity import run_fingerprint
from regress.types import Notice, Pairs, SideCounts, TaskComparison, TaskSpec

SEED = 1234
"""Seed of resampling where none is given."""


def stream(seed: int, *names: str) -> np.random.Generator:
    """A stream of random numbers of its own for what bears these names, whatever else is drawn.

    >>> [int(stream(1, name).integers(100)) for name in ("piqa", "piqa", "gsm8k")]
    [20, 20, 66]
    """
    return np.random.default_rng([seed, *(zlib.crc32(name.encode(errors="surrogatepass")) for name in names)])


def summarise(
    pairs: Pairs,
    *,
    instances: pa.Table | None = None,
    columns: Judged | None = None,
    seed: int = SEED,
    worst: int = 3,
    old_path: str | None = None,
    new_path: str | None = None,
) -> TaskComparison:
    """What the update did on one task.

    Args:
        pairs: The aligned runs.
        instances: The task's instances (`regress.schema.INSTANCE`), for clusters, prompts and targets.
        columns: The judged columns of `pairs`, where they are known already.
        seed: Seed of resampling.
        worst: How many of the worst negative flips to keep.
        old_path: Where the old run lies.
        new_path: Where the new run lies.
    """
    old_side, new_side = sides(pairs)
    columns = judged(pairs, instances) if columns is None else columns
    texts = written(pairs, instances)
    shifted = shifts(pairs, columns, texts)
    notices = from_pairs(pairs, old_side, new_side, shifted)
    made = row(pairs.old_spec.task, columns, old_side, new_side, notices, seed=seed)
    found = causes(pairs, columns, instances)
    codes = None if found is None else found.codes
    return replace(
        made if found is None else _explained(made, columns, found),
        readings=readings(pairs, columns, made.estimates),
        shifts=shifted,
        divergence=divergence(texts),
        classes=classes(pairs, instances),
        worst=tuple(flips(pairs, instances, rows=worst_rows(pairs, worst), kinds=codes)),
        old_path=old_path,
        new_path=new_path,
        old_fingerprint=run_fingerprint(pairs.old_spec),
        new_fingerprint=run_fingerprint(pairs.new_spec),
    )


def _explained(made: TaskComparison, columns: Judged, found: Causes) -> TaskComparison:
    """A row with why its answers flipped, counted and as rates."""
    read = columns.readable
    return replace(
        made,
        estimates={**made.estimates, **model_rates(columns, found.own)},
        readable={**made.readable, **model_rates(columns.rows(read), found.own[read])},
        kinds=found.counts,
    )


def row(
    task: TaskSpec,
    columns: Judged,
    old_side: SideCounts,
    new_side: SideCounts,
    notices: Iterable[Notice],
    *,
    seed: int = SEED,
) -> TaskComparison:
    """What judged columns say: all that an ordinary and a pooled row have in common.

    Args:
        task: The task, or what stands for several.
        columns: How its answers are judged.
        old_side: What went wrong on the old side.
        new_side: What went wrong on the new side.
        notices: Warnings, to stand after those that follow from the counts.
        seed: Seed of resampling; each task draws from a stream of its own.
    """
    rng = stream(seed, task.name)
    made = estimates(columns, rng)
    all_read = bool(columns.readable.all())
    return TaskComparison(
        task=task,
        n=columns.n,
        estimates=made,
        counts=columns.counts,
        old_side=old_side,
        new_side=new_side,
        readable=made if all_read else estimates(columns.rows(columns.readable), rng),
        warnings=(*from_counts(columns.n, columns.items(), old_side, new_side), *notices, *about(columns)),
        evidence=evidence(columns, made, rng),
        clusters=columns.clusters,
        padding=columns.old_floor.padding if columns.old_floor else None,
    )
