"""`regress compare`: two models in, what the update did out."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from regress.comparable import asked_here, require_same_targets
from regress.comparison.rows import SEED
from regress.comparison.table import Floors, assemble
from regress.config import Config, Settings, load_config
from regress.errors import (
    HubError,
    MissingExtra,
    NotComparable,
    RegressError,
    StoreError,
    UnknownName,
    UsageError,
)
from regress.frames import ComparedRuns
from regress.pairing import pair
from regress.scoring.score import compared
from regress.store.manifest import read_spec
from regress.store.runs import Store, read_instances, read_run
from regress.types import NoiseFloor, Pairs, Run
from regress.workflows import exchange, stored
from regress.workflows.floors import noise_floors
from regress.workflows.models import default_data, known_models
from regress.workflows.progress import Progress, Remark, Reused, silent

_MODEL_NOUNS = ("model", "model folder", "revision", "answer table")


def compare(
    old: str,
    new: str,
    *,
    tasks: Sequence[str] | str | None = None,
    allow: Collection[str] = (),
    store: str | Path | None = None,
    old_settings: Mapping[str, Any] | None = None,
    new_settings: Mapping[str, Any] | None = None,
    worst: int = 3,
    resampling_seed: int = SEED,
    progress: Progress = silent,
    **settings: Any,
) -> ComparedRuns:
    """Pair what two models answered, and say what changed.

    Runs that are not stored yet are evaluated first, `old` before `new`, one model in memory at a
    time. Where both are stored, nothing heavy is imported.

    Args:
        old: A model's name (see `evaluate`), the path of a stored run or of a model's runs, or answers
            that others recorded (see `import_runs`).
        new: The same for the new model.
        tasks: Task names, groups or YAML paths.
        allow: Refusals to override: `prompts`, `task`, `scorer`.
        store: Folder of runs.
        old_settings: Settings of the old side only, over `settings`.
        new_settings: Settings of the new side only.
        worst: How many of the worst flips to keep for each task.
        resampling_seed: Seed of bootstrap and permutation: same seed, same digits.
        progress: Called with what happens.
        **settings: Fields of `regress.config.Settings`, for both sides.

    Raises:
        NotComparable: If the runs answer different questions.
        RegressError: If a run cannot be made or read.
    """
    config = load_config(store=store)
    sides = [
        _Side(name=name, given={**settings, "tasks": tasks, **(own or {})}, config=config)
        for name, own in ((old, old_settings), (new, new_settings))
    ]
    models = [old, new]
    into = Store(config.store)
    by_path = [
        exchange.by_path(
            side.name, side.settings(models), into, tasks_given=side.tasks_given, progress=progress
        )
        for side in sides
    ]
    said = [
        runs if runs is not None else _imported(side, models)
        for side, runs in zip(sides, by_path, strict=True)
    ]
    # what others recorded is no model to ask, and does not say where items for one come from
    models = [side.name for side, runs in zip(sides, said, strict=True) if not _of_others(runs)]
    found = [
        runs if runs is not None else _known(side, models, like=other if _of_others(other) else None)
        for side, runs, other in zip(sides, said, reversed(said), strict=True)
    ]
    for side, already in zip(sides, found, strict=True):
        for task, path in (already or {}).items():
            progress(Reused(model=side.name, task=task, path=str(path)))
    # only a path or an import says how it was asked; a model's name is asked as given, whatever is stored
    asked = [side.settings(models, like=said[1 - place]) for place, side in enumerate(sides)]
    runs, groups = _evaluated(sides, asked, found, progress)
    for side, each in zip(sides, runs, strict=True):
        groups |= stored.groups_of(each, side.settings(models).tasks if side.tasks_given else None)
    return compare_runs(
        runs[0], runs[1], groups=groups, allow=allow, worst=worst, resampling_seed=resampling_seed
    )


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One of the two models, and how it is to be asked."""

    name: str
    given: Mapping[str, Any]
    config: Config

    @property
    def tasks_given(self) -> bool:
        return self.given.get("tasks") is not None

    def settings(self, models: list[str], like: stored.Runs | None = None) -> Settings:
        """What was given, else what the stored runs of the other side were asked, else the defaults."""
        given = {name: value for name, value in self.given.items() if value is not None}
        asked = {**stored.questions(like), **given} if like else given
        settings = self.config.settings(**asked)
        if settings.data is not None:
            return settings
        return dataclasses.replace(settings, data=default_data(models))


