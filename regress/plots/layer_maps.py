"""Layer maps: which layer stands at each place, and what perplexity that has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regress.changes import LayerMaps, MappedLayers
from regress.plots.canvas import blank, figure, words
from regress.plots.style import INK, LOSS, MUTED, NOISE, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAINTEST, _STRONGEST = 0.1, 0.75
"""How much of its colour the first and the last layer have."""
_NUMBERED = 24
"""With more places than that, there is no room for numbers in the cells."""
_DARK = 0.65
"""From so much colour on, numbers are white."""


@figure
def layer_maps(found: LayerMaps) -> Figure:
    """Every map as a row of layers, darker the later, with a bar for its perplexity on a log scale.

    The model as it is comes first, then the maps, that of the lowest perplexity first.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    rows = [found.base, *found.maps]
    made = blank(words(f"{found.model}: layer maps", 56), None, height=1.25 + 0.3 * len(rows))
    left, right = made.subplots(1, 2, width_ratios=(3, 2))
    deepest = max(max(row.layers) for row in rows)
    for y, row in enumerate(rows):
        _cells(left, row, y, deepest)
    for axes in (left, right):
        axes.set_ylim(len(rows) - 0.5, -0.5)
    _places(left, rows)
    _bars(right, rows)
    return made


def _cells(axes: Axes, row: MappedLayers, y: int, deepest: int) -> None:
    for x, layer in enumerate(row.layers):
        strength = _FAINTEST + (_STRONGEST - _FAINTEST) * layer / max(1, deepest)
        axes.bar(x, 0.86, 0.94, y - 0.43, color=NOISE, alpha=strength, linewidth=0)
        if len(row.layers) <= _NUMBERED:
            colour = SURFACE if strength >= _DARK else INK
            axes.text(x, y, str(layer), ha="center", va="center", fontsize=7.5, color=colour)


def _places(axes: Axes, rows: list[MappedLayers]) -> None:
    longest = max(len(row.layers) for row in rows)
    axes.set_title("layer at each place")
    axes.set_xlim(-0.6, longest - 0.4)
    axes.set_xticks([])
    axes.set_yticks(range(len(rows)), [words(row.name, 26) for row in rows], parse_math=False, fontsize=7.5)
    axes.spines[:].set_visible(False)
    axes.axhline(0.5, color=MUTED, linewidth=0.8)


def _bars(axes: Axes, rows: list[MappedLayers]) -> None:
    """Bars from the perplexity of the model as it is, whose own is a line."""
    base = rows[0].perplexity
    axes.set_title("perplexity")
    axes.set_xscale("log")
    for y, row in enumerate(rows):
        if y:
            axes.barh(y, row.perplexity - base, 0.6, base, color=LOSS, alpha=0.7)
        end = max(row.perplexity, base)
        axes.annotate(
            _number(row.perplexity), (end, y), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=7.5, color=INK,
        )  # fmt: skip
    axes.axvline(base, color=INK, linewidth=1)
    least, most = (choose(row.perplexity for row in rows) for choose in (min, max))
    room = (most / least) ** 0.35 if most > least else 2.0
    axes.set_xlim(least / room**0.15, most * room)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter("")


def _number(perplexity: float) -> str:
    """A perplexity, to three digits.

    >>> _number(3.5961), _number(28.63), _number(13600.0)
    ('3.60', '28.6', '13,600')
    """
    return f"{perplexity:,.0f}" if perplexity >= 100 else f"{perplexity:#.3g}"
