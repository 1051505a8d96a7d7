import re
import unicodedata
from typing import Any

import pytest
from rich.cells import cell_len

from regress.types import Comparison
from regress.views.gate.terminal import render
from regress.views.gate.view import build

NAMES = ("pass", "fail", "undecided", "warned", "not-gateable", "hostile")


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_looks_as_it_did(name: str, verdicts: Any, judged: Comparison, golden: Any) -> None:
    golden(
        f"gate-{name}.80.txt", render(verdicts[name], judged, where="reports/a..b", assumed=name == "pass")
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_asked(name: str, width: int, verdicts: Any, hostile: Comparison) -> None:
    shown = render(verdicts[name], hostile, width=width, where="/long" * 60)
    assert max(map(cell_len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_the_text_can_act_on_a_terminal(name: str, verdicts: Any, hostile: Comparison) -> None:
    shown = render(verdicts[name], hostile, where="a\x1b[2Jb")
    assert not {c for c in shown.replace("\n", "") if unicodedata.category(c)[0] == "C"}
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_color_changes_the_looks_and_not_the_text(verdicts: Any) -> None:
    colored = render(verdicts["fail"], color=True)
    assert "\x1b[1m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == render(verdicts["fail"])


def test_a_verdict_is_shown_without_its_comparison(verdicts: Any) -> None:
    shown = render(verdicts["undecided"])
    assert shown.startswith("UNDECIDED: ")
    assert "`regress plan` with the same models, tasks and policy" in " ".join(shown.split())


def test_where_nothing_was_written_nothing_is_said_to_be_there(verdicts: Any) -> None:
    assert "The rest is in" in render(verdicts["pass"], where="reports/a..b")
    assert "The rest is in" not in render(verdicts["pass"], where="")


def test_demo_items_are_said(verdicts: Any, full: Comparison) -> None:
    assert "demo items, not the benchmarks" in render(verdicts["pass"], full)


def test_what_it_takes_to_be_judged_stands_together_and_each_rule_keeps_its_sentence(verdicts: Any) -> None:
    words = " ".join(render(verdicts["pass"]).split())
    assert "at least 200 instances: n 1,319; unreadable answers at most 10 %" in words
    for line in build(verdicts["pass"]).lines:
        assert line.sentence in words
