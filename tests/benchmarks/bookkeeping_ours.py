"""Our side: CPU seconds of each part, with HellaSwag's items loaded and a model that answers at once.

`bookkeeping_ours.py DATA`, in a folder for the store.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regress.store.runs import Store
from regress.tasks.build import Index, Options, build
from regress.tasks.harness import HarnessTask
from regress.types import Logprob
from tests.benchmarks.synthetic import ENDINGS, run_spec

SPENT: Counter[str] = Counter()
ANSWER = [
    Logprob(value=-20.0 - place, prompt_tokens=80, output_tokens=15, shown=f"{place:016x}")
    for place in range(ENDINGS)
]


@contextmanager
def part(name: str) -> Iterator[None]:
    began = time.process_time()
    yield
    SPENT[name] += time.process_time() - began


if __name__ == "__main__":
    options = Options(folder=Path(sys.argv[1]))
    (loaded,) = build("hellaswag", Index(), options).tasks
    with part("build"):
        task = HarnessTask(loaded, options)
    with part("store"):
        store = Store("runs")
        store.write_instances(task.spec, task.instances)
        spec = run_spec("model", task.spec, (one.id for one in task.instances))
        writer = store.writer("model", spec, range(spec.n))
    with writer:
        for chunk in writer.todo():
            with part("requests"):
                asked = [task.requests(index) for index in chunk.indices]
            with part("score"):
                predictions = [task.score(index, ANSWER) for index in chunk.indices]
            with part("store"):
                writer.append(chunk, predictions)
        with part("store"):
            writer.finish()
    print(json.dumps(SPENT))
