"""Runs of a toy task, written into a store that each test gets for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.identity import sequence_hash, task_fingerprint, text_hash
from regress.store.runs import Store
from regress.store.writer import RunWriter
from regress.types import EngineSpec, ModelSpec, Prediction, RunSpec

N, CHUNK = 10, 4


def prediction(index: int, **changes: Any) -> Prediction:
    row = {
        "instance_id": f"id{index:03}",
        "index": index,
        "prompt_hash": text_hash(f"question {index}"),
        "output": f" the answer is {index}",
        "answer": str(index),
        "status": "scored",
        "correct": index % 3 == 0,
        "score": float(index % 3 == 0),
        "scores": {"acc": float(index % 3 == 0), "acc_norm": 0.1 * index},
        "choice_logprobs": (-0.1 * index, -1.0 / 3),
        "choice_lengths": (3, 5),
        "gold_margin": 0.1 * index - 1.0 / 3,
        "prompt_tokens": 7,
    }
    return Prediction(**(row | changes))


def unanswered(index: int) -> Prediction:
    return prediction(
        index,
        status="error",
        error="timed out",
        output=None,
        answer=None,
        correct=None,
        score=None,
        scores={},
    )


@pytest.fixture
def rows() -> Callable[..., list[Prediction]]:
    """Predictions of the instances at `indices`; those in `errors` have no answer."""

    def made(indices: Iterable[int], errors: Sequence[int] = (), **changes: Any) -> list[Prediction]:
        return [unanswered(i) if i in errors else prediction(i, **changes) for i in indices]

    return made


@pytest.fixture
def make_spec(make_model, make_task) -> Callable[..., RunSpec]:
    """The spec of a run of `n` instances in chunks of four; `changes` are fields of `RunSpec`."""

    def made(model: ModelSpec | str = "mine", task: str = "toy", n: int = N, **changes: Any) -> RunSpec:
        asked = make_task(task)
        fields = {
            "model": make_model(model) if isinstance(model, str) else model,
            "task": make_task(task, fingerprint=task_fingerprint(asked)),
            "engine": EngineSpec(name="scripted", version="1", batch_size=1),
            "chunk_size": CHUNK,
            "n": n,
            "ids": sequence_hash(f"id{i:03}" for i in range(n)),
        }
        return RunSpec(**(fields | changes))

    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture
def open_writer(store: Store, make_spec) -> Callable[..., RunWriter]:
    """The writer of a toy run; the same one again if called again."""

    def opened(spec: RunSpec | None = None, label: str = "mine") -> RunWriter:
        spec = spec or make_spec()
        return store.writer(label, spec, range(spec.n))

    return opened


@pytest.fixture
def finished(open_writer, make_spec, rows) -> Callable[..., Path]:
    """The folder of a finished toy run."""

    def made(spec: RunSpec | None = None, label: str = "mine", **changes: Any) -> Path:
        with open_writer(spec or make_spec(**changes), label) as writer:
            for chunk in writer.todo():
                writer.append(chunk, rows(chunk.indices))
            return writer.finish()

    return made