def _known(side: _Side, models: list[str], like: stored.Runs | None) -> stored.Runs | None:
    """The stored runs that are proven to be of the very bytes of the model that a name stands for."""
    store, aliases = Store(side.config.store), known_models(side.config)
    return stored.by_signature(side.name, side.settings(models, like), store, aliases)


def _of_others(runs: stored.Runs | None) -> bool:
    return runs is not None and all(read_spec(path).origin is not None for path in runs.values())


def _imported(side: _Side, models: list[str]) -> stored.Runs | None:
    """The imported or rescored runs that a name stands for; null if there are none.

    Raises:
        UsageError: If it is the name of a model that was evaluated here, too.
    """
    store = Store(side.config.store)
    imported = stored.imported(side.name, side.settings(models), store, tasks_given=side.tasks_given)
    if imported is None:
        return None
    asked = [
        run.path
        for run in store.named(side.name)
        if run.spec.origin is None and run.manifest and run.spec.task.name in imported
    ]
    if asked:
        raise UsageError(
            f"{side.name} is a model that was evaluated here, and the name of imported or rescored runs",
            allowed=", ".join(str(path) for path in (*asked, *imported.values())),
            do="Name the runs meant by their path.",
        )
    return imported


def _evaluated(
    sides: Sequence[_Side],
    settings: Sequence[Settings],
    found: Sequence[stored.Runs | None],
    progress: Progress,
) -> tuple[list[stored.Runs], dict[str, Sequence[str]]]:
    """Make the runs that are missing, old before new; return all runs, and the groups asked for.

    Both names are checked before either model runs; the tasks are built once where both ask alike.
    """
    runs = [
        already if already is not None else _at_hand(side, asked, progress)
        for side, asked, already in zip(sides, settings, found, strict=True)
    ]
    built: dict[tuple[Any, ...], Any] = {}
    made = [
        already if already is not None else _evaluate(side, asked, built, progress)
        for side, asked, already in zip(sides, settings, runs, strict=True)
    ]
    return made, {name: members for tasks in built.values() for name, members in tasks.groups.items()}


def _at_hand(side: _Side, settings: Settings, progress: Progress) -> stored.Runs | None:
    """Null if the model can be asked; else its stored runs, found by name.

    Raises:
        RegressError: If it can neither be asked nor found.
    """
    try:
        from regress.engines.open import check_engine

        check_engine(side.name, settings, known_models(side.config))
    except (HubError, MissingExtra, UnknownName) as error:
        if isinstance(error, UnknownName) and error.noun not in _MODEL_NOUNS:
            raise  # a slip in a setting, not a model that is gone
        return _by_name(side, settings, error, progress)
    return None


def _by_name(side: _Side, settings: Settings, error: RegressError, progress: Progress) -> stored.Runs:
    """The stored runs that bear the model's name, because of `error`.

    Raises:
        RegressError: If there are none: `error`, or that none is, where models cannot be run at all.
    """
    store = Store(side.config.store)
    given = {name for name, value in side.given.items() if value is not None}
    runs = stored.by_name(side.name, settings, store, given)
    if runs is None and isinstance(error, MissingExtra):
        raise UsageError(f"no run of {side.name!r} is stored in {store.root}", do=str(error)) from None
    if runs is None:
        raise error
    progress(Remark(text=f"{error} The stored runs of {side.name} are used as they are."))
    return runs


