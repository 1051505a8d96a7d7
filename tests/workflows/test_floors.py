"""Stored reruns are found by what they are, and lie row by row beside the run that they repeat."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from regress.errors import NotComparable
from regress.identity import sequence_hash, task_fingerprint
from regress.store.runs import Store, read_run
from regress.types import EngineSpec, RunSpec, Subset
from regress.workflows import floors
from regress.workflows.floors import noise_floors, stored_reruns

N = 4
GOLD = "AAAA"
ENGINE = EngineSpec(name="hf", version="1", batch_size=8, settings={"seed": 1234})


@pytest.fixture
def spec(make_model, make_task) -> RunSpec:
    """The run whose reruns are looked for."""
    task = make_task()
    return RunSpec(
        model=make_model(),
        task=dataclasses.replace(task, fingerprint=task_fingerprint(task)),
        engine=ENGINE,
        n=N,
        ids=sequence_hash(f"id{i:03}" for i in range(N)),
    )


@pytest.fixture
def keep(tmp_path, make_choices):
    """Store a run that chose these answers; its folder."""

    def kept(spec, answers="AAAB", *, rows=None, recorded=None, label="mine", finish=True):
        rows = make_choices(answers, GOLD) if rows is None else rows
        with Store(tmp_path / "runs").writer(label, spec, range(N)) as writer:
            for chunk in writer.todo():
                writer.append(chunk, [rows[i] for i in chunk.indices])
            return writer.finish(recorded) if finish else writer.folder

    return kept


def rerun(spec, kind="rerun", number=1, **engine):
    changed = dataclasses.replace(spec.engine, **engine)
    return dataclasses.replace(spec, variation=kind, replica=number, engine=changed)


def other_seed(seed):
    return {"settings": {"seed": seed}}


# ── which are found ──────────────────────────────────────────────────────────────────────────────


def test_a_run_without_reruns_has_no_floor_and_no_answer_is_read(keep, spec, monkeypatch):
    path = keep(spec)
    monkeypatch.setattr(floors, "read_run", None)
    assert noise_floors({"toy": path}) == {}


def test_reruns_are_stacked_under_their_run_by_kind_and_number(keep, spec):
    path = keep(spec, "AAAB")
    keep(rerun(spec, number=2), "BBAB")
    keep(rerun(spec, number=1), "ABAB")
    keep(rerun(spec, "batch", batch_size=16), "AAAA")
    floor = noise_floors({"toy": path})["toy"]
    assert list(floor.reruns) == ["rerun", "batch"]
    assert floor.reruns["rerun"].correct.astype(int).tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 0]]
    assert floor.reruns["batch"].correct.astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert floor.reruns["batch"].score.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert floor.reruns["batch"].margin is None


@pytest.mark.parametrize("kind", ["rerun", "order", "hardware"])
@pytest.mark.parametrize("change", [{"batch_size": 16}, other_seed(7)])
def test_only_a_rerun_of_that_kind_may_differ_in_batch_size_or_seed(keep, spec, kind, change):
    path = keep(spec)
    keep(rerun(spec, kind, **change))
    assert stored_reruns(path) == []


@pytest.mark.parametrize(("kind", "change"), [("batch", {"batch_size": 16}), ("seed", other_seed(7))])
def test_what_a_kind_changes_may_differ_and_must(keep, spec, kind, change):
    path = keep(spec)
    keep(rerun(spec, kind, 1))  # of a run with another batch size or seed; the same as this one's
    assert stored_reruns(path) == []
    keep(rerun(spec, kind, 1, **change))
    assert [found.kind for found in stored_reruns(path)] == [kind]


def test_nothing_but_the_seed_may_differ_in_the_settings_of_another_seed(keep, spec):
    path = keep(spec)
    keep(rerun(spec, "seed", settings={"seed": 7, "top_k": 5}))
    assert stored_reruns(path) == []


@pytest.mark.parametrize(
    "change",
    [
        {"subset": Subset(limit=N)},
        {"chunk_size": 3},
        {"text": False},
        {"ids": "others"},
        {"model": {"fingerprint": "other weights"}},
        {"model": {"dtype": "bfloat16"}},
        {"model": {"chat_template": "default#1"}},
        {"engine": {"version": "2"}},
        {"task": {"fingerprint": "f" * 64}},
    ],
    ids=str,
)
def test_a_rerun_of_anything_else_is_none_of_this_run(keep, spec, change):
    path, other = keep(spec), spec
    for name, value in change.items():
        if isinstance(value, dict):
            value = dataclasses.replace(getattr(other, name), **value)
        other = dataclasses.replace(other, **{name: value})
    if "task" in change:
        task = dataclasses.replace(other.task, prompts="other", fingerprint="")
        other = dataclasses.replace(other, task=task)
    keep(rerun(other))
    assert stored_reruns(path) == []


def test_an_ordinary_replica_is_no_rerun(keep, spec):
    path = keep(spec)
    keep(dataclasses.replace(spec, replica=1))
    assert stored_reruns(path) == []


def test_a_rerun_that_is_not_finished_does_not_count(keep, spec):
    path = keep(spec)
    keep(rerun(spec), finish=False)
    assert stored_reruns(path) == []


def test_a_rerun_has_no_reruns_of_its_own(keep, spec):
    keep(spec)
    again = keep(rerun(spec, number=1))
    keep(rerun(spec, number=2))
    assert stored_reruns(again) == []


def test_reruns_of_a_renamed_copy_count_whatever_their_label(keep, spec):
    path = keep(spec)
    renamed = dataclasses.replace(spec.model, name="copy", source="copy")
    keep(rerun(dataclasses.replace(spec, model=renamed)), label="copy")
    assert len(stored_reruns(path)) == 1


@pytest.mark.parametrize("field", ["name", "source", "revision"])
def test_where_weights_are_hidden_the_model_is_what_it_is_called(keep, spec, field):
    hidden = dataclasses.replace(spec, model=dataclasses.replace(spec.model, fingerprint=None))
    path = keep(dataclasses.replace(hidden, replica=2))  # asked three times
    other = dataclasses.replace(hidden, model=dataclasses.replace(hidden.model, **{field: "other"}))
    keep(rerun(other))
    assert stored_reruns(path) == []
    keep(rerun(hidden))
    assert len(stored_reruns(path)) == 1


# ── row by row ───────────────────────────────────────────────────────────────────────────────────


def test_rows_come_in_the_order_of_the_pairs_that_they_are_for(keep, spec):
    path = keep(spec, "AAAB")
    keep(rerun(spec), "ABAA")
    turned = read_run(path).predictions.take([2, 3, 1, 0])
    floor = noise_floors({"toy": path}, {"toy": turned})["toy"]
    assert floor.reruns["rerun"].correct.astype(int).tolist() == [[1, 0, 1, 1], [1, 1, 0, 1]]


def test_scores_and_margins_are_those_of_their_rows(keep, spec, make_task, make_scores):
    task = make_task(scale="bounded", metric="rouge1")
    spec = dataclasses.replace(spec, task=dataclasses.replace(task, fingerprint=task_fingerprint(task)))
    path = keep(spec, rows=make_scores([0.1, 0.2, 0.3, 0.4], gold_margin=0.5))
    keep(rerun(spec), rows=make_scores([0.1, 0.2, 0.35, 0.4], gold_margin=0.75))
    reruns = noise_floors({"toy": path})["toy"].reruns["rerun"]
    assert reruns.correct is None
    assert reruns.score.tolist() == [[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.35, 0.4]]
    np.testing.assert_array_equal(reruns.margin, [[0.5] * N, [0.75] * N])


def test_a_rerun_with_other_instances_is_refused_by_its_folder(keep, spec, make_choices):
    path = keep(spec)
    rows = [dataclasses.replace(row, instance_id=f"x{row.index}") for row in make_choices("AAAB", GOLD)]
    again = keep(rerun(spec), rows=rows)
    with pytest.raises(
        NotComparable, match=rf"{again.name} cannot be used.*different items.*regress runs rm"
    ):
        noise_floors({"toy": path})


def test_a_rerun_that_lost_a_row_is_refused_never_shrunk_to(keep, spec, make_choices):
    path = keep(dataclasses.replace(spec, chunk_size=N))
    again = dataclasses.replace(rerun(spec), chunk_size=N)
    with Store(path.parents[1]).writer("mine", again, range(N)) as writer:
        writer.append(writer.chunks[0], make_choices("AAA", "AAA"))
        writer.finish()
    with pytest.raises(NotComparable, match="holds 3 predictions"):
        noise_floors({"toy": path})


def test_a_damaged_rerun_is_refused(keep, spec):
    path = keep(spec)
    (keep(rerun(spec)) / "predictions.parquet").write_bytes(b"no")
    with pytest.raises(NotComparable, match="not what was written"):
        noise_floors({"toy": path})


# ── the padding check ────────────────────────────────────────────────────────────────────────────


def padding(largest):
    return {"padding": {"n": 40, "batch_size": 8, "largest": largest, "threshold": 0.01}}


def test_the_padding_check_is_remembered_with_the_reruns(keep, spec):
    path = keep(spec)
    keep(rerun(spec))
    assert noise_floors({"toy": path})["toy"].padding is None
    keep(rerun(spec, number=2), recorded=padding(1e-5))
    check = noise_floors({"toy": path})["toy"].padding
    assert (check.n, check.batch_size, check.largest, check.sound) == (40, 8, 1e-5, True)


@pytest.mark.parametrize(("worse", "largest"), [(0.5, 0.5), (None, math.inf)])
def test_of_several_padding_checks_the_worst_counts(keep, spec, worse, largest):
    path = keep(spec)
    for number, each in enumerate((1e-5, worse, 1e-6), 1):
        keep(rerun(spec, number=number), recorded=padding(each))
    check = noise_floors({"toy": path})["toy"].padding
    assert (check.largest, check.sound) == (largest, False)
