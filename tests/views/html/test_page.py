"""The page: what stands in it before any script runs, and that nothing in it reaches out or breaks out."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from regress.comparison.table import columns_of
from regress.plots import style
from regress.policy.case import case
from regress.policy.judge import judge
from regress.policy.parse import preset
from regress.verdicts import Verdict
from regress.views.gate.headline import headline
from regress.views.html.page import Judgement, permalink, render

HOSTILE_NAME = "<img src=x onerror=alert(1)>$\\frac{1}{0}$\u202e\x1b[31m"


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._at = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._at = tag

    def handle_endtag(self, tag: str) -> None:
        self._at = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._at, []).append(data)


def policy_of(page: str) -> dict[str, str]:
    """The page's Content-Security-Policy, by directive."""
    (content,) = [
        attributes["content"] or ""
        for tag, attributes in Elements(page).found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    return dict(one.strip().split(" ", 1) for one in content.split(";"))


@pytest.fixture(scope="module")
def page(three_tasks) -> str:
    return render(three_tasks)


# ── nothing reaches out ──────────────────────────────────────────────────────────────────────────


def test_the_policy_allows_the_one_script_and_style_of_the_page_and_nothing_else(page: str) -> None:
    texts = Elements(page).texts
    hashes = {
        tag: "'sha256-" + base64.b64encode(hashlib.sha256(texts[tag][-1].encode()).digest()).decode() + "'"
        for tag in ("script", "style")
    }
    assert policy_of(page) == {
        "default-src": "'none'",
        "script-src": hashes["script"],
        "style-src": hashes["style"],
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_in_the_page_names_anything_outside_it(page: str) -> None:
    for tag, attributes in Elements(page).found:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img"), tag
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#"), attributes
    outside = set(re.findall(r"https?://[^\s\"'<)]+", page)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()


# ── what stands in it without a script ───────────────────────────────────────────────────────────


def test_the_table_has_every_number_with_its_interval(page: str, three_tasks) -> None:
    for row in three_tasks.tasks:
        assert f'<th scope="row">{row.task.name}</th>' in page
    assert re.search(r"<td>33\.3<small>[\d.]+ to [\d.]+</small></td>", page)  # 2 of 6 lost


def test_worst_flips_are_there_and_lead_to_the_instance(page: str) -> None:
    links = {attributes["href"] for tag, attributes in Elements(page).found if tag == "a"}
    assert {"#gsm8k/q0", "#hellaswag/h1", "#samsum/s0"} <= links
    assert "So it is 8." in page


def test_the_pictures_are_in_the_page(page: str) -> None:
    drawn = [attributes["aria-label"] for tag, attributes in Elements(page).found if tag == "svg"]
    assert len(drawn) == 1 + 2 + 3 + 2
    assert "How far scores moved, samsum" in drawn
    identifiers = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_without_matplotlib_the_page_is_written_and_says_so(
    three_tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = render(three_tasks)
    assert "<svg" not in page
    assert "pip install &#39;regress-harness[report]&#39;" in page


def test_without_text_the_page_has_none_and_says_so(three_tasks) -> None:
    page = render(three_tasks, with_text=False)
    assert "written without texts" in page
    assert "So it is 8." not in page
    assert "#gsm8k/q0" in page


def test_the_same_comparison_gives_the_same_page(three_tasks, page: str) -> None:
    assert render(three_tasks) == page


def test_a_comparison_without_pairs_has_a_page(three_tasks) -> None:
    """As one that was read back from a file has none."""
    page = render(replace(three_tasks, pairs={}, instances={}))
    assert "holds" not in page


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────


def verdict_of(comparison: Any) -> Verdict:
    columns = columns_of(comparison.pairs, comparison.instances, comparison.floors)
    cases = [
        case(name, pairs, columns[name], comparison.instances[name])
        for name, pairs in comparison.pairs.items()
    ]
    return judge(cases, preset("balanced"))


def test_the_verdict_is_the_gates(three_tasks) -> None:
    verdict = verdict_of(three_tasks)
    page = render(three_tasks, Judgement(verdict=verdict, assumed=True))
    word, _, rest = headline(verdict).partition(": ")
    assert f"<strong>{word}</strong> {rest}" in page
    assert "because none was given" in page


def test_why_there_is_no_verdict_is_said(three_tasks) -> None:
    page = render(three_tasks, Judgement(refusal="unknown task <b> in the policy."))
    assert "<strong>NO VERDICT</strong> unknown task &lt;b&gt; in the policy." in page


def test_nobody_asked_for_a_verdict(page: str) -> None:
    assert "VERDICT" not in page


# ── names and texts that are hostile ─────────────────────────────────────────────────────────────


def test_names_and_texts_are_escaped(compare_runs, generated, hostile_text: str) -> None:
    rows = [(hostile_text, hostile_text, hostile_text, hostile_text + "</script>")]
    page = render(compare_runs(generated(rows, name=HOSTILE_NAME), old=HOSTILE_NAME))
    elements = Elements(page)
    assert [tag for tag, _ in elements.found].count("script") == 2
    assert "img" not in [tag for tag, _ in elements.found]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", page)
    page.encode("utf-8")  # no lone surrogate either


@pytest.mark.parametrize(
    ("task", "instance", "link"),
    [("a/b", "c d", "#a%2Fb/c%20d"), ("é", "\udc80<>", "#%C3%A9/%3F%3C%3E")],
)
def test_permalinks_are_encoded(task: str, instance: str, link: str) -> None:
    assert permalink(task, instance) == link


def test_the_colours_are_those_of_the_figures(page: str) -> None:
    for name in style.LIGHT:
        assert f"--{name}: light-dark({style.LIGHT[name]}, {style.DARK[name]});" in page
