"""The figure that all functions return; the one module here that needs matplotlib to be imported."""

from __future__ import annotations

import io

from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from regress.plots.style import styled

_SHARP = 2
"""Pixels of a notebook's picture for each that it takes on the screen."""


class Picture(Figure):
    """A matplotlib figure that looks the same under any matplotlibrc, and shows itself in a notebook."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw it; some parts, ticks among them, are made only now, and must look like the rest."""
        with styled():
            super().draw(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture and its size on the screen, as IPython asks for it: no pyplot, no magic."""
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=_SHARP * self.dpi)
        width, height = (round(float(side) * self.dpi) for side in self.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}


def png(figure: Figure, *, dots: int = 200) -> bytes:
    """A figure as a PNG file on white, `dots` an inch."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots)
    return file.getvalue()
