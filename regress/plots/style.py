"""How figures look: colours by what they mean, in light and dark, and matplotlib's settings.

Colours are those of Okabe and Ito, which colour-blind readers tell apart; none of them says anything
that a word, a mark or a hatch does not say too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from regress.errors import MissingExtra

INK: Final = "#1f2328"
MUTED: Final = "#59636e"
GRID: Final = "#d1d9e0"
SURFACE: Final = "#ffffff"
LOSS: Final = "#d55e00"
GAIN: Final = "#009e73"
NOISE: Final = "#0072b2"
OPEN: Final = "#e69f00"
RIGHT: Final = "#c6ced6"
WRONG: Final = "#8c959f"

LIGHT: Mapping[str, str] = {
    "ink": INK,
    "muted": MUTED,
    "grid": GRID,
    "surface": SURFACE,
    "loss": LOSS,
    "gain": GAIN,
    "noise": NOISE,
    "open": OPEN,
    "right": RIGHT,
    "wrong": WRONG,
}
"""What each colour is for; `regress.plots.vector.svg` writes them as CSS custom properties of these names."""

DARK: Mapping[str, str] = {
    "ink": "#e6edf3",
    "muted": "#9da7b3",
    "grid": "#3d444d",
    "surface": "#0d1117",
    "loss": "#f0803c",
    "gain": "#2bb58d",
    "noise": "#56b4e9",
    "open": "#e8b339",
    "right": "#48515c",
    "wrong": "#79838f",
}
"""The same on a dark page."""

WIDTH: Final = 5.6
"""Inches: of every figure, so that its text is still read on a telephone."""

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "figure.dpi": 100,
    "figure.edgecolor": "none",
    "figure.facecolor": SURFACE,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "regress",  # the same figure, the same bytes
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "xtick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
}


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib's own defaults and these settings, whatever a matplotlibrc says, for a while.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise MissingExtra("drawing a figure", "report", "matplotlib") from None
    with matplotlib.rc_context(), warnings.catch_warnings():
        # a name in a script that the fonts here lack is still drawn; in SVG by the reader's fonts
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield
