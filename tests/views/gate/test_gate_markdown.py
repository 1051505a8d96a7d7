"""The page for a pull request keeps its structure, whatever names, ids and answers contain.

It is read as a host reads it: with a CommonMark parser that knows tables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from regress.errors import UsageError
from regress.types import Comparison
from regress.verdicts import Policy, Terms, Verdict
from regress.views.gate.beneath import WORST
from regress.views.gate.markdown import LONGEST, render
from regress.views.settings import name

PIECES = (
    *("</details>", "<details open>", "</summary>", "<script>", "<!--", "-->", "<a href=x>", "]]>", "&lt;"),
    *(
        "|",
        "\\",
        "\\|",
        "`",
        "```",
        "~~~",
        "*",
        "**",
        "_",
        "~~",
        "$$",
        "$",
        "!",
        "[",
        "](",
        ")",
        "[x](http://e)",
    ),
    *("\n", "\n\n", "\r", "\r\n", "\t", " ", "    ", "\u2028", "\x0b", "\x1b[2J", "\u202e", "\u200b", "\x00"),
    *("# ", "## ", "- ", "+ ", "1. ", "2) ", "> ", "---", "===", ":-:", "| --- |", "[x]: http://e"),
    *("@someone", "#12", "http://e.example", "www.e.example", "a@b.example", "a", "42", "é", "你"),
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
hostile = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)
several = st.tuples(*[hostile] * 5)
POLICY = Policy(name="balanced", base="balanced", default=Terms(rules=(), minimum_n=1))


def tokens(page: str) -> list[Token]:
    """Every token of the page, those within lines too."""
    parsed = MARKDOWN.parse(page)
    return [one for token in parsed for one in (token, *(token.children or ()))]


def spoiled(comparison: Comparison, texts: Sequence[str]) -> Comparison:
    """`comparison` with `texts` wherever a text may come from outside."""
    a, b, c, d, e = texts
    change: dict[str, Any] = {"instance_id": a, "prompt": b, "target": c, "old_output": d, "new_output": e}
    rows = tuple(
        replace(
            row,
            task=replace(row.task, name=texts[place % 5] + str(place)),
            worst=tuple(replace(flip, **change, old_answer=e, new_answer=d) for flip in row.worst),
        )
        for place, row in enumerate(comparison.tasks)
    )
    models = {side: replace(getattr(comparison, side), name=text) for side, text in (("old", a), ("new", b))}
    return replace(comparison, tasks=rows, **models)


def renamed(verdict: Verdict, text: str) -> Verdict:
    results = tuple(replace(one, task=text, slice=text) for one in verdict.results)
    return replace(verdict, results=results, policy=replace(verdict.policy, name=text))


def test_no_text_leaves_its_cell_its_list_or_its_fold(verdicts: dict[str, Verdict], full: Comparison) -> None:
    flips = sum(len(row.worst) for row in full.tasks)

    @given(texts=several, with_text=st.booleans(), outcome=st.sampled_from(["pass", "fail"]))
    def check(texts: Sequence[str], with_text: bool, outcome: str) -> None:
        verdict, comparison = renamed(verdicts[outcome], texts[2]), spoiled(full, texts)
        page = render(verdict, comparison, with_text=with_text, artifact="https://a.example/1")
        found = tokens(page)
        kinds = {one.type for one in found}
        assert [one.tag for one in found if one.type == "heading_open" and one.tag != "h3"] == ["h2"]
        assert folds(found) == ["<details>", "</details>"] * 2
        assert not kinds & {"html_inline", "image", "fence", "code_block", "hr", "blockquote_open", "em"}
        assert [one.attrs["href"] for one in found if one.type == "link_open"] == ["https://a.example/1"]
        rows = [[6] * len(verdict.results), [8] * len(full.tasks), [5] * min(WORST, flips)]
        assert rows_of_tables(found) == rows
        # hosts make mentions of what is shown, and links of what is written
        assert not re.search(r"[@#]\w", " ".join(one.content for one in found if one.type == "text"))
        assert re.findall(r"\w*://|(?<![^\W_])www\.", page) == ["https://"]

    check()


def folds(found: Sequence[Token]) -> list[str]:
    """The HTML of the page: what opens a fold, and what closes it."""
    return [one.content.split("\n")[0] for one in found if one.type == "html_block"]


def rows_of_tables(found: Sequence[Token]) -> list[list[int]]:
    """Of each table the number of cells in each row of its body; every row takes one line."""
    tables: list[list[int]] = []
    for one in found:
        if one.type == "table_open":
            tables.append([])
        elif one.type == "tr_open":
            assert one.map is None or one.map[1] == one.map[0] + 1
            tables[-1].append(0)
        elif one.type == "td_open":
            tables[-1][-1] += 1
    return [rows[1:] for rows in tables]


def test_an_id_reads_as_it_is(verdicts: dict[str, Verdict], full: Comparison) -> None:
    piqa = full.tasks[1]

    @given(text=hostile)
    def check(text: str) -> None:
        row = replace(piqa, worst=(replace(piqa.worst[0], instance_id=text),))
        page = MARKDOWN.render(render(verdicts["pass"], replace(full, tasks=(row,))))
        (cells,) = re.findall("<tr>\n<td>piqa</td>\n<td>(.*)</td>\n<td.*>205</td>", page)
        assert unescape(cells).replace("\u200b", "") == name(text)

    check()


def test_a_page_is_never_too_long_and_always_closed(verdicts: dict[str, Verdict], full: Comparison) -> None:
    @settings(max_examples=15)
    @given(texts=several, many=st.integers(1, 120), with_text=st.booleans())
    def check(texts: Sequence[str], many: int, with_text: bool) -> None:
        verdict = renamed(verdicts["fail"], texts[0] * 5)
        verdict = replace(verdict, results=verdict.results * many)
        comparison = spoiled(full, [text * 40 for text in texts])
        comparison = replace(comparison, tasks=comparison.tasks * many)
        page = render(verdict, comparison, with_text=with_text, artifact="https://a.example/1")
        assert len(page) <= LONGEST
        assert folds(tokens(page)) in (["<details>", "</details>"] * count for count in (1, 2))
        assert page.startswith("## ")
        assert page.endswith("(<https://a.example/1>)\n")

    check()


def test_a_long_page_keeps_what_decides_and_says_what_it_left_out(
    verdicts: dict[str, Verdict], full: Comparison
) -> None:
    one = verdicts["fail"]
    verdict = replace(one, results=one.results * 200)
    page = render(verdict, replace(full, tasks=full.tasks * 200))
    assert 0.8 * LONGEST < len(page) <= LONGEST
    for part in ("| outcome |", "### Reasons", "### Comparison", "worst flips", "### Notes"):
        assert part in page, part
    left_out = [int(number.replace(",", "")) for number in re.findall(r"… ([\d,]+) more", page)]
    assert len(left_out) >= 3
    assert min(left_out) > 0
    rules = len(re.findall(r"^\| (?:pass|FAIL|fail|UNDECIDED)", page, re.MULTILINE))
    assert rules + left_out[0] == len(verdict.results)


# ── the worst flips ──────────────────────────────────────────────────────────────────────────────


def test_the_worst_of_every_task_come_before_the_second_worst(
    verdicts: dict[str, Verdict], full: Comparison
) -> None:
    page = render(verdicts["pass"], full)
    fold = page[page.index("worst flips") :]
    assert re.findall(r"^\| (\w+) \| [\w-]+ \| (\d+) \|", fold, re.MULTILINE) == [
        ("gsm8k", "51"),
        ("piqa", "205"),
        ("samsum", "61"),
        ("gsm8k", "136"),
        ("gsm8k", "187"),
    ]
    assert "<summary>The 5 worst flips of 131:" in page


def test_a_flip_says_why_and_how_far(verdicts: dict[str, Verdict], full: Comparison) -> None:
    piqa = full.tasks[1]
    flip = replace(piqa.worst[0], kind="coin toss")
    page = render(verdicts["pass"], replace(full, tasks=(replace(piqa, worst=(flip,)), full.tasks[2])))
    assert "| piqa | piqa-205 | 205 | coin toss | −3.210 |" in page
    assert "| samsum | 13728867 | 61 | – | −41.0 |" in page


def test_where_nothing_got_worse_nothing_is_folded_away(
    verdicts: dict[str, Verdict], full: Comparison
) -> None:
    calm = replace(full, tasks=tuple(replace(row, worst=()) for row in full.tasks))
    page = render(verdicts["fail"], calm)
    assert "worst flip" not in page
    assert "### Comparison" in page


def test_a_flip_with_texts_is_a_list_below_the_table(verdicts: dict[str, Verdict], full: Comparison) -> None:
    page = render(verdicts["pass"], full, with_text=True)
    fold = page[page.index("worst flips") : page.index("</details>", page.index("worst flips"))]
    assert (
        "2. piqa · piqa-205 · index 205\n   - asked: Question: How do you open a tight jar? Answer:" in fold
    )
    assert "   - new: Put the jar into the freezer before you twist the lid." in fold


# ── the link ─────────────────────────────────────────────────────────────────────────────────────


@given(rest=st.text(st.sampled_from("abc/?=&#%()<>[]\"'`|\\*_ :;,.~@$!+{}^é你"), max_size=30))
def test_an_address_cannot_end_its_link(rest: str) -> None:
    page = render(Verdict(outcome="pass", policy=POLICY, results=()), artifact=f"https://a.example/{rest}")
    (opened,) = [one for one in tokens(page) if one.type == "link_open"]
    assert str(opened.attrs["href"]).startswith("https://a.example/")
    assert [one.content for one in tokens(page) if one.type == "text"][-1] == "Reports of this run"


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "//a.example", "a.example", "http://", "https:// a", "https://a\nb", ""],
)
def test_what_is_no_address_of_the_web_is_refused(address: str, verdicts: dict[str, Verdict]) -> None:
    with pytest.raises(UsageError, match="is no address of the web"):
        render(verdicts["pass"], artifact=address or "ftp://x")
