"""`regress rescore`: judge stored outputs again, without the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.comparable import asked_here
from regress.config import Settings, load_config
from regress.definitions.known import Known, known, named
from regress.definitions.yaml_files import read
from regress.errors import TaskError, UnknownName, UsageError
from regress.identity import run_fingerprint, task_fingerprint
from regress.interop.tables.tasks import marked
from regress.metrics import continuous
from regress.schema import PREDICTION, table_of
from regress.scoring.score import Judgement
from regress.store.runs import Store, read_instances, read_run
from regress.types import Origin, Prediction, Run, RunSpec, TaskSpec
from regress.workflows import exchange, stored
from regress.workflows.progress import Finished, Progress, Reused, silent
from regress.workflows.rejudge import by_data, by_lm_eval

SUFFIX = "-rescored"
"""What the name of a model's rescored runs ends with."""

_JUDGED = pa.schema(
    [PREDICTION.field(name) for name in ("answer", "status", "correct", "score", "scores", "gold_margin")]
)
"""The columns of a prediction that a judgement decides."""

_DEFINED = ("version", "scale", "metric", "scorer", "higher_is_better")
"""What of a task decides the judgement."""


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """One run judged again: what changed though the model said the same."""

    before: Path
    """The run that was judged again."""
    path: Path
    """The run as it is judged now; the same one where nothing changed."""
    spec: RunSpec
    """What it is a run of."""
    n: int
    """Answers judged."""
    old: float
    """Mean headline score as it was judged before."""
    new: float
    """Mean headline score as it is judged now."""
    lost: int
    """Answers that were right (or scored higher) and are not any more."""
    gained: int
    """Answers that were not right (or scored lower) and are now."""
    reread: int
    """Answers in which something else was read."""
    old_unreadable: int
    """Answers in which nothing could be read before."""
    new_unreadable: int
    """Answers in which nothing can be read now."""

    @property
    def changed(self) -> bool:
        """Whether a new run was written."""
        return self.path != self.before

    def document(self) -> dict[str, Any]:
        """The same as `regress rescore --json` prints it."""
        counts = ("n", "old", "new", "lost", "gained", "reread", "old_unreadable", "new_unreadable")
        return {
            "model": self.spec.model.name,
            "task": self.spec.task.name,
            "before": str(self.before),
            "path": str(self.path),
            "changed": self.changed,
            "metric": self.spec.task.metric,
            "scale": self.spec.task.scale,
            **{name: getattr(self, name) for name in counts},
        }


def rescore(
    *names: str,
    task: str | None = None,
    metric: str | None = None,
    trust_task_code: bool = False,
    allow_unsafe_code: bool = False,
    store: str | Path | None = None,
    progress: Progress = silent,
) -> list[Rescored]:
    """Judge stored outputs by the task's present definition, and store what comes of it beside them.

    All runs are judged before any is written, so that old and new go together. New runs bear the name
    of the old ones with `-rescored`, and say from which run they come.

    Args:
        *names: Models with stored runs, paths of runs, or answers that others recorded.
        task: A task by name, or the path of its YAML; by default every task that is stored.
        metric: The metric that decides; by default the definition's.
        trust_task_code: Run Python that a task YAML given by path names.
        allow_unsafe_code: Judge tasks that execute what a model wrote.
        store: Folder of runs.
        progress: Called with what happens.

    Raises:
        UnknownName: If there is no such run.
        TaskError: If the task's outputs cannot be judged again.
        StoreError: If a run holds no texts.
    """
    into = Store(load_config(store=store).store)
    found = [path for name in names for path in _runs(name, task, into, progress).values()]
    if not found:
        raise UsageError("no run is named", allowed="names of models or paths of runs")
    permitted = {"trust_task_code": trust_task_code, "allow_unsafe_code": allow_unsafe_code}
    ready = [_judged_again(read_run(path), task, metric, permitted) for path in found]
    apart = _apart([run.spec.task for run, *_ in ready])
    return [
        _kept(run, table, spec, into, progress, anew=run.spec.task.name in apart)
        for run, table, spec in ready
    ]


def _apart(asked: Sequence[TaskSpec]) -> set[str]:
    """Tasks that these runs were judged in by different definitions, even if each would judge alike."""
    found: dict[str, set[str]] = {}
    for task in asked:
        if asked_here(task) and task.definition:
            found.setdefault(task.name, set()).add(task.definition)
    return {name for name, definitions in found.items() if len(definitions) > 1}


def _runs(name: str, task: str | None, store: Store, progress: Progress) -> stored.Runs:
    called = known(read(Path(task)).config).name if task and task.endswith((".yaml", ".yml")) else task
    settings = Settings(tasks=(called,)) if called else Settings()
    tasks_given = called is not None
    runs = exchange.by_path(name, settings, store, tasks_given=tasks_given, progress=progress)
    return stored.finished(name, settings, store, tasks_given=tasks_given) if runs is None else runs


