"""Stored runs and items made up to size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from regress.identity import sequence_hash, task_fingerprint, text_hash
from regress.store.runs import Store
from regress.types import EngineSpec, Instance, ModelSpec, Prediction, RunSpec, TaskSpec

ENDINGS = 4
SCENE = "A man is standing in a kitchen with a bowl and a whisk in his hands. He looks up and "


class Scene(NamedTuple):
    """One four-way item."""

    prompt: str
    endings: Sequence[str]
    gold: int
    activity: str


def made_up_scenes(n: int) -> list[Scene]:
    """`n` items of HellaSwag's form."""
    golds = np.random.default_rng(1).integers(ENDINGS, size=n)
    endings = ([_ending(i, place) for place in range(ENDINGS)] for i in range(n))
    return [
        Scene(f"Cooking {i}: {SCENE * 3}", each, int(gold), f"Cooking {i % 200}")
        for i, (each, gold) in enumerate(zip(endings, golds, strict=True))
    ]


def real_scenes(path: Path) -> list[Scene]:
    """The items of HellaSwag's own file, which labels each with its activity."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [
        Scene(
            f"{row['activity_label']}: {row['ctx']}", row["endings"], int(row["label"]), row["activity_label"]
        )
        for row in rows
    ]


def hellaswag_runs(folder: Path, scenes: Sequence[Scene]) -> list[Path]:
    """Two finished runs of four-way items that differ on about one answer in six."""
    n, rng = len(scenes), np.random.default_rng(0)
    skill = rng.normal(size=(n, ENDINGS))
    skill[np.arange(n), [scene.gold for scene in scenes]] += 1.2
    store, task = Store(folder / "runs"), _task(n)
    store.write_instances(task, _instances(scenes))
    paths = []
    for name in ("old", "new"):
        logprobs = -40 + 4 * (skill + 0.5 * rng.normal(size=(n, ENDINGS)))
        spec = run_spec(name, task, map(_id, range(n)))
        with store.writer(name, spec, range(n)) as writer:
            for chunk in writer.todo():
                writer.append(chunk, [_prediction(i, scenes[i], logprobs[i]) for i in chunk.indices])
            paths.append(writer.finish())
    return paths


def run_spec(name: str, task: TaskSpec, ids: Iterable[str]) -> RunSpec:
    """What a model called `name` is asked: all of a task."""
    return RunSpec(
        model=ModelSpec(name=name, source=name, fingerprint=text_hash(name), tokenizer="t", dtype="float32"),
        task=task,
        engine=EngineSpec(name="hf", version="synthetic", batch_size=8),
        chunk_size=1024,
        n=task.n,
        ids=sequence_hash(ids),
    )


def _task(n: int) -> TaskSpec:
    hashes = {name: text_hash(name, digits=64) for name in ("definition", "items", "targets", "prompts")}
    spec = TaskSpec(name="hellaswag", version="1", kind="choice", scale="binary", metric="acc", n=n, **hashes)
    return TaskSpec(**{**vars(spec), "fingerprint": task_fingerprint(spec)})


def _instances(scenes: Sequence[Scene]) -> Iterator[Instance]:
    for i, scene in enumerate(scenes):
        yield Instance(
            id=_id(i),
            index=i,
            prompt=scene.prompt,
            target=scene.endings[scene.gold],
            choices=tuple(scene.endings),
            golds=(scene.gold,),
            tags={"activity_label": scene.activity},
            source=json.dumps({"ctx": scene.prompt, "endings": scene.endings}),
        )


def _prediction(index: int, scene: Scene, logprobs: np.ndarray) -> Prediction:
    chosen = int(logprobs.argmax())
    right = chosen == scene.gold
    return Prediction(
        instance_id=_id(index),
        index=index,
        prompt_hash=text_hash(f"prompt {index}"),
        shown_hash=text_hash(f"shown {index}"),
        output=scene.endings[chosen],
        answer=str(chosen),
        status="scored",
        correct=right,
        score=float(right),
        scores={"acc": float(right), "acc_norm": float(right)},
        choice_logprobs=tuple(map(float, logprobs)),
        choice_lengths=tuple(map(len, scene.endings)),
        gold_margin=float(logprobs[scene.gold] - np.delete(logprobs, scene.gold).max()),
        prompt_tokens=80,
        output_tokens=15,
    )


def _id(index: int) -> str:
    return text_hash(f"item {index}")


def _ending(index: int, place: int) -> str:
    return f"pours number {index} into pan {place} and stirs until it is golden and firm."


def piqa_items(folder: Path, n: int) -> None:
    """`n` items of PIQA's form in `folder`/data."""
    items = (
        {"goal": f"open jar {i}", "sol1": f"twist lid {i}", "sol2": f"smash lid {i}", "label": i % 2}
        for i in range(n)
    )
    _write_items(folder, "piqa", items)


def hellaswag_items(folder: Path, n: int) -> None:
    """`n` items of HellaSwag's form and length in `folder`/data."""
    scene = f"{SCENE}[title] reads a recipe.  Then [step] he cracks two eggs."
    items = (
        {
            "ind": i,
            "activity_label": f"Cooking {i % 200}",
            "ctx_a": f"Scene {i}: {scene}",
            "ctx_b": "the man",
            "ctx": f"Scene {i}: {scene} the man",
            "endings": [_ending(i, place) for place in range(ENDINGS)],
            "source_id": f"video~{i // 2}",
            "split": "val",
            "split_type": "indomain",
            "label": str(i % ENDINGS),
        }
        for i in range(n)
    )
    _write_items(folder, "hellaswag", items)


def _write_items(folder: Path, task: str, items: Iterable[Mapping[str, Any]]) -> None:
    path = folder / "data" / task / "validation.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
