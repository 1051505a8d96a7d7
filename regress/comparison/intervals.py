"""Estimates with their two-sided intervals, each made the way its kind of number asks for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from regress.comparison.judged import Judged
from regress.metrics.continuous import TIE
from regress.statistics import bootstrap, clustered, rates
from regress.types import Estimate, Notice

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
"""Confidence of every interval that is shown."""

ROUGH = 5
"""With fewer expected successes (or failures), Wilson's interval covers less than it says."""

Interval = tuple[float, float]


def rate(
    columns: Judged, value: float, hits: Bools, *, of: Bools | None = None, defined: bool = True
) -> Estimate:
    """A share of instances (or of the rows `of`), with its interval."""
    n = columns.items(of)
    if not defined or not math.isfinite(value):
        return Estimate(value=math.nan, n=n)
    if columns.units is None:
        k = int(np.count_nonzero(hits if of is None else hits & of))
        rough = min(k, n - k) < ROUGH
        return estimate(value, n, rates.wilson(k, n, CONFIDENCE), "wilson", rough=rough)
    interval = clustered.korn_graubard(hits, columns.units, CONFIDENCE, of)
    return estimate(value, n, interval, "korn-graubard")


def mean(columns: Judged, value: float, values: Floats) -> Estimate:
    """A mean with Miller's standard error; no interval where there is no spread to estimate."""
    interval = clustered.mean_interval(values, columns.units, CONFIDENCE)
    return estimate(value, columns.items(), interval, "miller-t")


def resampled(
    columns: Judged, value: float, differing: Floats, resample: Callable[[], bootstrap.Bootstrap]
) -> Estimate:
    """With a bootstrap interval where enough rows differ; else with a warning."""
    n, units = columns.items(), columns.units
    if not math.isfinite(value):
        return Estimate(value=value, n=n)
    if not bootstrap.admitted(differing, units):
        nonzero = int(np.count_nonzero(np.abs(bootstrap.unit_sums(differing, units)) > TIE))
        unit = "instances" if units is None else "clusters"
        minimum = bootstrap.MINIMUM_ITEMS if units is None else bootstrap.MINIMUM_CLUSTERS
        few = Notice(code="few-differences", data={"nonzero": nonzero, "minimum": minimum, "unit": unit})
        return Estimate(value=value, n=n, warnings=(few,) if nonzero < minimum else ())
    return estimate(value, n, resample().interval(CONFIDENCE), "bca" if units is None else "bca-clustered")


def estimate(value: float, n: int, interval: Interval, method: str, *, rough: bool = False) -> Estimate:
    """A number with its interval; without one that has no ends, or no width, which would promise too much."""
    low, high = interval
    if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)) or low == high:
        return Estimate(value=value, n=n)
    warnings = (Notice(code="interval-rough"),) if rough else ()
    return Estimate(
        value=value, n=n, low=low, high=high, confidence=CONFIDENCE, method=method, warnings=warnings
    )
