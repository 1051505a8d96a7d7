"""The answers of the models that are to be compared: found, imported on the way, or asked for now."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regress.config import Config, Settings
from regress.errors import HubError, MissingExtra, RegressError, UnknownName, UsageError
from regress.store.manifest import read_spec
from regress.store.runs import Store
from regress.workflows import exchange, stored
from regress.workflows.models import default_data, known_models
from regress.workflows.progress import Progress, Remark, Reused

_MODEL_NOUNS = ("model", "model folder", "revision", "answer table")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the models, and how it is to be asked."""

    name: str
    """What the user called it."""
    given: Mapping[str, Any]
    """Fields of `regress.config.Settings` as given; null where one was not."""
    config: Config
    """The configuration, with the store."""

    @property
    def tasks_given(self) -> bool:
        """Whether the user said which tasks."""
        return self.given.get("tasks") is not None

    def settings(self, models: list[str], like: stored.Runs | None = None) -> Settings:
        """What was given, else what the runs `like` were asked, else the defaults."""
        given = {name: value for name, value in self.given.items() if value is not None}
        asked = {**stored.questions(like), **given} if like else given
        settings = self.config.settings(**asked)
        if settings.data is not None:
            return settings
        return dataclasses.replace(settings, data=default_data(models))


def answers(sides: Sequence[Side], progress: Progress) -> tuple[list[stored.Runs], dict[str, Sequence[str]]]:
    """The finished runs of every side, and the groups asked for, by name.

    All names are checked before any model runs. What is not stored yet is evaluated in the order given,
    one model in memory at a time; where everything is stored, nothing heavy is imported.

    Raises:
        RegressError: If a run can be neither found nor made.
    """
    models = [side.name for side in sides]
    by_path = [
        exchange.by_path(
            side.name,
            side.settings(models),
            Store(side.config.store),
            tasks_given=side.tasks_given,
            progress=progress,
        )
        for side in sides
    ]
    said = [
        runs if runs is not None else _imported(side, models)
        for side, runs in zip(sides, by_path, strict=True)
    ]
    # what others recorded is no model to ask, and does not say where items for one come from
    models = [side.name for side, runs in zip(sides, said, strict=True) if not _of_others(runs)]
    # only a path or an import says how it was asked; a model's name is asked as given, whatever is stored
    like = [_another(said, place) for place in range(len(sides))]
    found = [
        runs if runs is not None else _known(side, models, like=other if _of_others(other) else None)
        for side, runs, other in zip(sides, said, like, strict=True)
    ]
    for side, already in zip(sides, found, strict=True):
        for task, path in (already or {}).items():
            progress(Reused(model=side.name, task=task, path=str(path)))
    asked = [side.settings(models, like=other) for side, other in zip(sides, like, strict=True)]
    runs, groups = _evaluated(sides, asked, found, progress)
    for side, each in zip(sides, runs, strict=True):
        groups |= stored.groups_of(each, side.settings(models).tasks if side.tasks_given else None)
    return runs, groups


def _another(said: Sequence[stored.Runs | None], place: int) -> stored.Runs | None:
    """The first other side's runs that were named by path or imported; null if there are none."""
    others = (runs for other, runs in enumerate(said) if other != place)
    return next((runs for runs in others if runs is not None), None)


def _known(side: Side, models: list[str], like: stored.Runs | None) -> stored.Runs | None:
    """The stored runs that are proven to be of the very bytes of the model that a name stands for."""
    store, aliases = Store(side.config.store), known_models(side.config)
    return stored.by_signature(side.name, side.settings(models, like), store, aliases)


def _of_others(runs: stored.Runs | None) -> bool:
    return runs is not None and all(read_spec(path).origin is not None for path in runs.values())


def _imported(side: Side, models: list[str]) -> stored.Runs | None:
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
    sides: Sequence[Side],
    settings: Sequence[Settings],
    found: Sequence[stored.Runs | None],
    progress: Progress,
) -> tuple[list[stored.Runs], dict[str, Sequence[str]]]:
    """Make the runs that are missing, in order; return all runs, and the groups asked for.

    All names are checked before any model runs; the tasks are built once where several ask alike.
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


def _at_hand(side: Side, settings: Settings, progress: Progress) -> stored.Runs | None:
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


def _by_name(side: Side, settings: Settings, error: RegressError, progress: Progress) -> stored.Runs:
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
    side: Side, settings: Settings, built: dict[tuple[Any, ...], Any], progress: Progress
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
