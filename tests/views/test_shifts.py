"""How answers changed as a whole, in words."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest

from regress.metrics.words import first_divergence
from regress.types import Comparison, Divergence, Notice, Shift, TaskComparison
from regress.views import export, markdown, terminal
from regress.views.sentences import sentence
from regress.views.shifts import divergence_line, shifts_line
from regress.views.view import build


def shift(measure: str, old: float, new: float, **fields: Any) -> Shift:
    return Shift(
        measure=measure, old=old, new=new, **({"p_differs": 0.4, "p_holm": 0.8, "degenerate": False} | fields)
    )


def finding(measure: str, old: float, new: float, **data: Any) -> str:
    return sentence(Notice(code="degenerate", data={"measure": measure, "old": old, "new": new} | data))


def gave(answer: str | None, kind: str = "generation", *, all_read: bool = True) -> str:
    return finding("commonest", 0.41, 0.93, answer=answer, kind=kind, all_read=all_read)


@pytest.fixture
def parted(full: Comparison) -> TaskComparison:
    """A generation whose worst flips say where their texts part."""
    task = full.tasks[0]
    worst = [
        replace(flip, parted=first_divergence(flip.old_output or "", flip.new_output or ""))
        for flip in task.worst
    ]
    found = Divergence(equal=0.12, median_word=7.0, n=task.n)
    return replace(task, worst=tuple(worst), divergence=found)


# ── the finding, named ───────────────────────────────────────────────────────────────────────────


def test_the_answer_given_over_and_over_is_named() -> None:
    assert gave("no") == "The new model answers “no” to 93.0 % of the instances; the old one to 41.0 %."


def test_a_choice_is_named_by_its_place_counted_from_1() -> None:
    assert gave("1", "choice").startswith("The new model answers choice 2 to 93.0 % of the instances")
    assert gave("1", "generation").startswith("The new model answers “1” to")


def test_an_answer_that_must_not_be_stored_is_not_named() -> None:
    assert gave(None).startswith("The new model gives one and the same answer to 93.0 % of the instances")


def test_the_instances_are_those_that_could_be_read() -> None:
    assert "to 93.0 % of the instances readable on both sides; the old" in gave("no", all_read=False)


def test_a_hostile_answer_is_made_harmless_and_short(hostile_text: str) -> None:
    said = gave(hostile_text)
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert len(said) < 150


def test_every_other_measure_has_its_sentence() -> None:
    assert [
        finding("entropy", 1.58, 0.4),
        finding("length", 48.25, 9.0),
        finding("empty", 0.0, 0.045),
        finding("refusal", 0.0001, 0.12),
        finding("repetition", 0.01, 0.3),
        finding("runaway", 0.0, 0.33),
        finding("output", 0.0, 0.9, answer="no\x1b[1m"),
    ] == [
        "The new model's answers vary less: the entropy of their distribution fell from 1.58 to 0.40 bits.",
        "The new model writes 9.0 words on average; the old one 48.2.",
        "4.5 % of the new model's outputs are empty; of the old one's 0.0 %.",
        "12.0 % of the new model's outputs begin like a refusal; of the old one's less than 0.1 %.",
        "30.0 % of the new model's outputs end in a loop, saying one thing over and over; "
        "of the old one's 1.0 %.",
        "33.0 % of the new model's outputs go on into a new prompt, as if no stop string had been applied; "
        "of the old one's 0.0 %.",
        "90.0 % of the new model's outputs are nothing but “no�[1m”; of the old one's 0.0 %.",
    ]


def test_a_finding_is_a_footnote_of_its_row(parted: TaskComparison, full: Comparison) -> None:
    data = {"measure": "length", "old": 48.0, "new": 9.0}
    task = replace(parted, warnings=(Notice(code="degenerate", data=data),))
    view = build(replace(full, tasks=(task,), warnings=()))
    assert [(note.mark, note.text) for note in view.footnotes] == [
        (view.rows[0].marks, sentence(task.warnings[0]))
    ]


# ── one line a task ──────────────────────────────────────────────────────────────────────────────


def test_where_generations_part_is_said_in_a_line(parted: TaskComparison) -> None:
    """Words are counted from 1 for people."""
    assert (
        divergence_line(parted)
        == "outputs equal on 12.0 % of the instances; the others part at word 8 (median)"
    )
    half = replace(parted, divergence=Divergence(equal=0.0, median_word=2.5, n=12))
    assert divergence_line(half) == (
        "outputs equal on 0.0 % of the 12 instances with both texts; the others part at word 3.5 (median)"
    )


def test_outputs_that_are_all_equal_part_nowhere(parted: TaskComparison) -> None:
    same = replace(parted, divergence=Divergence(equal=1.0, median_word=math.nan, n=parted.n))
    assert divergence_line(same) == "outputs equal on 100.0 % of the instances"


def test_choices_have_no_such_line(full: Comparison) -> None:
    assert divergence_line(full.tasks[1]) == shifts_line(full.tasks[1]) == ""


def test_every_measure_is_shown_where_there_is_room(parted: TaskComparison, full: Comparison) -> None:
    shifts = (
        shift("commonest", 0.1, 0.125, answer="6"),
        shift("entropy", 4.435, 4.514),
        shift("length", 9.44, 9.56, p_holm=0.021),
        shift("empty", 0.0, 0.0),
        shift("refusal", 0.0, 0.0025),
        shift("repetition", 0.0, 0.0),
    )
    line = (
        "answers as a whole: commonest new answer (“6”) 10.0 → 12.5, entropy in bits 4.43 → 4.51, "
        "words 9.4 → 9.6 (Holm p = 0.021), like a refusal 0.0 → 0.2"
    )
    (row,) = build(replace(full, tasks=(replace(parted, shifts=shifts),))).rows
    assert line in row.wide_lines
    assert line not in row.lines


def test_what_one_instance_answers_is_no_measure_of_all(parted: TaskComparison) -> None:
    """A sentence that a handful gave is an answer like any other, and reports without texts hold none."""
    rare = (shift("commonest", 0.0, 0.0125, answer="Ann will bake a cake."), shift("length", 9.0, 9.0))
    assert shifts_line(replace(parted, shifts=rare)) == "answers as a whole: words 9.0 → 9.0"


# ── the worst flips ──────────────────────────────────────────────────────────────────────────────


def test_a_flip_says_where_its_texts_part_and_how_they_go_on(
    parted: TaskComparison, full: Comparison
) -> None:
    (block,) = build(replace(full, tasks=(parted,))).blocks
    first = block.flips[0]
    assert first.heading.endswith("index 51 · part at word 6")
    assert first.diff == (
        "Tom has 40 apples. Ann [-gives him 2 more,-]{+takes 2,+} so he has 40 [-+-]{+-+} 2 = "
        "[-42-]{+38+} apples. #### [-42-]{+38+}"
    )


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("a b c d", "a b x y", "a b [-c d-]{+x y+}"),
        ("a b c d", "a w x y", ""),
    ],
)
def test_texts_that_share_fewer_than_half_their_words_are_not_diffed(
    parted: TaskComparison, full: Comparison, old: str, new: str, shown: str
) -> None:
    flips = (replace(parted.worst[0], old_output=old, new_output=new, parted=1),)
    (block,) = build(replace(full, tasks=(replace(parted, worst=flips),))).blocks
    assert block.flips[0].diff == shown


def test_what_a_diff_says_is_not_said_again_beside_it(parted: TaskComparison, full: Comparison) -> None:
    """A diff that is cut off, and texts without one, leave the end of each output, where answers stand."""
    same = " ".join("w" * 9 for _ in range(40))
    outputs = {
        "whole": ("so it is 13 eggs", "so it is 7 eggs"),
        "cut": (" ".join(f"{i} {same}" for i in range(9)), " ".join(f"-{i} {same}" for i in range(9))),
        "none": ("so it is 13 eggs", "in all 7"),
    }
    flips = tuple(replace(parted.worst[0], old_output=o, new_output=n, parted=0) for o, n in outputs.values())
    (block,) = build(replace(full, tasks=(replace(parted, worst=flips),))).blocks
    whole, cut, none = block.flips
    assert (whole.diff, whole.old.output, whole.new.output) == ("so it is [-13-]{+7+} eggs", "", "")
    assert whole.old.answer == none.old.answer != ""
    assert len(cut.diff) <= 300
    assert cut.diff.endswith("…")
    assert cut.old.output.startswith("…")
    assert (none.diff, none.old.output, none.new.output) == ("", "so it is 13 eggs", "in all 7")


def test_texts_are_diffed_on_request_and_words_counted_always(
    parted: TaskComparison, full: Comparison
) -> None:
    shown = replace(full, tasks=(parted,))
    plain, whole = markdown.render(shown), markdown.render(shown, with_text=True)
    assert "part at word 6" in plain
    assert "takes" not in plain
    assert "diff: Tom has 40 apples. Ann \\[-gives him 2 more,-\\]{+takes 2,+}" in whole


def test_a_terminal_sets_what_is_gone_and_what_is_new_apart(parted: TaskComparison, full: Comparison) -> None:
    coloured = terminal.render(replace(full, tasks=(parted,)), color=True)
    assert "\x1b[31m[-\x1b[0m" in coloured
    assert "\x1b[32m{+\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == terminal.render(replace(full, tasks=(parted,)))


@pytest.mark.parametrize("width", [60, 80, 140])
def test_hostile_texts_are_diffed_within_the_lines(hostile: Comparison, width: int) -> None:
    task = hostile.tasks[0]
    flips = tuple(replace(flip, parted=0) for flip in task.worst)
    shown = terminal.render(replace(hostile, tasks=(replace(task, worst=flips),)), width=width)
    assert "part at word 1" in shown
    assert not any(control in shown for control in "\x1b\x07\u202e")


@pytest.mark.parametrize("text", [None, ""])
def test_what_is_not_there_is_not_diffed(parted: TaskComparison, full: Comparison, text: str | None) -> None:
    flips = (replace(parted.worst[0], new_output=text),)
    (block,) = build(replace(full, tasks=(replace(parted, worst=flips),))).blocks
    assert block.flips[0].diff == ""


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def test_programs_get_every_shift_and_where_texts_part(parted: TaskComparison, full: Comparison) -> None:
    one = shift("commonest", 0.41, 0.93, answer="no", degenerate=True)
    whole = json.loads(export.to_json(replace(full, tasks=(replace(parted, shifts=(one,)),))))
    (task,) = whole["tasks"]
    assert task["shifts"] == [
        {
            "measure": "commonest",
            "old": 0.41,
            "new": 0.93,
            "p_differs": 0.4,
            "p_holm": 0.8,
            "degenerate": True,
            "answer": "no",
        }
    ]
    assert task["divergence"] == {"equal": 0.12, "median_word": 7.0, "n": 400}
    assert [flip["parted"] for flip in task["worst"]] == [5, 4, 0]
