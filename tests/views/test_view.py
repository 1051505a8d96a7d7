import math
from dataclasses import replace
from typing import Any

from regress.types import Comparison, Estimate, Flip, Notice, PaddingCheck, SuiteEvidence
from regress.views.view import build


def explained(comparison: Comparison, task: str) -> str:
    return "\n".join(next(row.lines for row in build(comparison).rows if row.task == task))


def test_the_title_says_demo_items_whenever_any_task_asked_them(
    full: Comparison, settings: Comparison
) -> None:
    mixed = replace(full, tasks=(settings.tasks[0], full.tasks[0]))
    assert "demo items, not the benchmarks" in build(full).title
    assert "demo items, not the benchmarks" in build(mixed).title
    assert "demo" not in build(settings).title


def test_overridden_refusals_are_the_heading(full: Comparison, settings: Comparison) -> None:
    assert build(full).heading == ""
    assert build(settings).heading == (
        "a comparison of settings, not of models: worked examples 0 → 5; prompts aa00bb11 → cc22dd33"
    )


def test_one_footnote_serves_all_rows_that_share_it(full: Comparison) -> None:
    view = build(full)
    texts = [note.text for note in view.footnotes]
    assert len(texts) == len(set(texts))
    assert [row.marks for row in view.rows] == ["1–4", "1", "4, 5", ""]


def test_what_concerns_everything_is_not_marked_again_on_rows(full: Comparison) -> None:
    task = replace(full.tasks[1], warnings=full.warnings)
    view = build(replace(full, tasks=(task,)))
    assert [(note.mark, row.marks) for note in view.footnotes for row in view.rows] == [("", "")]


def test_a_warning_on_an_estimate_is_a_footnote_of_its_row(full: Comparison) -> None:
    warned = Estimate(value=0.1, n=400, warnings=(Notice(code="few-items", data={"n": 4, "minimum": 30}),))
    task = replace(full.tasks[3], estimates={**full.tasks[3].estimates, "nfr": warned})
    (note,) = build(replace(full, tasks=(task,), warnings=())).footnotes
    assert note.text.startswith("Fewer than 30 instances")


def test_unknown_truncation_is_never_a_zero(full: Comparison) -> None:
    assert "truncated unknown → 1" in explained(full, "gsm8k")
    assert "truncated 0 → 2" in explained(full, "samsum")
    assert "truncated" not in explained(full, "piqa")


def test_rates_on_readable_answers_are_given_where_they_rest_on_fewer(full: Comparison) -> None:
    assert "on the 394 instances readable on both sides: old 42.5" in explained(full, "gsm8k")
    assert "readable on both sides" not in explained(full, "piqa")


def test_repeats_are_no_unreadable_answers(full: Comparison) -> None:
    twice = replace(full.tasks[1], n=2 * full.tasks[1].n)
    assert "readable on both sides" not in explained(replace(full, tasks=(twice,)), "piqa")


def test_intervals_are_shown_once_there_are_any(full: Comparison) -> None:
    assert "interval" not in explained(full, "piqa")
    nfr = Estimate(value=0.065, n=400, low=0.043, high=0.094, confidence=0.95, method="wilson")
    delta = Estimate(value=0.0625, n=400, low=-0.0201, high=0.104, confidence=0.95, method="wilson")
    task = replace(full.tasks[1], estimates={**full.tasks[1].estimates, "nfr": nfr, "delta": delta})
    shown = explained(replace(full, tasks=(task,)), "piqa")
    assert "95 % intervals: Δ −2.0 to +10.4, NFR 4.3 to 9.4" in shown


def test_a_change_that_may_be_chance_is_marked_with_what_could_have_been_missed(judged: Comparison) -> None:
    view = build(judged)
    delta = [column.heading for column in view.columns].index("Δ")
    assert [row.cells[delta] for row in view.rows] == ["−5.0", "~+0.4"]
    assert any(text.startswith("~: no difference detected") for text in view.legend)
    assert "~ no difference was detected; a true change of 1.3 points would have been" in " ".join(
        note.text for note in view.footnotes
    )


def test_what_could_have_been_missed_is_said_even_where_no_warning_says_it(judged: Comparison) -> None:
    silent = replace(judged, tasks=(replace(judged.tasks[1], warnings=()),))
    (note,) = build(silent).footnotes
    assert note.text.startswith("~ no difference was detected; a true change of 1.3 points would have been")


def test_nothing_is_marked_where_nothing_was_tested(full: Comparison) -> None:
    view = build(full)
    assert not any("~" in cell for row in view.rows for cell in row.cells)
    assert not any("~" in text for text in view.legend)


def test_an_undefined_change_bears_no_mark(judged: Comparison) -> None:
    row = judged.tasks[1]
    undefined = {**row.estimates, "delta": Estimate(value=math.nan, n=0)}
    (shown,) = build(replace(judged, tasks=(replace(row, estimates=undefined),))).rows
    assert "–" in shown.cells
    assert "~–" not in shown.cells


def test_holm_is_said_only_where_it_changes_something(judged: Comparison) -> None:
    assert "(Holm) p < 0.001" in explained(judged, "gsm8k")
    assert "Holm" not in explained(judged, "piqa")


