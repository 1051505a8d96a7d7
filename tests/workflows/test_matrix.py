"""`regress matrix` from end to end: each version asked once, each pair judged as `compare` judges it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import regress
from regress.errors import NotComparable, UnknownName, UsageError
from regress.store.runs import read_run

TASKS = "piqa,gsm8k,samsum"
RIGHT = {
    "a.jsonl": {"piqa": {0, 1, 2, 3, 5}, "gsm8k": {0, 1, 2}, "samsum": {0, 1}},
    "b.jsonl": {"piqa": {0, 1, 4, 6}, "gsm8k": {0, 4, 5}, "samsum": {1, 2}},
    "c.jsonl": {"piqa": {1, 2, 3, 7}, "gsm8k": {0, 1, 2, 3}, "samsum": {0, 1, 2}},
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def versions(model) -> list[str]:
    """Three scripted models."""
    return [model(name, **right) for name, right in RIGHT.items()]


@pytest.fixture
def scripted(versions) -> tuple[str, ...]:
    """The command line's words for these models."""
    return (*versions, "--engine", "scripted", "--data", "data", "--store", "runs", "--tasks")


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def test_every_cell_is_what_compare_says_of_the_two(versions, ask):
    found = regress.matrix(*versions, tasks=TASKS, **ask).to_frame().set_index(["task", "old", "new"])
    assert len(found) == 3 * 6
    for old in versions:
        for new in versions:
            if old == new:
                continue
            compared = regress.compare(old, new, tasks=TASKS, **ask).to_frame().set_index("task")
            for task in TASKS.split(","):
                cell, row = found.loc[(task, old, new)], compared.loc[task]
                assert cell["n"] == row["n"]
                for name in ("nfr", "pfr", "delta"):
                    assert cell[name] == pytest.approx(row[name], abs=1e-15)
                for name in ("nfr.low", "nfr.high", "pfr.low", "pfr.high"):
                    assert cell[name] == pytest.approx(row[name], abs=1e-15, nan_ok=True)
                assert (cell["accuracy_old"], cell["accuracy_new"]) == (row["old"], row["new"])
    assert found["refused"].isna().all()


def test_each_version_is_asked_once_and_what_is_stored_never(versions, ask, watched):
    first = regress.matrix(*versions, tasks="piqa", progress=watched, **ask)
    assert [name for name, _, _ in watched.begun] == versions
    watched.clear()
    again = regress.matrix(*reversed(versions), tasks="piqa", progress=watched, **ask)
    assert watched.answered == []
    assert again.tasks[0].pair(2, 1).estimates == first.tasks[0].pair(0, 1).estimates


def test_versions_are_found_by_path_and_keep_their_order(versions, ask):
    regress.matrix(*versions, tasks="piqa", **ask)
    found = regress.matrix("runs/c.jsonl", "runs/a.jsonl", tasks="piqa", store="runs")
    assert [version.name for version in found.versions] == ["c.jsonl", "a.jsonl"]


def test_two_copies_of_one_model_go_by_what_they_were_called(versions, ask):
    """Their model has one name, and a matrix tells them apart all the same."""
    regress.matrix(*versions, tasks="piqa", **ask)
    shutil.copytree("runs/a.jsonl", "runs/again")
    found = regress.matrix("runs/a.jsonl", "runs/again", tasks="piqa", store="runs")
    assert [version.name for version in found.versions] == ["runs/a.jsonl", "runs/again"]
    assert set(found.to_frame()["nfr"]) == {0.0}


def test_single_runs_named_by_path_are_one_task_whatever_it_is_called(versions, ask, here):
    runs = [str(regress.evaluate(name, tasks="piqa", **ask)[0]) for name in versions]
    assert [task.task.name for task in regress.matrix(*runs, store="runs").tasks] == ["piqa"]


