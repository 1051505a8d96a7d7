"""Several versions as one HTML page that needs nothing else: no script, no network, no server.

Every number stands in a table; the pictures beside them, where they can be drawn, say the same again. All
that came from outside, names above all, is escaped by the template.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from regress.findings import VersionMatrix
from regress.views.matrix.pictures import Pictures
from regress.views.matrix.view import build
from regress.views.pages import style, template

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
    page: str = template(HERE).render(
        policy=POLICY,
        style=Markup(style(HERE)),
        view=view,
        tasks=list(zip(view.blocks, drawn, strict=True)),
        without_pictures=any(one is None for one in drawn),
    )
    return page
