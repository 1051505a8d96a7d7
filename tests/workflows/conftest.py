"""A small world: a data folder with the real field names, and models that answer from tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.workflows.progress import Advanced, Reused, Started

N = {"piqa": 8, "gsm8k": 6, "hellaswag": 6, "samsum": 4}
ALL = ",".join(N)


def _items(task: str, n: int) -> list[dict[str, Any]]:
    match task:
        case "piqa":
            return [
                {"goal": f"open jar {i}.", "sol1": f"twist {i}", "sol2": f"smash {i}", "label": i % 2}
                for i in range(n)
            ]
        case "gsm8k":
            return [
                {"question": f"What is {i} + 1?", "answer": f"Easy.\n#### {i + 1}"}
                for i in range(1000, 1000 + n)
            ]
        case "hellaswag":
            scene = {"activity_label": "Cooking", "ctx_a": "A cook heats a pan.", "source_id": "v"}
            return [
                {
                    **scene,
                    "ind": i,
                    "ctx_b": f"then cook {i}.",
                    "endings": [f"ends {j}" for j in range(4)],
                    "label": str(i % 4),
                }
                for i in range(n)
            ]
        case _:
            return [
                {"id": str(i), "dialogue": f"Ann: hi {i}.\nBob: bye", "summary": f"Ann greets Bob {i} times."}
                for i in range(n)
            ]


def _rows(task: str, n: int, right: Collection[int], errors: Collection[int]) -> list[dict[str, Any]]:
    """The rows of a model that is right on the items `right`, and has no answer to those in `errors`."""
    rows: list[dict[str, Any]] = []
    for i, item in enumerate(_items(task, n)):
        key = {"piqa": "goal", "gsm8k": "question", "hellaswag": "ctx_b", "samsum": "dialogue"}[task]
        match = item[key][0].upper() + item[key][1:] if task == "hellaswag" else item[key]
        if i in errors:
            rows.append({"match": match, "error": "timed out"})
        elif task == "gsm8k":
            rows.append({"match": match, "text": f" #### {1001 + i if i in right else 7}"})
        elif task == "samsum":
            rows.append({"match": match, "text": f" {item['summary']}" if i in right else " Something else."})
        else:
            choices = [item["sol1"], item["sol2"]] if task == "piqa" else item["endings"]
            best = int(item["label"]) if i in right else (int(item["label"]) + 1) % len(choices)
            rows += [
                {"match": match, "continuation": f" {choice}", "logprob": -1.0 if j == best else -9.0 - j}
                for j, choice in enumerate(choices)
            ]
    return rows


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def write_data() -> Callable[..., None]:
    """Write `<folder>/<task>/<split>.jsonl` with so many items of each task."""

    def write(folder: Path, **n: int) -> None:
        names = {"gsm8k": "test", "samsum": "test"}
        for task, count in n.items():
            _write_lines(folder / task / f"{names.get(task, 'validation')}.jsonl", _items(task, count))
        shots = [{"question": f"What is {i} + {i}?", "answer": f"#### {2 * i}"} for i in range(5)]
        _write_lines(folder / "gsm8k" / "train.jsonl", shots)

    return write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_data) -> Path:
    """The current directory, with `data/`; no configuration and no store but `runs/` reaches it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    write_data(tmp_path / "data", **N)
    return tmp_path


@pytest.fixture
def model(here: Path) -> Callable[..., str]:
    """Write a model that is right on these items of each task, and return its name."""

    def write(
        name: str, *, n: Mapping[str, int] = N, errors: Collection[int] = (), **right: Collection[int]
    ) -> str:
        rows = [row for task in n for row in _rows(task, n[task], right.get(task, ()), errors)]
        _write_lines(here / name, rows)
        return name

    return write


@pytest.fixture
def ask() -> dict[str, Any]:
    """How everything is asked here, unless a test says otherwise."""
    return {"engine": "scripted", "data": "data", "store": "runs", "chunk_size": 3}


class Watched(list[Any]):
    """The events of a workflow, in order."""

    def __call__(self, event: Any) -> None:
        self.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]

    @property
    def answered(self) -> list[tuple[str, str]]:
        """Model and task of every chunk that was answered."""
        return [(event.model, event.task) for event in self.of(Advanced)]

    @property
    def begun(self) -> list[tuple[str, str, int]]:
        """Model, task and rows already stored of every run that was begun or taken up."""
        return [(event.model, event.task, event.done) for event in self.of(Started)]

    @property
    def reused(self) -> list[tuple[str, str]]:
        return [(event.model, event.task) for event in self.of(Reused)]


@pytest.fixture
def watched() -> Watched:
    return Watched()
