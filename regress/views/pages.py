"""What pages are made of: a template, and a style sheet that begins with the colours of the figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from regress.plots.style import DARK, LIGHT


@cache
def template(folder: Path) -> jinja2.Template:
    """The template `page.html.jinja` of a folder: it escapes what it shows; what it misses is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")


@cache
def style(folder: Path) -> str:
    """The style sheet `style.css` of a folder, after the colours of the figures as its custom properties."""
    colours = "".join(f"  --{name}: light-dark({LIGHT[name]}, {DARK[name]});\n" for name in LIGHT)
    return f":root {{\n{colours}}}\n" + (folder / "style.css").read_text(encoding="utf-8")
