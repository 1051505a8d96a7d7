"""What `regress evaluate` stores is what lm-eval's own evaluator answers and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.demo.pair import model_folder
from regress.store.runs import read_run
from regress.workflows.evaluate import evaluate

pytestmark = pytest.mark.models

LmEvalRun = Callable[..., Mapping[str, Any]]
TASKS = ("gsm8k", "samsum", "piqa", "hellaswag")


def stored_rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_run(folder).predictions.to_pylist()
    for row in rows:
        row["scores"] = dict(row["scores"])
    return rows


def samples(theirs: Mapping[str, Any], task: str, filter_name: str) -> list[dict[str, Any]]:
    rows = [row for row in theirs["samples"][task] if row["filter"] == filter_name]
    return sorted(rows, key=lambda row: row["doc_id"])


def assert_same_means(rows: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> None:
    """To the last digit of the mean, for every metric and filter."""
    told = {key: value for key, value in results.items() if "," in key and "_stderr" not in key}
    assert told
    for key, value in told.items():
        metric, _, name = key.partition(",")
        ours = metric if name == "none" else f"{metric}/{name}"
        values = [row["scores"][ours] for row in rows]
        assert sum(values) / len(values) == value, key


def assert_same_choices(rows: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> None:
    assert len(rows) == len(theirs)
    for ours, sample in zip(rows, theirs, strict=True):
        values = [float(response[0][0]) for response in sample["resps"]]
        assert ours["choice_logprobs"] == pytest.approx(values, abs=1e-4)
        assert int(ours["answer"]) == values.index(max(values))
        assert ours["scores"] == {name: sample[name] for name in ours["scores"]}


def assert_same_texts(
    rows: Sequence[Mapping[str, Any]], theirs: Mapping[str, Any], task: str, filters: Sequence[str]
) -> None:
    for name in filters:
        for ours, sample in zip(rows, samples(theirs, task, name), strict=True):
            assert ours["output"] == sample["resps"][0][0]
            scores = {key.partition("/")[::2]: value for key, value in ours["scores"].items()}
            compared = {metric: value for (metric, of), value in scores.items() if of in ("", name)}
            assert compared
            assert compared == {metric: sample[metric] for metric in compared}


def assert_parity(folders: Sequence[Path], theirs: Mapping[str, Any], tasks: Sequence[str] = TASKS) -> None:
    """Each task with all that lm-eval tells about it."""
    assert [folder.name.partition("@")[0] for folder in folders] == list(tasks)
    for folder in folders:
        task = folder.name.partition("@")[0]
        rows = stored_rows(folder)
        assert_same_means(rows, theirs["results"][task])
        if task in ("piqa", "hellaswag"):
            assert_same_choices(rows, samples(theirs, task, "none"))
        else:
            filters = ("strict-match", "flexible-extract") if task == "gsm8k" else ("none",)
            assert_same_texts(rows, theirs, task, filters)


BATCHES = pytest.mark.parametrize(("engine", "theirs"), [("local", 1), ("hf", 8)])
"""Our own engine pads nothing: it answers as lm-eval does one request at a time."""


@BATCHES
def test_four_tasks_on_a_demo_model(engine: str, theirs: int, tmp_path: Path, lm_eval_run: LmEvalRun) -> None:
    ours = evaluate("demo-v2", tasks=TASKS, limit=40, engine=engine, store=tmp_path / "runs")
    assert_parity(ours, lm_eval_run(model_folder("demo-v2"), TASKS, limit=40, batch_size=theirs))


@pytest.mark.slow
@BATCHES
@pytest.mark.parametrize("model", ["demo-v1", "demo-v2"])
def test_all_demo_items(model: str, engine: str, theirs: int, tmp_path: Path, lm_eval_run: LmEvalRun) -> None:
    ours = evaluate(model, tasks=TASKS, engine=engine, store=tmp_path / "runs")
    assert_parity(ours, lm_eval_run(model_folder(model), TASKS, batch_size=theirs))
    assert [len(stored_rows(folder)) for folder in ours] == [400] * 4


@pytest.mark.shared
@pytest.mark.parametrize(
    ("tasks", "limit"), [(("gsm8k", "samsum", "piqa"), 4), pytest.param(TASKS, 100, marks=pytest.mark.slow)]
)
def test_real_items_on_a_real_checkpoint_whose_context_is_too_short(
    tasks: Sequence[str], limit: int, shared: Any, tmp_path: Path, lm_eval_run: LmEvalRun
) -> None:
    """Five worked examples do not fit into 512 tokens: both cut the prompt on the left, alike."""
    model, data = shared("models/stories260k"), shared("data")
    ours = evaluate(str(model), tasks=tasks, data=str(data), limit=limit, store=tmp_path / "runs")
    assert_parity(ours, lm_eval_run(model, tasks, data, limit=limit, batch_size=1), tasks)
    assert min(row["left_truncated"] for row in stored_rows(ours[0])) > 0


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_batch_size_is_lm_evals(batch_size: int, tmp_path: Path, lm_eval_run: LmEvalRun) -> None:
    tasks = ("samsum", "hellaswag")
    given: dict[str, Any] = {"limit": 7, "batch_size": batch_size}
    ours = evaluate("demo-v1", tasks=tasks, engine="hf", store=tmp_path / "runs", **given)
    assert_parity(ours, lm_eval_run(model_folder("demo-v1"), tasks, **given), tasks)
