"""Which stored runs are a pilot: the same tasks and the same items for every model named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from regress.config import Config, Settings
from regress.errors import UsageError
from regress.store.manifest import read_spec
from regress.store.runs import Store
from regress.types import Notice
from regress.workflows import exchange, stored
from regress.workflows.models import default_data, known_models
from regress.workflows.progress import Progress, silent

SMALL_PILOT = 200
"""With fewer items, what a pilot shows is bounded so widely that too many items seem needed."""

Subset = tuple[int | None, int | None]
"""Limit and sample."""


def pilot_runs(
    names: Sequence[str], config: Config, given: Mapping[str, Any], progress: Progress = silent
) -> list[stored.Runs]:
    """The runs of each name, on the same subset of the items: that asked for, else the largest stored.

    Raises:
        UsageError: If a name has none, or several that fit.
    """
    given = {name: value for name, value in given.items() if value is not None}
    settings = config.settings(**given)
    if settings.data is None:
        settings = replace(settings, data=default_data(list(names)))
    into, tasks_given = Store(config.store), "tasks" in given
    found = [
        exchange.by_path(name, settings, into, tasks_given=tasks_given, progress=progress) for name in names
    ]
    for limit, sample in _subsets(names, found, config, settings, given):
        asked = replace(settings, limit=limit, sample=sample)
        runs = [
            already if already is not None else _named(name, asked, config, given)
            for name, already in zip(names, found, strict=True)
        ]
        complete = [one for one in runs if one is not None]
        if len(complete) == len(names):
            return complete
    missing = [name for name, already in zip(names, found, strict=True) if already is None]
    raise _no_pilot(missing, config, given)


def _named(name: str, settings: Settings, config: Config, given: Collection[str]) -> stored.Runs | None:
    proven = stored.by_signature(name, settings, Store(config.store), known_models(config))
    proven = proven or stored.imported(name, settings, Store(config.store), tasks_given="tasks" in given)
    return proven or stored.by_name(name, settings, Store(config.store), given)


def _subsets(
    names: Sequence[str],
    found: Sequence[stored.Runs | None],
    config: Config,
    settings: Settings,
    given: Collection[str],
) -> list[Subset]:
    """Limits and samples to look for: what was asked, else what is stored, all items first."""
    if "limit" in given or "sample" in given:
        return [(settings.limit, settings.sample)]
    specs = [read_spec(path) for runs in found if runs for path in runs.values()]
    if not specs:
        specs = [run.spec for name in names for run in Store(config.store).named(name) if run.manifest]
    subsets = {(spec.subset.limit, spec.subset.sample) for spec in specs}
    # the whole, then drawn samples, which stand for the rest, then first items; the largest of each
    return sorted(
        subsets, key=lambda one: (one != (None, None), one[1] is None, -(one[0] or 0), -(one[1] or 0))
    )


def _no_pilot(missing: Sequence[str], config: Config, given: Mapping[str, Any]) -> UsageError:
    tasks = given.get("tasks")
    asked = f" --tasks {tasks if isinstance(tasks, str) else ','.join(map(str, tasks))}" if tasks else ""
    commands = " and ".join(f"`regress evaluate {name} --sample {SMALL_PILOT}{asked}`" for name in missing)
    which = f"{' and '.join(missing)} on the same items" if len(missing) > 1 else missing[0]
    return UsageError(
        f"no finished run of {which} lies in {config.store}",
        do=f"A plan evaluates nothing. Make a pilot with {commands}.",
    )


def shared(runs: Sequence[stored.Runs]) -> tuple[list[stored.Runs], list[Notice]]:
    """The tasks that every side has, and what is left out.

    Raises:
        UsageError: If there is no such task.
    """
    if len(runs) == 1 or len(runs[0]) == len(runs[1]) == 1:  # two runs named by path, whatever their task
        return list(runs), []
    common = [task for task in runs[0] if task in runs[1]]
    if not common:
        raise UsageError(
            f"the old model has runs of {', '.join(runs[0])}, the new one of {', '.join(runs[1])}",
            allowed="runs of the same tasks",
        )
    left_out = [
        Notice(code="one-side-missing", data={"task": task, "side": "new" if task in runs[0] else "old"})
        for task in dict.fromkeys([*runs[0], *runs[1]])
        if task not in common
    ]
    return [{task: each[task] for task in common} for each in runs], left_out
