"""Several versions as one HTML page that needs nothing else: no script, no network, no server.

Every number stands in a table; the pictures beside them, where they can be drawn, say the same again. All
that came from outside, names above all, is escaped by the template.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from regress.findings import VersionMatrix
from regress.plots.style import DARK, LIGHT
from regress.views.matrix.pictures import Pictures
from regress.views.matrix.view import build

HERE = Path(__file__).parent

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""What a browser may do with the page: apply its style, and nothing else."""


def render(matrix: VersionMatrix, drawn: Sequence[Pictures | None]) -> str:
    """`matrix` as an HTML page; the same bytes for the same numbers and pictures.

    Args:
        matrix: What to show.
        drawn: Of each task the pictures; null where none could be drawn.
    """
    view = build(matrix)
    page: str = _template().render(
        policy=POLICY,
        style=Markup(_style()),
        view=view,
        tasks=list(zip(view.blocks, drawn, strict=True)),
        without_pictures=any(one is None for one in drawn),
    )
    return page


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")


@cache
def _style() -> str:
    """The style sheet, the colours of the figures as its custom properties."""
    colours = "".join(f"  --{name}: light-dark({LIGHT[name]}, {DARK[name]});\n" for name in LIGHT)
    return f":root {{\n{colours}}}\n" + (HERE / "style.css").read_text(encoding="utf-8")
