"""What a verdict passes on of its comparison: what a reader must know and no rule says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from regress.types import Comparison, Notice, PaddingCheck
from regress.views.gate.export import document, to_json
from regress.views.gate.markdown import LONGEST
from regress.views.gate.markdown import render as markdown
from regress.views.gate.notes import LEFT_OUT, gathered
from regress.views.gate.terminal import render as terminal
from regress.views.gate.view import build
from regress.views.notices import ENGINE_AT_FAULT, WORDS

OTHER_ENGINE = Notice(code="setting-differs", data={"field": "engine.name", "old": "hf", "new": "vllm"})
REPLICA = Notice(code="setting-differs", data={"field": "variation", "old": None, "new": "seed"})
SAME_RUN = Notice(code="same-run")

SAID = {
    "update-claimed",
    "setting-differs",
    "same-run",
    "shown-differs",
    "max-tokens-reduced",
    "constant-answers",
    "degenerate",
    "pool-partial",
    "pool-skipped",
    "floor-unusable",
    "truncation-unknown",
    "left-truncated",
    "per-document",
    "metric-negated",
    "imported",
    "rescored",
    ENGINE_AT_FAULT,
}
OF_RULES = {"significant-drop", "listed-not-right"}


def warned(comparison: Comparison, *general: Notice, **rows: tuple[Notice, ...]) -> Comparison:
    """`comparison` with these notices and no others."""
    tasks = [replace(row, warnings=rows.get(row.task.name, ()), padding=None) for row in comparison.tasks]
    return replace(comparison, tasks=tuple(tasks), warnings=general)


def notes(verdicts: Any, comparison: Comparison) -> tuple[str, ...]:
    return build(verdicts["pass"], comparison).notes


def test_every_notice_is_said_by_a_note_or_by_a_rule_or_left_out() -> None:
    assert set(WORDS) == SAID | OF_RULES | LEFT_OUT
    assert not SAID & LEFT_OUT


def test_what_is_true_of_one_task_names_it(verdicts: Any, judged: Comparison) -> None:
    assert notes(verdicts, warned(judged, gsm8k=(OTHER_ENGINE,))) == (
        "gsm8k: The runs differ: engine hf → vllm.",
    )


def test_what_is_true_of_every_task_names_none_and_is_said_once(verdicts: Any, judged: Comparison) -> None:
    once = ("The runs differ: engine hf → vllm.",)
    assert notes(verdicts, warned(judged, gsm8k=(OTHER_ENGINE,), piqa=(OTHER_ENGINE,))) == once
    assert notes(verdicts, warned(judged, OTHER_ENGINE)) == once
    assert notes(verdicts, warned(judged, OTHER_ENGINE, gsm8k=(OTHER_ENGINE,))) == once


def test_tasks_that_share_a_note_stand_before_it(verdicts: Any, full: Comparison) -> None:
    shared = warned(full, gsm8k=(REPLICA,), piqa=(SAME_RUN, REPLICA))
    assert notes(verdicts, shared) == (
        "gsm8k, piqa: The runs differ: variation none → seed.",
        "piqa: Old and new are the same stored run, so nothing can differ.",
    )


def test_a_pooled_row_is_no_task_of_its_own(verdicts: Any, full: Comparison) -> None:
    every = warned(full, **dict.fromkeys(("gsm8k", "piqa", "samsum"), (SAME_RUN,)))
    assert notes(verdicts, every)[0].startswith("Old and new are")
    partial = Notice(code="pool-partial", data={"group": "reasoning", "missing": ["boolq"]})
    assert notes(verdicts, warned(full, reasoning=(partial,))) == (
        "reasoning pools only some of its tasks; missing: boolq.",
    )


def test_what_the_rules_say_already_is_left_out(verdicts: Any, full: Comparison) -> None:
    few = Notice(code="few-items", data={"n": 12, "minimum": 300})
    assert notes(verdicts, warned(full, Notice(code="demo-items"), gsm8k=(few,))) == ()


def test_a_notice_that_nobody_has_put_in_words_is_shown(verdicts: Any, judged: Comparison) -> None:
    moon = Notice(code="moon-phase", data={"phase": "full"})
    assert notes(verdicts, warned(judged, gsm8k=(moon,))) == ("gsm8k: Notice moon-phase: phase full.",)


@pytest.mark.parametrize("noticed", [True, False])
def test_an_engine_at_fault_is_an_alarm_and_for_programs_a_notice_too(
    noticed: bool, verdicts: Any, judged: Comparison
) -> None:
    row = judged.tasks[0]
    check = PaddingCheck(n=400, batch_size=16, largest=0.31, threshold=0.01)
    faulty = replace(row, warnings=row.warnings if noticed else (), padding=check)
    comparison = replace(judged, tasks=(faulty, *judged.tasks[1:]))
    assert notes(verdicts, comparison) == ()
    whole = document(verdicts["pass"], comparison)
    assert whole["alarms"][0].startswith("gsm8k: The engine, not the model, is at fault.")
    assert [(one["code"], one["tasks"]) for one in whole["notices"]] == [(ENGINE_AT_FAULT, ["gsm8k"])]


def test_every_reader_sees_them(verdicts: Any, judged: Comparison) -> None:
    comparison = warned(judged, SAME_RUN, gsm8k=(OTHER_ENGINE,))
    for text in notes(verdicts, comparison):
        assert f"·  {text}" in terminal(verdicts["pass"], comparison, width=200)
    page = markdown(verdicts["pass"], comparison).partition("### Notes")[2]
    assert "- gsm8k: The runs differ: engine hf → vllm." in page
    whole = json.loads(to_json(verdicts["pass"], comparison))
    assert [(one["code"], one["tasks"]) for one in whole["notices"]] == [
        ("same-run", None),
        ("setting-differs", ["gsm8k"]),
    ]
    assert whole["notices"][1]["data"] == {"field": "engine.name", "old": "hf", "new": "vllm"}
    assert whole["notices"][1]["sentence"] == "The runs differ: engine hf → vllm."


def test_a_verdict_on_a_group_with_notes_looks_as_it_did(
    made: Any, judged_as: Any, full: Comparison, golden: Any
) -> None:
    partial = Notice(code="pool-partial", data={"group": "reasoning", "missing": ["boolq"]})
    comparison = replace(full, tasks=(*full.tasks[:3], replace(full.tasks[3], warnings=(partial,))))
    lacking = made("evidence", "not gateable", "members-missing", "reasoning", data={"missing": ["boolq"]})
    verdict = judged_as("not gateable", lacking)
    golden("gate-group.80.txt", terminal(verdict, comparison, where="reports/a..b"))
    golden("gate-group.md", markdown(verdict, comparison))


def test_a_verdict_without_notes_has_no_place_for_them(verdicts: Any, judged: Comparison) -> None:
    calm = warned(judged)
    assert gathered(calm) == ()
    assert "Notes" not in markdown(verdicts["pass"], calm)
    assert document(verdicts["pass"], calm)["notices"] == document(verdicts["pass"])["notices"] == []


def test_no_number_of_notes_makes_a_comment_too_long(verdicts: Any, judged: Comparison) -> None:
    many = [Notice(code="moon-phase", data={"phase": f"{i}" * 9}) for i in range(5000)]
    page = markdown(verdicts["pass"], warned(judged, *many))
    assert len(page) <= LONGEST
    assert " more\n" in page.partition("### Notes")[2]


def test_groups_judged_as_one_are_named_with_their_tasks(made: Any, judged_as: Any, full: Comparison) -> None:
    verdict = judged_as("pass", made("minimum_n", "pass", "enough", "reasoning"))
    assert document(verdict, full)["groups"] == {"reasoning": ["gsm8k", "piqa"]}
    assert document(judged_as("pass"), full)["groups"] == {}
