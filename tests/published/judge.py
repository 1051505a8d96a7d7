"""Whether what is measured here fits what is printed: how far two samples of one thing may lie apart.

The published stories and items are another sample, of the same size. So a figure measured here and the
printed one may lie four standard errors of the difference of two such samples apart, beyond what rounding
explains of the printed digits. Four, because some 280 figures are compared: at three, a few of them
are out by luck alone. The standard errors are:

    ratio      new over old perplexity (so that the luck of the old model's own does not count), on the
               logarithm: √2 times ours, clustered by story
    kld        √2 times ours, clustered by story
    same_top, acc, nfr, pfr
               √(p (1 - p) / n + p' (1 - p') / n) of both shares, each as (k + 1) / (n + 2), so that none is
               certain where k is 0; tokens and items of one story are hardly more alike than others

Where the function is kept nothing depends on a sample: KLD at most 1e-9, no answer changed, and the same
token first in at least 999 of 1,000 places (two may be within rounding of each other).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scipy.special import stdtrit

from regress.types import Estimate

from .bench import Measured
from .printed import Bounds
from .sample import STORIES

ERRORS = 4.0
"""Standard errors of their difference that two samples may lie apart."""
KLD, SAME_TOP = 1e-9, 0.999
"""The most divergence, and the least share of equal choices, of models that are the same function."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One figure beside its printed one."""

    column: str
    """Which."""
    value: float
    """As measured here."""
    printed: str
    """As printed, rates in percent."""
    beyond: float
    """How far it lies beyond the rounding of the printed digits."""
    tolerance: float
    """How far it may."""

    @property
    def fits(self) -> bool:
        """Whether it is within tolerance."""
        return self.beyond <= self.tolerance


def judge(found: Measured) -> list[Judged]:
    """Every printed figure of a row; perplexity as its ratio to the old model's."""
    return [
        _ratio(found, bounds) if column == "ppl" else _figure(column, found.figures[column], bounds)
        for column, bounds in found.row.figures.items()
    ]


def broken(found: Measured) -> Iterator[str]:
    """How a row that is to keep the function does not, in words."""
    value = {name: estimate.value for name, estimate in found.figures.items()}
    if not value["kld"] <= KLD:
        yield f"KLD is {value['kld']:.2g}"
    if not value["same_top"] >= SAME_TOP:
        yield f"the same token is first in a share of {value['same_top']}"
    if found.changed:
        yield f"{found.changed} answers changed"


def beyond(value: float, bounds: Bounds) -> float:
    """How far a value lies outside of the numbers that a printed figure can stand for."""
    return max(bounds.low - value, value - bounds.high, 0.0)


def _clustered_error(estimate: Estimate) -> float:
    """Standard error of a mean over stories, from its 95 % interval by Student's t."""
    return (estimate.high - estimate.low) / 2 / float(stdtrit(STORIES - 1, 0.975))


def _figure(column: str, found: Estimate, bounds: Bounds) -> Judged:
    if column == "kld":
        error = math.sqrt(2) * _clustered_error(found)
    else:
        theirs = (bounds.low + bounds.high) / 2
        error = math.hypot(_binomial_error(found.value, found.n), _binomial_error(theirs, found.n))
    return Judged(
        column=column,
        value=found.value,
        printed=bounds.shown,
        beyond=beyond(found.value, bounds),
        tolerance=ERRORS * error,
    )


def _ratio(found: Measured, bounds: Bounds) -> Judged:
    ratio, old = found.figures["ratio"], found.row.old_ppl
    logarithm = Estimate(
        value=math.log(ratio.value), n=ratio.n, low=math.log(ratio.low), high=math.log(ratio.high)
    )
    return Judged(
        column="ratio",
        value=ratio.value,
        printed=f"{(bounds.low + bounds.high) / 2 / old:.4g}",
        beyond=beyond(
            logarithm.value, replace(bounds, low=math.log(bounds.low / old), high=math.log(bounds.high / old))
        ),
        tolerance=ERRORS * math.sqrt(2) * _clustered_error(logarithm),
    )


def _binomial_error(share: float, n: int) -> float:
    p = (min(max(share, 0.0), 1.0) * n + 1) / (n + 2)
    return math.sqrt(p * (1 - p) / n)
