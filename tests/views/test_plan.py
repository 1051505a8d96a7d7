"""A plan in words and for programs: what is not reachable is said, and what would be."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from rich.cells import cell_len

from regress.plans import GatePlan, Plan, RulePlan
from regress.types import Notice
from regress.verdicts import Policy
from regress.views.plan import document, render
from regress.views.plan_sentences import reason, sentence

NAN = math.nan
REACHED = RulePlan(
    task="piqa",
    rule="max_accuracy_drop",
    limit=0.02,
    scale="binary",
    churn=0.103,
    harm=0.0,
    n=200,
    pass_at_hand=0.2104,
    whole=1838,
    pass_whole=0.8465,
    needed=1631,
)
BEYOND = replace(
    REACHED,
    task="gsm8k",
    limit=0.01,
    whole=1319,
    pass_at_hand=0.0712,
    pass_whole=0.3104,
    needed=6203,
    smallest_limit=0.02178,
)
NEVER = replace(
    REACHED,
    rule="max_nfr",
    limit=0.05,
    tier="advisory",
    harm=0.052,
    pass_at_hand=0.041,
    pass_whole=0.0312,
    needed=None,
    smallest_limit=0.0662,
)
SCORE = RulePlan(
    task="samsum",
    rule="max_score_drop",
    limit=0.02,
    scale="bounded",
    sd=0.13,
    harm=0.0,
    n=200,
    pass_at_hand=0.703,
    whole=819,
    pass_whole=0.9961,
    needed=262,
)
UNKNOWN = replace(SCORE, code="needs-pilot", sd=NAN, harm=NAN, pass_at_hand=NAN, pass_whole=NAN, needed=None)
WARNINGS = (
    Notice(code="pilot-few-changes", data={"task": "piqa", "changed": 12, "minimum": 20}),
    Notice(code="below-minimum", data={"task": "piqa", "n": 200, "minimum": 300}),
    Notice(code="below-minimum", data={"task": "gsm8k", "n": 200, "minimum": 300}),
    Notice(code="slices-not-planned", data={"slices": ["long division"]}),
)


def made(*rules: RulePlan, **changes) -> Plan:
    given = {
        "old": "demo-v1",
        "new": "demo-v2",
        "policy": Policy(name="mine.toml", base="strict"),
        "assumed": False,
        "power": 0.8,
        "confidence": 0.95,
        "gate": tuple(
            GatePlan(delta=delta, assumed_churn=churn, pass_at_hand=0.015, pass_whole=0.263)
            for delta, churn in dict.fromkeys((one.delta, one.assumed_churn) for one in rules)
        ),
    }
    return Plan(rules=rules, **{**given, **changes})


def grid() -> Plan:
    """Two rules at two churns, and one that an assumed churn says nothing about."""
    rules = [
        replace(one, basis="assumed", assumed_churn=churn, churn=churn, **changes)
        for one, cases in (
            (REACHED, ({}, {"needed": 3239, "smallest_limit": 0.0265, "pass_whole": 0.61})),
            (NEVER, ({"needed": 410, "harm": 0.025, "smallest_limit": NAN}, {"harm": 0.1})),
            (UNKNOWN, ({}, {})),
        )
        for churn, changes in zip((0.05, 0.2), cases, strict=True)
    ]
    return made(*rules, new=None, assumed=True, policy=Policy(name="balanced", base="balanced"))


PLANS = {
    "pilot": made(REACHED, NEVER, BEYOND, SCORE, warnings=WARNINGS),
    "deltas": made(
        replace(REACHED, n=1838, pass_at_hand=0.8465),
        replace(REACHED, n=1838, delta=-0.005, harm=0.005, pass_at_hand=0.612, needed=3114),
        new=None,
    ),
    "grid": grid(),
}


@pytest.mark.parametrize("name", PLANS)
def test_plans_look_as_they_did(golden, name):
    golden(f"plan-{name}.80.txt", render(PLANS[name]))


def test_a_plan_for_programs_is_as_it_was(golden):
    told = json.dumps(document(PLANS["pilot"]), sort_keys=True, indent=2, allow_nan=False)
    golden("plan-pilot.json", told + "\n")


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", PLANS)
def test_no_line_is_wider_than_asked_for(name, width):
    assert max(cell_len(line) for line in render(PLANS[name], width=width).splitlines()) <= width


def test_color_sets_headings_off_and_changes_no_word():
    plain, colored = render(PLANS["pilot"]), render(PLANS["pilot"], color=True)
    assert "\x1b[1m" in colored
    assert colored.replace("\x1b[1m", "").replace("\x1b[0m", "") == plain


def test_what_is_not_reachable_says_so_with_the_smallest_limit_rounded_up():
    assert reason(BEYOND) == (
        "gsm8k, accuracy drop ≤ 1: not reachable with this task (max n 1,319); a limit of 2.2 points is."
    )
    assert reason(replace(BEYOND, smallest_limit=0.02101)).endswith("a limit of 2.2 points is.")
    assert reason(NEVER) == (
        "piqa, NFR ≤ 5 (adv.): not reachable with any n, as the true harm then is 5.2 %; a limit of 6.7 % is."
    )
    assert reason(replace(BEYOND, smallest_limit=NAN)).endswith("(max n 1,319), nor is any other limit.")
    assert reason(REACHED) == ""


def test_scores_without_bounds_keep_their_unit():
    one = replace(BEYOND, scale="unbounded", rule="max_score_drop", limit=0.5, smallest_limit=12.341)
    assert reason(one).startswith("gsm8k, mean score drop ≤ 0.5: ")
    assert reason(one).endswith("a limit of 12.4 is.")


@pytest.mark.parametrize("code", ["needs-pilot", "needs-floor", "few-clusters"])
def test_what_is_not_planned_says_why(code):
    assert reason(replace(UNKNOWN, code=code)).startswith("samsum, mean score drop ≤ 2: not planned")


def test_every_warning_of_the_workflow_has_its_sentence():
    """As data holds them in `regress.workflows.plan`."""
    data = {"task": "piqa", "side": "new", "n": 3, "minimum": 9, "limit": 3, "changed": 1, "slices": ["a"]}
    codes = (
        *("one-side-missing", "below-minimum", "limit-not-sample", "clusters-as-items", "churn-of-reruns"),
        *("pilot-small", "pilot-few-changes", "task-not-planned", "slices-not-planned"),
    )
    for code in codes:
        told = sentence(Notice(code=code, data=data))
        assert told.startswith("piqa: ")
        assert "notice" not in told
    assert sentence(Notice(code="moon-phase", data={})) == "notice moon-phase."


def test_a_warning_is_said_once_for_all_its_tasks():
    lines = [line for line in render(PLANS["pilot"]).splitlines() if "would not judge" in line]
    assert len(lines) == 1
    assert lines[0].startswith("  ·  piqa, gsm8k: on 200 instances")


def test_hostile_names_reach_no_terminal(hostile_text):
    bad = made(
        replace(BEYOND, task=hostile_text),
        old=hostile_text,
        new=hostile_text,
        policy=Policy(name=hostile_text),
        warnings=(Notice(code="task-not-planned", data={"task": hostile_text}),),
    )
    text = render(bad)
    assert "\x1b" not in text
    assert "\u202e" not in text
    json.dumps(document(bad), allow_nan=False).encode()


def test_the_document_holds_every_field():
    told = document(PLANS["pilot"])
    assert {one.name for one in fields(Plan)} <= told.keys()
    for rule in told["rules"]:
        assert {one.name for one in fields(RulePlan)} <= rule.keys()
    assert [rule["reachable"] for rule in told["rules"]] == [True, False, False, True]
    assert told["rules"][0]["sentence"] is None
    assert told["rules"][0]["sd"] is None