def test_one_sided_tests_and_further_intervals_need_room(judged: Comparison) -> None:
    (gsm8k, _) = build(judged).rows
    assert not any("one-sided" in line for line in gsm8k.lines)
    assert any("one-sided for worse" in line for line in gsm8k.wide_lines)
    assert any("old 55.0 to 61.0" in line for line in gsm8k.wide_lines)


def test_the_floor_is_said_by_kind_with_what_exceeds_it(judged: Comparison) -> None:
    assert (
        "noise floor NFR 0.7 (rerun 0.5, batch 0.8): excess NFR 5.9 (4.4 to 7.3); "
        "8 of the 86 lost are coin tosses, robust NFR 5.9"
    ) in explained(judged, "gsm8k")
    assert "noise floor" not in explained(judged, "piqa")


def test_an_excess_below_nothing_is_shown_as_it_is(judged: Comparison) -> None:
    row = judged.tasks[0]
    less = Estimate(value=-0.004, n=1319, low=-0.01, high=0.002, confidence=0.95, method="bca")
    rows = (replace(row, estimates={**row.estimates, "excess_nfr": less}),)
    assert "excess NFR −0.4 (−1.0 to 0.2)" in explained(replace(judged, tasks=rows), "gsm8k")


def test_a_broken_engine_is_said_before_any_number_and_once(judged: Comparison) -> None:
    view = build(judged)
    (alarm,) = view.alarms
    assert alarm.startswith("gsm8k: The engine, not the model, is at fault.")
    assert not any("at fault" in note.text for note in view.footnotes)
    silent = replace(judged, tasks=(replace(judged.tasks[0], warnings=()),))
    assert build(silent).alarms == view.alarms
    sound = PaddingCheck(n=400, batch_size=16, largest=1e-4, threshold=0.01)
    mended = replace(judged, tasks=(replace(judged.tasks[0], warnings=(), padding=sound),))
    assert build(mended).alarms == ()


def test_many_tasks_of_a_suite_are_counted(judged: Comparison) -> None:
    suite = SuiteEvidence(tasks=("gsm8k", "piqa", *"abcd"), pooled=0.0352, max_z=1.0, fisher=math.nan)
    assert build(replace(judged, suite=suite)).suite == (
        "Worse over 6 tasks together? One-sided: pooled McNemar p = 0.035, largest z p = 1.000."
    )


def test_tasks_with_clusters_are_left_out_of_a_suite_and_that_is_said(judged: Comparison) -> None:
    suite = SuiteEvidence(tasks=("gsm8k", "a"), pooled=0.5, max_z=0.5, fisher=0.5)
    assert build(replace(judged, suite=suite)).suite.endswith(
        "Without piqa: these tests know nothing of clusters."
    )


def test_nothing_compared_is_said_and_not_counted(unknowns: Comparison) -> None:
    assert explained(unknowns, "gsm8k").startswith("0 instances compared")
    cells = build(unknowns).rows[0].cells
    assert cells == ("0", *["–"] * (len(cells) - 1))


def test_a_choice_is_shown_by_its_text_and_a_generation_by_what_was_read(full: Comparison) -> None:
    blocks = build(full).blocks
    assert blocks[1].flips[0].new.answer == "Put the jar into the freezer before you twist the lid."
    assert blocks[0].flips[1].new.answer == "unreadable"
    assert blocks[0].flips[0].new.answer == "38"
    assert blocks[0].flips[0].new.output.endswith("#### 38")


def test_the_question_is_shown_without_its_worked_examples(full: Comparison) -> None:
    asked = build(full).blocks[0].flips[0].asked
    assert asked == ("Question: Tom has 40 apples and Ann gives him 2 more. How many has he now? Answer:")


def test_flips_of_runs_without_text_say_what_is_known(full: Comparison) -> None:
    bare = Flip(instance_id="a", index=0, quadrant="negative flip", delta=-1.0, kind="format lost")
    view = build(replace(full, tasks=(replace(full.tasks[0], worst=(bare,)),)))
    (flip,) = view.blocks[0].flips
    assert (flip.heading, flip.asked, flip.target) == ("a · index 0 · format lost", "", "")


def test_worst_flips_are_shown_with_their_task_and_not_again_in_the_pool(full: Comparison) -> None:
    pool = replace(full.tasks[3], worst=full.tasks[0].worst)
    view = build(replace(full, tasks=(*full.tasks[:3], pool)))
    assert [block.heading.split(":")[0] for block in view.blocks] == ["gsm8k", "piqa", "samsum"]


def test_a_comparison_without_tasks_has_a_view(full: Comparison) -> None:
    assert build(replace(full, tasks=())).rows == ()


def test_an_answer_that_nobody_recorded_is_not_called_unreadable(full: Comparison) -> None:
    """A table of right and wrong holds neither outputs nor answers."""

    def sides(**told: Any) -> tuple[str, str]:
        task = next(task for task in full.tasks if task.task.kind == "generation" and task.worst)
        flip = replace(task.worst[0], old_answer=None, new_answer=None, parted=None, **told)
        (block,) = build(replace(full, tasks=(replace(task, worst=(flip,)),))).blocks
        return block.flips[0].old.answer, block.flips[0].new.answer

    assert sides(old_output=None, new_output="and so on") == ("not recorded", "unreadable")
