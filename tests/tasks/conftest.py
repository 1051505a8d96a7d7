"""Small data folders that tests write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

Items = Sequence[Mapping[str, Any]]

SAMPLES: dict[str, dict[str, Items]] = {
    "piqa": {
        "validation": [
            {"goal": f"open jar {i}", "sol1": f"twist it {i}", "sol2": f"smash it {i}", "label": i % 2}
            for i in range(7)
        ]
    },
    "gsm8k": {
        "train": [
            {"question": f"What is {i} + {i}?", "answer": f"{i} + {i} = {2 * i}\n#### {2 * i}"}
            for i in range(9)
        ],
        "test": [
            {"question": f"What is {i} + 1?", "answer": f"It is {i + 1}\n#### {i + 1}"}
            for i in range(1000, 1006)
        ],
    },
    "hellaswag": {
        "validation": [
            {
                "ind": 10 + i,
                "activity_label": f"Cooking {i % 2}",
                "ctx_a": "[header] How to fry [title] Heat the pan.",
                "ctx_b": "the cook",
                "endings": [f"burns  it {i}.", "sings. [step] Loudly.", " leaves.", 'it\'s "done" [x]'],
                "label": str(i % 4),
            }
            for i in range(6)
        ]
    },
    "samsum": {
        "test": [
            {
                "id": str(100 + i),
                "dialogue": f"Ann: hi {i}\nBob: bye",
                "summary": f"Ann greets Bob {i} times.",
            }
            for i in range(4)
        ]
    },
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write `<data>/<task>/<split>.jsonl` and give back the data folder."""

    def writer(task: str, **splits: Items) -> Path:
        folder = tmp_path / "data" / task
        folder.mkdir(parents=True, exist_ok=True)
        for split, items in splits.items():
            lines = [json.dumps(item, ensure_ascii=False) for item in items]
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tmp_path / "data"

    return writer


@pytest.fixture
def data(write: Callable[..., Path]) -> Path:
    """A folder with a few items of our four tasks."""
    for task, splits in SAMPLES.items():
        write(task, **splits)
    return write("piqa")


@pytest.fixture
def define(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a task YAML and give back its path, as a user would type it."""

    def writer(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return writer
