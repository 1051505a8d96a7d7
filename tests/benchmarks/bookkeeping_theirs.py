"""lm-eval's side: CPU seconds of each part, with HellaSwag's items loaded and a model that answers at once.

`bookkeeping_theirs.py DATA`, in a folder for its cache and its results. The definition is lm-eval's own,
which cleans the items while they are loaded: from ours it takes four times as long.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import lm_eval.tasks
from lm_eval.api.model import LM
from lm_eval.evaluator import evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager


class Ready(LM):
    """Answers at once, and knows when it was asked and when it had answered."""

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        self.asked = time.process_time()
        answers = [(-20.0 - request.idx, False) for request in requests]
        self.answered = time.process_time()
        return answers

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        raise NotImplementedError

    def generate_until(self, requests: list[Any]) -> list[str]:
        raise NotImplementedError


def loaded(data: Path) -> Any:
    """HellaSwag with these items."""
    items = str(data / "hellaswag" / "validation.jsonl")
    document = {
        "include": str(Path(lm_eval.tasks.__file__).parent / "hellaswag" / "hellaswag.yaml"),
        "task": "hellaswag",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"train": items, "validation": items}, "cache_dir": "cache"},
    }
    Path("pointed").mkdir()
    Path("pointed", "hellaswag.yaml").write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
    return TaskManager(include_defaults=False, include_path=["pointed"]).load(["hellaswag"])


if __name__ == "__main__":
    tasks, model, tracker = loaded(Path(sys.argv[1])), Ready(), EvaluationTracker(output_path="out")
    began = time.process_time()
    results = evaluate(model, tasks, bootstrap_iters=0)
    judged = time.process_time()
    samples = results.pop("samples")
    tracker.save_results_aggregated(results, samples)  # which says under what name the samples are saved
    tracker.save_results_samples("hellaswag", samples["hellaswag"])
    stored = time.process_time()
    assert list(Path("out").rglob("samples_hellaswag_*.jsonl")), "lm-eval only warns where it could not save"
    spent = {"build": model.asked - began, "score": judged - model.answered, "store": stored - judged}
    print(json.dumps(spent))
