"""A comparison as pandas frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from regress.comparison.table import assemble
from regress.errors import UnknownName
from regress.frames import ComparedRuns
from regress.pairing import pair
from regress.types import FLIP_KINDS, QUADRANTS, Estimate, Evidence, NoiseFloor, Reruns

COLUMNS = [
    "instance_id",
    "index",
    "quadrant",
    "kind",
    "old_answer",
    "new_answer",
    "old_correct",
    "new_correct",
    "old_score",
    "new_score",
    "delta",
    "old_output",
    "new_output",
    "old_gold_margin",
    "new_gold_margin",
    "old_finish",
    "new_finish",
    "prompt",
    "target",
]


@pytest.fixture
def compared(make_run, make_choices, make_scores, make_task, make_instances):
    """A binary and a bounded task, and a group of the binary one alone; instances for the first."""
    quiz, sums = make_task("quiz"), make_task("sums", kind="generation", scale="bounded", metric="rouge1")
    old = make_run(make_choices(["A", "B", "A", "B", None], "AAAAA", finish="stop"), task=quiz)
    new = make_run(make_choices(["A", "A", "B", "C", None], "AAAAA"), task=quiz, model="demo-v2")
    scores = (make_run(make_scores(s), task=sums) for s in ([0.5, 0.5, 0.5], [0.4, 0.5, 0.7]))
    pairs = {"quiz": pair(old, new), "sums": pair(*scores)}
    instances = {"quiz": make_instances(old, tags=lambda i: {"level": "hard"} if i % 2 else {})}
    comparison = assemble(list(pairs.values()), instances=instances, groups={"all": ["quiz"]})
    return ComparedRuns.of(comparison, pairs, instances)


def test_one_row_an_instance_with_both_sides(compared):
    frame = compared.flips("quiz")
    assert list(frame.columns) == [*COLUMNS, "tags.level"]
    assert frame["quadrant"].tolist() == [
        "both right",
        "positive flip",
        "negative flip",
        "both wrong different",
        "both wrong same",
    ]
    assert frame["new_answer"].tolist()[:4] == ["A", "A", "B", "C"]
    assert frame["new_answer"].isna().tolist() == [False] * 4 + [True]
    assert frame["old_correct"].tolist() == [True, False, True, False, False]
    assert frame["delta"].tolist() == [0, 1, -1, 0, 0]
    assert frame["old_finish"].tolist() == ["stop"] * 5
    assert frame["prompt"].tolist() == ["Q0", "Q1", "Q2", "Q3", "Q4"]
    assert frame["tags.level"].isna().tolist() == [True, False, True, False, True]


def test_quadrants_are_a_category_in_the_order_of_the_nouns(compared):
    dtype = compared.flips("sums")["quadrant"].dtype
    assert list(dtype.categories) == list(QUADRANTS)


def test_a_flip_inside_the_noise_of_the_old_models_reruns_is_a_coin_toss(make_run, make_choices):
    def run(answers, margins, **changes):
        rows = zip(make_choices(answers, "AA"), margins, strict=True)
        return make_run([dataclasses.replace(row, gold_margin=one) for row, one in rows], **changes)

    pairs = pair(run("AA", [0.05, 3.0]), run("BB", [-2.0, -2.0], model="demo-v2"))
    margin = np.array([[0.05, 3.0], [0.15, 3.1]])
    again = Reruns(kind="rerun", correct=margin > 0, score=(margin > 0).astype(float), margin=margin)
    name = pairs.old_spec.task.name
    floors = {name: (NoiseFloor(reruns={"rerun": again}), None)}
    comparison = assemble([pairs], floors=floors)
    frame = ComparedRuns.of(comparison, {name: pairs}, {}, floors).flips(name)
    assert frame["kind"].tolist() == ["coin toss", "answer"]
    assert comparison.tasks[0].kinds.negative == {"coin toss": 1, "answer": 1}


def test_each_flip_has_its_kind_and_nothing_else_has_one(compared):
    frame = compared.flips()
    assert frame["kind"].isna().tolist() == [True, False, False, True, True, False, True, False]
    assert set(frame["kind"].dropna()) == {"answer"}
    assert list(frame["kind"].dtype.categories) == list(FLIP_KINDS)


def test_a_score_that_did_not_change_lies_in_no_quadrant(compared):
    frame = compared.flips("sums")
    assert frame["quadrant"].astype(object).where(frame["quadrant"].notna(), None).tolist() == [
        "negative flip",
        None,
        "positive flip",
    ]
    assert frame["old_correct"].isna().all()
    assert frame["delta"].round(6).tolist() == [-0.1, 0.0, 0.2]


def test_one_quadrant_or_several_can_be_picked(compared):
    assert compared.flips("quiz", quadrant="negative flip")["index"].tolist() == [2]
    both = compared.flips("quiz", quadrant=["negative flip", "positive flip"])
    assert both["index"].tolist() == [1, 2]
    assert both.index.tolist() == [0, 1]


def test_all_tasks_come_with_their_name(compared):
    frame = compared.flips()
    assert list(frame.columns) == ["task", *COLUMNS, "tags.level"]
    assert frame["task"].tolist() == ["quiz"] * 5 + ["sums"] * 3
    assert frame["old_correct"].dtype == pd.BooleanDtype()


def test_a_group_gives_its_members(compared):
    assert compared.flips("all")["task"].tolist() == ["quiz"] * 5


def test_repeats_have_a_column_of_their_own(make_run, make_prediction):
    rows = [make_prediction("x", repeat=r, answer="A", correct=True, score=1.0) for r in (0, 1)]
    pairs = pair(make_run(rows), make_run(rows))
    frame = ComparedRuns.of(assemble([pairs]), {"toy": pairs}).flips("toy")
    assert frame["repeat"].tolist() == [0, 1]


def test_unknown_tasks_and_quadrants_are_refused_with_the_nearest(compared):
    with pytest.raises(UnknownName, match="did you mean 'quiz'"):
        compared.flips("quizz")
    with pytest.raises(UnknownName, match="did you mean 'negative flip'"):
        compared.flips("quiz", quadrant="negative flips")


def test_one_row_a_task(compared):
    frame = compared.to_frame().set_index("task")
    assert frame.index.tolist() == ["quiz", "all", "sums"]
    assert frame.loc["quiz", "nfr"] == 0.2
    assert frame.loc["quiz", "negative_flips"] == 1
    assert pd.isna(frame.loc["sums", "negative_flips"])
    assert pd.isna(frame.loc["quiz", "m_g"])
    assert frame.loc["sums", "m_r"] == pytest.approx(0.1)
    assert frame["old_unreadable"].tolist() == [1, 1, 0]
    assert frame["negative_flips"].dtype == pd.Int64Dtype()


def test_rates_on_what_both_sides_could_read_stand_beside_those_on_everything(compared):
    frame = compared.to_frame().set_index("task")
    assert frame.loc["quiz", "readable.nfr"] == 0.25
    assert pd.isna(frame.loc["quiz", "readable.m_g"])
    assert frame.loc["sums", "readable.m_r"] == frame.loc["sums", "m_r"]


def test_columns_stand_together_whatever_scales_the_tasks_have(compared):
    columns = list(compared.to_frame().columns)
    assert columns[:5] == ["task", "scale", "metric", "n", "old"]
    assert columns.index("m_r") < columns.index("both_right") < columns.index("readable.old")


def test_intervals_have_columns_once_there_are_any(compared):
    bare = [without_intervals(row) for row in compared.tasks]
    frame = dataclasses.replace(compared, tasks=tuple(bare)).to_frame()
    assert not [name for name in frame.columns if name.endswith((".low", ".high"))]
    nfr = dataclasses.replace(bare[0].estimates["nfr"], low=0.1, high=0.6, confidence=0.95, method="wilson")
    row = dataclasses.replace(bare[0], estimates={**bare[0].estimates, "nfr": nfr})
    frame = dataclasses.replace(compared, tasks=(row, *bare[1:])).to_frame()
    assert [name for name in frame.columns if name.endswith((".low", ".high"))] == ["nfr.low", "nfr.high"]
    assert frame["nfr.low"].tolist()[0] == 0.1
    assert frame["nfr.high"].isna().tolist() == [False, True, True]


def without_intervals(row):
    kinds = {
        kind: {n: Estimate(value=one.value, n=one.n) for n, one in getattr(row, kind).items()}
        for kind in ("estimates", "readable")
    }
    return dataclasses.replace(row, **kinds)


def test_what_is_more_than_chance_stands_beside_the_estimates(compared):
    evidence = Evidence(
        test="mcnemar",
        p_worse=0.9,
        p_differs=0.2,
        p_differs_holm=0.4,
        detected=False,
        mde=0.03,
        power=0.8,
    )
    rows = (
        dataclasses.replace(compared.tasks[0], evidence=evidence),
        *(dataclasses.replace(row, evidence=None) for row in compared.tasks[1:]),
    )
    frame = dataclasses.replace(compared, tasks=rows).to_frame()
    columns = ["p_differs", "p_differs_holm", "p_worse", "mde", "detected"]
    assert frame.loc[0, columns].tolist() == [0.2, 0.4, 0.9, 0.03, False]
    assert frame.loc[1:, columns].isna().all(axis=None)
    assert frame["detected"].dtype == pd.BooleanDtype()


def test_tables_do_not_flood_the_prompt(compared):
    assert "pyarrow" not in repr(compared)
    assert "pairs=" not in repr(compared)


def test_generations_bear_the_word_in_which_they_part(make_run, make_choices, make_task, compared):
    task, rows = make_task("sums", kind="generation"), make_choices("ABA", "AAA")

    def written(*texts):
        return [dataclasses.replace(row, output=text) for row, text in zip(rows, texts, strict=True)]

    one = pair(
        make_run(written("so 1", "so 2", "so 3"), task=task),
        make_run(written("so 1", "so 4", "now 3"), task=task, model="demo-v2"),
    )
    frame = ComparedRuns.of(assemble([one]), {"sums": one}).flips("sums")
    assert frame["parted"].tolist() == [pd.NA, 1, 0]
    assert frame["parted"].dtype == "Int64"
    assert "parted" not in compared.flips("quiz").columns
