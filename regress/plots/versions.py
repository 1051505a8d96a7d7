"""Several versions of a model: every pair of them, and one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from regress.errors import UsageError
from regress.plots.canvas import blank, figure, grid, percent, percent_tick, words
from regress.plots.intervals import interval
from regress.plots.style import INK, LOSS, MUTED, NOISE, RIGHT
from regress.types import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRONGEST = 0.6
"""How much of its colour the cell with the highest rate has: ink on it is read on light and dark pages."""
_ROOM = 45
"""Characters that fit side by side."""

_ROOMY = 8
"""So many versions have room for each number as it is."""


@figure
def heatmap(versions: Sequence[str], rates: npt.ArrayLike, *, title: str = "NFR") -> Figure:
    """NFR of every ordered pair: old versions below each other, new ones side by side.

    Args:
        versions: k names, in order.
        rates: [k, k] float in [0, 1], `rates[i][j]` from version i to version j; nan where undefined.
        title: What is shown, for example of which task.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UsageError: If there are not as many rates.
    """
    values = np.asarray(rates, dtype=np.float64)
    k = len(versions)
    if values.shape != (k, k) or not k:
        raise UsageError(f"{k} versions and rates of shape {values.shape}", allowed="[k, k] rates")
    made = blank(words(title, 48), None, height=1.3 + 0.42 * k)
    axes = made.subplots()
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    for y, x in np.ndindex(k, k):
        _square(axes, x, y, float(values[y, x]), most, room=_ROOMY / max(k, _ROOMY))
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelcolor=INK)
    axes.set_yticks(range(k), [words(name, 18) for name in versions], parse_math=False)
    _columns(axes, versions, slanted="left")
    axes.annotate(
        "old ↓  new →",
        (-0.5, -0.5),
        xytext=(-4, 8),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=MUTED,
    )
    axes.set_xlim(-0.5, k - 0.5)
    axes.set_ylim(k - 0.5, -0.5)
    axes.spines[:].set_visible(False)
    return made


def _square(axes: Axes, x: int, y: int, rate: float, most: float, *, room: float) -> None:
    """One cell; with little room its number is smaller and does without the sign."""
    known = math.isfinite(rate)
    said = percent(rate) if known else "–"
    said = said if room == 1 else said.removesuffix(" %")
    strength = _STRONGEST * rate / most if known and most else 0.0
    colour = LOSS if known and x != y else RIGHT
    axes.bar(x, 0.94, 0.94, y - 0.47, color=colour, alpha=strength if x != y else 0.3)
    axes.text(x, y, said, ha="center", va="center", fontsize=8.5 * max(room, 0.6), color=INK)


@figure
def history(
    versions: Sequence[str],
    accuracy: Sequence[Estimate],
    nfr: Sequence[Estimate | None],
    *,
    title: str = "",
    scored: bool = False,
) -> Figure:
    """Versions in order: accuracy above, and below it what each step lost, both with 95 % intervals.

    Args:
        versions: k names, the oldest first.
        accuracy: k accuracies, or mean scores in [0, 1].
        nfr: k rates of answers lost since the version before; null for the first.
        title: What is shown, for example of which task.
        scored: Whether `accuracy` holds mean scores.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UsageError: If there are not as many of each.
    """
    k = len(versions)
    if not k == len(accuracy) == len(nfr) or not k:
        raise UsageError(
            f"{k} versions, {len(accuracy)} accuracies and {len(nfr)} steps", allowed="as many of each"
        )
    made = blank(words(title, 48), None, height=3.8)
    above, below = made.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    above.plot(range(k), [one.value for one in accuracy], color=NOISE, linewidth=1.2, zorder=1)
    for x, (right, lost) in enumerate(zip(accuracy, nfr, strict=True)):
        # more numbers would run into each other; the axes tell
        numbers = ["" if one is None or k > _ROOMY else percent(one.value) for one in (right, lost)]
        level = numbers[0].removesuffix(" %") if scored else numbers[0]
        interval(above, right, x, colour=NOISE, said=level, upright=True)
        interval(below, lost, x, colour=LOSS, marker="v", said=numbers[1], upright=True)
    above.set_title("mean score × 100" if scored else "accuracy in %")
    below.set_title("lost since the version before (NFR) in %")
    for axes in (above, below):
        grid(axes, "y")
        axes.margins(y=0.15)
        axes.yaxis.set_major_formatter(percent_tick)
    below.set_ylim(bottom=0)
    _columns(below, versions, slanted="right")
    below.set_xlim(-0.5, k - 0.5)
    return made


def _columns(axes: Axes, versions: Sequence[str], *, slanted: Literal["left", "right"]) -> None:
    """Versions side by side; slanted, with that end at the tick, where they need more room than there is."""
    names = [words(name, 18) for name in versions]
    axes.set_xticks(range(len(names)), names, parse_math=False)
    if len(names) * max(map(len, names)) > _ROOM:
        for label in axes.get_xticklabels():
            label.set(rotation=30, ha=slanted, rotation_mode="anchor")