def _judged_again(
    run: Run, task: str | None, metric: str | None, permitted: Mapping[str, bool]
) -> tuple[Run, pa.Table, RunSpec]:
    """A run's predictions by the present definition, and the spec that says so."""
    definition = named(task or run.spec.task.name, metric=metric)
    judging: Known | TaskSpec
    rows: Iterator[Judgement] | Iterator[Prediction]
    if definition is None or definition.scorer["kind"] == "lm-eval":
        try:
            judging, rows = by_lm_eval(run, task or run.spec.task.name, metric, permitted)
        except UnknownName as error:
            if error.noun != "task" or run.spec.origin is None:
                raise
            raise UsageError(
                f"{run.path} is of a task that nobody here has a scorer for, {error.name!r}",
                do="Name the task as its source is imported: regress import SOURCE --task T.",
            ) from None
    else:
        judging = _marked(definition, run)
        rows = by_data(run, judging)
    _refuse_other_kind(run.spec.task, judging)
    judged = table_of(list(rows), _JUDGED)
    table = run.predictions
    for name in _JUDGED.names:
        table = table.set_column(table.schema.get_field_index(name), _JUDGED.field(name), judged[name])
    spec = _task_spec(run.spec.task, judging)
    return run, table, _run_spec(run, replace(spec, fingerprint=task_fingerprint(spec)))


def _marked(definition: Known, run: Run) -> Known:
    """The definition with the marker that the run was imported with, if it reads answers behind one."""
    marker = run.spec.origin.read.get("marker") if run.spec.origin else None
    if marker is not None:
        with contextlib.suppress(UsageError):
            return replace(definition, scorer=marked(definition, marker))
    return definition


def _refuse_other_kind(asked: TaskSpec, definition: Known | TaskSpec) -> None:
    if definition.kind != asked.kind:
        raise TaskError(
            f"{asked.name} was asked as {asked.kind}, and its definition judges {definition.kind}",
            do="Name the YAML that it was asked by with --task.",
        )


# ── what is written ──────────────────────────────────────────────────────────────────────────────


def _task_spec(asked: TaskSpec, definition: Known | TaskSpec) -> TaskSpec:
    """The task as it was asked, judged as it is now."""
    judged = {name: getattr(definition, name) for name in _DEFINED}
    if isinstance(definition, TaskSpec):  # judged by code, which only this hash stands for
        return replace(asked, **judged, definition=definition.definition)
    # of what is asked, items, targets and prompts have hashes of their own; the rest is what changed
    return replace(asked, **judged, definition="" if asked_here(asked) else asked.definition)


def _run_spec(run: Run, task: TaskSpec) -> RunSpec:
    before = run.spec.origin
    origin = Origin(
        format="rescored",
        digest=run_fingerprint(run.spec),
        name=f"{Path(run.path).parent.name}/{Path(run.path).name}",
        producer=before.producer if before else "",
        read=before.read if before else {},
        unknown=before.unknown if before else (),
    )
    model = replace(run.spec.model, name=run.spec.model.name.removesuffix(SUFFIX) + SUFFIX)
    return replace(run.spec, model=model, task=task, origin=origin)


def _kept(
    run: Run, table: pa.Table, spec: RunSpec, store: Store, progress: Progress, *, anew: bool
) -> Rescored:
    defined = not anew and all(
        getattr(run.spec.task, name) in ("", getattr(spec.task, name)) for name in _DEFINED
    )
    if defined and _judged_alike(table, run.predictions):
        progress(Reused(model=run.spec.model.name, task=spec.task.name, path=str(run.path)))
        return _difference(run, table, run.spec, Path(run.path))
    path = _store(run, table, spec, store)
    progress(Finished(model=spec.model.name, task=spec.task.name, path=str(path)))
    return _difference(run, table, spec, path)


def _judged_alike(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables of the same outputs say the same of them, words whatever their codes."""
    return all(_words(one[name]).equals(_words(other[name])) for name in _JUDGED.names)


def _words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    coded = pa.types.is_dictionary(column.type)
    return column.cast(column.type.value_type) if coded else column


def _store(run: Run, table: pa.Table, spec: RunSpec, store: Store) -> Path:
    instances = read_instances(run)
    if instances is not None:
        store.write_instance_tables(spec.task, [instances], text=spec.text)
    index = table["index"].to_numpy()
    recorded = {**run.manifest.recorded, "rescored": run.path}
    recorded.pop("signature", None)  # it stands for the run as its engine made it
    if spec.task.metric != run.spec.task.metric and "asked" in recorded:
        recorded["asked"] = {**recorded["asked"], "metric": spec.task.metric}  # so others are asked alike
    with store.writer(store.label(spec.model.name), spec, np.unique(index).tolist()) as writer:
        for chunk in writer.todo():
            writer.append_table(chunk, table.filter(pa.array(np.isin(index, chunk.indices))))
        return writer.finish(recorded)


def _difference(run: Run, table: pa.Table, spec: RunSpec, path: Path) -> Rescored:
    old, new = (np.nan_to_num(one["score"].to_numpy()) for one in (run.predictions, table))
    change = continuous.change(old, new)
    unreadable = [
        int(pc.sum(pc.equal(one["status"], "unparsable")).as_py() or 0) for one in (run.predictions, table)
    ]
    answers = [pc.fill_null(one["answer"], "\0") for one in (run.predictions, table)]
    return Rescored(
        before=Path(run.path),
        path=path,
        spec=spec,
        n=table.num_rows,
        old=float(old.mean()),
        new=float(new.mean()),
        lost=int((change < 0).sum()),
        gained=int((change > 0).sum()),
        reread=int(pc.sum(pc.not_equal(*answers)).as_py() or 0),
        old_unreadable=unreadable[0],
        new_unreadable=unreadable[1],
    )
