"""Our side of a pair: evaluates the demo model, and tells the CPU seconds of each part."""

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
    began, told = time.process_time(), {}
    for tasks, limit in json.loads(sys.argv[1]).items():
        start = time.process_time()
        evaluate("demo-v1", tasks=tasks, limit=limit, engine="hf", store="runs")
        told[tasks] = time.process_time() - start
    print(json.dumps({"after imports": time.process_time() - began, **told}))
