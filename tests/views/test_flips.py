"""Flips in a terminal, one a line, and as ids."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pytest
from rich.cells import cell_len

from regress.comparison.selected import Selected
from regress.errors import UsageError
from regress.types import Comparison, TaskSpec
from regress.views.flips import document, ids, render

COLUMNS = ("instance_id", "index", "quadrant", "kind", "delta", "old_answer", "new_answer", "old_output")
COLUMNS += ("new_output", "target")


def task(**changes: Any) -> TaskSpec:
    spec = {"name": "quiz", "version": "1", "kind": "choice", "scale": "binary", "metric": "acc"}
    return TaskSpec(**(spec | changes))


def selected(*rows: tuple[Any, ...], spec: TaskSpec | None = None, **more: Any) -> Selected:
    table = pa.table(
        {name: list(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)}
    )
    for name, column in more.items():
        table = table.append_column(name.replace("__", "."), pa.array(column))
    return Selected(task=spec or task(), n=40, rows=table)


LOST = ("3fa9c1d2e4b5a697", 7, "negative flip", "answer", -3.5, "0", "1", "twist it", "smash it", "twist it")
GAINED = ("b81e07aa00112233", 9, "positive flip", "coin toss", 0.25, "1", "0", "smash", "twist", "twist")
SUM = task(
    name="sums",
    kind="generation",
    metric="exact_match",
    scorer={
        "kind": "text",
        "metrics": [
            {"metric": "exact_match", "function": "exact_match", "regexes_to_ignore": ["(?s).*#### "]}
        ],
    },
)
UNREAD = ("s1", 1, "negative flip", "unreadable", -1.0, "42", None, "so 42", "so", "40 + 2 = 42\n#### 42")


def test_a_line_says_which_why_how_far_and_what_became_of_the_answer(judged: Comparison) -> None:
    lines = render(judged, [selected(LOST, GAINED)]).splitlines()
    assert lines[2:6] == [
        "quiz: 2 of 40 instances",
        "   instance               kind       Δ margin  old       → new",
        "−  quiz/3fa9c1d2e4b5a697  answer       −3.500  twist it  → smash it",
        "+  quiz/b81e07aa00112233  coin toss   +0.2500  smash     → twist",
    ]


def test_a_target_is_shown_as_answers_are_compared_with_it(judged: Comparison) -> None:
    """And how far a right or wrong answer moved is not."""
    text = render(judged, [selected(UNREAD, spec=SUM)])
    assert "−  sums/s1   unreadable  42   → (unreadable)  42" in text
    assert "Δ" not in text


def test_the_target_of_a_choice_is_shown_where_neither_side_chose_it(judged: Comparison) -> None:
    wrong = ("w", 1, "both wrong different", None, 0.0, "1", "2", "smash", "bite", "twist")
    assert re.search(
        "≠  quiz/w +0\\.000  smash     → bite      twist\n", render(judged, [selected(LOST, wrong)])
    )


def test_the_rest_is_counted(judged: Comparison) -> None:
    text = render(judged, [selected(LOST, GAINED, LOST), selected(UNREAD, spec=SUM)], top=1)
    assert text.count("\n… 2 more\n") == 1
    assert "coin toss" not in text


@pytest.mark.parametrize("width", [60, 80, 140])
def test_lines_fit_the_terminal_and_ids_are_spared(judged: Comparison, width: int, hostile_text: str) -> None:
    long = (*LOST[:5], "0", "1", hostile_text * 9, hostile_text * 3, "x" * 900)
    lines = render(judged, [selected(long, spec=task(kind="generation", scale="bounded"))], width=width)
    assert max(map(cell_len, lines.splitlines())) <= width
    assert "quiz/3fa9c1d2e4b5a697" in lines


def test_a_pipe_gets_whole_lines(judged: Comparison) -> None:
    long = (*LOST[:5], "0", "1", "old " * 50, "new " * 50, "old " * 50)
    text = render(judged, [selected(long)], width=None)
    assert "old " * 49 + "old  → " + "new " * 49 + "new" in text


def test_colour_changes_nothing_else(judged: Comparison) -> None:
    plain, colored = (render(judged, [selected(LOST, GAINED)], color=color) for color in (False, True))
    assert "\x1b[31m−\x1b[0m  quiz/" in colored
    assert "\x1b[32m+\x1b[0m  quiz/" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain


def test_a_task_without_any_is_named_with_its_count(judged: Comparison) -> None:
    nothing = Selected(task=task(), n=40, rows=selected(LOST).rows.slice(0, 0))
    assert render(judged, [nothing]).endswith("\n\nquiz: 0 of 40 instances\n")


def test_ids_stand_alone_and_once() -> None:
    assert ids([selected(LOST, GAINED, LOST)]) == [LOST[0], GAINED[0]]
    assert ids([selected(LOST, GAINED)], top=1) == [LOST[0]]


@pytest.mark.parametrize("bad", ["#1", "a\nb", " a", "a\x1b[2J", ""])
def test_an_id_that_no_line_can_hold_is_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="cannot stand on a line of its own"):
        ids([selected((bad, *LOST[1:]))])


def test_ids_of_two_tasks_are_no_list() -> None:
    with pytest.raises(UsageError, match=r"ids of quiz, sums .* --task"):
        ids([selected(LOST), selected(UNREAD, spec=SUM)])


def test_programs_get_every_field_under_the_same_names(judged: Comparison) -> None:
    nan = (*GAINED[:4], float("nan"), *GAINED[5:])
    tagged = selected(LOST, nan, tags__level=["hard", None])
    whole = document(judged, [tagged, selected(UNREAD, spec=SUM, repeat=[2], parted=[1])])
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole
    assert whole["schema"] == "regress.flips/1"
    assert [one["selected"] for one in whole["tasks"]] == [2, 1]
    assert len({tuple(flip) for flip in whole["flips"]}) == 1
    assert [flip["tags"] for flip in whole["flips"]] == [{"level": "hard"}, {}, {}]
    assert [flip["repeat"] for flip in whole["flips"]] == [0, 0, 2]
    assert [flip["delta"] for flip in whole["flips"]] == [-3.5, None, -1.0]
