"""How sure a model was of its choices, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from regress.comparison.compared import Compared
from regress.comparison.flips import quadrant_codes
from regress.errors import UsageError
from regress.plots.canvas import blank, counted, figure, pairs_of, row_of, task_words
from regress.plots.style import GAIN, INK, LOSS, MUTED, RIGHT, SURFACE, WRONG
from regress.types import QUADRANTS, Pairs, Quadrant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 600
"""Pairs that are drawn one by one; of more, cells say how many they hold."""
CELLS = 32
"""Cells along either axis, half of them on either side of 0."""

_FAINTEST, _STRONGEST = 0.25, 0.95
"""How much of its colour a cell with a single pair has, and the fullest one."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Corner:
    """One quadrant of the picture."""

    name: str
    members: tuple[Quadrant, ...]
    colour: str
    marker: str
    x: float
    """Where its name stands: 0 is left, 1 right."""
    y: float
    """0 is below, 1 above."""


_CORNERS = (
    _Corner(name="both right", members=("both right",), colour=RIGHT, marker="o", x=1, y=1),
    _Corner(
        name="both wrong",
        members=("both wrong same", "both wrong different"),
        colour=WRONG,
        marker="s",
        x=0,
        y=0,
    ),
    _Corner(name="positive flips", members=("positive flip",), colour=GAIN, marker="^", x=0, y=1),
    _Corner(name="negative flips", members=("negative flip",), colour=LOSS, marker="v", x=1, y=0),
)
"""Flips last, so that nothing covers them."""


@figure
def margins(compared: Compared, task: str) -> Figure:
    """The old gold margin against the new: what is right lies above 0, so flips fill two of four quadrants.

    Up to `POINTS` pairs are drawn one by one; of more there are cells, the stronger the more pairs
    they hold. On the broken line nothing changed. Pairs without a margin on either side are left out.

    Raises:
        MissingExtra: If matplotlib is not installed.
        UnknownName: If there is no such task.
        UsageError: If it is not one of choices that are right or wrong.
    """
    row, pairs = row_of(compared, task), pairs_of(compared, task)
    if row.task.kind != "choice" or row.task.scale != "binary":
        raise UsageError(f"answers of {task} have no margins", allowed="choices that are right or wrong")
    old, new = _margins(pairs)
    known = np.isfinite(old) & np.isfinite(new)
    old, new, codes = old[known], new[known], quadrant_codes(pairs)[known]
    made = blank(f"{task_words(row)}: margins", compared, height=4.2)
    axes = made.subplots()
    reach = 1.05 * max(float(np.abs(side).max(initial=0)) for side in (old, new)) or 1.0
    masks = [np.isin(codes, [QUADRANTS.index(one) for one in corner.members]) for corner in _CORNERS]
    if old.size <= POINTS:
        _points(axes, old, new, masks)
    else:
        _cells(axes, old, new, masks, reach)
    _cross(axes, reach)
    for corner, mask in zip(_CORNERS, masks, strict=True):
        _name(axes, corner, counted(int(mask.sum()), old.size))
    axes.set_xlabel("old margin of the right choice")
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.set_title("new margin", fontsize=9, color=MUTED)
    return made


def _margins(pairs: Pairs) -> tuple[Floats, Floats]:
    old, new = (np.array(side["gold_margin"].to_numpy(), dtype=np.float64) for side in (pairs.old, pairs.new))
    return old, new


def _points(axes: Axes, old: Floats, new: Floats, masks: Sequence[npt.NDArray[np.bool_]]) -> None:
    for corner, mask in zip(_CORNERS, masks, strict=True):
        axes.plot(
            old[mask],
            new[mask],
            linestyle="none",
            marker=corner.marker,
            markersize=5,
            color=corner.colour,
            markeredgecolor=SURFACE,
            markeredgewidth=0.5,
            label=corner.name,
        )


def _cells(
    axes: Axes, old: Floats, new: Floats, masks: Sequence[npt.NDArray[np.bool_]], reach: float
) -> None:
    """Squares with an edge at 0, so that each lies in one quadrant."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgb

    edges = np.linspace(-reach, reach, CELLS + 1)
    held = [np.histogram2d(old[mask], new[mask], (edges, edges))[0] for mask in masks]
    most = max(float(cells.max(initial=0)) for cells in held)
    side = edges[1] - edges[0]
    square = side * np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    for corner, cells in zip(_CORNERS, held, strict=True):
        column, line = np.nonzero(cells)
        share = np.log1p(cells[column, line]) / np.log1p(most)
        alphas = _FAINTEST + (_STRONGEST - _FAINTEST) * share
        axes.add_collection(
            PolyCollection(
                [square + place for place in np.column_stack((edges[column], edges[line]))],
                facecolors=[(*to_rgb(corner.colour), float(alpha)) for alpha in alphas],
                linewidths=0,
                label=corner.name,
            )
        )


def _cross(axes: Axes, reach: float) -> None:
    """What parts the quadrants, and where nothing changed."""
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.plot([-reach, reach], [-reach, reach], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)


def _name(axes: Axes, corner: _Corner, count: str) -> None:
    """What a quadrant is, and how many lie in it, in its outer corner, with its mark."""
    axes.text(
        0.015 + 0.97 * corner.x,
        0.02 + 0.96 * corner.y,
        f"{corner.name}: {count}",
        transform=axes.transAxes,
        ha="right" if corner.x else "left",
        va="top" if corner.y else "bottom",
        fontsize=8.5,
        fontweight="bold",
        color=INK,
        bbox={"facecolor": SURFACE, "edgecolor": corner.colour, "linewidth": 1.5, "pad": 3},
    )
