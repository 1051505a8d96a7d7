"""Peak memory of loading and keeping a data set, or of evaluating a model on it.

`peak.py load|evaluate ENGINE MODEL`, in a folder with `data/piqa`.
"""

from __future__ import annotations

import json
import resource
import sys

from regress.config import Settings
from regress.store.runs import Store
from regress.workflows.evaluate import evaluate, load

if __name__ == "__main__":
    what, engine, model = sys.argv[1:]
    if engine == "hf":
        import torch

        from regress.engines import facts  # noqa: F401  (the same code in memory on both sides)

        torch.set_num_threads(1)
    if what == "load":
        for task in load(Settings(tasks=("piqa",), data="data")).tasks:
            Store("loaded").write_instances(task.spec, task.instances)  # the data set as it is kept
    else:
        evaluate(model, tasks="piqa", data="data", engine=engine, store="runs")
    unit = 1024 if sys.platform == "darwin" else 1  # macOS tells bytes, Linux kilobytes
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit}))