def _evaluate(
    side: _Side, settings: Settings, built: dict[tuple[Any, ...], Any], progress: Progress
) -> stored.Runs:
    from regress.workflows import evaluate as evaluation

    asked = _task_settings(settings)
    if asked not in built:
        try:
            built[asked] = evaluation.load(settings, progress)
        except HubError as error:
            return _by_name(side, settings, error, progress)
    paths = evaluation.evaluate_tasks(side.name, settings, side.config, built[asked], progress)
    return {read_spec(path).task.name: path for path in paths}


def _task_settings(settings: Settings) -> tuple[Any, ...]:
    """The settings that decide what is asked and how it is judged."""
    return (
        settings.tasks,
        settings.data,
        settings.fewshot,
        settings.num_fewshot,
        settings.metric,
        settings.max_gen_toks,
        settings.trust_task_code,
        settings.allow_unsafe_code,
    )


def compare_runs(
    old: stored.Runs,
    new: stored.Runs,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    allow: Collection[str] = (),
    worst: int = 3,
    resampling_seed: int = SEED,
) -> ComparedRuns:
    """Pair stored runs by task, and say what changed; needs no weights.

    Raises:
        NotComparable: If a task is stored on one side only, or two runs answer different questions.
    """
    if len(old) == len(new) == 1:  # two runs named by path are what is to be compared, whatever their task
        new = {next(iter(old)): next(iter(new.values()))}
    if alone := sorted(set(old) ^ set(new)):
        side, other = ("old", "new") if alone[0] in old else ("new", "old")
        raise NotComparable(
            f"{alone[0]} is stored for the {side} model and not for the {other}",
            field="task.name",
            do="Evaluate it there too, or say which tasks to compare with --tasks.",
        )
    paths = {task: (str(old[task]), str(new[task])) for task in old}
    pairs = {}
    instances = {}
    for task, (old_path, new_path) in paths.items():
        old_run, new_run = read_run(old_path), read_run(new_path)
        pairs[task] = pair(old_run, new_run, allow=allow)
        table = _instances(task, old_run, new_run)
        if table is not None:
            instances[task] = table
    floors = _floors(old, new, pairs)
    comparison = assemble(
        list(pairs.values()),
        instances=instances,
        groups=groups,
        worst=worst,
        paths=paths,
        floors=floors,
        seed=resampling_seed,
    )
    return ComparedRuns.of(comparison, pairs, instances, floors)


def _instances(task: str, old: Run, new: Run) -> pa.Table | None:
    """What is known of a task's instances: the side that was asked here knows more than an imported one.

    Raises:
        NotComparable: If the two sides know of different targets.
    """
    asked = [run.spec.task for run in (old, new)]
    known = (table for run in (old, new) if (table := read_instances(run)) is not None)
    if asked_here(*asked):
        return next(known, None)
    tables = list(known)
    if len(tables) == 2:
        judged = next((one for one in asked if one.scorer.get("kind") == "text"), asked[0])
        require_same_targets(task, *tables, reference=partial(compared, judged.scorer, judged.metric))
        if asked_here(asked[1]):
            tables.reverse()
    return tables[0] if tables else None


def _floors(old: stored.Runs, new: stored.Runs, pairs: Mapping[str, Pairs]) -> dict[str, Floors]:
    """The stored reruns of either side, row for row with the pairs."""
    return {
        task: (_floor(task, old[task], one.old), _floor(task, new[task], one.new))
        for task, one in pairs.items()
    }


def _floor(task: str, path: Path, predictions: pa.Table) -> NoiseFloor | None:
    """One run's stored reruns; that they cannot be read spoils only what rests on them."""
    try:
        return noise_floors({task: path}, {task: predictions}).get(task)
    except (NotComparable, StoreError) as error:
        return NoiseFloor(reruns={}, unusable=str(error))
