"""Which finished runs does a name mean? Needs no weights and no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from regress.config import Alias, Settings
from regress.errors import UnknownName, UsageError
from regress.identity import plain
from regress.store.manifest import SPEC
from regress.store.runs import Store, StoredRun, describe, incomplete, label_of
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
    runs = list(_ordinary(describe(path) for path in inside))
    if settings.limit is not None or settings.sample is not None:
        runs = _on_subset(runs, settings, where=name)
    return _finished(runs, settings, tasks_given=tasks_given, where=name)


def _on_subset(runs: Sequence[StoredRun], settings: Settings, *, where: str) -> list[StoredRun]:
    """Those of the runs that answer the subset asked for."""
    asked = (settings.limit, settings.sample)
    fitting = [run for run in runs if (run.spec.subset.limit, run.spec.subset.sample) == asked]
    if not fitting:
        wanted = f"--limit {settings.limit}" if settings.limit is not None else f"--sample {settings.sample}"
        raise UsageError(f"{where} has no run of {wanted}", do="`regress runs` lists what is stored.")
    return fitting


def by_signature(name: str, settings: Settings, store: Store, aliases: Mapping[str, Alias]) -> Runs | None:
    """Finished runs of every task asked for, proven to be about the same bytes; null if any is missing."""
    found: Runs = {}
    candidates = [run for run in _ordinary(store.named(name)) if run.manifest]
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
    named = _ordinary(store.named(name))
    fitting = [run for run in named if run.manifest and _asked_so(run, settings, given)]
    return _finished(fitting, settings, tasks_given="tasks" in given, where=name) if fitting else None


def finished(name: str, settings: Settings, store: Store, *, tasks_given: bool) -> Runs:
    """Finished runs of the model called `name`, however they were asked.

    Raises:
        UnknownName: If there are none.
        UsageError: If several of one task are stored, or one of the tasks asked for is not.
    """
    label, _, task = name.partition("/")
    runs = _ordinary(store.named(name)) or [
        run for run in _ordinary(store.named(label)) if task in (run.spec.task.name, run.path.name)
    ]
    if not runs:
        known = {run.label for run in store.runs()}
        raise UnknownName("run", name, known, do=f"`regress runs` lists what {store.root} holds.")
    return _finished(runs, settings, tasks_given=tasks_given, where=name)


def imported(name: str, settings: Settings, store: Store, *, tasks_given: bool) -> Runs | None:
    """Finished runs in the folder of that name that were imported or rescored; null if there are none.

    Raises:
        UsageError: If several of one task lie there, or one of the tasks asked for does not.
    """
    runs = [run for run in _ordinary(store.named(name)) if run.label == label_of(name)]
    fitting = [run for run in runs if run.spec.origin is not None and run.manifest]
    if tasks_given:
        fitting = [run for run in fitting if _asked_for(run, settings)]
    return _finished(fitting, settings, tasks_given=tasks_given, where=name) if fitting else None


def _ordinary(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Without the reruns that measure noise: those are meant only where they are named by path."""
    return [run for run in runs if run.spec.variation is None]


def _asked_so(run: StoredRun, settings: Settings, given: Collection[str]) -> bool:
    asked = (run.manifest.recorded.get("asked") or {}) if run.manifest else {}
    subset = run.spec.subset
    # of what was asked elsewhere, nobody need know how many items it was asked about
    as_asked = run.spec.origin is not None and not {"limit", "sample"} & set(given)
    return (as_asked or (subset.limit, subset.sample) == (settings.limit, settings.sample)) and all(
        asked.get(name) == plain(getattr(settings, name))
        for name in given
        if name not in ("tasks", "limit", "sample")
    )


_QUESTIONS = ("data", "limit", "sample", "seed", "metric", "fewshot", "num_fewshot", "max_gen_toks")


def questions(runs: Runs) -> dict[str, Any]:
    """How the stored runs were asked, so that another model can be asked the same: tasks, items, shots."""
    manifests = [describe(path).manifest for path in runs.values()]
    asked = next((manifest.recorded.get("asked") for manifest in manifests if manifest), None) or {}
    by_file = any(name.endswith((".yaml", ".yml")) for name in asked.get("tasks", ()))
    tasks = tuple(asked["tasks"]) if by_file else tuple(runs)
    return {"tasks": tasks, **{name: asked[name] for name in _QUESTIONS if asked.get(name) is not None}}


def groups_of(runs: Runs, asked: Collection[str] | None) -> dict[str, list[str]]:
    """The groups to pool: those asked for by name, else those that the runs were made for and fill.

    Args:
        runs: Finished runs by task.
        asked: Names of tasks and groups that the user gave; null if none were.
    """
    recorded: dict[str, list[str]] = {}
    for path in runs.values():
        manifest = describe(path).manifest
        for group in (manifest.recorded.get("groups") or []) if manifest else []:
            recorded[group["name"]] = group["members"]
    if asked is None:
        return {name: members for name, members in recorded.items() if set(members) <= set(runs)}
    wanted = {_called(name) for name in asked}
    return {name: members for name, members in recorded.items() if name in wanted}


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
    missing = [name for name in settings.tasks if not any(_is_part(run, name) for run in runs)]
    if not found or (tasks_given and missing):
        raise UsageError(
            f"{where} has no run of {', '.join(missing or settings.tasks)}",
            allowed=", ".join(sorted({run.spec.task.name for run in runs})),
        )
    asked = list(settings.tasks)
    known = sorted(found, key=lambda task: (asked.index(task) if task in asked else len(asked), task))
    return {task: found[task][0].path for task in known}


def _asked_for(run: StoredRun, settings: Settings) -> bool:
    return any(_is_part(run, name) for name in settings.tasks)


def _is_part(run: StoredRun, name: str) -> bool:
    recorded = run.manifest.recorded if run.manifest else {}
    groups = [group["name"] for group in recorded.get("groups") or []]
    return _called(name) in (run.spec.task.name, *groups)


def _called(name: str) -> str:
    """The name that a task asked for bears: its own, or the one inside its YAML."""
    if not name.endswith((".yaml", ".yml")):
        return name
    from regress.definitions.yaml_files import read

    config = read(Path(name)).config
    return str(config.get("group") or config.get("task"))
