"""What there is: stored runs in every state, and models by their short names."""

from __future__ import annotations

from pathlib import Path

import pytest

import regress
from regress.errors import IncompleteRun, UnknownName
from regress.store.runs import Store
from regress.workflows import inventory


@pytest.fixture
def several(here, model, ask):
    """A finished run, one without all answers, and one that cannot be read."""
    (done,) = regress.evaluate(model("done.jsonl"), tasks="piqa", limit=5, **ask)
    with pytest.raises(IncompleteRun):
        regress.evaluate(model("half.jsonl", errors={1}), tasks="piqa", **ask)
    (broken,) = regress.evaluate(model("broken.jsonl", piqa={1}), tasks="piqa", **ask)
    (broken / "spec.json").write_text("{")
    (half,) = Path("runs/half.jsonl").iterdir()
    return {"done": done, "half": half, "broken": broken}


def test_runs_are_listed_in_every_state(several):
    rows = {row["path"]: row for row in inventory.runs(store="runs")}
    done, half, broken = (rows[str(several[name])] for name in ("done", "half", "broken"))
    assert (done["state"], done["rows"], done["of"], done["limit"]) == ("complete", 5, 5, 5)
    assert (half["state"], half["rows"], half["of"], half["finished"]) == ("incomplete", 8, 8, None)
    assert broken["state"] == "unreadable"
    assert "not JSON" in broken["why"]
    assert len(rows) == 3


def test_a_run_that_is_being_written_is_listed_as_such(several):
    held = Store("runs")
    spec = next(run.spec for run in held.runs() if run.manifest is None)
    with held.writer("half.jsonl", spec, range(8)):
        states = {row["path"]: row["state"] for row in inventory.runs(store="runs")}
    assert states[str(several["half"])] == "being written"


def test_a_run_that_cannot_be_read_can_still_be_deleted(several):
    """As every message about a damaged run advises."""
    (path,) = inventory.select_runs(str(several["broken"]), store="runs")
    inventory.remove_run(path, store="runs")
    assert not several["broken"].exists()


def test_a_selector_that_fits_nothing_is_refused(several):
    with pytest.raises(UnknownName, match=r"did you mean 'done\.jsonl"):
        inventory.select_runs("dome.jsonl", store="runs")


def test_models_are_listed_with_their_runs_the_built_in_pair_among_them(several, here):
    (here / "regress.toml").write_text('[aliases]\n"done.jsonl" = "org/mine"\n')
    rows = {row["name"]: row for row in inventory.models(store="runs")}
    assert rows["done.jsonl"]["runs"] == 1
    assert {"demo-v1", "demo-v2", "llama1", "llama2"} <= set(rows)
    assert rows["demo-v1"]["runs"] == 0
