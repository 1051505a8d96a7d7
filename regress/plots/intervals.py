"""An estimate in a figure: a mark where it lies, a line over its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from regress.plots.style import INK, SURFACE
from regress.types import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def interval(
    axes: Axes,
    estimate: Estimate | None,
    at: float,
    *,
    colour: str,
    marker: str = "o",
    filled: bool = True,
    said: str = "",
    label: str | None = None,
    upright: bool = False,
) -> None:
    """Draw an estimate, its interval from left to right where it has one; nothing where it is undefined.

    Args:
        axes: Where to.
        estimate: What; nothing is drawn where it is null, either.
        at: Its row; its column if `upright`.
        colour: Of mark and line.
        marker: The mark, as matplotlib names it.
        filled: Whether the mark is filled.
        said: What stands above the mark.
        label: Its entry in a legend.
        upright: Whether the interval runs from below to above.
    """
    if estimate is None or not math.isfinite(estimate.value):
        return

    def place(*values: float) -> tuple[list[float], list[float]]:
        line, across = list(values), [at] * len(values)
        return (across, line) if upright else (line, across)

    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        ends = place(estimate.low, estimate.high)
        axes.plot(*ends, color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot(
        *place(estimate.value),
        linestyle="none",
        marker=marker,
        markersize=7 if filled else 6,
        color=colour,
        markerfacecolor=colour if filled else SURFACE,
        markeredgecolor=SURFACE if filled else colour,
        markeredgewidth=1 if filled else 1.6,
        label=label,
    )
    if said:
        (x,), (y,) = place(estimate.value)
        offset, side = ((8, -3), "left") if upright else ((0, 6), "center")
        axes.annotate(
            said,
            (x, y),
            xytext=offset,
            textcoords="offset points",
            ha=side,
            fontsize=8,
            color=INK,
            bbox={"facecolor": SURFACE, "edgecolor": "none", "pad": 0.5},
        )
