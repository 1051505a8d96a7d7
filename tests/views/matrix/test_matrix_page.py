"""The page of several versions: it needs nothing, runs nothing, and says in tables what its pictures show."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from regress.views.matrix.page import POLICY, render
from regress.views.matrix.pictures import pictures, rates, steps
from regress.views.numbers import percent

NAMES = ("v1", "v2", "v3")
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """A page read strictly: every element that opens closes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.rows = [[" ".join(cell.split()) for cell in row] for row in self.rows]

    def handle_starttag(self, tag, attrs):
        """Open an element."""
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        """An element that is open and closed at once, as in SVG."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Text, in a cell if one is open."""
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def drawn(make_matrix):
    """A matrix with its pictures."""
    matrix = make_matrix(NAMES)
    return matrix, pictures(matrix)


def page_of(matrix):
    return render(matrix, pictures(matrix))


def test_the_tables_hold_every_number(make_matrix):
    matrix = make_matrix(NAMES)
    page = Page(page_of(matrix))
    tables = [row for row in page.rows if len(row) == 2 + len(NAMES)]
    assert tables[0] == ["old ↓ new →", "right", "1", "2", "3"]
    for place, task in enumerate(matrix.tasks):
        rows = tables[place * 4 + 1 : place * 4 + 4]
        assert [row[0] for row in rows] == ["1 v1", "2 v2", "3 v3"]
        assert [rows[i][2 + i] for i in range(3)] == ["·"] * 3
        for pair in task.pairs:
            nfr = pair.estimates["nfr"]
            cell = f"{percent(nfr.value)} {percent(nfr.low)} to {percent(nfr.high)}"
            assert rows[pair.old][2 + pair.new] == cell
    history = [row for row in page.rows if len(row) == 4]
    assert [row[0] for row in history[:4]] == ["version", "1 v1", "2 v2", "3 v3"]
    assert history[1][2:] == ["", ""]
    assert len(history) == 2 * (1 + len(NAMES))


def test_nothing_is_fetched_and_nothing_runs(make_matrix):
    page = Page(page_of(make_matrix(NAMES)))
    policy = next(
        attrs for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy["content"] == POLICY
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert not {"script", "link", "iframe", "object", "form", "img", "base"} & {
        tag for tag, _ in page.elements
    }
    for _, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "src"]
        for value in (attrs.get("href"), attrs.get("xlink:href")):
            assert value is None or value.startswith("#")


def test_what_links_point_at_is_there(make_matrix):
    page = Page(page_of(make_matrix(NAMES, without=[1])))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    targets = {attrs["href"][1:] for tag, attrs in page.elements if tag == "a"}
    assert targets == {"note-a"}
    assert targets <= set(ids)
    for _, attrs in page.elements:
        for name in (attrs.get("aria-labelledby") or "").split():
            assert name in ids


def test_hostile_names_are_text(make_matrix, hostile_text):
    names = ["v1", f'"><script>alert(1)</script>{hostile_text}', "</title><img src=x onerror=alert(1)>"]
    text = page_of(make_matrix(names, name=f"toy</h2>{hostile_text}", metric="<svg onload=alert(1)>"))
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not {"script", "img"} & tags
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\ud800-\udfff]", text)
    assert text.encode()


def test_the_same_matrix_is_the_same_page(make_matrix):
    assert page_of(make_matrix(NAMES)) == page_of(make_matrix(NAMES))


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────


def test_pictures_are_well_formed_named_and_different(drawn):
    matrix, made = drawn
    page = render(matrix, made)
    svgs = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(svgs) == 2 * len(matrix.tasks) == len(set(svgs))
    labels = {ElementTree.fromstring(svg).attrib["aria-label"] for svg in svgs}
    assert len(labels) == len(svgs)
    assert "toy: NFR of every two of 3 versions" in labels
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)


def test_versions_in_pictures_bear_the_numbers_of_the_tables(drawn):
    """Long names are cut there, and may end up alike."""
    _, made = drawn
    for name in ("1 v1", "2 v2", "3 v3"):
        assert name in made[0].heatmap
        assert name in made[0].history


def test_a_png_is_a_png(drawn):
    _, made = drawn
    assert all(one.png.startswith(b"\x89PNG\r\n\x1a\n") for one in made)


def test_a_refused_pair_is_drawn_as_unknown(make_matrix):
    matrix = make_matrix(NAMES, without=[1])
    known = [[rate == rate for rate in row] for row in rates(matrix.tasks[1])]
    assert known == [[False, False, True], [False, False, False], [True, False, False]]
    assert steps(matrix.tasks[1]) == [None, None, None]
    assert len(pictures(matrix)) == 2


def test_scores_without_bounds_have_no_history_in_percent(make_matrix):
    matrix = make_matrix(NAMES, scale="unbounded")
    toy, sums = pictures(matrix)
    assert toy.history
    assert not sums.history
    assert render(matrix, (toy, sums)).count("<figure>") == 3


def test_without_matplotlib_the_page_has_tables_alone_and_says_so(make_matrix, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    matrix = make_matrix(NAMES)
    assert pictures(matrix) == (None, None)
    page = page_of(matrix)
    assert "<svg" not in page
    assert "<figure" not in page
    assert "written without pictures: matplotlib is not installed" in page
    assert len(Page(page).rows) == 2 * 2 * (1 + len(NAMES))
