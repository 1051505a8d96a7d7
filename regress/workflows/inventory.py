"""What there is: stored runs, models that go by a name, tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regress.config import load_config
from regress.identity import plain
from regress.store.runs import Store, StoredRun, find_runs
from regress.workflows.models import known_models
from regress.workflows.progress import Progress, Working, silent


def runs(*, store: str | Path | None = None) -> list[dict[str, Any]]:
    """All stored runs, finished or not; folders that cannot be read are listed with the reason."""
    held = Store(load_config(store=store).store)
    # a run's reruns below it, each kind by number
    order = sorted(
        held.runs(),
        key=lambda run: (run.label, run.spec.task.name, run.spec.variation or "", run.spec.replica),
    )
    rows = [_run(run) for run in order]
    rows += [{"path": str(path), "state": "unreadable", "why": why} for path, why in held.unreadable()]
    return rows


def store_folder(*, store: str | Path | None = None) -> Path:
    """The folder of runs that is in force."""
    return load_config(store=store).store


def remove_run(path: Path, *, store: str | Path | None = None) -> None:
    """Delete the run in the folder `path`.

    Raises:
        LockedRun: If it is being written.
    """
    Store(store_folder(store=store)).remove(path)


def select_runs(selector: str, *, store: str | Path | None = None) -> list[Path]:
    """Folders of the runs that `selector` names: `label`, `label/task`, `label/task@fp`, or a folder.

    A run that cannot be read is named by its folder alone, here or in the store.

    Raises:
        UnknownName: If nothing fits.
    """
    held = Store(store_folder(store=store))
    broken = [path for path, _ in held.unreadable()]
    named = {Path(selector).resolve(), (held.root / selector).resolve()}
    if fitting := [path for path in broken if path.resolve() in named]:
        return fitting
    return [run.path for run in find_runs(held, selector)]


def tasks(*, everything: bool = False, progress: Progress = silent) -> list[dict[str, Any]]:
    """Tasks by name: ours, and on request those of the installed lm-eval."""
    from regress.tasks.load import list_tasks

    if everything:
        progress(Working(text="reading the definitions of the installed lm-eval"))
    return [plain(listing) for listing in list_tasks(everything=everything)]


def models(*, store: str | Path | None = None) -> list[dict[str, Any]]:
    """Models that go by a short name, with where they come from and how many runs are stored."""
    config = load_config(store=store)
    stored = Store(config.store).runs()
    return [
        {
            "name": name,
            "model": alias.shown or alias.model,
            "revision": alias.revision,
            "adapter": alias.adapter,
            "runs": sum(run.spec.model.name == name for run in stored),
        }
        for name, alias in known_models(config).items()
    ]


def _run(run: StoredRun) -> dict[str, Any]:
    subset, finished = run.spec.subset, run.manifest.finished if run.manifest else None
    state = "complete" if run.manifest else "being written" if run.locked else "incomplete"
    return {
        "model": run.spec.model.name,
        "task": run.spec.task.name,
        "state": state,
        "rows": run.rows,
        "of": run.spec.n,
        "limit": subset.limit,
        "sample": subset.sample,
        "data": run.spec.task.data,
        "variation": run.spec.variation,
        "origin": run.spec.origin.format if run.spec.origin else None,
        "replica": run.spec.replica,
        "bytes": run.bytes,
        "finished": finished,
        "path": str(run.path),
    }
