"""`regress evaluate`: answer every instance of some tasks with one model, and store every prediction."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from regress import hub
from regress.checkpoints import local_files
from regress.comparison.claimed import UPDATE
from regress.comparison.price import EFFORT, by_session
from regress.config import Alias, Config, Settings, load_config
from regress.demo import pair as demo
from regress.engines.base import Engine
from regress.engines.meter import Meter
from regress.engines.open import check_engine, open_engine
from regress.errors import IncompleteRun
from regress.identity import plain, rebuilt, sequence_hash
from regress.store.runs import Store
from regress.store.writer import RunWriter
from regress.tasks.load import load_tasks
from regress.tasks.task import Task, TaskSet
from regress.types import Effort, RunSpec, Subset
from regress.updates.record import brief
from regress.workflows.models import default_data, known_models
from regress.workflows.progress import Advanced, Finished, Progress, Remark, Reused, Started, silent
from regress.workflows.replicas import Replica
from regress.workflows.signature import signature


def evaluate(
    model: str,
    *,
    tasks: Sequence[str] | str | None = None,
    store: str | Path | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> list[Path]:
    """Answer all instances of `tasks` with `model`, and return the folders of the finished runs.

    What the store already holds is not computed again; an interrupted run goes on where it stopped
    and ends equal, row for row and digit for digit, to an uninterrupted one.

    Args:
        model: Alias, hub id, `id@revision`, folder, or `base+adapter`.
        tasks: Task names, groups or YAML paths; the configured defaults by default.
        store: Folder of runs; see `regress.config.load_config`.
        progress: Called with what happens (`regress.workflows.progress`).
        **settings: Fields of `regress.config.Settings`.

    Raises:
        RegressError: If it cannot be done; what was answered so far is kept.
    """
    config = load_config(store=store)
    asked = _asked(model, config, progress, tasks=tasks, **settings)
    return evaluate_tasks(model, *asked, progress)


def check_questions(
    model: str,
    *,
    tasks: Sequence[str] | str | None = None,
    store: str | Path | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> None:
    """Raise what `evaluate` would before it loads the model: of settings, tasks and their items."""
    _asked(model, load_config(store=store), progress, tasks=tasks, **settings)


def _asked(
    model: str, config: Config, progress: Progress, **settings: Any
) -> tuple[Settings, Config, TaskSet]:
    asked = config.settings(**settings)
    if asked.data is None:
        asked = dataclasses.replace(asked, data=default_data([model]))
    check_engine(model, asked, known_models(config))
    return asked, config, load(asked, progress)


def load(settings: Settings, progress: Progress = silent) -> TaskSet:
    """Build the tasks that the settings name, with their items."""
    label = settings.data or "hub"
    source: str | Path = "hub"
    if label == "hub" and hub.offline_if_unreachable():
        progress(Remark(text="The hub does not answer; only what its cache holds is used."))
    if label == "demo":
        source = demo.items_folder()
    elif label != "hub":
        source, label = Path(label).expanduser(), "dir"
    return load_tasks(
        settings.tasks,
        data=source,
        data_label=label,
        fewshot=settings.fewshot,
        num_fewshot=settings.num_fewshot,
        metric=settings.metric,
        max_gen_toks=settings.max_gen_toks,
        trust_task_code=settings.trust_task_code,
        allow_unsafe_code=settings.allow_unsafe_code,
    )


def evaluate_tasks(
    model: str, settings: Settings, config: Config, tasks: TaskSet, progress: Progress
) -> list[Path]:
    """Evaluate already loaded tasks; the model is loaded only if some run is missing.

    A run that stays incomplete does not keep the tasks after it from being answered.

    Raises:
        IncompleteRun: At the end, if a run stays incomplete.
    """
    aliases = known_models(config)
    recorded = what_was_asked(model, settings, aliases, tasks)
    with contextlib.closing(open_engine(model, settings, aliases)) as engine:
        return answer_tasks(engine, tasks.tasks, settings, Store(config.store), recorded, progress)


def what_was_asked(
    model: str, settings: Settings, aliases: Mapping[str, Alias], tasks: TaskSet
) -> dict[str, dict[str, Any]]:
    """What the manifest of each task's run remembers of the request."""
    groups = _groups_of(tasks)
    made = _made(model, aliases)
    return {
        task.spec.name: {
            **({UPDATE: made} if made else {}),
            "asked": plain(settings),
            "groups": groups.get(task.spec.name, []),
            "signature": signature(model, settings, aliases, task.spec.name),
        }
        for task in tasks.tasks
    }


def _made(model: str, aliases: Mapping[str, Alias]) -> dict[str, Any] | None:
    """What `regress update` recorded of the model; an adapter put on it is another model."""
    files = local_files(model, aliases) or []
    if not files or any(file.name == "adapter_config.json" for file in files):
        return None
    return brief(files[0].parent)


