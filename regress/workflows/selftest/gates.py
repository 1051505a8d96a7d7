"""Class G: what the gate must say where the harm is known."""

from __future__ import annotations

from collections.abc import Iterator

from regress.changes import Fact
from regress.workflows.selftest.bench import Bench
from regress.workflows.selftest.facts import equal
from regress.workflows.selftest.material import JUDGED

_TASKS = ("pronouns", "piqa")
"""Those with as many items as the default policy needs."""
_POLICY = "balanced"


def nothing(bench: Bench) -> Iterator[Fact]:
    """No answer lost out of so many: every bound is below the default policy's limits."""
    gated = bench.gated(bench.made("insert:layers=[0,3],source=random"), tasks=_TASKS, policy=_POLICY)
    yield equal("verdict", gated.outcome, "pass")
    yield equal("exit code", gated.exit_code, 0)
    judged = [one for one in gated.verdict.results if one.rule in ("max_accuracy_drop", "max_nfr")]
    yield equal("rules judged on all items", [one.n for one in judged].count(JUDGED), 2 * len(_TASKS))
    yield equal("largest harm", max((one.estimate for one in judged), default=1.0), 0.0, unit="share")


def ruin(bench: Bench) -> Iterator[Fact]:
    """Two bits a weight leave nothing of a small model: more is lost than any policy allows."""
    gated = bench.gated(bench.made("quantize:bits=2"), tasks=_TASKS, policy=_POLICY)
    yield equal("verdict", gated.outcome, "fail")
    yield equal("exit code", gated.exit_code, 1)
    lost = [
        one.task for one in gated.verdict.results if one.outcome == "fail" and one.rule == "max_accuracy_drop"
    ]
    yield equal("accuracy of piqa falls too far", "piqa" in lost, True)
