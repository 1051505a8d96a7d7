"""What is exported comes back by `regress import`, in every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from regress.store.runs import read_run
from regress.types import Instance, Prediction, TaskSpec
from regress.workflows.exports import export_runs
from regress.workflows.imports import import_runs

JUDGED = ["instance_id", "output", "answer", "status", "correct", "score", "scores"]


@pytest.fixture
def gsm8k(tmp_path: Path, store_run: Callable[..., Path], make_task: Callable[..., TaskSpec]) -> Path:
    """A stored run whose headline is what one of two filters read."""
    task = make_task("gsm8k", n=2, kind="generation", metric="exact_match/strict-match")
    rows = [
        Prediction(
            instance_id=f"q{i}",
            index=i,
            prompt_hash="p",
            output=f"#### {i}",
            answer=str(i),
            status="scored",
            correct=i == 0,
            score=float(i == 0),
            scores={"exact_match/strict-match": float(i == 0), "exact_match/flexible-extract": 1.0},
        )
        for i in range(2)
    ]
    items = [Instance(id=f"q{i}", index=i, prompt=f"Q{i}", target=f"#### {i}") for i in range(2)]
    return store_run(tmp_path / "runs", "old", rows, task=task, instances=items)


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl", "eee"])
def test_a_run_whose_headline_names_a_filter_comes_back(format_: str, gsm8k: Path, tmp_path: Path) -> None:
    written = export_runs(str(gsm8k), formats=[format_], out=tmp_path / "out", store=tmp_path / "runs")
    (back,) = import_runs(written[0], name="back", task="gsm8k", store=tmp_path / "runs")
    assert back.spec.task.metric == "exact_match/strict-match"
    before, after = read_run(gsm8k).predictions, read_run(back.path).predictions
    assert after.select(JUDGED).equals(before.select(JUDGED))
