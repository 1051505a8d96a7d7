"""A figure as SVG that goes into a page: in its colours, light or dark, under its rules, beside others.

What matplotlib writes is rewritten so that

* each colour of `regress.plots.style.LIGHT` is a CSS custom property of the page, `var(--ink, #1f2328)`;
* nothing depends on style sheets: properties are attributes, so that a page may forbid inline styles,
  and no rule for `*` leaks out of the picture;
* identifiers are those that something refers to, each with a prefix, so that pictures of one page
  do not take each other's clip paths;
* text is text, in the page's own font; coordinates have two decimals.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from regress.plots.canvas import words
from regress.plots.style import LIGHT, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_DROPPED = ("metadata", "style")
_PAGE_DECIDES = ("font-family",)
_COORDINATES = ("d", "x", "y", "transform", "points", "width", "height", "stroke-dasharray")
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_COLOURS = {colour: f"var(--{name}, {colour})" for name, colour in LIGHT.items()}


def svg(figure: Figure, *, title: str, prefix: str) -> str:
    """One `<svg>` element, as wide as its place allows, with `title` as what a screen reader says.

    The same figure, title and prefix give the same text. Lone surrogates and control characters in
    what models are called do not reach it.

    Args:
        figure: What to write.
        title: What the picture shows, in a sentence.
        prefix: What the identifiers in it begin with; another for each picture of a page.

    Raises:
        MissingExtra: If matplotlib is not installed.
    """
    file = io.BytesIO()
    with styled():
        figure.savefig(file, format="svg", facecolor="none", metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    _prune(root)
    _attributes(root)
    _rename(root, prefix)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib = {
        "xmlns": _SVG,
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": words(title, 300),
        "font-family": "system-ui, sans-serif",
        "stroke-linejoin": "round",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _prune(element: ElementTree.Element) -> None:
    """Leave out what the page needs none of, namespaces and layout of the text included."""
    for child in list(element):
        child.tag = child.tag.rpartition("}")[2]
        if child.tag in _DROPPED:
            element.remove(child)
            continue
        child.tail = None
        _prune(child)
        if not len(child) and not child.attrib.keys() - {"id"} and child.tag in ("g", "defs"):
            element.remove(child)
    element.tag = element.tag.rpartition("}")[2]
    if element.tag != "text":
        element.text = None


def _attributes(root: ElementTree.Element) -> None:
    """Styles as attributes, colours as properties of the page, coordinates short."""
    for element in root.iter():
        attributes = element.attrib
        if attributes.get("transform", "").startswith("rotate(-0 "):
            del attributes["transform"]
        attributes.update(_declarations(attributes.pop("style", "")))
        if _XLINK_HREF in attributes:
            attributes["href"] = attributes.pop(_XLINK_HREF)
        for name, value in attributes.items():
            attributes[name] = _COLOURS.get(value, value)
        for name in attributes.keys() & set(_COORDINATES):
            attributes[name] = " ".join(_LONG_NUMBER.sub(_short, attributes[name]).split())


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    """The declarations of a `style` that the page does not decide."""
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = declaration.partition(":")
        if name.strip() not in _PAGE_DECIDES:
            yield name.strip(), value.strip()


def _short(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Identifiers with a prefix; those that nothing refers to go."""
    used = {
        name
        for element in root.iter()
        for value in element.attrib.values()
        for name in (_REFERENCE.findall(value) or ([value[1:]] if value.startswith("#") else []))
    }
    for element in root.iter():
        attributes = element.attrib
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        for name, value in attributes.items():
            if name == "id":
                attributes[name] = f"{prefix}-{value}"
            elif name == "href":
                attributes[name] = f"#{prefix}-{value[1:]}"
            else:
                attributes[name] = _REFERENCE.sub(rf"url(#{prefix}-\1)", value)
