"""A strip that is parted among counts, with the name and number of each part beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regress.plots.canvas import counted
from regress.plots.style import INK, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KEY = {"width": 0.018, "height": 0.5}
"""Size of the small patch beside a name: of the strip's width, and of a line."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One part of a strip."""

    name: str
    """What it is."""
    count: int
    """How many there are."""
    colour: str
    """Its colour."""
    hatch: str | None = None
    """Its hatch, which tells it from its neighbour without colours."""


def strip(axes: Axes, tiles: Sequence[Tile], *, low: float, height: float) -> None:
    """Draw tiles side by side from x = 0 to 1, as wide as their counts; bare where all are 0."""
    whole = sum(tile.count for tile in tiles)
    left = 0.0
    for tile in tiles:
        width = tile.count / whole if whole else 0.0
        axes.bar(left, height, width, low, align="edge", label=tile.name, **_look(tile))
        left += width


def captions(axes: Axes, tiles: Sequence[Tile], *, n: int, top: float, line: float) -> None:
    """Write a key, the name and the count of each tile in two lines, evenly from the left to the right edge.

    Args:
        axes: Where to; x goes from 0 to 1.
        tiles: What.
        n: What shares are of.
        top: Where the first line begins.
        line: Height of a line.
    """
    for place, tile in enumerate(tiles):
        x = place / len(tiles)
        key = x, top - line * (0.5 + _KEY["height"] / 2)
        axes.bar(key[0], line * _KEY["height"], _KEY["width"], key[1], align="edge", **_look(tile))
        text: dict[str, Any] = {"x": x + 1.6 * _KEY["width"], "va": "center", "color": INK}
        axes.text(y=top - 0.5 * line, s=tile.name, fontsize=8.5, **text)
        axes.text(y=top - 1.5 * line, s=counted(tile.count, n), fontsize=9, fontweight="bold", **text)


def _look(tile: Tile) -> dict[str, Any]:
    return {"color": tile.colour, "hatch": tile.hatch, "edgecolor": SURFACE, "linewidth": 0.8}