def answer_tasks(
    engine: Engine,
    tasks: Iterable[Task],
    settings: Settings,
    store: Store,
    recorded: Mapping[str, Mapping[str, Any]],
    progress: Progress,
    replica: Replica | None = None,
) -> list[Path]:
    """Answer tasks with an engine, one after the other, and return the folders of the finished runs.

    Args:
        engine: What answers.
        tasks: What is asked.
        settings: Which items, and how they are stored.
        store: Where to.
        recorded: By task, what its manifest remembers beside what the engine tells.
        progress: Called with what happens.
        replica: Which rerun is meant, stored or not; by default the run itself, or, of a model that
            cannot prove to be the same, the next.

    Raises:
        IncompleteRun: At the end, if a run stays incomplete.
    """
    finished: list[Path] = []
    incomplete: list[IncompleteRun] = []
    meter = Meter(engine)
    for task in tasks:
        try:
            beside = recorded[task.spec.name]
            finished.append(_answer_task(engine, meter, task, settings, store, beside, progress, replica))
        except IncompleteRun as error:
            incomplete.append(error)
    if incomplete:
        raise _all_of(incomplete)
    return finished


def _all_of(errors: Sequence[IncompleteRun]) -> IncompleteRun:
    """One error that says what each of `errors` says."""
    return IncompleteRun("; ".join(error.what for error in errors), do=errors[0].do)


def _answer_task(
    engine: Engine,
    meter: Meter,
    task: Task,
    settings: Settings,
    store: Store,
    recorded: Mapping[str, Any],
    progress: Progress,
    replica: Replica | None,
) -> Path:
    label = store.label(engine.model.name)
    shown = (replica or Replica()).named(engine.model.name)
    spec, indices = run_spec(engine, task, settings, replica)
    if replica is None and engine.model.fingerprint is None:
        spec = store.next_replica(label, spec)
    elif stored := store.complete(label, spec):
        progress(Reused(model=shown, task=task.spec.name, path=str(stored)))
        return stored
    store.write_instances(task.spec, task.instances, text=settings.text)
    with store.writer(label, spec, indices) as writer:
        began = time.monotonic()
        _answer(writer, engine, meter, task, settings, shown, progress)
        told = engine.recorded()
        for what, why in told.get("fallback", {}).items():
            progress(Remark(text=f"{shown}: lm-eval's engine answered {what} ({why})"))
        seconds = round(time.monotonic() - began, 3)
        folder = writer.finish({**recorded, **told, "seconds": seconds, EFFORT: _effort(writer)})
    progress(Finished(model=shown, task=task.spec.name, path=str(folder)))
    return folder


def _effort(writer: RunWriter) -> list[dict[str, Any]]:
    """What answering all stored parts took, an object a session; none where a part cannot be read."""
    try:
        noted = [rebuilt(Effort, note) for note in writer.notes()]
    except (pa.ArrowException, OSError, TypeError, ValueError):
        return []  # finishing says what is the matter with it
    return [plain(one) for one in by_session(noted)]


def _answer(
    writer: RunWriter,
    engine: Engine,
    meter: Meter,
    task: Task,
    settings: Settings,
    model: str,
    progress: Progress,
) -> None:
    todo = writer.todo()
    for part in writer.damaged:
        progress(Remark(text=f"{part} could not be read; its instances are answered again"))
    name, total = task.spec.name, writer.spec.n
    done = total - sum(len(chunk.indices) for chunk in todo)
    progress(Started(model=model, task=name, done=done, total=total))
    if todo:
        with meter.loading():
            engine.load()
    for chunk in todo:
        requests = [task.requests(index, chat=engine.chat, system=settings.system) for index in chunk.indices]
        engine.resume(writer.state_before(chunk))
        with meter.answering():
            responses = engine.answer(requests)
        predictions = [
            task.score(index, response) for index, response in zip(chunk.indices, responses, strict=True)
        ]
        writer.append(chunk, predictions, engine.state(), meter.told(predictions))
        done += len(chunk.indices)
        progress(Advanced(model=model, task=name, done=done, total=total))


def run_spec(
    engine: Engine, task: Task, settings: Settings, replica: Replica | None = None
) -> tuple[RunSpec, list[int]]:
    """The key of the run of `task` by `engine` (or of a rerun), and the positions it answers."""
    subset, indices = choose(len(task.instances), settings)
    spec = RunSpec(
        model=engine.model,
        task=task.spec,
        engine=engine.spec(task.spec),
        subset=subset,
        chunk_size=settings.chunk_size,
        n=len(indices),
        ids=sequence_hash(task.instances[index].id for index in indices),
        text=settings.text,
    )
    return (replica or Replica()).of(spec), indices


def choose(n: int, settings: Settings) -> tuple[Subset, list[int]]:
    """Which of `n` items are answered; a limit or sample of all of them is no subset.

    >>> choose(5, Settings(limit=2))
    (Subset(limit=2, sample=None, seed=None), [0, 1])
    """
    if settings.limit is not None and settings.limit < n:
        return Subset(limit=settings.limit), list(range(settings.limit))
    if settings.sample is not None and settings.sample < n:
        drawn = np.random.default_rng(settings.seed).choice(n, settings.sample, replace=False)
        return Subset(sample=settings.sample, seed=settings.seed), sorted(map(int, drawn))
    return Subset(), list(range(n))


def _groups_of(tasks: TaskSet) -> dict[str, list[dict[str, Any]]]:
    """For each task the groups it was asked as part of, with all their members."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for group, members in tasks.groups.items():
        for member in members:
            groups.setdefault(member, []).append({"name": group, "members": list(members)})
    return groups
