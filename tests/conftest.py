"""Builders of small values for tests, handed out as fixtures.

Each fixture is a pure function, so that tests (hypothesis too) can call it as often as they like:
a run is `make_run(make_choices("AAB", gold="AAA"))`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pyarrow as pa
import pytest

from regress.comparison.judged import Judged
from regress.identity import sequence_hash, task_fingerprint, text_hash
from regress.schema import instance_table, prediction_table
from regress.store.runs import Store
from regress.types import EngineSpec, Instance, Manifest, ModelSpec, Prediction, Run, RunSpec, TaskSpec

# how long an example takes says how busy the machine is
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


# before any test imports torch: tests run side by side, threads that wait for each other spin, and other
# numbers of threads sum in other orders
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("MKL_NUM_THREADS", None)
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _model(name: str = "demo-v1", **changes: Any) -> ModelSpec:
    weights = {"fingerprint": text_hash(name), "tokenizer": "tok", "dtype": "float32"}
    return ModelSpec(name=name, **({"source": name} | weights | changes))


def _task(name: str = "toy", **changes: Any) -> TaskSpec:
    hashes = {"definition": "d" * 64, "items": "i" * 64, "targets": "t" * 64, "prompts": "p" * 64}
    spec = {"version": "1", "kind": "choice", "scale": "binary", "metric": "acc", "n": 1000}
    return TaskSpec(name=name, **(spec | hashes | changes))


def _prediction(instance_id: str, **changes: Any) -> Prediction:
    given = {"index": 0, "prompt_hash": text_hash(instance_id), "output": None, "answer": None}
    return Prediction(
        instance_id=instance_id, **(given | {"status": "scored", "correct": None, "score": None} | changes)
    )


def _choices(answers: Sequence[str | None], gold: Sequence[str], **changes: Any) -> list[Prediction]:
    """One prediction an answer, right where it equals gold; null is unreadable."""
    return [
        _prediction(
            f"id{i:03}",
            **{
                "index": i,
                "answer": answer,
                "output": f"says {answer}",
                "status": "unparsable" if answer is None else "scored",
                "correct": answer == right,
                "score": float(answer == right),
            }
            | changes,
        )
        for i, (answer, right) in enumerate(zip(answers, gold, strict=True))
    ]


def _scores(scores: Sequence[float], **changes: Any) -> list[Prediction]:
    """One prediction a score, each with an answer of its own."""
    return [
        _prediction(f"id{i:03}", **{"index": i, "score": score, "answer": f"text {score}"} | changes)
        for i, score in enumerate(scores)
    ]


def _run(
    predictions: Sequence[Prediction] | pa.Table,
    *,
    model: ModelSpec | str = "demo-v1",
    task: TaskSpec | None = None,
    engine: Mapping[str, Any] | None = None,
    recorded: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Run:
    """A finished run that holds `predictions`; `engine` and `changes` are fields of the specs."""
    table = predictions if isinstance(predictions, pa.Table) else prediction_table(predictions)
    spec = RunSpec(
        model=_model(model) if isinstance(model, str) else model,
        task=task or _task(),
        engine=EngineSpec(**({"name": "scripted", "version": "1", "batch_size": 1} | dict(engine or {}))),
        **({"n": table.num_rows, "ids": sequence_hash(table["instance_id"].to_pylist())} | changes),
    )
    manifest = Manifest(
        fingerprint="f",
        rows=table.num_rows,
        sha256="s",
        finished="2024-10-03T00:00:00Z",
        recorded=recorded or {},
    )
    return Run(spec=spec, manifest=manifest, predictions=table, path="runs/toy")


def _instances(run: Run, **changes: Any) -> pa.Table:
    """An instance for every one that `run` answers; `changes` are fields, callables take the index."""
    rows = run.predictions.select(["instance_id", "index"]).to_pylist()
    return instance_table(
        [
            Instance(
                **{
                    "id": row["instance_id"],
                    "index": row["index"],
                    "prompt": f"Q{row['index']}",
                    "target": "A",
                }
                | {name: value(row["index"]) if callable(value) else value for name, value in changes.items()}
            )
            for row in rows
        ]
    )


def _stored(root: Path, label: str, predictions: Sequence[Prediction], **changes: Any) -> Path:
    """The folder of a finished run of the model `label` in the store `root`, with its instances.

    `changes` are fields of the run's spec; `task`, `instances` and `recorded` as for a run in memory.
    """
    instances, recorded = changes.pop("instances", None), changes.pop("recorded", {})
    task = changes.pop("task", None) or _task(n=len(predictions))
    task = replace(task, fingerprint=task_fingerprint(task))
    spec = _run(predictions, model=label, task=task, **changes).spec
    store, rows = Store(root), {(row.index, row.repeat): row for row in predictions}
    if instances is not None:
        store.write_instances(task, instances)
    with store.writer(label, spec, sorted({row.index for row in predictions})) as writer:
        for chunk in writer.todo():
            writer.append(chunk, [rows[key] for key in sorted(rows) if key[0] in chunk.indices])
        return writer.finish(recorded)


def _judged(
    old: np.ndarray, new: np.ndarray, *, scale: str = "binary", same: np.ndarray | None = None, **changes: Any
) -> Judged:
    """Judged columns from two vectors of right answers or scores, without runs."""
    n = old.size
    binary = scale == "binary"
    nothing = np.zeros(n, dtype=np.bool_)
    given = {
        "item": np.arange(n),
        "cluster": None,
        "readable": np.ones(n, dtype=np.bool_),
        "same_answer": (old == new) if same is None else same,
        "answers": True,
        "repeated": False,
    }
    return Judged(
        scale=scale,
        old_correct=old.astype(np.bool_) if binary else nothing,
        new_correct=new.astype(np.bool_) if binary else nothing,
        old_score=old.astype(np.float64),
        new_score=new.astype(np.float64),
        **(given | changes),
    )


def _fixture(name: str, function: Callable[..., Any]) -> Any:
    @pytest.fixture(scope="session", name=name)
    def builder() -> Callable[..., Any]:
        return function

    return builder


make_model = _fixture("make_model", _model)
make_task = _fixture("make_task", _task)
make_prediction = _fixture("make_prediction", _prediction)
make_choices = _fixture("make_choices", _choices)
make_scores = _fixture("make_scores", _scores)
make_run = _fixture("make_run", _run)
make_instances = _fixture("make_instances", _instances)
store_run = _fixture("store_run", _stored)
columns = _fixture("columns", _judged)


# ── checkpoints ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """A file or folder of the real data and models beside the checkout."""
    root = Path(__file__).parents[2] / "shared"

    def find(name: str) -> Path:
        if not (root / name).exists():
            pytest.skip(f"there is no shared/{name} beside the checkout")
        return root / name

    return find


@pytest.fixture(scope="session")
def stories(shared: Callable[[str], Path]) -> Path:
    """A trained Llama of 260 thousand parameters."""
    return shared("models/stories260k")


def _weights(folder: Path) -> dict[str, Any]:
    """All tensors of a checkpoint as they lie on disk."""
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def _edit_weights(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a checkpoint's tensors in place."""
    from safetensors.torch import save_file

    tensors = _weights(folder)
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


