"""Why answers flipped, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regress.types import Comparison, Estimate, KindCounts, Reading, TaskComparison
from regress.views import markdown, terminal
from regress.views.export import CSV_COLUMNS, document, to_csv
from regress.views.kinds import model_line, readings_line
from regress.views.view import build

MIXED = {"unreadable": 4, "answer": 6, "truncated": 1, "coin toss": 1}


def explained(task: TaskComparison, *, n: int = 400, own: int = 7, **kinds: object) -> TaskComparison:
    """A row with kinds; of its flips `own` are the model's own."""
    counts = {"negative": MIXED, "positive": {"answer": 66}, "recoverable": 3, "not_the_models": 5, **kinds}
    rate = Estimate(value=own / n, n=n, low=0.0085, high=0.0357, confidence=0.95, method="wilson")
    return replace(
        task,
        kinds=KindCounts(**counts),
        estimates={**task.estimates, "model_nfr": rate},
    )


@pytest.fixture
def gsm8k(full: Comparison) -> TaskComparison:
    return full.tasks[0]


def reading(metric: str, old: float, new: float, nfr: float, gap: tuple[float, float] | None) -> Reading:
    values = {"old": old, "new": new, "delta": new - old, "nfr": nfr, "pfr": nfr + new - old}
    return Reading(
        metric=metric,
        estimates={name: Estimate(value=value, n=400) for name, value in values.items()},
        delta_gap=gap and Estimate(value=sum(gap) / 2, n=400, low=gap[0], high=gap[1]),
    )


def lines(full: Comparison, task: TaskComparison) -> str:
    return "\n".join(build(replace(full, tasks=(task,))).rows[0].lines)


def test_what_was_lost_is_told_by_kind_the_commonest_first(full: Comparison, gsm8k: TaskComparison) -> None:
    shown = lines(full, explained(gsm8k))
    assert shown.startswith("12 lost (6 answer, 4 unreadable, 1 truncated, 1 coin toss), 66 gained of 400;")


def test_several_coin_tosses_are_coin_tosses(full: Comparison, gsm8k: TaskComparison) -> None:
    assert "12 lost (12 coin tosses)," in lines(full, explained(gsm8k, negative={"coin toss": 12}))


@pytest.mark.parametrize("negative", [{"answer": 12}, {}])
def test_where_all_of_it_is_the_models_answer_no_kind_is_named(
    full: Comparison, gsm8k: TaskComparison, negative: dict[str, int]
) -> None:
    task = explained(gsm8k, negative=negative, recoverable=0, not_the_models=0)
    assert lines(full, task) == lines(full, gsm8k)


def test_lower_scores_are_told_by_kind_too(full: Comparison) -> None:
    task = explained(full.tasks[2], negative={"answer": 90, "truncated": 3})
    assert "93 of 300 lower (90 answer, 3 truncated), by 8.0 on average (m_r)" in lines(full, task)


def test_nfr_is_given_without_flips_that_are_not_the_models(full: Comparison, gsm8k: TaskComparison) -> None:
    assert model_line(explained(gsm8k)) == (
        "NFR 3.0, without the 5 flips that are not the model's own answer 1.8 (0.9 to 3.6); 3 of the 4 "
        "unreadable are right by another extractor"
    )
    assert model_line(explained(gsm8k)) in lines(full, explained(gsm8k))


def test_one_flip_is_spoken_of_as_one(gsm8k: TaskComparison) -> None:
    one = explained(gsm8k, negative={"answer": 11, "unreadable": 1}, recoverable=1, not_the_models=1)
    assert "the 1 flip that is not the model's own answer" in model_line(one)
    assert model_line(one).endswith("1 of the 1 unreadable is right by another extractor")


def test_where_every_flip_is_the_models_nothing_is_added(gsm8k: TaskComparison) -> None:
    unreadable = explained(gsm8k, negative={"unreadable": 12}, recoverable=0, not_the_models=0)
    assert model_line(unreadable) == model_line(gsm8k) == ""


def test_what_coin_tosses_alone_leave_is_said_once(full: Comparison, gsm8k: TaskComparison) -> None:
    """By the line about noise, as robust NFR; where there is none, since no floor counts, as of any kind."""
    task = explained(gsm8k, negative={"answer": 7, "coin toss": 5}, recoverable=0, not_the_models=5)
    noise = {"floor_nfr": Estimate(value=0.01, n=400), "robust_nfr": Estimate(value=7 / 400, n=400)}
    shown = lines(full, replace(task, estimates={**task.estimates, **noise}))
    assert "5 of the 12 lost are coin tosses, robust NFR 1.8" in shown
    assert "the model's own answer" not in shown
    assert "without the 5 flips" in lines(full, task)
    others = explained(gsm8k, negative={"answer": 6, "coin toss": 5, "truncated": 1}, not_the_models=6)
    assert "without the 6 flips" in lines(full, replace(others, estimates={**others.estimates, **noise}))


