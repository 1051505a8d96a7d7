"""Cases built in memory: what the gate sees, with as many flips as a test needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from regress.comparison.judged import Judged
from regress.policy.case import Case
from regress.policy.judge import judge
from regress.policy.parse import parse
from regress.schema import INSTANCE
from regress.types import NoiseFloor, Reruns, SideCounts, Subset, TaskSpec
from regress.verdicts import RuleResult, Verdict

TAGS = INSTANCE.field("tags").type


def _case(
    columns: Judged,
    name: str = "gsm8k",
    *,
    kind: str = "generation",
    n: int | None = None,
    subset: Subset | None = None,
    sides: tuple[SideCounts, SideCounts] | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
) -> Case:
    none = SideCounts(unreadable=0, truncated=0 if kind == "generation" else None, left_truncated=0)
    task = TaskSpec(
        name=name,
        version="1",
        kind=kind,
        scale=columns.scale,
        metric="m",
        n=columns.items() if n is None else n,
    )
    subset = subset or Subset()
    rows = [list((tags[i] if tags else {}).items()) for i in columns.item]
    return Case(
        name=name,
        old="old",
        tasks=(task,),
        subsets=(subset, subset),
        columns=columns,
        sides=sides or (none, none),
        ids=pa.chunked_array([[f"id{i}" for i in columns.item]]),
        tags=pa.chunked_array([pa.array(rows, TAGS)]),
    )


@pytest.fixture(scope="session")
def case() -> Callable[..., Case]:
    """A case from judged columns."""
    return _case


@pytest.fixture(scope="session")
def flips(columns: Callable[..., Judged]) -> Callable[..., Judged]:
    """Judged columns with so many flips: `flips(lost=60, gained=60, n=1319)`."""

    def build(lost: int, gained: int, n: int, *, wrong: int | None = None, **changes: Any) -> Judged:
        """The lost stand first, then the gained, then the wrong that stay wrong; the rest are right."""
        wrong = (n - lost - gained) // 2 if wrong is None else wrong
        old = np.ones(n, dtype=np.bool_)
        old[lost : lost + gained + wrong] = False
        new = old.copy()
        new[:lost] = False
        new[lost : lost + gained] = True
        return columns(old, new, **changes)

    return build


@pytest.fixture(scope="session")
def floor() -> Callable[..., NoiseFloor]:
    """A noise floor of equal reruns, each flipping the rows given away from `base`."""

    def build(base: np.ndarray, **flipped: Sequence[Sequence[int]]) -> NoiseFloor:
        reruns = {}
        for kind, rows in flipped.items():
            runs = [base.astype(np.bool_)]
            for places in rows:
                again = runs[0].copy()
                again[list(places)] ^= True
                runs.append(again)
            stack = np.array(runs)
            reruns[kind] = Reruns(kind=kind, correct=stack, score=stack.astype(float), margin=None)
        return NoiseFloor(reruns=reruns)

    return build


@pytest.fixture(scope="session")
def held() -> Callable[..., Verdict]:
    """The verdict on some cases under a policy written as TOML has it."""

    def build(cases: Case | Sequence[Case], **table: Any) -> Verdict:
        cases = [cases] if isinstance(cases, Case) else list(cases)
        return judge(cases, parse(table, name="test.toml"))

    return build


@pytest.fixture(scope="session")
def result() -> Callable[..., RuleResult]:
    """The one result of a rule in a verdict."""

    def find(verdict: Verdict, rule: str, task: str | None = None, slice: str | None = None) -> RuleResult:
        found = [
            one
            for one in verdict.results
            if one.rule == rule and task in (None, one.task) and one.slice == slice
        ]
        assert len(found) == 1, f"{len(found)} results of {rule}"
        return found[0]

    return find
