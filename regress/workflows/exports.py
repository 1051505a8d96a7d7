"""`regress export`: stored answers as files for others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from regress.config import Settings, load_config
from regress.errors import StoreError, UsageError
from regress.interop.every_eval_ever import writer as every_eval_ever_export
from regress.interop.exports import writer as export
from regress.store.runs import Store, label_of, read_instances, read_run
from regress.workflows import exchange, stored
from regress.workflows.compare import compare_runs
from regress.workflows.progress import Progress, Working, silent

EVERY_EVAL_EVER = "eee"
FORMATS = (*export.FORMATS, EVERY_EVAL_EVER)
"""What can be written."""


def export_runs(
    old: str,
    new: str | None = None,
    *,
    formats: Sequence[str],
    tasks: Sequence[str] | str | None = None,
    allow: Collection[str] = (),
    out: str | Path = "reports/exports",
    store: str | Path | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Write stored runs of one model, or the pairs of two, as files for others; return their paths.

    Of one model every row of a run is written with its instance; of two, every pair with its quadrant,
    its kind and both answers, one file a task. every_eval_ever knows no pairs: there each side is
    written by itself. Files are replaced, each all or nothing.

    Args:
        old: A model with stored runs, the path of a run, or answers that others recorded.
        new: The same for the new model; null to write one model's runs.
        formats: Out of `FORMATS`.
        tasks: Only these tasks.
        allow: Refusals to override where two are paired: `prompts`, `task`, `scorer`.
        out: Folder of the files.
        store: Folder of runs.
        progress: Called with what happens.

    Raises:
        UnknownName: If there is no such run.
        NotComparable: If the two answer different questions.
        StoreError: If a file cannot be written.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UsageError(f"cannot export to {unknown[0]!r}", allowed=", ".join(FORMATS))
    config = load_config(store=store)
    asked = config.settings(tasks=tasks)
    runs = [
        _runs(name, asked, Store(config.store), tasks is not None, progress) for name in (old, new) if name
    ]
    folder = Path(out)
    written: list[Path] = []
    for format_ in formats:
        progress(Working(text=f"writing {format_} to {folder}"))
        if new is None or format_ == EVERY_EVAL_EVER:
            written += [path for one in runs for path in _each(one, format_, folder)]
        else:
            written += _pairs(runs[0], runs[1], format_, folder, allow)
    return written


def _runs(name: str, asked: Settings, store: Store, tasks_given: bool, progress: Progress) -> stored.Runs:
    found = exchange.by_path(name, asked, store, tasks_given=tasks_given, progress=progress)
    return stored.finished(name, asked, store, tasks_given=tasks_given) if found is None else found


def _each(runs: stored.Runs, format_: Any, folder: Path) -> list[Path]:
    written: list[Path] = []
    for task, path in runs.items():
        run = read_run(path)
        instances = read_instances(run)
        if format_ == EVERY_EVAL_EVER:
            written += every_eval_ever_export.write_run(run, instances, folder)
        else:
            target = folder / f"{label_of(run.spec.model.name)}.{label_of(task)}.{format_}"
            with _replacing(target) as temporary:
                export.write_run(run, instances, temporary, format_)
            written.append(target)
    return written


def _pairs(
    old: stored.Runs, new: stored.Runs, format_: Any, folder: Path, allow: Collection[str]
) -> list[Path]:
    compared = compare_runs(old, new, allow=allow)
    names = f"{label_of(compared.old.name)}..{label_of(compared.new.name)}"
    written = []
    for task in compared.pairs:
        target = folder / f"{names}.{label_of(task)}.{format_}"
        with _replacing(target) as temporary:
            export.write_table(compared.table(task), temporary, format_)
        written.append(target)
    return written


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A temporary name to write to; the file bears its own once it is whole."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror})", do="Name another --out.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