def test_extractors_that_disagree_are_shown_side_by_side(full: Comparison, gsm8k: TaskComparison) -> None:
    strict = reading("exact_match/strict-match", 0.478, 0.620, 0.05, None)
    flexible = reading("exact_match/flexible-extract", 0.55, 0.601, 0.062, (-0.12, -0.06))
    task = replace(gsm8k, readings=(strict, flexible))
    assert readings_line(task) == (
        "strict-match 47.8 → 62.0 (NFR 5.0), flexible-extract 55.0 → 60.1 (NFR 6.2): they disagree by more "
        "than chance about Δ"
    )
    assert readings_line(task) in lines(full, task)


def test_extractors_that_agree_within_chance_are_not_shown(gsm8k: TaskComparison) -> None:
    strict = reading("exact_match/strict-match", 0.478, 0.620, 0.05, None)
    close = reading("exact_match/flexible-extract", 0.48, 0.60, 0.05, (-0.03, 0.001))
    far = reading("exact_match", 0.48, 0.52, 0.05, (-0.12, -0.06))
    assert readings_line(replace(gsm8k, readings=(strict, close))) == ""
    shown = readings_line(replace(gsm8k, readings=(strict, close, far)))
    assert "flexible-extract" not in shown
    assert "exact_match 48.0 → 52.0" in shown


def test_the_names_of_others_filters_act_on_no_terminal(gsm8k: TaskComparison) -> None:
    strict = reading("exact_match/\x1b[31mred", 0.478, 0.620, 0.05, None)
    task = replace(gsm8k, readings=(strict, reading("exact_match/b", 0.55, 0.601, 0.062, (-0.12, -0.06))))
    assert "\x1b" not in readings_line(task)


def test_at_80_cells_nothing_runs_over(full: Comparison, gsm8k: TaskComparison) -> None:
    many = explained(gsm8k, negative=dict.fromkeys(MIXED, 1234) | {"runaway": 2})
    text = terminal.render(replace(full, tasks=(many,)), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "1,234 coin tosses" in " ".join(text.split())


def test_a_worst_flip_says_its_kind_unless_it_is_the_models_answer(
    full: Comparison, gsm8k: TaskComparison
) -> None:
    kinds = ("answer", "unreadable", "truncated")
    worst = tuple(replace(flip, kind=kind) for flip, kind in zip(gsm8k.worst, kinds, strict=True))
    (block,) = build(replace(full, tasks=(replace(gsm8k, worst=worst),))).blocks
    assert [flip.heading.rpartition(" · ")[2] for flip in block.flips] == [
        "index 51",
        "unreadable",
        "truncated",
    ]


def test_markdown_says_the_same(full: Comparison, gsm8k: TaskComparison) -> None:
    text = markdown.render(replace(full, tasks=(explained(gsm8k),)))
    assert "12 lost (6 answer, 4 unreadable, 1 truncated, 1 coin toss)" in text
    assert "without the 5 flips" in text


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def test_json_holds_kinds_and_readings(full: Comparison, gsm8k: TaskComparison) -> None:
    strict = reading("exact_match/strict-match", 0.478, 0.620, 0.05, None)
    flexible = reading("exact_match/flexible-extract", 0.55, 0.601, 0.062, (-0.12, -0.06))
    task = replace(explained(gsm8k), readings=(strict, flexible))
    (shown, pooled) = document(replace(full, tasks=(task, full.tasks[3])))["tasks"]
    assert shown["kinds"] == {
        "negative": MIXED,
        "positive": {"answer": 66},
        "recoverable": 3,
        "not_the_models": 5,
    }
    assert [(one["metric"], one["disagrees"]) for one in shown["readings"]] == [
        ("exact_match/strict-match", False),
        ("exact_match/flexible-extract", True),
    ]
    assert shown["readings"][0]["delta_gap"] is None
    assert shown["readings"][1]["delta_gap"]["high"] == -0.06
    assert shown["readings"][1]["estimates"]["nfr"]["value"] == 0.062
    assert (pooled["kinds"], pooled["readings"]) == (None, [])


def test_csv_counts_what_was_lost_by_kind_and_leaves_empty_what_is_unknown(
    full: Comparison, gsm8k: TaskComparison
) -> None:
    header, known, unknown = to_csv(replace(full, tasks=(explained(gsm8k), full.tasks[1]))).splitlines()
    assert header.split(",") == list(CSV_COLUMNS)
    columns = [name for name in CSV_COLUMNS if name.startswith("lost_")]
    assert columns == [
        "lost_runaway",
        "lost_truncated",
        "lost_unreadable",
        "lost_format",
        "lost_coin_toss",
        "lost_answer",
    ]
    places = [CSV_COLUMNS.index(name) - len(CSV_COLUMNS) for name in ("model_nfr", *columns)]
    assert [known.split(",")[place] for place in places] == ["0.0175", "0", "1", "4", "0", "1", "6"]
    assert {unknown.split(",")[place] for place in places} == {""}
