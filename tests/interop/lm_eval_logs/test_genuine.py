"""lm-eval itself asks the built-in pair: what it logs gives what regress gives for the same instances."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regress.definitions.yaml_files import tasks_folder
from regress.demo.pair import MODELS, items_folder, model_folder
from regress.store.runs import read_instances, read_run
from regress.types import Comparison, Run
from regress.workflows.compare import compare
from regress.workflows.evaluate import evaluate
from regress.workflows.imports import import_runs

pytestmark = pytest.mark.models

TASKS = ("gsm8k", "hellaswag", "piqa", "samsum")
UNKNOWN = ("finish", "prompt_tokens", "output_tokens", "shown_hash")
"""Columns that regress fills and that lm-eval does not log."""
LIKELIHOODS = ("choice_logprobs", "gold_margin")
"""Columns whose last digits depend on what else was in the batch."""

BY_PYTHON = """
import json, sys
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

asked = json.loads(sys.argv[1])
manager = TaskManager(include_path=asked["definitions"], include_defaults=False)
for model, output in asked["models"]:
    tracker = EvaluationTracker(output_path=output)
    results = simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "dtype": "float32"},
        tasks=asked["tasks"],
        batch_size=8,
        device="cpu",
        limit=asked["limit"],
        log_samples=True,
        evaluation_tracker=tracker,
        task_manager=manager,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task in results["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
"""
"""As its command does it, without the 14,000 definitions of its own: half a minute less."""

BY_COMMAND = """
import json, runpy, sys

asked = json.loads(sys.argv[1])
for model, output in asked["models"]:
    sys.argv = ["lm_eval", "--model", "hf", "--model_args", f"pretrained={model},dtype=float32"]
    sys.argv += ["--tasks", ",".join(asked["tasks"]), "--include_path", asked["definitions"]]
    sys.argv += ["--log_samples", "--output_path", output, "--device", "cpu", "--batch_size", "8"]
    sys.argv += ["--limit", str(asked["limit"])] if asked["limit"] else []
    runpy.run_module("lm_eval", run_name="__main__")
"""


@dataclass(frozen=True)
class Both:
    """The same instances asked by lm-eval and by regress; runs by model and task."""

    imported: dict[tuple[str, str], Run]
    native: dict[tuple[str, str], Run]
    by_lm_eval: Comparison
    by_regress: Comparison


@pytest.fixture(
    scope="module",
    params=[(BY_PYTHON, 24), pytest.param((BY_COMMAND, None), marks=pytest.mark.slow)],
    ids=["24 instances", "all instances"],
)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    script, limit = request.param
    folder = tmp_path_factory.mktemp("genuine")
    logs = {model: folder / "logs" / model for model in MODELS}
    _ask_by_lm_eval(script, folder, logs, limit)
    stores = {name: folder / name for name in ("imported", "native")}
    paths = {
        "imported": [
            one.path for model in MODELS for one in import_runs(logs[model], store=stores["imported"])
        ],
        "native": [
            path
            for model in MODELS
            for path in evaluate(model, tasks=TASKS, limit=limit, engine="hf", store=stores["native"])
        ],
    }
    runs = {
        name: {(run.spec.model.name, run.spec.task.name): run for run in map(read_run, found)}
        for name, found in paths.items()
    }
    return Both(
        imported=runs["imported"],
        native=runs["native"],
        by_lm_eval=compare(*map(str, logs.values()), store=stores["imported"]),
        by_regress=compare(*MODELS, tasks=TASKS, limit=limit, store=stores["native"]),
    )


def _ask_by_lm_eval(script: str, folder: Path, logs: dict[str, Path], limit: int | None) -> None:
    asked = {
        "definitions": str(_definitions(folder / "yaml")),
        "models": [(str(model_folder(model)), str(output)) for model, output in logs.items()],
        "tasks": TASKS,
        "limit": limit,
    }
    cache = {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(asked)],
        env=os.environ | cache,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def _definitions(folder: Path) -> Path:
    """Our definitions, with the demo items in place of the hub's."""
    folder.mkdir()
    for task in TASKS:
        files = {file.stem: str(file) for file in items_folder().joinpath(task).glob("*.jsonl")}
        absent = {f"{split}_split": None for split in ("training", "fewshot") if "train" not in files}
        absent |= {"validation_split": None} if "validation" not in files else {}
        changed = {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
        changed |= {"include": str(tasks_folder() / task / f"{task}.yaml")}
        # JSON is YAML
        (folder / f"{task}.yaml").write_text(json.dumps(changed | absent), encoding="utf-8")
    return folder


def _columns(run: Run, names: Sequence[str]) -> dict[str, list[Any]]:
    told = {name: run.predictions[name].to_pylist() for name in names}
    return told | {"scores": [dict(row) for row in told["scores"]]}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_a_log_holds_the_predictions_that_regress_makes(both: Both, model: str, task: str) -> None:
    """Row for row: ids, prompts, answers, scores by every filter; likelihoods but for their last digits."""
    imported, native = both.imported[model, task], both.native[model, task]
    exact = [name for name in native.predictions.column_names if name not in (*UNKNOWN, *LIKELIHOODS)]
    assert _columns(imported, exact) == _columns(native, exact)
    for row, made in zip(imported.predictions.to_pylist(), native.predictions.to_pylist(), strict=True):
        assert row["gold_margin"] == pytest.approx(made["gold_margin"], abs=1e-4)
        assert row["choice_logprobs"] == pytest.approx(made["choice_logprobs"], abs=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_a_log_holds_the_instances_that_regress_asks(both: Both, task: str) -> None:
    """Prompts, choices, targets, clusters, tags and source items."""
    imported, native = (read_instances(runs[MODELS[0], task]) for runs in (both.imported, both.native))
    assert imported is not None
    assert native is not None
    assert imported.to_pylist() == native.slice(0, imported.num_rows).to_pylist()


@pytest.mark.parametrize("task", TASKS)
def test_every_flip_count_is_that_of_the_native_comparison(both: Both, task: str) -> None:
    told, made = (
        next(row for row in comparison.tasks if row.task.name == task)
        for comparison in (both.by_lm_eval, both.by_regress)
    )
    assert told.n == made.n > 0
    assert told.counts == made.counts
    assert (told.kinds is None) == (made.kinds is None)
    for name in ("old", "new", "delta", "nfr", "pfr", "churn"):
        assert told.estimates[name].value == pytest.approx(made.estimates[name].value, abs=1e-12), name


def test_something_flipped(both: Both) -> None:
    assert sum(row.estimates["nfr"].value * row.n for row in both.by_lm_eval.tasks) >= 1


@pytest.mark.parametrize("task", TASKS)
def test_what_such_logs_do_not_hold_is_unknown(both: Both, task: str) -> None:
    """Why a generation ended, how many tokens it took, and what the weights were."""
    run = both.imported[MODELS[0], task]
    assert run.spec.origin is not None
    assert {"finish", "output_tokens", "prompt_tokens", "model.fingerprint"} <= set(run.spec.origin.unknown)
    assert all(run.predictions[name].null_count == run.predictions.num_rows for name in UNKNOWN)
    assert run.spec.model.fingerprint is None


@pytest.mark.parametrize("task", TASKS)
def test_the_rest_of_what_was_asked_is_told(both: Both, task: str) -> None:
    imported, native = both.imported[MODELS[0], task].spec, both.native[MODELS[0], task].spec
    for name in ("version", "kind", "scale", "metric", "scorer", "generation", "num_fewshot", "n"):
        assert getattr(imported.task, name) == getattr(native.task, name), name
    assert (imported.model.dtype, imported.engine.name, imported.engine.batch_size) == ("float32", "hf", 8)
    assert imported.origin is not None
    assert imported.origin.producer == "lm-eval 0.4.13"
