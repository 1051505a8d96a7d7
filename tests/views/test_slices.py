"""Parts of tasks in words and for programs: what is marked, what is left out, what is said of both."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields, replace

import pytest
from rich.cells import cell_len

from regress.findings import SlicedComparison, SliceRow, TaskSlices
from regress.types import Comparison, Estimate, Notice
from regress.views.slices import document, label, render, told

NAN = math.nan


def part(by="tag", *, name="", value="", low=NAN, high=NAN, n=40, lost=4, gained=6, right=24, p=(NAN, NAN)):
    """A part that lost and gained so many instances; `p`: adjusted p-values, of worse and of concentrated."""
    nfr = Estimate(value=lost / n, n=n, low=lost / n / 2, high=min(1.0, 2 * lost / n), confidence=0.95)
    rates = {"old": right / n, "new": (right - lost + gained) / n, "delta": (gained - lost) / n}
    made = {key: Estimate(value=value, n=n) for key, value in rates.items()}
    return SliceRow(
        by=by,
        name=name,
        value=value,
        low=low,
        high=high,
        n=n,
        estimates=made | {"nfr": nfr, "pfr": Estimate(value=gained / n, n=n)},
        p_worse=p[0] / 4,
        p_worse_holm=p[0],
        p_concentrated=p[1] / 4,
        p_concentrated_holm=p[1],
    )


PARTS = (
    part(name="activity_label", value="Painting a very long garden fence", lost=12, p=(0.003, 0.0004)),
    part(name="activity_label", value="Knitting", n=1028, lost=180, gained=9, right=700, p=(0.01, 0.2)),
    part("prompt length", name="tokens", low=1012, high=2044, lost=6, p=(0.9, 0.049)),
    part("steps", low=1, high=1, n=31, p=(0.05, 1.0)),
    part("steps", low=8, high=11, lost=3, p=(1.0, 1.0)),
    part("choice position", low=2, high=2, lost=2, p=(1.0, 1.0)),
    part("cluster", value="To open a jar,", lost=1, p=(1.0, 1.0)),
)
MARGINS = (
    part("margin", low=-math.inf, high=-0.4181, right=0, lost=0, gained=10),
    part("margin", low=-0.303, high=0.7834),
    part("margin", low=2.25, high=2.25, right=40, gained=0),
)


@pytest.fixture
def parts(full: Comparison) -> SlicedComparison:
    """Two tasks out of a comparison: one right or wrong, one with scores that can be cut by little."""
    hellaswag, samsum = (
        next(row for row in full.tasks if row.task.scale == scale) for scale in ("binary", "bounded")
    )
    return SlicedComparison(
        comparison=full,
        tasks=(
            TaskSlices(
                whole=hellaswag,
                rows=(*PARTS, *MARGINS),
                skipped={"tag": 11, "cluster": 1382},
                warnings=(Notice(code="margin-regresses"), Notice(code="clustered", data={"clusters": 31})),
            ),
            TaskSlices(
                whole=samsum,
                rows=(part("prompt length", name="characters", low=40, high=80, p=(0.4, 0.6)),),
                warnings=(
                    Notice(code="not-cut", data={"by": ["tag", "steps"]}),
                    Notice(code="items-unknown", data={"hashed": True}),
                ),
            ),
        ),
        min_n=20,
        warnings=(Notice(code="parts-after-the-fact"),),
    )


def lines_of(text, *, beginning):
    return [line for line in text.splitlines() if line.startswith(beginning)]


def test_the_tables_look_as_they_did(parts, golden):
    golden("slices.80.txt", render(parts, top=5))


def test_parts_for_programs_are_as_they_were(parts, golden):
    told_ = json.dumps(document(parts), sort_keys=True, indent=2, allow_nan=False)
    golden("slices.json", told_ + "\n")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_asked_for(parts, width):
    assert max(map(cell_len, render(parts, width=width).splitlines())) <= width


def test_color_changes_the_looks_and_not_the_text(parts):
    colored = render(parts, color=True)
    assert "\x1b[1m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == render(parts)


# ── what is shown ────────────────────────────────────────────────────────────────────────────────


def test_the_whole_task_stands_above_its_parts(parts):
    rows = lines_of(render(parts), beginning="all ")
    assert len(rows) == 3  # each task, and again above its margins
    assert rows[0].split()[1:5] == ["400", "42.0", "55.5", "+13.5"]


@pytest.mark.parametrize(
    ("p", "mark"), [((0.049, 0.049), "*↓"), ((0.2, 0.01), "*"), ((0.01, 0.2), "↓"), ((0.05, 0.05), "")]
)
def test_marks_say_which_test_found_something(parts, p, mark):
    task = replace(parts.tasks[0], rows=(part("steps", low=3, high=3, p=p),))
    (row,) = lines_of(render(replace(parts, tasks=(task,))), beginning="3 steps")
    assert row.endswith(("15.0" + (f"  {mark}" if mark else ""),))


def test_parts_that_are_not_shown_are_counted_with_their_marks(parts):
    assert "5 more parts, 1 of them marked: see --top and --json." in render(parts, top=2)
    assert "4 more parts: see" in render(parts, top=3)
    assert "more part" not in render(parts, top=7)


def test_where_only_margins_were_asked_for_there_is_no_empty_table_above_them(parts):
    task = replace(parts.tasks[0], rows=MARGINS, skipped={})
    text = render(replace(parts, tasks=(task,)))
    assert "0 parts" not in text
    assert text.count("NFR ≥  ") == 1
    assert "0 parts" in render(replace(parts, tasks=(replace(task, rows=()),)))


def test_margins_are_always_shown_in_a_table_of_their_own(parts):
    text = render(parts, top=1)
    assert "−∞ to −0.418" in text
    assert text.index("0.783") > text.index("by the old model's margin") > text.index("Painting")


def test_what_is_missing_is_said_below_the_table(parts):
    text = " ".join(render(parts).split())
    assert "Left out, with fewer than 20 instances: 11 by tag, 1,382 by cluster." in text
    assert "Not cut by tag, steps: nothing is known of that here" in text
    assert text.count("looked for after the fact") == 1


def test_a_task_without_any_part_says_so(parts):
    task = replace(parts.tasks[1], rows=())
    text = render(replace(parts, tasks=(task,)))
    assert f"{task.whole.task.name}: 0 parts" in text


def test_alarms_and_overridden_refusals_are_seen_before_any_number(parts, full, settings):
    text = render(replace(parts, comparison=settings))
    assert text.startswith("a comparison of settings, not of models")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (part(name="subject", value="law"), "subject: law"),
        (part("cluster", value="c1"), "cluster c1"),
        (part("prompt length", name="tokens", low=7, high=12), "prompt of 7–12 tokens"),
        (part("prompt length", name="tokens", low=7, high=7), "prompt of 7 tokens"),
        (part("steps", low=1, high=1), "1 step"),
        (part("steps", low=0, high=0), "0 steps"),
        (part("steps", low=8, high=13), "8–13 steps"),
        (part("choice position", low=4, high=4), "right choice 4"),
        (part("margin", low=-1.25, high=0.004), "−1.25 to 0.004"),
        (part("margin", low=1.5, high=math.inf), "1.5 to ∞"),
    ],
)
def test_parts_are_called_what_they_are(row, text):
    assert label(row) == text


def test_a_notice_that_is_not_about_parts_is_told_as_everywhere():
    assert told(Notice(code="repeats", data={"repeats": 3})).startswith("Each instance was answered 3 times")
    assert told(Notice(code="items-unknown", data={"hashed": False})).startswith("The items are not stored")


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def test_the_document_holds_every_field_and_all_parts(parts):
    made = document(parts)
    assert made["schema"] == "regress.slices/1"
    assert [len(task["parts"]) for task in made["tasks"]] == [10, 1]
    for one in made["tasks"][0]["parts"]:
        assert {field.name for field in fields(SliceRow)} <= one.keys()
    first, last = made["tasks"][0]["parts"][0], made["tasks"][0]["parts"][-3]
    assert (first["worse"], first["concentrated"], first["low"]) == (True, True, None)
    assert (last["worse"], last["p_worse"], last["low"]) == (False, None, None)
    assert made["tasks"][0]["skipped"] == {"tag": 11, "cluster": 1382}


def test_hostile_names_reach_no_terminal(parts, hostile_text):
    bad = part(name=hostile_text, value=hostile_text), part("cluster", value=hostile_text * 9)
    text = render(replace(parts, tasks=(replace(parts.tasks[0], rows=bad),)))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert max(map(cell_len, text.splitlines())) <= 80
    json.dumps(document(replace(parts, tasks=(replace(parts.tasks[0], rows=bad),))), allow_nan=False).encode()
