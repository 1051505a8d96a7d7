"""An estimate in a figure: a mark where it lies, a line over its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from regress.plots.style import INK, SURFACE
from regress.types import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def across(
    axes: Axes,
    estimate: Estimate | None,
    y: float,
    *,
    colour: str,
    marker: str = "o",
    filled: bool = True,
    said: str = "",
    label: str | None = None,
) -> bool:
    """Draw an estimate at height `y`, its interval from left to right where it has one.

    Args:
        axes: Where to.
        estimate: What; nothing is drawn where it is null or undefined.
        y: Its row.
        colour: Of mark and line.
        marker: The mark, as matplotlib names it.
        filled: Whether the mark is filled.
        said: What stands above the mark.
        label: Its entry in a legend.

    Returns:
        Whether anything was drawn.
    """
    if estimate is None or not math.isfinite(estimate.value):
        return False
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        axes.plot([estimate.low, estimate.high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot(
        [estimate.value],
        [y],
        linestyle="none",
        marker=marker,
        markersize=7,
        color=colour,
        markerfacecolor=colour if filled else SURFACE,
        markeredgecolor=SURFACE if filled else colour,
        markeredgewidth=1 if filled else 1.6,
        label=label,
    )
    if said:
        place = (estimate.value, y)
        axes.annotate(
            said, place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8, color=INK
        )
    return True
