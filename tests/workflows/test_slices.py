"""`regress slices` from end to end: what is not stored is asked, what is stored cut, bad input refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import regress
from regress.errors import NotComparable, UnknownName, UsageError
from regress.findings import SLICE_BY
from regress.identity import task_fingerprint
from regress.store.runs import Store
from regress.types import Instance
from regress.workflows.slices import known_cuts

N = 120


@pytest.fixture
def stored(tmp_path, store_run, make_choices, make_task, monkeypatch):
    """Two stored runs of 120 items in four subjects, of which the new model loses half of the law."""
    monkeypatch.chdir(tmp_path)
    subjects = ("law", "art", "law", "sea", "art", "sun")
    instances = [
        Instance(
            id=f"id{i:03}",
            index=i,
            prompt="?" * (i + 1),
            target="A",
            golds=(i % 2,),
            tags={"subject": subjects[i % 6]},
        )
        for i in range(N)
    ]
    lost = {i for i in range(N) if subjects[i % 6] == "law" and i % 4 == 0} | {1}

    def run(label, wrong, **changes):
        rows = make_choices(["B" if i in wrong else "A" for i in range(N)], "A" * N)
        task = make_task(n=N)
        task = replace(task, fingerprint=task_fingerprint(task))
        Store(tmp_path / "runs").write_instances(task, instances, text=changes.get("text", True))
        return store_run(tmp_path / "runs", label, rows, task=task, **changes)

    return lambda **changes: (str(run("old", {5}, **changes)), str(run("new", lost, **changes)))


def test_the_part_that_loses_is_the_first_row(stored):
    found = regress.slices(*stored(), by="tag,choice-position")
    frame = found.to_frame()
    assert frame.columns[:7].tolist() == ["task", "by", "name", "value", "low", "high", "n"]
    assert frame["value"].tolist()[0] == "law"
    assert frame["n"].tolist()[0] == 40
    assert frame["nfr"].tolist()[0] == 0.5
    assert frame["p_concentrated_holm"].tolist()[0] < 1e-6
    assert set(frame["by"]) == {"tag", "choice position"}
    assert len(frame) == len(found.tasks[0].rows) == 6
    assert found.comparison.to_frame()["n"].tolist() == [N]


def test_verbs_can_be_called_twice(stored):
    runs = stored()
    first, second = (regress.slices(*runs, by=("tag",)).to_frame() for _ in range(2))
    assert first.equals(second)


def test_a_frame_without_parts_has_its_columns(stored):
    frame = regress.slices(*stored(), by="steps").to_frame()
    assert len(frame) == 0
    assert {"task", "by", "value", "p_worse_holm"} <= set(frame.columns)


def test_a_run_without_texts_is_cut_by_hashes(stored):
    found = regress.slices(*stored(text=False))
    (task,) = found.tasks
    assert {row.by for row in task.rows} == {"tag", "choice position"}
    assert task.rows[0].value.startswith("sha256:")
    assert "items-unknown" in [notice.code for notice in task.warnings]


def test_larger_parts_may_be_asked_for(stored):
    found = regress.slices(*stored(), by="tag", min_n=40)
    assert [row.value for row in found.tasks[0].rows] == ["law", "art"]
    assert found.tasks[0].skipped == {"tag": 2}


# ── at the door ──────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_the_tables(stored, command):
    outcome = command("slices", *stored())
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    whole = next(place for place, line in enumerate(lines) if line.startswith("all "))
    assert lines[whole + 1].startswith("subject: law")
    assert lines[whole + 1].endswith("*↓")
    assert not Path("reports").exists()


def test_the_command_prints_strict_json(stored, command):
    outcome = command("slices", *stored(), "--json", "--by", "tag", "--top", "1")
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out, parse_constant=pytest.fail)
    assert told["schema"] == "regress.slices/1"
    assert told["tasks"][0]["parts"][0]["value"] == "law"
    assert len(told["tasks"][0]["parts"]) == 4


def test_models_that_are_not_stored_are_asked_first(world, command):
    scripted = ("--engine", "scripted", "--data", "data", "--tasks", "piqa,gsm8k")
    outcome = command("slices", "old.jsonl", "new.jsonl", *scripted, "--min-n", "3")
    assert outcome.code == 0, outcome.err
    assert "right choice 1" in outcome.out
    assert list(Path("reports/runs/old.jsonl").glob("gsm8k@*"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--by", "tags"), "unknown cut 'tags'; did you mean 'tag'?"),
        (("--by", ","), "nothing to cut by"),
        (("--min-n", "0"), "the smallest part is 0 instances"),
        (("--min-n", "few"), "'few' is not a whole number"),
        (("--top", "0"), "--top is 0"),
        (("--allow", "all"), "'all' is none of prompts, task, scorer"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(command, given, message):
    outcome = command("slices", "a", "b", *given)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_refusals_of_compare_hold_and_can_be_overridden_as_there(stored, store_run, make_choices, make_task):
    old, _ = stored()
    other = make_task(n=N, version="2")
    new = str(store_run(Path("runs"), "other", make_choices("A" * N, "A" * N), task=other))
    with pytest.raises(NotComparable, match="version"):
        regress.slices(old, new)
    found = regress.slices(old, new, allow=["task"])
    assert found.comparison.settings_compared[0].field == "task.version"


# ── what to cut by ───────────────────────────────────────────────────────────────────────────────


def test_cuts_are_named_with_blanks_or_dashes_once_or_more():
    assert known_cuts(None) is None
    assert known_cuts(["steps", "prompt length", "prompt-length"]) == ("prompt length", "steps")
    assert known_cuts(",".join(SLICE_BY)) == SLICE_BY


def test_a_cut_that_nobody_knows_is_refused():
    with pytest.raises(UnknownName, match="choice-position"):
        known_cuts("position")
    with pytest.raises(UsageError, match="nothing to cut by"):
        known_cuts([])
