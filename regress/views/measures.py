"""The estimates that have a column, in order, and a row's value of them."""

from __future__ import annotations

import math
from typing import NamedTuple

from regress.types import Estimate, TaskComparison
from regress.views.numbers import Unit


class Measure(NamedTuple):
    """An estimate that has a column."""

    heading: str
    """What stands above the column."""
    estimate: str
    """Name of the estimate."""
    unit: Unit
    """What it is."""
    wide: bool = False
    """Whether it is shown only where there is room."""


MEASURES = (
    Measure("old", "old", "level"),
    Measure("new", "new", "level"),
    Measure("Δ", "delta", "difference"),
    Measure("NFR", "nfr", "rate"),
    Measure("PFR", "pfr", "rate"),
    Measure("NFR_mc", "nfr_mc", "rate"),
    Measure("BTC", "btc", "rate", wide=True),
    Measure("BEC", "bec", "rate", wide=True),
    Measure("NFI", "nfi", "rate", wide=True),
    Measure("rel. NFR", "relative_nfr", "ratio", wide=True),
    Measure("churn", "churn", "rate", wide=True),
    Measure("m_g", "m_g", "level", wide=True),
    Measure("m_r", "m_r", "level", wide=True),
)
"""The columns after n, in order."""


def value(task: TaskComparison, estimate: str) -> float:
    """An estimate of a row; nan where it has none of that name."""
    return task.estimates[estimate].value if estimate in task.estimates else math.nan


def instances(task: TaskComparison, estimate: str) -> int | None:
    """How many instances a rate of a row stands for; null where it is undefined."""
    rate = value(task, estimate)
    return round(rate * task.n) if math.isfinite(rate) else None


def has_interval(estimate: Estimate) -> bool:
    """Whether an interval was made of it."""
    return math.isfinite(estimate.low) and math.isfinite(estimate.high)