def test_others_answers_are_a_version(versions, ask, here):
    regress.matrix(*versions, tasks="piqa", **ask)
    (exported,) = regress.export_runs("runs/a.jsonl", formats=["parquet"], out="out")
    found = regress.matrix("runs/c.jsonl", str(exported), tasks="piqa", store="imports")
    assert found.tasks[0].pair(0, 1).refused is None


def test_a_group_is_pooled(versions, ask, here):
    (here / "both.yaml").write_text("group: both\ntask: [piqa, hellaswag]\n")
    found = regress.matrix(*versions, tasks="both.yaml", **ask)
    assert [task.task.name for task in found.tasks] == ["piqa", "hellaswag", "both"]
    assert found.tasks[2].pair(0, 1).n == 8 + 6


# ── what must not be compared ────────────────────────────────────────────────────────────────────


@pytest.fixture
def other_items(versions, ask) -> list[str]:
    """Runs of three versions, of which the last answered fewer items."""
    first = [str(regress.evaluate(name, tasks="piqa", **ask)[0]) for name in versions[:2]]
    return [*first, str(regress.evaluate(versions[2], tasks="piqa", limit=4, **ask)[0])]


def test_a_refused_pair_is_empty_and_the_others_go_on(other_items, command):
    outcome = command("matrix", *other_items)
    assert outcome.code == 0, outcome.err
    assert "(a)  piqa, 3 with 1, 2: old and new answer different items of piqa" in outcome.out
    told = json.loads(Path("reports/matrix/a.jsonl..c.jsonl/matrix.json").read_text())
    refused = {(one["old"], one["new"]) for one in told["tasks"][0]["pairs"] if one["refused"]}
    assert refused == {(a, b) for a in RIGHT for b in RIGHT if a != b and "c.jsonl" in (a, b)}


def test_where_no_two_can_be_compared_nothing_is_written(other_items, command):
    outcome = command("matrix", other_items[0], other_items[2])
    assert (outcome.code, outcome.out) == (2, "")
    assert "no two of these versions can be compared; a.jsonl with c.jsonl: " in outcome.err
    assert "different items" in outcome.err
    assert not Path("reports/matrix").exists()


def test_a_task_that_one_version_lacks_leaves_its_cells_empty(versions, ask):
    for name, tasks in zip(versions, ("piqa,gsm8k", "piqa", "piqa,gsm8k"), strict=True):
        regress.evaluate(name, tasks=tasks, **ask)
    found = regress.matrix(*(f"runs/{name}" for name in versions), store="runs")
    gsm8k, piqa = found.tasks
    assert all(one.refused is None for one in piqa.pairs)
    assert "b.jsonl has no run of gsm8k" in gsm8k.pair(0, 1).refused
    assert gsm8k.pair(0, 2).refused is None


def test_overridden_refusals_make_it_a_comparison_of_settings(versions, ask, command):
    regress.evaluate(versions[0], tasks="gsm8k", **ask)
    regress.evaluate(versions[1], tasks="gsm8k", num_fewshot=1, **ask)
    runs = ["runs/a.jsonl", "runs/b.jsonl"]
    with pytest.raises(NotComparable, match="prompts"):
        regress.matrix(*runs, store="runs")
    outcome = command("matrix", *runs, "--allow", "prompts")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("a comparison of settings, not of models: ")


