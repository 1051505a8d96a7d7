"""`regress plan`: would a harmless update pass, and how many items would that take? Evaluates nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from regress.config import Config, load_config
from regress.errors import UsageError
from regress.plans import Plan
from regress.policy import pilot
from regress.policy.case import Case
from regress.policy.judge import terms_of
from regress.policy.outlook import Scenario, Subject
from regress.policy.pilot import PILOT_CONFIDENCE
from regress.policy.planning import ASSUMED_CHURNS, gate_plans, rule_plans
from regress.types import Notice
from regress.verdicts import Policy
from regress.workflows import stored
from regress.workflows.compare import compare_runs
from regress.workflows.gate import cases
from regress.workflows.pilots import SMALL_PILOT, pilot_runs, shared
from regress.workflows.policies import policy_of
from regress.workflows.progress import Progress, Working, silent

POWER = 0.8
"""The probability of passing that is asked for by default."""

FEW_CHANGES = 20
"""With fewer changed items, one more or less changes the plan."""


def plan(
    old: str,
    new: str | None = None,
    *,
    policy: str | Path | Policy | Mapping[str, Any] | None = None,
    power: float = POWER,
    assume_delta: float | Sequence[float] = (),
    churn: float | Sequence[float] | None = None,
    tasks: Sequence[str] | str | None = None,
    store: str | Path | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Plan:
    """How likely an update that does no harm passes a policy, and the items needed, from stored runs.

    How much an update changes comes from a pilot: `old` and `new`, stored on any subset of the items;
    with `old` alone from its stored reruns; else some churns are assumed. How much the pilot's new
    model lost or gained is never looked at.

    Args:
        old: A model's name, the path of stored runs, or answers that others recorded.
        new: The same for the new model of the pilot; null where there is none.
        policy: A preset, a TOML file or a `Policy`; else what the configuration says, else `balanced`.
        power: The probability of passing that is asked for.
        assume_delta: True changes of accuracy or score to plan for beside 0, for example -0.005.
        churn: Shares of items that an update changes, instead of the pilot's upper bound.
        tasks: Task names, groups or YAML paths; by default those of a gate, as far as they are stored.
        store: Folder of runs.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings` that the stored runs were asked with.

    Raises:
        UsageError: If a run is not stored, or a number cannot be meant.
        NotComparable: If the runs answer different questions.
    """
    deltas, churns = _numbers(power, assume_delta, churn)
    config = load_config(store=store)
    held, assumed = policy_of(policy, config)
    names = [old] if new is None else [old, new]
    runs, alone = shared(pilot_runs(names, config, {**settings, "tasks": tasks}, progress))
    progress(Working(text="planning"))
    groups = stored.groups_of(runs[0], None if tasks is None else config.settings(tasks=tasks).tasks)
    compared = compare_runs(runs[0], runs[-1], groups=groups, allow=held.allow, worst=0)
    subjects = [_subject(one, new is not None) for one in cases(compared, held)]
    if not churns:
        known = all(subject.basis != "assumed" for subject in subjects)
        churns = [None] if known else [*ASSUMED_CHURNS]
    scenarios = [Scenario(delta=delta, churn=one) for delta in deltas for one in churns]
    rules = rule_plans(subjects, held, scenarios, power)
    warnings = [*alone, *_unplanned(names, runs[0], config, tasks)]
    warnings += _warnings(subjects, held, from_pilot=None in churns)
    return Plan(
        old=old,
        new=new,
        policy=held,
        assumed=assumed,
        power=power,
        confidence=PILOT_CONFIDENCE,
        rules=tuple(rules),
        gate=tuple(gate_plans(rules, scenarios)),
        warnings=tuple(warnings),
    )


def _unplanned(
    names: Sequence[str], runs: stored.Runs, config: Config, tasks: Sequence[str] | str | None
) -> Iterator[Notice]:
    """Which of the tasks that a gate would judge by default have no pilot."""
    if tasks is not None or any(Path(name).expanduser().is_dir() for name in names):
        return
    for task in config.settings().tasks:
        if task not in runs:
            yield Notice(code="no-pilot", data={"task": task})


def _numbers(
    power: float, assume_delta: float | Sequence[float], churn: float | Sequence[float] | None
) -> tuple[list[float], list[float | None]]:
    """The true changes to plan for, 0 first, and the churns; empty where none were given.

    Raises:
        UsageError: If one of them cannot be meant.
    """
    deltas = [float(one) for one in np.atleast_1d(assume_delta)]
    churns = [] if churn is None else [float(one) for one in np.atleast_1d(churn)]
    if not 0.5 <= power < 1.0:
        raise UsageError(f"power is {power!r}", allowed="a number from 0.5 and below 1")
    for one in deltas:
        if not -1.0 < one < 1.0:
            raise UsageError(
                f"the assumed change is {one!r}",
                allowed="a number between -1 and 1: a fraction, so that -0.005 is a loss of half a point",
            )
    for one in churns:
        if not 0.0 < one <= 1.0:
            raise UsageError(f"churn is {one!r}", allowed="a number above 0 to 1: 0.1 is 10 % of the items")
    return list(dict.fromkeys([0.0, *deltas])), list(dict.fromkeys(churns))


# ── what it is evidence of ───────────────────────────────────────────────────────────────────────


def _subject(case: Case, has_new: bool) -> Subject:
    """A task with what is known of updates to it."""
    if has_new:
        return Subject(case=case)
    rerun = pilot.of_reruns(case.columns)
    if rerun is None:
        return Subject(case=case, basis="assumed")
    return Subject(case=replace(case, columns=rerun), basis="reruns")


def _warnings(subjects: Sequence[Subject], policy: Policy, *, from_pilot: bool) -> Iterator[Notice]:
    """What to know before relying on the plan.

    Args:
        subjects: The tasks.
        policy: What will be judged by.
        from_pilot: Whether any number follows from what a pilot changed.
    """
    for subject in subjects:
        yield from _of_items(subject.case, policy)
        if from_pilot:
            yield from _of_pilot(subject)
        elif subject.case.columns.cluster is not None and subject.basis == "assumed":
            yield Notice(code="clusters-as-items", data={"task": subject.case.name})
    names = [subject.case.name for subject in subjects]
    for name in policy.tasks:
        if name not in names:
            yield Notice(code="task-not-planned", data={"task": name})
    if policy.slices:
        yield Notice(code="slices-not-planned", data={"slices": [part.name for part in policy.slices]})


def _of_items(case: Case, policy: Policy) -> Iterator[Notice]:
    about, minimum = {"task": case.name, "n": case.n}, terms_of(case, policy).minimum_n
    if case.n < minimum:
        yield Notice(code="below-minimum", data={**about, "minimum": minimum})
    limits = [subset.limit for subset in case.subsets if subset.limit is not None]
    if limits:
        yield Notice(code="limit-not-sample", data={**about, "limit": limits[0]})


def _of_pilot(subject: Subject) -> Iterator[Notice]:
    columns, about = subject.case.columns, {"task": subject.case.name}
    if subject.basis == "reruns":
        yield Notice(code="churn-of-reruns", data=about)
    if columns.items() < SMALL_PILOT:
        yield Notice(code="pilot-small", data={**about, "n": columns.items(), "minimum": SMALL_PILOT})
    moved = columns.items(pilot.changed(columns))
    if moved < FEW_CHANGES:
        yield Notice(code="pilot-few-changes", data={**about, "changed": moved, "minimum": FEW_CHANGES})
