"""What did this update break? Pairs two language models' answers and finds the flips.

import regress

comparison = regress.compare("demo-v1", "demo-v2")
comparison.to_frame()
comparison.flips("gsm8k", quadrant="negative flip")
regress.gate("demo-v1", "demo-v2", policy="strict").outcome
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regress.config import Settings as Settings
    from regress.errors import RegressError as RegressError
    from regress.frames import ComparedRuns as ComparedRuns
    from regress.types import Comparison as Comparison
    from regress.types import Run as Run
    from regress.verdicts import Policy as Policy
    from regress.verdicts import Verdict as Verdict
    from regress.workflows.compare import compare as compare
    from regress.workflows.divergence import divergence as divergence
    from regress.workflows.evaluate import evaluate as evaluate
    from regress.workflows.exports import export_runs as export_runs
    from regress.workflows.gate import gate as gate
    from regress.workflows.imports import import_runs as import_runs
    from regress.workflows.layers import layers as layers
    from regress.workflows.matrix import matrix as matrix
    from regress.workflows.noise import noise as noise
    from regress.workflows.plan import plan as plan
    from regress.workflows.report import report as report
    from regress.workflows.rescore import rescore as rescore
    from regress.workflows.slices import slices as slices

_HOMES = {
    "ComparedRuns": "regress.frames",
    "Comparison": "regress.types",
    "Policy": "regress.verdicts",
    "RegressError": "regress.errors",
    "Run": "regress.types",
    "Settings": "regress.config",
    "Verdict": "regress.verdicts",
    "compare": "regress.workflows.compare",
    "divergence": "regress.workflows.divergence",
    "evaluate": "regress.workflows.evaluate",
    "export_runs": "regress.workflows.exports",
    "gate": "regress.workflows.gate",
    "import_runs": "regress.workflows.imports",
    "layers": "regress.workflows.layers",
    "matrix": "regress.workflows.matrix",
    "noise": "regress.workflows.noise",
    "plan": "regress.workflows.plan",
    "report": "regress.workflows.report",
    "rescore": "regress.workflows.rescore",
    "slices": "regress.workflows.slices",
}
__all__ = [
    *("ComparedRuns", "Comparison", "Policy", "RegressError", "Run", "Settings", "Verdict"),
    *("compare", "divergence", "evaluate", "export_runs", "gate", "import_runs"),
    *("layers", "matrix", "noise", "plan", "report", "rescore", "slices"),
]


def __getattr__(name: str) -> Any:
    """Hand a verb or noun out when it is first asked for, so that `import regress` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module 'regress' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