# ── what cannot be meant ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a",), "1 version cannot be compared. Allowed: two or more."),
        (("a", "b", "a"), "'a' is given twice"),
        (("a", "b", "--allow", "all"), "'all' is none of prompts, task, scorer"),
        ((), "the following arguments are required: VERSION"),
        (("a", "b", "--old-dtype", "float16"), "unknown option '--old-dtype'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(command, given, message):
    outcome = command("matrix", *given)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_two_names_of_the_same_runs_are_one_version(versions, ask):
    regress.evaluate(versions[0], tasks="piqa", **ask)
    with pytest.raises(UsageError, match=r"'runs/a\.jsonl' and '\./runs/a\.jsonl' are the same runs"):
        regress.matrix("runs/a.jsonl", "./runs/a.jsonl", store="runs")


def test_a_name_or_task_that_nobody_knows_is_refused(versions, ask, scripted, command):
    regress.evaluate(versions[0], tasks="piqa", **ask)
    with pytest.raises(UsageError, match="has no run of gsm9k"):
        regress.matrix("runs/a.jsonl", *versions[1:], tasks="gsm9k", store="runs")
    with pytest.raises(UnknownName, match=r"d\.jsonl"):
        regress.matrix(*versions, "d.jsonl", tasks="piqa", **ask)
    with pytest.raises(UnknownName, match="unknown refusal to allow 'al'"):
        regress.matrix(*versions, tasks="piqa", allow=["al"], **ask)
    outcome = command("matrix", *scripted, "piqq")
    assert outcome.code == 2
    assert "piqq" in outcome.err


# ── at the door ──────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_tables_and_writes_page_numbers_and_pictures(scripted, command):
    outcome = command("matrix", *scripted, TASKS)
    assert outcome.code == 0, outcome.err
    assert "piqa: each after the one before" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    folder = Path("reports/matrix/a.jsonl..c.jsonl")
    assert str(folder) in outcome.out
    assert {file.name for file in folder.iterdir()} == {
        "matrix.html",
        "matrix.json",
        *(f"matrix-{task}.png" for task in TASKS.split(",")),
    }
    assert all(file.read_bytes().startswith(PNG) for file in folder.glob("*.png"))


def test_pictures_of_an_earlier_matrix_do_not_stay(scripted, command):
    command("matrix", *scripted, "piqa,gsm8k")
    command("matrix", *scripted, "gsm8k", "--out", "reports")
    folder = Path("reports/matrix/a.jsonl..c.jsonl")
    assert [file.name for file in folder.glob("*.png")] == ["matrix-gsm8k.png"]


def test_json_on_the_terminal_is_the_file(scripted, command):
    outcome = command("matrix", *scripted, "piqa", "--json", "--out", "elsewhere")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out, parse_constant=pytest.fail)
    assert outcome.out == Path("elsewhere/matrix/a.jsonl..c.jsonl/matrix.json").read_text()
    lost = {(one["old"], one["new"]): one["estimates"]["nfr"]["value"] for one in told["tasks"][0]["pairs"]}
    assert lost == {
        (a, b): len(RIGHT[a]["piqa"] - RIGHT[b]["piqa"]) / 8 for a in RIGHT for b in RIGHT if a != b
    }


def test_a_folder_that_cannot_be_written_is_said(scripted, command):
    Path("reports").write_text("a file")
    outcome = command("matrix", *scripted, "piqa")
    assert outcome.code == 2
    assert "reports cannot be written to" in outcome.err


# ── with real models ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.models
def test_the_demo_pair_and_answers_that_came_back_from_a_file(here):
    """The old model's answers, exported and imported, are a third version that flips nothing."""
    asked = {"tasks": "piqa", "limit": 24, "store": "runs"}
    paths = [regress.evaluate(name, **asked)[0] for name in ("demo-v1", "demo-v2")]
    (exported,) = regress.export_runs(str(paths[0]), formats=["parquet"], out="out")
    found = regress.matrix("demo-v1", str(exported), "demo-v2", **asked)
    (task,) = found.tasks
    assert task.pair(0, 1).estimates["nfr"].value == task.pair(1, 0).estimates["nfr"].value == 0
    compared = regress.compare("demo-v1", "demo-v2", **asked).tasks[0].estimates
    for old in (0, 1):
        assert task.pair(old, 2).estimates["nfr"] == compared["nfr"]
    old_right = read_run(paths[0]).predictions["correct"].to_pylist()
    assert task.standings[1].accuracy.value == sum(old_right) / 24
