"""What each of a task's extractors makes of the same outputs: one metric after several filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparison.estimates import basic
from regress.comparison.evidence import FEW_DISCORDANT
from regress.comparison.intervals import Floats, mean
from regress.comparison.judged import Judged
from regress.types import Estimate, Notice, Pairs, Reading, TaskSpec

RATES = ("old", "new", "delta", "nfr", "pfr")
"""The estimates that a reading gives."""


def readings(pairs: Pairs, columns: Judged, estimates: Mapping[str, Estimate]) -> tuple[Reading, ...]:
    """The headline's reading, then those of the task's other extractors, each against the headline.

    Empty unless answers are right or wrong, both sides have the same headline, and another extractor's
    verdict on every answer of both sides is stored. The gap of two extractors is the mean over instances of

        (new' - old') - (new - old),   each 1 if right and 0 if not, primes by the other extractor,

    with Miller's interval; without one where fewer than ten instances (or clusters, where items have
    some) make it up, however they fall.

    Args:
        pairs: The aligned runs.
        columns: Their judged columns, by the headline.
        estimates: What was made of these.
    """
    task = pairs.old_spec.task
    if task.scale != "binary" or pairs.new_spec.task.metric != task.metric:
        return ()
    headline = Reading(metric=task.metric, estimates={name: estimates[name] for name in RATES})
    others = []
    for key in other_extractors(task, pairs.old):
        old, new = values(pairs.old, key), values(pairs.new, key)
        if all(np.isin(side, (0.0, 1.0)).all() for side in (old, new)):
            others.append(_reading(key, columns, old, new))
    return (headline, *others) if others else ()


def other_extractors(task: TaskSpec, predictions: pa.Table) -> list[str]:
    """Keys of `Prediction.scores` with the headline's metric after another filter, in stored order."""
    metric = task.metric.partition("/")[0]
    stored = [key for chunk in predictions["scores"].chunks for key in pc.unique(chunk.keys).to_pylist()]
    return [key for key in dict.fromkeys(stored) if key.partition("/")[0] == metric and key != task.metric]


def values(predictions: pa.Table, key: str) -> Floats:
    """One metric of every prediction: [n] float64, nan where it is not stored."""
    found = pc.map_lookup(predictions["scores"], key, occurrence="first")
    return np.asarray(found.to_numpy(), dtype=np.float64)


def _reading(key: str, columns: Judged, old: Floats, new: Floats) -> Reading:
    read = replace(columns, old_correct=old == 1.0, new_correct=new == 1.0)
    return Reading(metric=key, estimates=basic(read), delta_gap=_gap(columns, read))


def _gap(columns: Judged, read: Judged) -> Estimate:
    apart, units = read.change - columns.change, columns.units
    gap = mean(columns, float(apart.mean()), apart)
    differing = int(np.count_nonzero(apart if units is None else np.bincount(units[apart != 0])))
    if not 0 < differing < FEW_DISCORDANT:
        return gap
    few = {
        "nonzero": differing,
        "minimum": FEW_DISCORDANT,
        "unit": "instances" if columns.cluster is None else "clusters",
    }
    return Estimate(value=gap.value, n=gap.n, warnings=(Notice(code="few-differences", data=few),))
