"""`regress.evaluate`: every instance answered once, stored, and never answered again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import regress
from regress.config import Settings
from regress.engines.scripted import open_table
from regress.errors import IncompleteRun
from regress.store.runs import Store, read_instances, read_run
from regress.types import Subset
from regress.workflows import evaluate as workflow
from regress.workflows.evaluate import choose
from regress.workflows.models import default_data
from regress.workflows.progress import Finished, Remark

ALL = "piqa,gsm8k,hellaswag,samsum"


def read(paths):
    return {run.spec.task.name: run for run in map(read_run, paths)}


def correct(run) -> set[int]:
    table = run.predictions
    return {
        i for i, right in zip(table["index"].to_pylist(), table["correct"].to_pylist(), strict=True) if right
    }


@pytest.fixture
def engines(monkeypatch):
    """Counts how many requests every engine was asked; `replace` puts another in its place."""
    asked: list[int] = []

    def counting(make):
        def opened(name, settings, aliases):
            engine = make(name, settings, aliases)
            answer = engine.answer

            def counted(requests):
                asked.append(len(requests))
                return answer(requests)

            engine.answer = counted
            return engine

        return opened

    monkeypatch.setattr(workflow, "open_engine", counting(workflow.open_engine))
    return asked


# ── what is answered ─────────────────────────────────────────────────────────────────────────────


def test_every_instance_of_every_task_is_answered_and_judged(model, ask):
    mine = model("mine.jsonl", piqa={0, 3, 7}, gsm8k={0, 1, 5}, hellaswag={2, 4}, samsum={1})
    runs = read(regress.evaluate(mine, tasks=ALL, **ask))
    assert list(runs) == ["piqa", "gsm8k", "hellaswag", "samsum"]
    assert {task: run.predictions.num_rows for task, run in runs.items()} == {
        "piqa": 8,
        "gsm8k": 6,
        "hellaswag": 6,
        "samsum": 4,
    }
    assert correct(runs["piqa"]) == {0, 3, 7}
    assert correct(runs["gsm8k"]) == {0, 1, 5}
    assert correct(runs["hellaswag"]) == {2, 4}
    rouge = runs["samsum"].predictions["score"].to_pylist()
    assert [score == 1.0 for score in rouge] == [False, True, False, False]


def test_the_instances_are_stored_beside_the_runs(model, ask):
    (path,) = regress.evaluate(model("mine.jsonl"), tasks="piqa", **ask)
    table = read_instances(read_run(path))
    assert table["prompt"].to_pylist()[0] == "Question: open jar 0.\nAnswer:"
    assert table["instance_id"].to_pylist() == read_run(path).predictions["instance_id"].to_pylist()


def test_what_was_asked_is_recorded(model, ask):
    (path,) = regress.evaluate(model("mine.jsonl"), tasks="piqa", limit=4, **ask)
    asked = read_run(path).manifest.recorded["asked"]
    assert (asked["tasks"], asked["limit"], asked["data"]) == (["piqa"], 4, "data")


def test_whoever_watches_is_told_where_it_stands(model, ask, watched):
    (path,) = regress.evaluate(model("mine.jsonl"), tasks="piqa", progress=watched, **ask)
    assert watched.begun == [("mine.jsonl", "piqa", 0)]
    assert [event.done for event in watched[1:4]] == [3, 6, 8]
    assert {event.total for event in watched[:4]} == {8}
    assert watched[4:] == [Finished(model="mine.jsonl", task="piqa", path=str(path))]


# ── never answered again ─────────────────────────────────────────────────────────────────────────


def test_a_second_call_in_the_same_process_asks_nothing(model, ask, watched, engines):
    mine = model("mine.jsonl", piqa={1})
    first = regress.evaluate(mine, tasks="piqa,gsm8k", **ask)
    assert sum(engines) == 14
    second = regress.evaluate(mine, tasks="piqa,gsm8k", progress=watched, **ask)
    assert second == first
    assert sum(engines) == 14
    assert watched.reused == [("mine.jsonl", "piqa"), ("mine.jsonl", "gsm8k")]


def test_a_copy_of_the_model_under_another_name_is_the_same_model(here, model, ask, engines):
    paths = regress.evaluate(model("mine.jsonl"), tasks="piqa", **ask)
    (here / "copy.jsonl").write_bytes((here / "mine.jsonl").read_bytes())
    assert regress.evaluate("copy.jsonl", tasks="piqa", **ask) == paths
    assert sum(engines) == 8


def test_a_changed_model_is_another_run_and_no_old_row_is_in_it(model, ask, here):
    """Also where the first was interrupted: its rows are those of another model."""

    def interrupt(event):
        if getattr(event, "done", 0) == 3:
            raise KeyboardInterrupt

    model("mine.jsonl", piqa=range(8))
    with pytest.raises(KeyboardInterrupt):
        regress.evaluate("mine.jsonl", tasks="piqa", progress=interrupt, **ask)
    model("mine.jsonl", piqa=())
    (path,) = regress.evaluate("mine.jsonl", tasks="piqa", **ask)
    assert correct(read_run(path)) == set()
    assert len(list((here / "runs" / "mine.jsonl").iterdir())) == 2


@pytest.mark.parametrize("change", [{"limit": 3}, {"chunk_size": 4}, {"metric": "acc_norm"}, {"text": False}])
def test_another_setting_is_another_run(model, ask, change):
    mine = model("mine.jsonl")
    assert regress.evaluate(mine, tasks="piqa", **ask) != regress.evaluate(
        mine, tasks="piqa", **{**ask, **change}
    )


def test_other_items_are_another_run(model, ask, write_data, here):
    mine = model("mine.jsonl")
    before = regress.evaluate(mine, tasks="piqa", **ask)
    write_data(here / "data", piqa=7)
    assert regress.evaluate(mine, tasks="piqa", **ask) != before


def test_the_same_items_in_another_folder_are_the_same_run(model, ask, write_data, here, engines):
    mine = model("mine.jsonl")
    before = regress.evaluate(mine, tasks="piqa", **ask)
    write_data(here / "moved", piqa=8)
    assert regress.evaluate(mine, tasks="piqa", **{**ask, "data": here / "moved"}) == before
    assert sum(engines) == 8


# ── going on ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stop", [3, 6])
def test_an_interrupted_run_goes_on_and_ends_equal_to_an_uninterrupted_one(
    model, ask, watched, engines, stop
):
    mine = model("mine.jsonl", piqa={0, 2})
    (whole,) = regress.evaluate(mine, tasks="piqa", **{**ask, "store": "whole"})
    engines.clear()

    def interrupt(event):
        if getattr(event, "done", 0) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regress.evaluate(mine, tasks="piqa", progress=interrupt, **ask)
    (path,) = regress.evaluate(mine, tasks="piqa", progress=watched, **ask)
    assert watched.begun == [("mine.jsonl", "piqa", stop)]
    assert sum(engines) == 8  # nothing was asked twice
    for name in ("predictions.parquet", "spec.json"):
        assert (path / name).read_bytes() == (whole / name).read_bytes()


def test_a_damaged_part_is_said_and_answered_again(model, ask, watched, here):
    def interrupt(event):
        if getattr(event, "done", 0) == 6:
            raise KeyboardInterrupt

    mine = model("mine.jsonl")
    with pytest.raises(KeyboardInterrupt):
        regress.evaluate(mine, tasks="piqa", progress=interrupt, **ask)
    part = min(here.glob("runs/*/*/parts/*"))
    part.write_bytes(part.read_bytes()[:-1])
    regress.evaluate(mine, tasks="piqa", progress=watched, **ask)
    (remark,) = watched.of(Remark)
    assert part.name in remark.text
    assert watched.begun == [("mine.jsonl", "piqa", 3)]


# ── no answer ────────────────────────────────────────────────────────────────────────────────────


def test_a_run_with_unanswered_rows_is_incomplete_and_says_which(model, ask, here):
    mine = model("mine.jsonl", errors={4, 5})
    with pytest.raises(
        IncompleteRun, match=r"2 of 8 rows have no answer \(instance 4: timed out\)"
    ) as caught:
        regress.evaluate(mine, tasks="piqa", **ask)
    assert caught.value.exit_code == 2
    (stored,) = Store(here / "runs").runs()
    assert (stored.rows, stored.manifest) == (8, None)


def test_an_incomplete_run_does_not_keep_later_tasks_from_being_answered(model, ask, watched):
    name = model("m.jsonl", n={"gsm8k": 6}, gsm8k=range(6))  # no row for piqa: every instance has an error
    with pytest.raises(IncompleteRun, match=r"piqa@.*8 of 8 rows have no answer"):
        regress.evaluate(name, tasks="piqa,gsm8k", progress=watched, **ask)
    assert [event.task for event in watched.of(Finished)] == ["gsm8k"]


def test_when_the_engine_answers_again_only_the_chunks_with_unanswered_rows_are_asked(
    model, ask, watched, engines, monkeypatch
):
    """A remote engine that timed out is still the same engine and the same model."""
    mine, mended = model("mine.jsonl", errors={4}, piqa={4}), model("mended.jsonl", piqa={4})
    with pytest.raises(IncompleteRun):
        regress.evaluate(mine, tasks="piqa", **ask)
    known = open_table(mine).model

    def healed(name, settings, aliases):
        engine = open_table(mended)
        engine.model = known
        return engine

    monkeypatch.setattr(workflow, "open_engine", healed)
    (path,) = regress.evaluate(mine, tasks="piqa", progress=watched, **ask)
    assert watched.begun == [("mine.jsonl", "piqa", 5)]
    assert correct(read_run(path)) == {4}
    assert set(read_run(path).predictions["status"].to_pylist()) == {"scored"}


def test_a_table_that_was_mended_is_another_model(model, ask):
    with pytest.raises(IncompleteRun):
        regress.evaluate(model("mine.jsonl", errors={4}), tasks="piqa", **ask)
    (path,) = regress.evaluate(model("mine.jsonl", piqa={4}), tasks="piqa", **ask)
    assert correct(read_run(path)) == {4}


def test_an_engine_that_hides_its_weights_is_asked_every_time(model, ask, monkeypatch):
    """Nobody can say that it is still the same model; each call makes the next replica."""
    mine = model("mine.jsonl")

    def hiding(name, settings, aliases):
        engine = open_table(name)
        engine.model = dataclasses.replace(engine.model, fingerprint=None)
        return engine

    monkeypatch.setattr(workflow, "open_engine", hiding)
    runs = [read_run(regress.evaluate(mine, tasks="piqa", **ask)[0]) for _ in range(3)]
    assert [run.spec.replica for run in runs] == [0, 1, 2]


# ── which items ──────────────────────────────────────────────────────────────────────────────────


def test_a_limit_is_the_first_items_and_a_sample_is_drawn_by_its_seed():
    assert choose(10, Settings(limit=3)) == (Subset(limit=3), [0, 1, 2])
    subset, drawn = choose(10, Settings(sample=3, seed=7))
    assert subset == Subset(sample=3, seed=7)
    assert drawn == sorted(set(drawn))
    assert len(drawn) == 3
    assert choose(10, Settings(sample=3, seed=7))[1] == drawn
    others = {tuple(choose(10, Settings(sample=3, seed=seed))[1]) for seed in range(20)}
    assert len(others) > 5


@pytest.mark.parametrize(
    "settings", [{"limit": 10}, {"limit": 99}, {"sample": 10}, {"sample": 99, "seed": 3}]
)
def test_a_limit_or_sample_of_everything_is_no_subset(settings):
    """So that it is the same run as the full one."""
    assert choose(10, Settings(**settings)) == (Subset(), list(range(10)))


def test_rows_of_a_sample_keep_their_place_in_the_full_data_set(model, ask):
    mine = model("mine.jsonl", piqa=range(8))
    (path,) = regress.evaluate(mine, tasks="piqa", sample=4, seed=1, **ask)
    full = read_run(regress.evaluate(mine, tasks="piqa", **ask)[0]).predictions
    part = read_run(path).predictions
    assert part.num_rows == 4
    for index, name in zip(part["index"].to_pylist(), part["instance_id"].to_pylist(), strict=True):
        assert full["instance_id"][index].as_py() == name


def test_items_come_from_the_demo_only_if_every_model_is_a_demo_model():
    assert default_data(["demo-v1"]) == default_data(["demo-v1", "demo-v2"]) == "demo"
    assert default_data(["demo-v1", "llama2"]) == default_data(["llama1", "llama2"]) == "hub"


# ── private test sets ────────────────────────────────────────────────────────────────────────────


def test_without_text_no_word_of_items_or_answers_is_anywhere_in_the_store(here, model, ask):
    """Looked for in every file's bytes, and in every value that Parquet holds."""
    regress.evaluate(model("mine.jsonl", samsum=range(4)), tasks=ALL, text=False, **ask)
    words = ["open jar", "twist", "What is", "heats a pan", "Cooking", "greets", "Ann:", "ends 1", "Easy"]
    found = []
    for path in (here / "runs").rglob("*"):
        if path.is_file():
            content = path.read_bytes().decode("latin-1")
            if path.suffix == ".parquet":
                content += repr(pq.read_table(path).to_pylist())
            found += [(path.name, word) for word in words if word in content]
    assert found == []


def test_a_store_written_in_one_folder_is_read_in_another(here, model, ask, monkeypatch):
    """Nothing in a run says where it lies."""
    paths = regress.evaluate(model("mine.jsonl", piqa={1}), tasks="piqa", **ask)
    moved = (here / "runs").rename(here / "moved")
    assert correct(read_run(moved / Path(paths[0]).relative_to("runs"))) == {1}
    assert str(here) not in json.dumps([p.read_text("utf-8") for p in moved.rglob("*.json")])
