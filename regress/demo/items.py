"""The demo items: which there are, how they are drawn, and how they are asked.

Everything here is a pure function of a seed. Evaluation items are drawn first and uniformly over
the families; a training stream then draws from its own mixture of families and leaves out whatever
is an evaluation item.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from regress.demo import arithmetic, commonsense, dialogues, endings
from regress.demo.words import weighted
from regress.identity import item_id

Item = dict[str, Any]

SEED = 20260806
N_EVALUATION = 400
N_SHOTS = 5

FAMILIES: Mapping[str, Mapping[str, Callable[[Random], Item]]] = {
    "gsm8k": arithmetic.FAMILIES,
    "piqa": commonsense.FAMILIES,
    "hellaswag": endings.FAMILIES,
    "samsum": dialogues.FAMILIES,
}
SPLITS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "gsm8k": (("test", N_EVALUATION), ("train", 16)),
    "piqa": (("validation", N_EVALUATION),),
    "hellaswag": (("validation", N_EVALUATION),),
    "samsum": (("test", N_EVALUATION),),
}
"""Splits that are shipped, with their sizes; of GSM8K's train split the first five are the shots."""


def identity(task: str, item: Item) -> str:
    """Hash of an item's normalised text and all its choices: equal for items that ask the same.

    >>> a = {"goal": "Cut a log", "sol1": "Use a saw.", "sol2": "Use tape.", "label": 0}
    >>> identity("piqa", a) == identity("piqa", a | {"label": 1, "sol1": "Use tape.", "sol2": "Use a saw."})
    True
    """
    if task == "gsm8k":
        return item_id(item["question"])
    if task == "piqa":
        return item_id(item["goal"], sorted([item["sol1"], item["sol2"]]))
    if task == "hellaswag":
        return item_id(f"{item['activity_label']}: {item['ctx']}", sorted(item["endings"]))
    return item_id(item["dialogue"])


def stream(task: str, rng: Random, weights: Mapping[str, float], taken: set[str]) -> Iterator[Item]:
    """Draw items of a task for ever, families by weight, none whose identity is in `taken`."""
    families = FAMILIES[task]
    while True:
        item = families[weighted(rng, weights)](rng)
        if identity(task, item) not in taken:
            yield item


def splits(task: str) -> dict[str, list[Item]]:
    """The shipped splits of a task: unique items, families drawn uniformly, a pure function of `SEED`."""
    rng = Random(f"{SEED} {task}")
    taken: set[str] = set()
    uniform = dict.fromkeys(FAMILIES[task], 1.0)
    drawn = stream(task, rng, uniform, taken)
    made: dict[str, list[Item]] = {}
    for split, size in SPLITS[task]:
        made[split] = []
        while len(made[split]) < size:
            item = next(drawn)
            taken.add(identity(task, item))
            made[split].append(_numbered(task, len(made[split]), item))
    return made


def _numbered(task: str, number: int, item: Item) -> Item:
    """Put in the running number where the real data set has one."""
    if task == "hellaswag":
        return {"ind": number, **item}
    if task == "samsum":
        return {"id": str(number), **item}
    return item


def shipped(task: str) -> set[str]:
    """Identities of all shipped items of a task: what training must not see."""
    return {identity(task, item) for items in splits(task).values() for item in items}


def prompt(task: str, item: Item) -> str:
    """The question as the task adapters ask it, without worked examples."""
    if task == "gsm8k":
        return f"Question: {item['question']}\nAnswer:"
    if task == "piqa":
        return f"Question: {item['goal']}\nAnswer:"
    if task == "hellaswag":
        return f"{item['activity_label']}: {item['ctx_a']} {item['ctx_b'].capitalize()}"
    return f"Dialogue:\n{item['dialogue']}\nSummary:"


def choices(task: str, item: Item) -> list[str]:
    """The choices of a choice item, in order."""
    return [item["sol1"], item["sol2"]] if task == "piqa" else list(item["endings"])


def target(task: str, item: Item) -> str:
    """The reference answer as text."""
    if task in ("piqa", "hellaswag"):
        return choices(task, item)[int(item["label"])]
    return str(item["answer" if task == "gsm8k" else "summary"])


def write(folder: Path) -> None:
    """Write `<task>/<split>.jsonl` for every task, as the real data sets look."""
    for task in SPLITS:
        for split, items in splits(task).items():
            path = folder / task / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = (json.dumps(item, ensure_ascii=False) for item in items)
            path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def read(folder: Path, task: str, split: str) -> list[Item]:
    """Read one split back."""
    lines = (folder / task / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
