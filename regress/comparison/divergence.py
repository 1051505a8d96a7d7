"""Divergence of two models over one text or task: what was measured of each token, as estimates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from regress.comparison.intervals import CONFIDENCE, Floats, Interval, estimate
from regress.findings import DivergenceRow
from regress.metrics.divergence import Positions, quantiles, summary
from regress.statistics import clustered
from regress.types import Estimate, Notice

FEW_UNITS = 10
"""With fewer windows or instances, the spread between them is hardly known."""


def row(
    source: str,
    found: Positions,
    unit: npt.ArrayLike,
    *,
    kind: Literal["window", "instance", "cluster"] = "window",
) -> DivergenceRow:
    """What was measured of n tokens, with intervals that take those of one unit as sampled together.

    Means have Miller's clustered standard error and Student's t; perplexities and their ratio are the
    exponentials of such means (of the paired differences, for the ratio). A mean divergence and a root mean
    square reach down to 0 at most.

    Args:
        source: What was read.
        found: The n tokens.
        unit: [n] codes from 0: in which window (instance, cluster) each lies.
        kind: What a unit is.

    Raises:
        ValueError: If there are no tokens.
    """
    if not found.kld.size:
        raise ValueError("no token was measured")
    codes = np.unique(np.asarray(unit), return_inverse=True)[1]
    units = int(codes.max()) + 1
    told, change = summary(found), found.delta_p
    few = Notice(code="few-units", data={"units": units, "minimum": FEW_UNITS, "unit": kind})

    def mean(name: str, values: Floats, through: Callable[[float], float] = float) -> Estimate:
        if not math.isfinite(told[name]):  # some token cannot come any more
            return Estimate(value=told[name], n=values.size)
        low, high = clustered.mean_interval(values, codes, CONFIDENCE)
        return estimate(told[name], values.size, (through(low), through(high)), "miller-t")

    return DivergenceRow(
        source=source,
        unit=kind,
        units=units,
        kld=mean("kld", found.kld, _from_zero),
        kld_quantiles=quantiles(found.kld),
        same_top=_share(told["same_top"], found, codes),
        delta_p=mean("delta_p", change),
        delta_p_rms=mean("delta_p_rms", change**2, lambda square: math.sqrt(_from_zero(square))),
        delta_p_quantiles=quantiles(change),
        old_perplexity=mean("old_perplexity", -found.old, _exp),
        new_perplexity=mean("new_perplexity", -found.new, _exp),
        ratio=_ratio(mean("ln_ratio", found.old - found.new)),
        warnings=(few,) if units < FEW_UNITS else (),
    )


def _share(value: float, found: Positions, codes: npt.NDArray[np.intp]) -> Estimate:
    interval: Interval = clustered.korn_graubard(found.same_top, codes, CONFIDENCE)
    return estimate(value, found.same_top.size, interval, "korn-graubard")


def _ratio(logarithm: Estimate) -> Estimate:
    return replace(logarithm, value=_exp(logarithm.value), low=_exp(logarithm.low), high=_exp(logarithm.high))


def _from_zero(value: float) -> float:
    return max(value, 0.0) if math.isfinite(value) else value


def _exp(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(value))