weights = _fixture("weights", _weights)
edit_weights = _fixture("edit_weights", _edit_weights)


# ── the door: the command line in this process, in a small world of its own ──────────────────────


def _answers(right: set[int]) -> list[dict[str, Any]]:
    """A scripted model's table for the small world: right on the items at these positions."""
    rows: list[dict[str, Any]] = []
    for i in range(8):
        for place, solution in enumerate(("twist", "smash")):
            chosen = (place == i % 2) == (i in right)
            row = {"match": f"open jar {i}", "continuation": f" {solution} it {i}"}
            rows.append(row | {"logprob": -1.0 if chosen else -2.0})
    sums = [(f"What is {1000 + i} + 1?", 1001 + i if i in right else 7) for i in range(6)]
    return rows + [{"match": question, "text": f" #### {answer}"} for question, answer in sums]


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with `data/` (8 PIQA and 6 GSM8K items) and scripted models {old,new}.jsonl."""
    sums = [{"question": f"What is {i} + {i}?", "answer": f"#### {2 * i}"} for i in range(5)]
    asked = [{"question": f"What is {i} + 1?", "answer": f"#### {i + 1}"} for i in range(1000, 1006)]
    goals = [
        {"goal": f"open jar {i}", "sol1": f"twist it {i}", "sol2": f"smash it {i}", "label": i % 2}
        for i in range(8)
    ]
    _write_lines(tmp_path / "data/piqa/validation.jsonl", goals)
    _write_lines(tmp_path / "data/gsm8k/train.jsonl", sums)
    _write_lines(tmp_path / "data/gsm8k/test.jsonl", asked)
    _write_lines(tmp_path / "old.jsonl", _answers({0, 1, 2, 3, 5}))
    _write_lines(tmp_path / "new.jsonl", _answers({0, 1, 4, 5, 6}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    return tmp_path


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line in this process: `command("runs", "--json").out`."""
    from regress.__main__ import main

    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return call
