"""lm-eval's side of a pair: `simple_evaluate` of the same requests, and the CPU seconds of each part."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import torch
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from regress.definitions.yaml_files import tasks_folder
from regress.demo import pair


def point(task: str, cache: str) -> None:
    """Write a YAML that includes ours and takes the demo items.

    Worked examples are looked up even where none are shown, so every split must be there.
    """
    folder = pair.items_folder() / task
    some = next(folder.glob("*.jsonl"))
    names = ("train", "validation", "test")
    files = {split: str(path if (path := folder / f"{split}.jsonl").exists() else some) for split in names}
    document = {
        "include": str(tasks_folder() / task / f"{task}.yaml"),
        "task": task,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files, "cache_dir": cache},
    }
    Path("pointed").mkdir(exist_ok=True)
    Path("pointed", f"{task}.yaml").write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    asked: dict[str, int] = json.loads(sys.argv[1])
    began, told = time.process_time(), {}
    for tasks, limit in asked.items():
        start = time.process_time()
        for task in tasks.split(","):
            point(task, sys.argv[2])
        model = HFLM(
            pretrained=str(pair.model_folder("demo-v1")),
            device="cpu",
            dtype="float32",
            softmax_dtype="float32",
            batch_size=8,
        )
        simple_evaluate(
            model=model,
            tasks=tasks.split(","),
            task_manager=TaskManager(include_defaults=False, include_path=["pointed"]),
            limit=limit,
            log_samples=True,
            bootstrap_iters=0,
        )
        told[tasks] = time.process_time() - start
    print(json.dumps({"after imports": time.process_time() - began, **told}))
