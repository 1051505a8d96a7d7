"""Comparisons made by hand, and golden files to compare their views with.

`REGENERATE_GOLDEN=1 pytest tests/views` writes the golden files anew; read the difference before
committing it. Without that variable a missing golden file fails its test.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regress.types import (
    Comparison,
    Difference,
    Estimate,
    Evidence,
    Flip,
    KindCounts,
    ModelSpec,
    Notice,
    PaddingCheck,
    QuadrantCounts,
    Reading,
    SideCounts,
    SuiteEvidence,
    TaskComparison,
    TaskSpec,
)

GOLDEN = Path(__file__).parent / "golden"

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]0;owned\x07 <script>alert(1)</script> | a | `code` ```\nfence [red]markup[/red] "
    "\u202edetrevni\u202c zero\u200bwidth \x9b2J \\udc80 *bold* _it_ [link](http://evil.example) "
    "www.evil.example @maintainers #1 =HYPERLINK(1) 你好 🙂 Z̸̡̢̛̗̘̙̜̝̞a\r\nline\u2028end "
)


@pytest.fixture
def hostile_text() -> str:
    """What has ever confused a terminal, a browser or a spreadsheet."""
    return HOSTILE


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Asserts that a text is the one in the golden file of that name."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("REGENERATE_GOLDEN") == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
        assert path.exists(), f"no golden file {name}: see the docstring of tests/views/conftest.py"
        assert text == path.read_bytes().decode()

    return check


def estimates(n: int, **values: float) -> dict[str, Estimate]:
    return {name: Estimate(value=value, n=n) for name, value in values.items()}


def binary(
    name: str, counts: QuadrantCounts, *, kind: Any = "choice", metric: str = "acc", **fields: Any
) -> TaskComparison:
    n, b, c = counts.n, counts.negative_flips, counts.positive_flips
    same, other = counts.both_wrong_same, counts.both_wrong_different
    right, new_right = counts.both_right + b, counts.both_right + c
    wrong_new = n - new_right
    values = estimates(
        n,
        old=right / n,
        new=new_right / n,
        delta=(c - b) / n,
        nfr=b / n,
        pfr=c / n,
        nfr_mc=(b + other) / n,
        btc=counts.both_right / right,
        bec=(same + other) / wrong_new,
        nfi=b / wrong_new,
        relative_nfr=(b / n) / ((right / n) * (wrong_new / n)),
        churn=(b + c + other) / n,
    )
    task = TaskSpec(
        name=name,
        version="1.0",
        kind=kind,
        scale="binary",
        metric=metric,
        data=fields.pop("data", "demo"),
        num_fewshot=fields.pop("num_fewshot", 0),
    )
    nothing = SideCounts(unreadable=0, truncated=None, left_truncated=0)
    defaults = {"old_side": nothing, "new_side": nothing, "readable": values}
    return TaskComparison(task=task, n=n, estimates=values, counts=counts, **{**defaults, **fields})


def quadrants(right: int, lost: int, gained: int, same: int, other: int) -> QuadrantCounts:
    return QuadrantCounts(
        both_right=right,
        negative_flips=lost,
        positive_flips=gained,
        both_wrong_same=same,
        both_wrong_different=other,
    )


DEMO_OLD = ModelSpec(name="demo-v1", source="demo-v1", dtype="float32", fingerprint="3fa9c1d2" * 8)
DEMO_NEW = ModelSpec(name="demo-v2", source="demo-v2", dtype="float32", fingerprint="b81e07aa" * 8)


def gsm8k() -> TaskComparison:
    flips = tuple(
        Flip(
            instance_id=f"{i:016x}",
            index=17 * i,
            quadrant="negative flip",
            delta=-1.0,
            old_answer="42",
            new_answer=answer,
            old_output="Tom has 40 apples. Ann gives him 2 more, so he has 40 + 2 = 42 apples.\n#### 42",
            new_output=output,
            target="42",
            prompt="Question: Ann has 3.\nAnswer: #### 3\n\n" * 5
            + "Question: Tom has 40 apples and Ann gives him 2 more. How many has he now?\nAnswer:",
        )
        for i, answer, output in (
            (3, "38", "Tom has 40 apples. Ann takes 2, so he has 40 - 2 = 38 apples.\n#### 38"),
            (8, None, "Tom has 40 apples. Tom has 40 apples. Tom has 40 apples. Tom has"),
            (11, "420", "40 + 2 = 420\n#### 420"),
        )
    )
    return binary(
        "gsm8k",
        quadrants(156, 12, 66, 130, 36),
        kind="generation",
        metric="exact_match/strict-match",
        num_fewshot=5,
        old_side=SideCounts(unreadable=4, truncated=None, left_truncated=0),
        new_side=SideCounts(unreadable=2, truncated=1, left_truncated=0),
        readable=estimates(394, old=0.425, new=0.557, delta=0.132, nfr=0.028, pfr=0.160, nfr_mc=0.117),
        worst=flips,
        warnings=(
            Notice(code="setting-differs", data={"field": "engine.batch_size", "old": 8, "new": 16}),
            Notice(code="unreadable", data={"old": 4, "new": 2, "n": 400}),
            Notice(code="truncation-unknown", data={"side": "old"}),
            Notice(code="truncated", data={"old": None, "new": 1, "n": 400}),
        ),
        old_path="reports/runs/demo-v1/gsm8k@0123456789ab",
        new_path="reports/runs/demo-v2/gsm8k@ba9876543210",
        old_fingerprint="01" * 32,
        new_fingerprint="ba" * 32,
    )


def piqa() -> TaskComparison:
    flip = Flip(
        instance_id="piqa-205",
        index=205,
        quadrant="negative flip",
        delta=-3.21,
        old_answer="0",
        new_answer="1",
        old_output="Put the jar under hot water before you twist the lid.",
        new_output="Put the jar into the freezer before you twist the lid.",
        target="Put the jar under hot water before you twist the lid.",
        prompt="Question: How do you open a tight jar?\nAnswer:",
    )
    return binary(
        "piqa",
        quadrants(220, 26, 51, 103, 0),
        worst=(flip,),
        warnings=(Notice(code="setting-differs", data={"field": "engine.batch_size", "old": 8, "new": 16}),),
    )


def samsum() -> TaskComparison:
    rates = estimates(
        300,
        old=0.4312,
        new=0.4689,
        delta=0.0377,
        nfr=0.31,
        pfr=0.52,
        nfr_tau=0.22,
        pfr_tau=0.41,
        m_g=0.1204,
        m_r=0.0803,
        churn=0.87,
    )
    flip = Flip(
        instance_id="13728867",
        index=61,
        quadrant="negative flip",
        delta=-0.41,
        old_answer="Amanda baked cookies and will bring Jerry some tomorrow.",
        new_answer="Jerry will bring Amanda some tomorrow.",
        old_output="Amanda baked cookies and will bring Jerry some tomorrow.",
        new_output="Jerry will bring Amanda some tomorrow.",
        target="Amanda baked cookies and will bring Jerry some tomorrow.",
        prompt="Dialogue:\nAmanda: I baked cookies. Do you want some?\nJerry: Sure!\n"
        "Amanda: I'll bring you tomorrow :-)\nSummary:",
    )
    task = TaskSpec(
        name="samsum", version="1.0", kind="generation", scale="bounded", metric="rouge1", data="demo"
    )
    side = SideCounts(unreadable=0, truncated=0, left_truncated=0)
    return TaskComparison(
        task=task,
        n=300,
        estimates=rates,
        counts=None,
        old_side=side,
        new_side=SideCounts(unreadable=0, truncated=2, left_truncated=3),
        readable=rates,
        worst=(flip,),
        warnings=(
            Notice(code="truncated", data={"old": 0, "new": 2, "n": 300}),
            Notice(code="left-truncated", data={"old": 0, "new": 3, "n": 300}),
        ),
    )


def pooled() -> TaskComparison:
    return binary("reasoning", quadrants(376, 38, 117, 233, 36), members=("gsm8k", "piqa"))


@pytest.fixture
def full() -> Comparison:
    """Two binary tasks, a bounded one and a pooled row, on demo items."""
    return Comparison(
        old=DEMO_OLD,
        new=DEMO_NEW,
        tasks=(gsm8k(), piqa(), samsum(), pooled()),
        warnings=(Notice(code="demo-items"),),
    )


def known(values: dict[str, Estimate], **ends: tuple[float, float]) -> dict[str, Estimate]:
    """`values` with 95 % intervals where `ends` has them."""
    methods = {"delta": "tango", "excess_nfr": "bca"}
    return {
        name: replace(
            one, low=ends[name][0], high=ends[name][1], confidence=0.95, method=methods.get(name, "wilson")
        )
        if name in ends
        else one
        for name, one in values.items()
    }


def evidence_of(
    p: float, holm: float, worse: float, *, detected: bool, mde: float, test: str = "mcnemar"
) -> Any:
    return Evidence(
        test=test,
        p_worse=worse,
        p_differs=p,
        p_differs_holm=holm,
        detected=detected,
        mde=mde,
        power=0.8,
    )


def noisy_gsm8k() -> TaskComparison:
    """A loss that is real, over a noise floor, by an engine that pads wrongly."""
    task = binary("gsm8k", quadrants(680, 86, 20, 470, 63), kind="generation", data="hub:x@1")
    values = known(
        task.estimates, delta=(-0.0652, -0.0352), nfr=(0.0531, 0.0797), pfr=(0.0098, 0.0233), old=(0.55, 0.61)
    )
    floor = estimates(
        1319,
        floor_nfr=0.0065,
        floor_rerun=0.005,
        floor_batch=0.008,
        excess_nfr=0.0587,
        robust_nfr=0.0591,
        robust_pfr=0.01,
        coin_tosses=0.0114,
        cross_nfr=0.0651,
        self_nfr=0.0071,
        half_loss=0.025,
        half_distance=0.033,
    )
    own = estimates(1319, model_nfr=66 / 1319, model_pfr=20 / 1319)
    return replace(
        task,
        estimates={
            **values,
            **known(floor, excess_nfr=(0.044, 0.0735)),
            **known(own, model_nfr=(0.0395, 0.0631)),
        },
        kinds=KindCounts(
            negative={"truncated": 9, "unreadable": 14, "format": 3, "answer": 60},
            positive={"answer": 20},
            recoverable=8,
            not_the_models=20,
        ),
        readings=both_readings(),
        evidence=evidence_of(3e-10, 6e-10, 1e-10, detected=True, mde=0.0218),
        padding=PaddingCheck(n=400, batch_size=16, largest=0.31, threshold=0.01),
        warnings=(
            Notice(code="engine-padding", data={"batch_size": 16, "largest": 0.31, "threshold": 0.01}),
            Notice(code="floor-conditional", data={"runs": 2}),
        ),
    )


def both_readings() -> tuple[Reading, Reading]:
    """A strict and a flexible extractor that disagree about the update."""
    strict = estimates(1319, old=0.5807, new=0.5307, delta=-0.05, nfr=0.0652, pfr=0.0152)
    flexible = estimates(1319, old=0.5989, new=0.5717, delta=-0.0272, nfr=0.0462, pfr=0.019)
    gap = Estimate(value=0.0228, n=1319, low=0.0121, high=0.0335, confidence=0.95, method="miller-t")
    return (
        Reading(metric="exact_match/strict-match", estimates=strict),
        Reading(metric="exact_match/flexible-extract", estimates=flexible, delta_gap=gap),
    )


def calm_piqa() -> TaskComparison:
    """Too few flips to say anything."""
    task = binary("piqa", quadrants(1400, 31, 38, 369, 0), data="hub:x@1")
    values = known(task.estimates, delta=(-0.0051, 0.0129), nfr=(0.0119, 0.0238), pfr=(0.0151, 0.0282))
    return replace(
        task,
        estimates=values,
        clusters=919,
        evidence=evidence_of(0.4701, 0.4701, 0.8341, detected=False, mde=0.0127, test="mcnemar-clustered"),
        warnings=(
            Notice(code="undetected", data={"mde": 0.0127, "power": 0.8, "scale": "binary"}),
            Notice(code="clustered", data={"clusters": 919}),
        ),
    )


@pytest.fixture
def judged() -> Comparison:
    """A real loss and a difference that may be chance, with intervals, tests and a noise floor."""
    return Comparison(
        old=replace(DEMO_OLD, name="llama1"),
        new=replace(DEMO_NEW, name="llama2"),
        tasks=tuple(
            replace(row, task=replace(row.task, data="hub:x@1")) for row in (noisy_gsm8k(), calm_piqa())
        ),
        suite=SuiteEvidence(tasks=("gsm8k", "piqa"), pooled=2.1e-6, max_z=0.0, fisher=1e-9),
    )


@pytest.fixture
def settings() -> Comparison:
    """Another number of worked examples, which the user insisted on comparing."""
    model = ModelSpec(
        name="llama2",
        source="meta-llama/Llama-2-7b-hf",
        revision="01c7f73d771dfac7d292323805ebc428287df4f9",
        dtype="float16",
    )
    return Comparison(
        old=model,
        new=model,
        tasks=(binary("piqa", quadrants(1400, 31, 42, 365, 0), data="hub:baber/piqa@142f6d7367fd"),),
        warnings=(Notice(code="limit-not-sample", data={"limit": 1838, "n": 10042}),),
        settings_compared=(
            Difference(field="task.num_fewshot", old=0, new=5),
            Difference(field="task.prompts", old="aa00bb11" * 8, new="cc22dd33" * 8),
        ),
    )


@pytest.fixture
def unknowns() -> Comparison:
    """Nothing compared on one task, an unbounded one beside it, and models that hide what they are."""
    empty = TaskSpec(name="gsm8k", version="3.0", kind="generation", scale="binary", metric="exact_match")
    wiki = TaskSpec(
        name="wikitext",
        version="2.0",
        kind="likelihood",
        scale="unbounded",
        metric="word_perplexity",
        higher_is_better=False,
    )
    unknown = SideCounts(unreadable=0, truncated=None, left_truncated=0)
    names = ("old", "new", "delta", "nfr", "pfr", "nfr_mc", "btc", "bec", "nfi", "relative_nfr", "churn")
    undefined = estimates(0, **dict.fromkeys(names, math.nan))
    scores = estimates(
        62, old=-12.3456, new=-11.9, delta=0.4456, nfr=0.0, pfr=1.0, m_g=0.4456, m_r=math.nan, churn=1.0
    )
    return Comparison(
        old=ModelSpec(name="old-api", source="old-api"),
        new=ModelSpec(name="new-api", source="new-api"),
        tasks=(
            TaskComparison(
                task=empty,
                n=0,
                estimates=undefined,
                counts=quadrants(0, 0, 0, 0, 0),
                old_side=unknown,
                new_side=unknown,
                readable=undefined,
                warnings=(Notice(code="few-items", data={"n": 0, "minimum": 30}),),
            ),
            TaskComparison(
                task=wiki,
                n=62,
                estimates=scores,
                counts=None,
                old_side=unknown,
                new_side=unknown,
                readable=scores,
                warnings=(
                    Notice(code="metric-negated", data={"metric": "word_perplexity"}),
                    Notice(code="per-document", data={"metric": "word_perplexity"}),
                    Notice(code="moon-phase", data={"phase": "full", "light": math.nan}),
                ),
            ),
        ),
    )


@pytest.fixture
def hostile() -> Comparison:
    """Models that answer with everything that has ever confused a terminal, a browser or a spreadsheet."""
    flip = Flip(
        instance_id="id|`<b>\x1b[2J",
        index=1,
        quadrant="negative flip",
        delta=-1.0,
        old_answer=HOSTILE,
        new_answer="=cmd()",
        old_output=HOSTILE * 40,
        new_output="x" * 10_000,
        target=HOSTILE,
        prompt=HOSTILE * 3 + "\n" * 500,
    )
    task = binary(
        "=cmd|'/c calc'!A1",
        quadrants(5, 1, 1, 1, 1),
        kind="generation",
        metric="acc\x1b[0m",
        worst=(flip,),
        warnings=(
            Notice(
                code="setting-differs",
                data={"field": "model.chat_template", "old": HOSTILE, "new": None},
            ),
        ),
    )
    other = binary("<img src=x onerror=alert(1)>_" + "n" * 200, quadrants(5, 1, 1, 1, 1))
    return Comparison(
        old=ModelSpec(name="@old|<script>\u202e", source="\udc80" + HOSTILE),
        new=ModelSpec(name="=new" * 100, source="b"),
        tasks=(task, other),
    )
