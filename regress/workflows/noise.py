"""`regress noise`: run a model again under changes that should not matter, and see what they move."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from regress.config import Alias, Settings, load_config
from regress.engines.base import Engine
from regress.engines.open import check_engine, open_engine
from regress.errors import UsageError
from regress.identity import canonical_json, strict
from regress.store.runs import Store
from regress.tasks.task import Task
from regress.types import Notice, PaddingCheck
from regress.workflows.evaluate import answer_tasks, load, run_spec, what_was_asked
from regress.workflows.floors import PADDING, device_of, recorded_padding, stored_reruns, where
from regress.workflows.models import default_data, known_models
from regress.workflows.movement import Noise, task_noise
from regress.workflows.padding import padding_checks
from regress.workflows.progress import Progress, silent
from regress.workflows.replicas import Replica, replicas


def noise(
    model: str,
    *,
    tasks: Sequence[str] | str | None = None,
    kinds: Sequence[str] | str | None = None,
    reruns: int | None = None,
    store: str | Path | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Noise:
    """Run a model again under changes that should not matter, and say what they move.

    The run itself is made first if it is not stored. Reruns are stored beside it, and those that
    are stored are not made again; comparisons find them there.

    Args:
        model: A model's name; see `evaluate`.
        tasks: Task names, groups or YAML paths; the configured defaults by default.
        kinds: What to change, out of `regress.types.VARIATIONS`: nothing (`rerun`), the batch size,
            the order, the seed of sampled generation, the device. By default all but the last, the
            seed where answers depend on one.
        reruns: Reruns of each kind; by default two with the same settings or other seeds, one of
            the others.
        store: Folder of runs.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`.

    Raises:
        UnknownName: If there is no such kind.
        UsageError: If a kind asked for would change nothing.
        RegressError: If a run cannot be made; what was answered so far is kept.
    """
    config = load_config(store=store)
    asked = config.settings(tasks=tasks, **settings)
    if asked.data is None:
        asked = replace(asked, data=default_data([model]))
    plan, aliases = replicas(kinds, reruns), known_models(config)
    check_engine(model, asked, aliases)
    built, held = load(asked, progress), Store(config.store)
    recorded = what_was_asked(model, asked, aliases, built)
    with contextlib.closing(_Engines(model, aliases)) as engines:
        due = {replica: _changed(replica, built.tasks, asked, engines) for replica in plan}
        if kinds is not None:
            _refuse_what_changes_nothing(due, engines.of(asked), built.tasks)
        for replica, task in [(each, one) for each in due for one in due[each] if each.kind == "hardware"]:
            _refuse_same_device(replica, engines.of(asked), task, asked, held)
        answered = answer_tasks(
            engines.of(asked), built.tasks, asked, held, recorded, progress, replica=Replica()
        )
        paths = dict(zip(recorded, answered, strict=True))
        checks = _padding(model, paths, built.tasks, asked, engines, progress)
        beside = {name: _beside_a_rerun(recorded[name], checks[name]) for name in recorded}
        for replica, those in due.items():
            answer_tasks(engines.of(replica.settings(asked)), those, asked, held, beside, progress, replica)
    found = tuple(
        task_noise(task.spec, paths[task.spec.name], checks[task.spec.name], _left_out(due, task, kinds))
        for task in built.tasks
    )
    return Noise(model=model, tasks=found)


# ── engines ──────────────────────────────────────────────────────────────────────────────────────


class _Engines:
    """One model's engines under several settings, of which at most one holds its weights.

    Args:
        model: What the model is called.
        aliases: Short names of models.
    """

    def __init__(self, model: str, aliases: Mapping[str, Alias]) -> None:
        self.model, self.aliases = model, aliases
        self._opened: dict[str, Engine] = {}
        self._last: Engine | None = None

    def of(self, settings: Settings) -> Engine:
        """The engine that runs under `settings`; the one asked for before, if another, is put away."""
        key = canonical_json(settings)
        if key not in self._opened:
            self._opened[key] = open_engine(self.model, settings, self.aliases)
        if self._last is not self._opened[key]:
            self.close()
        self._last = self._opened[key]
        return self._last

    def close(self) -> None:
        """Free the memory of the last one; it is loaded again if it is asked again."""
        if self._last is not None:
            self._last.close()


# ── what there is to do ──────────────────────────────────────────────────────────────────────────


def _changed(replica: Replica, tasks: Sequence[Task], asked: Settings, engines: _Engines) -> list[Task]:
    """The tasks of which the replica could change an answer."""
    run, rerun = engines.of(asked), engines.of(replica.settings(asked))
    return [task for task in tasks if replica.changes(run.spec(task.spec), rerun.spec(task.spec))]


def _refuse_what_changes_nothing(
    due: Mapping[Replica, Sequence[Task]], engine: Engine, tasks: Sequence[Task]
) -> None:
    idle = next((replica for replica, those in due.items() if not those), None)
    if idle is None:
        return
    names = ", ".join(task.spec.name for task in tasks)
    if idle.kind == "seed":
        raise UsageError(
            f"another seed would change nothing: no answer to {names} is sampled",
            do="Leave seed out of the kinds, or ask a task whose generation settings sample.",
        )
    raise UsageError(
        f"another batch size would change nothing: engine {engine.spec(tasks[0].spec).name} has none",
        do="Leave batch out of the kinds.",
    )


def _refuse_same_device(replica: Replica, engine: Engine, task: Task, asked: Settings, store: Store) -> None:
    """Refuse a rerun on other hardware that would run where the run itself did."""
    label, (spec, _) = store.label(engine.model.name), run_spec(engine, task, asked)
    if store.complete(label, replica.of(spec)):
        return
    path = store.complete(label, spec)
    if path is None:
        raise UsageError(
            f"there is no run of {task.spec.name} yet that could be made again on other hardware",
            do="Evaluate on the other machine first, with the same versions, and bring its store here.",
        )
    there, here = device_of(path), where(engine.recorded())
    if here is None or here == there:
        raise UsageError(
            f"the run of {task.spec.name} was made on {there or 'no known device'}, "
            "and its rerun would be too",
            do="Say another --device, or run this on another machine with the same store.",
        )


def _left_out(
    due: Mapping[Replica, Sequence[Task]], task: Task, kinds: Sequence[str] | str | None
) -> list[Notice]:
    """Kinds that would change nothing of a task; of a seed only where it was asked for."""
    idle = dict.fromkeys(replica.kind for replica, those in due.items() if task not in those)
    return [
        Notice(code="changes-nothing", data={"kind": kind})
        for kind in idle
        if kind != "seed" or kinds is not None
    ]


# ── the padding check ────────────────────────────────────────────────────────────────────────────


def _padding(
    model: str,
    paths: Mapping[str, Path],
    tasks: Sequence[Task],
    asked: Settings,
    engines: _Engines,
    progress: Progress,
) -> dict[str, PaddingCheck | Notice]:
    """By task, the check: as the stored reruns remember it, else made now."""
    known = {name: recorded_padding(stored_reruns(path)) for name, path in paths.items()}
    unknown = [task for task in tasks if known[task.spec.name] is None]
    engine = engines.of(asked)
    engines.close()  # two copies of the model would not fit
    made = padding_checks(model, engine, unknown, asked, engines.aliases, progress) if unknown else {}
    return {name: check or made[name] for name, check in known.items()}


def _beside_a_rerun(recorded: Mapping[str, Any], check: PaddingCheck | Notice) -> dict[str, Any]:
    """What a rerun's manifest remembers: no signature, which would pass it off as the run itself."""
    padding = {PADDING: strict(check)} if isinstance(check, PaddingCheck) else {}
    return {"asked": recorded["asked"], **padding}
