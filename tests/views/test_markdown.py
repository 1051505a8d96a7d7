import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from regress.types import Comparison
from regress.views.markdown import escape, render

NAMES = ("full", "judged", "settings", "unknowns", "hostile")


def html(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


@pytest.mark.parametrize("name", NAMES)
def test_the_report_reads_as_it_did(name: str, request: pytest.FixtureRequest, golden: Any) -> None:
    golden(f"{name}.md", render(request.getfixturevalue(name)))


@pytest.mark.parametrize("name", ["full", "hostile"])
def test_the_report_with_texts_reads_as_it_did(
    name: str, request: pytest.FixtureRequest, golden: Any
) -> None:
    golden(f"{name}.text.md", render(request.getfixturevalue(name), with_text=True))


def test_answers_prompts_and_targets_are_in_it_only_on_request(full: Comparison) -> None:
    for text in ("freezer", "cookies", "How do you open", "420"):
        assert text not in render(full)
        assert text in render(full, with_text=True)
    assert "piqa-205" in render(full)


@pytest.mark.parametrize("with_text", [False, True])
def test_hostile_text_makes_no_html_link_code_or_further_column(hostile: Comparison, with_text: bool) -> None:
    page = html(render(hostile, with_text=with_text))
    tags = set(re.findall(r"</?([a-z0-9]+)", page))
    assert tags <= {
        "h1",
        "h2",
        "h3",
        "ul",
        "ol",
        "li",
        "p",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    rows = [part.count("<td") for part in page.split("<tr>") if "<td" in part]
    assert set(rows) == {9, 8}


@pytest.mark.parametrize(
    "text", ["@owner", "#12", "http://evil.example", "www.evil.example", "_www.evil.example", "HTTPS://E.org"]
)
def test_hosts_find_no_mention_issue_or_address(text: str) -> None:
    escaped = escape(f"see {text} now")
    assert text not in escaped
    assert html(escaped).replace("\u200b", "").strip() == f"<p>see {text} now</p>"


@pytest.mark.parametrize(
    "text",
    [
        "*a* **b**",
        "_a_ __b__ a_b __c_",
        "`x` ``y",
        "[a](b) ![c](d)",
        "a|b",
        "<b>&amp;",
        "~~a~~ $x$",
        "\\* \\",
    ],
)
def test_an_escaped_text_is_shown_as_it_was(text: str) -> None:
    shown = html("x " + escape(text)).strip().removeprefix("<p>x ").removesuffix("</p>")
    assert shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text


@pytest.mark.parametrize(
    "text", ["# a", "### a", "- a", "-", "---", "===", "+ a", "1. a", "12) a", "=", "- - -"]
)
def test_a_text_opens_no_heading_list_or_rule(text: str) -> None:
    assert html(escape(text)).strip() == f"<p>{text}</p>"
    assert html(f"before\n{escape(text)}").strip() == f"<p>before\n{text}</p>"


def test_names_that_need_no_escape_stay_readable() -> None:
    assert escape("exact_match/strict-match 3.0 (demo)") == "exact_match/strict-match 3.0 (demo)"
