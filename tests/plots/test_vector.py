"""A figure as SVG that goes into a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from regress.plots.style import DARK, LIGHT
from regress.plots.tasks import forest
from regress.plots.vector import svg

TASK = "$x_{1}$ <b>\x00\x1b[31m\u202e\u200b\n日本"
MODEL = f"{TASK}\ud800"
ELEMENTS = {"svg", "g", "path", "text", "use", "defs", "clipPath", "rect", "pattern"}
SCRIPT = "</svg><script>alert(1)</script>&"


def elements(text):
    return list(ElementTree.fromstring(text).iter())


def ids(text):
    return {element.get("id") for element in elements(text)} - {None}


@pytest.fixture(scope="module")
def pictures(every):
    return {name: svg(figure, title=name, prefix=name) for name, figure in every().items()}


def test_it_is_one_element_that_fills_its_place_and_says_what_it_shows(compared):
    text = svg(forest(compared), title='who lost "what" & when', prefix="a")
    root = ElementTree.fromstring(text)
    assert text.startswith("<svg ")
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'who lost "what" & when'
    assert re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.get("viewBox"))
    assert root.get("width") is root.get("height") is None


def test_it_needs_nothing_from_elsewhere_and_no_style_sheet(pictures):
    for name, text in pictures.items():
        known = {f"url(#{one})" for one in ids(text)} | {f"#{one}" for one in ids(text)}
        for element in elements(text):
            assert element.tag.rpartition("}")[2] in ELEMENTS, name
            assert not {"style", "class"} & element.attrib.keys(), name
            assert not any(key.startswith("on") for key in element.attrib), name
            for key, value in element.attrib.items():
                if "url(" in value or key == "href":
                    assert value in known, (name, key, value)


def test_pictures_of_one_page_share_no_identifiers(pictures):
    seen = set()
    for name, text in pictures.items():
        assert all(one.startswith(f"{name}-") for one in ids(text))
        assert not ids(text) & seen
        seen |= ids(text)
    assert seen, "clip paths at least"


def test_every_colour_is_the_pages_to_decide(pictures):
    allowed = {f"var(--{name}, {colour})" for name, colour in LIGHT.items()} | {"none"}
    for name, text in pictures.items():
        colours = {element.get(key) for element in elements(text) for key in ("fill", "stroke")} - {None}
        assert {one for one in colours if not one.startswith("url(")} <= allowed, name


def test_both_themes_have_all_colours_and_no_two_are_the_same():
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert len(set(DARK.values())) == len(DARK)


def test_the_same_figure_gives_the_same_text(every):
    first, second = every(), every()
    for name in first:
        assert svg(first[name], title="x", prefix="p") == svg(second[name], title="x", prefix="p"), name


def test_words_stay_words(compared):
    words = {element.text for element in elements(svg(forest(compared), title="x", prefix="p"))}
    assert {"quiz", "sums", "wiki", "all (pooled)", "what changed", "demo-v1 → demo-v2"} <= words


def test_hostile_names_are_drawn_as_they_are_and_do_nothing(every):
    """Dollar signs are no mathematics, tags no elements, and what may not stand in XML is replaced."""
    for name, figure in every(old=MODEL, new=MODEL, task=TASK).items():
        text = svg(figure, title=SCRIPT, prefix=name)
        assert {element.tag.rpartition("}")[2] for element in elements(text)} <= ELEMENTS, name
        assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e\u200b\ud800-\udfff]", text), name
        words = [element.text for element in elements(text) if element.text]
        assert any("$x_{1}$ <b>\ufffd" in one or "\ufffd\ufffd 日本" in one for one in words), name
        figure._repr_png_()
