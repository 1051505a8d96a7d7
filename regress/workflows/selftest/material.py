"""What the self test asks: some of the built-in items, and a task with answers of one token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from regress.demo.pair import items_folder

TASK = Path(__file__).with_name("pronouns.yaml")
"""The task with answers of one token."""
PRONOUNS = ("He", "She", "The")
"""Its choices, in the order of its definition."""

CHOICES = {"piqa": "validation", "hellaswag": "validation"}
WRITTEN = {"gsm8k": "test", "samsum": "test"}
"""The built-in tasks that the self test asks, and the split of each."""
JUDGED, LOOKED_AT, WRITING = 200, 60, 8
"""Items of a task that the gate is to judge, as few as its default policy takes; of another with choices; and
of one whose answers are written."""

TASKS = (str(TASK), *CHOICES, *WRITTEN)
"""All tasks, as they are asked for."""
ITEMS: Mapping[str, int] = {
    "pronouns": JUDGED,
    "piqa": JUDGED,
    "hellaswag": LOOKED_AT,
    **dict.fromkeys(WRITTEN, WRITING),
}
"""How many items each has."""
TEXT = "items/text.txt"
"""A text of sums as the demo models know them, over which divergence is measured."""


def lay_out(folder: Path) -> None:
    """Write the items as `<task>/<split>.jsonl`, the whole of every task, since the gate takes no less."""
    for task, split in (CHOICES | WRITTEN).items():
        _write(folder / task / f"{split}.jsonl", islice(_built_in(task, split), ITEMS[task]))
    _write(folder / "gsm8k" / "train.jsonl", _built_in("gsm8k", "train"))
    _write(folder / "pronouns" / "test.jsonl", pronouns())
    sums = [f"Question: {item['question']}\nAnswer: {item['answer']}" for item in _built_in("gsm8k", "train")]
    (folder / Path(TEXT).name).write_text("\n\n".join(sums), encoding="utf-8")


def pronouns() -> list[dict[str, Any]]:
    """The items of the task with answers of one token: scenes, each once, with right answers in turn."""
    scenes = dict.fromkeys(
        f"{item['activity_label']}: {item['ctx_a']}" for item in _built_in("hellaswag", "validation")
    )
    return [
        {"scene": scene, "label": place % len(PRONOUNS)}
        for place, scene in enumerate(islice(scenes, ITEMS["pronouns"]))
    ]


def _built_in(task: str, split: str) -> Iterable[dict[str, Any]]:
    with open(items_folder() / task / f"{split}.jsonl", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _write(path: Path, items: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
