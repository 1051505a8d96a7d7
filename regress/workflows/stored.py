"""Which finished runs does a name mean? Needs no weights and no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from regress.config import Alias, Settings
from regress.errors import UsageError
from regress.identity import plain
from regress.store.manifest import SPEC
from regress.store.runs import Store, StoredRun, describe, incomplete
from regress.workflows.signature import signature

Runs = dict[str, Path]
"""Folders of finished runs by task name."""


def by_path(name: str, settings: Settings, *, tasks_given: bool) -> Runs | None:
    """The run, or the model's runs, in the folder called `name`; null if it is no such folder.

    Raises:
        UsageError: If several runs of one task lie there, or a task asked for does not.
        IncompleteRun: If a run asked for is not finished.
    """
    folder = Path(name).expanduser()
    if (folder / SPEC).is_file():
        return _finished([describe(folder)], settings, tasks_given=False, where=name)
    inside = sorted(path.parent for path in folder.glob(f"*@*/{SPEC}")) if folder.is_dir() else []
    if not inside:
        return None
    return _finished([describe(path) for path in inside], settings, tasks_given=tasks_given, where=name)


def by_signature(name: str, settings: Settings, store: Store, aliases: Mapping[str, Alias]) -> Runs | None:
    """Finished runs of every task asked for, proven to be about the same bytes; null if any is missing."""
    found: Runs = {}
    candidates = [run for run in store.named(name) if run.manifest]
    for task in settings.tasks:
        wanted = signature(name, settings, aliases, task)
        for run in candidates:
            if wanted and run.manifest and run.manifest.recorded.get("signature") == wanted:
                found[task] = run.path
    return found if set(found) == set(settings.tasks) else None


def by_name(name: str, settings: Settings, store: Store, given: Collection[str]) -> Runs | None:
    """Finished runs whose manifests bear the name, for when the model itself is not at hand; null if none.

    Args:
        name: The model's label, alias, id, source or revision.
        settings: How the model would be asked.
        store: Where to look.
        given: Names of the settings that the user gave: runs asked otherwise do not count.

    Raises:
        UsageError: If several runs of one task fit.
    """
    fitting = [run for run in store.named(name) if run.manifest and _asked_so(run, settings, given)]
    return _finished(fitting, settings, tasks_given="tasks" in given, where=name) if fitting else None


def _asked_so(run: StoredRun, settings: Settings, given: Collection[str]) -> bool:
    asked = (run.manifest.recorded.get("asked") or {}) if run.manifest else {}
    subset = run.spec.subset
    return (subset.limit, subset.sample) == (settings.limit, settings.sample) and all(
        asked.get(name) == plain(getattr(settings, name))
        for name in given
        if name not in ("tasks", "limit", "sample")
    )


_QUESTIONS = ("data", "limit", "sample", "seed", "metric", "fewshot", "num_fewshot", "max_gen_toks")


def questions(runs: Runs) -> dict[str, Any]:
    """How the stored runs were asked, so that another model can be asked the same: tasks, items, shots."""
    manifests = [describe(path).manifest for path in runs.values()]
    asked = next((manifest.recorded.get("asked") for manifest in manifests if manifest), None) or {}
    return {"tasks": tuple(runs), **{name: asked[name] for name in _QUESTIONS if asked.get(name) is not None}}


def groups_of(paths: Sequence[Path]) -> dict[str, list[str]]:
    """The groups that the runs were asked as part of, with all their members."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        manifest = describe(path).manifest
        for group in (manifest.recorded.get("groups") or []) if manifest else []:
            groups[group["name"]] = group["members"]
    return groups


def _finished(runs: Sequence[StoredRun], settings: Settings, *, tasks_given: bool, where: str) -> Runs:
    found: dict[str, list[StoredRun]] = {}
    for run in runs:
        if not tasks_given or _asked_for(run, settings):
            found.setdefault(run.spec.task.name, []).append(run)
    for task, fitting in found.items():
        if len(fitting) > 1:
            raise UsageError(
                f"{where} has {len(fitting)} runs of {task}",
                allowed=", ".join(str(run.path) for run in fitting),
                do="Name one of them by its path.",
            )
        if fitting[0].manifest is None:
            raise incomplete(fitting[0])
    if not found:
        raise UsageError(
            f"{where} has no run of {', '.join(settings.tasks)}",
            allowed=", ".join(sorted({run.spec.task.name for run in runs})),
        )
    asked = list(settings.tasks)
    known = sorted(found, key=lambda task: (asked.index(task) if task in asked else len(asked), task))
    return {task: found[task][0].path for task in known}


def _asked_for(run: StoredRun, settings: Settings) -> bool:
    groups = (run.manifest.recorded.get("groups") or []) if run.manifest else []
    return bool({run.spec.task.name, *(group["name"] for group in groups)} & set(settings.tasks))
