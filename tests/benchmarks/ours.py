"""Our side of a pair: evaluates the demo model, and tells how long each part took."""

from __future__ import annotations

import json
import sys
import time

import torch

from regress.engines import facts  # noqa: F401  (imported late otherwise; imports are counted apart)
from regress.tasks import build  # noqa: F401
from regress.workflows.evaluate import evaluate

if __name__ == "__main__":
    torch.set_num_threads(1)
    began, told = time.perf_counter(), {}
    for tasks, limit in json.loads(sys.argv[1]).items():
        start = time.perf_counter()
        evaluate("demo-v1", tasks=tasks, limit=limit, store="runs")
        told[tasks] = time.perf_counter() - start
    print(json.dumps({"after imports": time.perf_counter() - began, **told}))
