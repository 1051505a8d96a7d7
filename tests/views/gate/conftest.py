"""Verdicts made by hand: one that passes, one that fails, one undecided, one not gateable, one hostile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from regress.types import Notice
from regress.verdicts import Policy, Rule, RuleResult, SliceTerms, Terms, Verdict

BALANCED = Policy(
    name="balanced",
    base="balanced",
    default=Terms(
        rules=(
            Rule(measure="max_accuracy_drop", limit=0.02),
            Rule(measure="max_score_drop", limit=0.02),
            Rule(measure="max_nfr", limit=0.05, scale="binary", tier="advisory"),
            Rule(measure="max_nfr", limit=0.20, scale="bounded", tau=0.10, tier="advisory"),
        ),
        max_unreadable=0.10,
        max_truncated=0.10,
        minimum_n=200,
    ),
)
OWN = Policy(
    name="release/regress.toml",
    base="strict",
    confidence=0.99,
    undecided="warn",
    noise_kinds=("rerun", "batch"),
    allow=("prompts",),
    default=Terms(
        rules=(Rule(measure="max_accuracy_drop", limit=0.01), Rule(measure="max_excess_nfr", limit=0.02)),
        minimum_n=300,
    ),
    tasks={
        "gsm8k": Terms(
            rules=(Rule(measure="max_accuracy_drop", limit=0.01, named=True),),
            minimum_n=300,
            must_not_flip=tuple(f"id-{i}" for i in range(12)),
        ),
        "wikitext": Terms(rules=(Rule(measure="max_score_drop", limit=0.5, named=True),), minimum_n=50),
    },
    slices=(
        SliceTerms(
            name="long division",
            tags={"topic": "division"},
            tasks=("gsm8k",),
            tier="blocking",
            rules=(Rule(measure="max_accuracy_drop", limit=0.05),),
            minimum_n=100,
        ),
        SliceTerms(name="short", tags={"length": "short"}),
    ),
)


def result(rule: str, outcome: Any, code: str, task: str = "gsm8k", **fields: Any) -> RuleResult:
    tested = {"confidence": 0.95, "n": 1319} if fields.keys() & {"low", "high"} else {"n": 1319}
    return RuleResult(task=task, rule=rule, outcome=outcome, code=code, **{**tested, **fields})


ENOUGH = result("minimum_n", "pass", "enough", limit=200)
READ = result("max_unreadable", "pass", "within-limit", limit=0.1, data={"old": 0.01, "new": 0.02})
HELD = result(
    "max_accuracy_drop",
    "pass",
    "within-limit",
    limit=0.02,
    estimate=0.003,
    low=-0.006,
    high=0.014,
    method="tango",
)
LOST = result(
    "max_accuracy_drop",
    "fail",
    "over-limit",
    limit=0.02,
    estimate=0.05,
    low=0.036,
    high=0.064,
    p_fail=1e-5,
    p_fail_holm=2e-5,
    method="tango",
)
OPEN = result(
    "max_accuracy_drop",
    "undecided",
    "straddles",
    "piqa",
    limit=0.02,
    estimate=0.01,
    low=-0.01,
    high=0.03,
    method="tango",
    n=1838,
    clusters=919,
)
FLIPPED = result(
    "must_not_flip",
    "fail",
    "flipped",
    data={"ids": ["a1", "b2"], "noisy": ["b2"], "listed": 12},
    warnings=(Notice(code="listed-not-right", data={"ids": ["c3"]}),),
)
LOUD = result(
    "max_nfr",
    "fail",
    "over-limit",
    tier="advisory",
    limit=0.05,
    estimate=0.065,
    low=0.054,
    high=0.077,
    method="clopper-pearson",
)
FLOORLESS = result(
    "max_excess_nfr",
    "not gateable",
    "no-floor",
    limit=0.02,
    data={"missing": ["rerun", "batch"], "model": "llama1", "task": "gsm8k"},
)


def verdict(outcome: Any, *results: RuleResult, policy: Policy = BALANCED) -> Verdict:
    return Verdict(outcome=outcome, policy=policy, results=results)


PASSED = verdict(
    "pass",
    ENOUGH,
    READ,
    HELD,
    LOUD,
    result(
        "max_accuracy_drop",
        "pass",
        "within-limit",
        "piqa",
        limit=0.02,
        estimate=0.012,
        low=0.005,
        high=0.019,
        warnings=(Notice(code="significant-drop", data={"low": 0.005}),),
    ),
    result("max_score_drop", "not applicable", "not-defined", "piqa", limit=0.02, data={"scale": "binary"}),
)
FAILED = verdict("fail", ENOUGH, READ, LOST, LOUD, FLIPPED, OPEN)
UNDECIDED = verdict("undecided", ENOUGH, HELD, OPEN)
WARNED = verdict("undecided", ENOUGH, HELD, OPEN, policy=OWN)
NOT_GATEABLE = verdict(
    "not gateable",
    ENOUGH,
    LOST,
    FLOORLESS,
    result(
        "max_excess_nfr",
        "not gateable",
        "no-floor",
        "piqa",
        limit=0.02,
        data={"missing": ["rerun", "batch"], "model": "llama1", "task": "piqa"},
    ),
    result("evidence", "not gateable", "limit-not-sample", "piqa", n=200, data={"limit": 200, "n": 1838}),
)


def hostile_verdict(text: str) -> Verdict:
    """Names, ids and codes that hold everything that has ever confused a viewer."""
    task = "<img src=x onerror=alert(1)>|`x`\x1b[2J"
    data = {"ids": [text, "\udc80]]>&<!--", "\x00"], "listed": [text] * 3}
    lacking = {"model": "a; rm -rf /", "missing": [text]}
    return verdict(
        "fail",
        result("must_not_flip", "fail", "flipped", task, data=data, slice=text),
        result("max_moons", "undecided", "moon-phase", text, data={"phase": text, "n": None}),
        result("max_excess_nfr", "not gateable", "no-floor", data=lacking),
        policy=Policy(name=text),
    )


@pytest.fixture
def verdicts(hostile_text: str) -> dict[str, Verdict]:
    """By name: `pass`, `fail`, `undecided`, `warned`, `not-gateable`, `hostile`."""
    return {
        "pass": PASSED,
        "fail": FAILED,
        "undecided": UNDECIDED,
        "warned": WARNED,
        "not-gateable": NOT_GATEABLE,
        "hostile": hostile_verdict(hostile_text),
    }


@pytest.fixture
def policies() -> dict[str, Policy]:
    """By name: `balanced` and `own`, which says everything that a policy can say."""
    return {"balanced": BALANCED, "own": OWN}


@pytest.fixture
def made() -> Callable[..., RuleResult]:
    """Makes a result of a rule: rule, outcome, code, task and any field."""
    return result


@pytest.fixture
def judged_as() -> Callable[..., Verdict]:
    """Makes a verdict: outcome and results, under `balanced` unless a policy is given."""
    return verdict
