"""Others' answers, accepted wherever a stored run is: imported on the way."""

from __future__ import annotations

from pathlib import Path

from regress.config import Settings
from regress.engines.scripted import is_table
from regress.errors import UsageError
from regress.interop import detect
from regress.interop.records import Reading
from regress.store.runs import Store
from regress.workflows import stored
from regress.workflows.imports import read_in
from regress.workflows.progress import Advanced, Event, Progress, Remark, Started


def by_path(
    name: str, settings: Settings, store: Store, *, tasks_given: bool, progress: Progress
) -> stored.Runs | None:
    """The runs at a path: stored ones, or answers of others, imported on the way; null if it is no such path.

    Raises:
        RegressError: If what lies there cannot be used.
    """
    runs = stored.by_path(name, settings, tasks_given=tasks_given)
    path = Path(name).expanduser()
    # a scripted model is a table, too, but of what to answer
    if runs is not None or not detect.recognised(path) or is_table(path):
        return runs
    if any(run.spec.origin is None for run in store.named(name)):
        return None
    one_task = tasks_given and len(settings.tasks) == 1 and detect.names_no_task(path)
    reading = Reading(task=settings.tasks[0] if one_task else None, metric=settings.metric)

    def read(event: Event) -> None:
        if isinstance(event, (Started, Advanced)):  # where runs lie, the caller says
            progress(event)

    found = read_in(path, reading, store, name=None, text=settings.text, progress=read)
    for text in (text for one in found for text in one.remarks):
        progress(Remark(text=text))
    imported = {one.spec.task.name: one.path for one in found}
    if not tasks_given:
        return imported
    if missing := [task for task in settings.tasks if task not in imported]:
        raise UsageError(f"{name} has no answers to {', '.join(missing)}", allowed=", ".join(imported))
    return {task: imported[task] for task in settings.tasks}
