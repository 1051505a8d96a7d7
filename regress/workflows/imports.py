"""`regress import`: answers that others recorded become ordinary runs."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from regress.config import load_config
from regress.definitions.known import mistaken, named
from regress.errors import UsageError
from regress.identity import plain, text_hash
from regress.interop import detect
from regress.interop.draft import Draft, draft
from regress.interop.records import Reading, Source
from regress.interop.specs import digest
from regress.interop.tables.columns import TableMapping, read_mapping
from regress.store.manifest import read_manifest, read_spec
from regress.store.runs import Store, label_of, read_columns
from regress.types import RunSpec
from regress.workflows.progress import Advanced, Finished, Progress, Reused, Started, Working, silent

_ABANDONED = 86_400
"""Seconds after which what a killed import left behind is cleared away."""

_READER = 1
"""Version of how sources are read: another reading of the same bytes is another run."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """One run that was imported, or found to be stored already."""

    path: Path
    """Its folder."""
    spec: RunSpec
    """What it is a run of."""
    value: float
    """Mean of the headline metric."""
    unreadable: int
    """Answers that could not be read."""
    remarks: tuple[str, ...]
    """What was guessed or found on the way, in sentences."""

    def document(self) -> dict[str, Any]:
        """The same as `regress import --json` prints it."""
        spec = self.spec
        return {
            "model": spec.model.name,
            "task": spec.task.name,
            "path": str(self.path),
            "n": spec.n,
            "metric": spec.task.metric,
            "scale": spec.task.scale,
            "value": self.value,
            "unreadable": self.unreadable,
            "origin": plain(spec.origin),
            "remarks": list(self.remarks),
        }


def import_runs(
    source: str | Path,
    *,
    name: str | None = None,
    task: str | None = None,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    mapping: str | Path | None = None,
    marker: str | None = None,
    metric: str | None = None,
    partial: bool = False,
    text: bool = True,
    store: str | Path | None = None,
    progress: Progress = silent,
) -> list[Imported]:
    """Make ordinary runs of answers that others recorded; all of them, or none.

    The same bytes read in the same way are not read twice.

    Args:
        source: A file or folder in one of `regress.interop.detect.FORMATS`.
        name: What the model is to be called; by default as the source calls it.
        task: Name of the task, or path of a task YAML; by default as the source says.
        columns: Of tables, which column means what (`regress.interop.tables.columns`).
        where: Of tables, by column, the text that a row must hold there to be read.
        mapping: A TOML file that says the same; what is given otherwise wins.
        marker: Of tables, what stands before the answer instead of the task's own marker.
        metric: The metric that decides.
        partial: Take a run that was cut off, as a run of the instances that are there.
        text: False to store hashes instead of prompts and outputs.
        store: Folder of runs.
        progress: Called with what happens.

    Raises:
        DataError: If the source cannot be read, or contradicts itself.
        UsageError: If it holds several runs of one task, or of several models under one name.
    """
    told = TableMapping({}, None, None, None) if mapping is None else read_mapping(Path(mapping).expanduser())
    reading = Reading(
        task=task or told.task,
        columns={**told.columns, **(columns or {})},
        where=where or {},
        marker=told.marker if marker is None else marker,
        metric=metric or told.metric,
        partial=partial,
    )
    into = Store(load_config(store=store).store)
    found = read_in(Path(source).expanduser(), reading, into, name=name, text=text, progress=progress)
    return [replace(one, remarks=(*one.remarks, *_about(one, reading, into))) for one in found]


def read_in(
    path: Path, reading: Reading, store: Store, *, name: str | None, text: bool, progress: Progress
) -> list[Imported]:
    """Make runs of everything in a file or folder; all are read before any is stored.

    Raises:
        RegressError: If something in it cannot be read, or bears a name that is taken.
    """
    found = detect.sources(path, reading)
    _refuse_several(path, found, name)
    called = {model: _called(model, name, store) for model in {one.heading.model.name for one in found}}
    definitions = {one.heading.task: _definition(reading.task or one.heading.task) for one in found}
    asked = {"reader": _READER, "text": text, "definitions": definitions, **plain(reading)}
    with _spool(store) as folder, contextlib.ExitStack() as drafts:
        ready: list[Draft | Path] = []
        for number, source in enumerate(found):
            model = called[source.heading.model.name]
            already = _already(source, store, asked, model)
            place = folder / str(number)
            place.mkdir()
            one = already or _read(source, place, reading, name=model, text=text, progress=progress)
            if isinstance(one, Draft):
                drafts.callback(one.spool.close)
            ready.append(one)
        return [_kept(one, store, asked, progress) for one in ready]


def _definition(task: str) -> str | None:
    """Hash of a task's definition as it is now; null if nobody here knows the task."""
    found = named(task)
    return None if found is None else text_hash(repr(found))


def _called(model: str, name: str | None, store: Store) -> str:
    """What a source's model is called: never as one that was evaluated here, which is another.

    Raises:
        UsageError: If the user gives it such a name.
    """
    if not any(run.spec.origin is None for run in store.named(name or model)):
        return name or model
    if name is not None:
        raise UsageError(
            f"{name} is a model that was evaluated here, in {store.root}",
            do="Give these answers another name (--as), or keep them in another folder (--store).",
        )
    return f"{model}-imported"


def _kept(one: Draft | Path, store: Store, asked: dict[str, Any], progress: Progress) -> Imported:
    if isinstance(one, Draft):
        return _summary(_store(one, store, asked, progress), one.remarks)
    progress(Reused(model=one.parent.name, task=read_spec(one).task.name, path=str(one)))
    return _summary(one, ())


def _read(
    source: Source, folder: Path, reading: Reading, *, name: str, text: bool, progress: Progress
) -> Draft:
    model, task = name, source.heading.task
    total = source.heading.expected or 0
    progress(Started(model=model, task=task, done=0, total=total))

    def advanced(rows: int) -> None:
        progress(Advanced(model=model, task=task, done=rows, total=max(rows, total) if total else 0))

    return draft(source, folder, name=name, text=text, partial=reading.partial, advanced=advanced)


def _store(one: Draft, store: Store, asked: dict[str, Any], progress: Progress) -> Path:
    spec = one.spec
    label = label_of(spec.model.name)
    progress(Working(text=f"{spec.model.name} · {spec.task.name}: storing {spec.n} answers"))
    store.write_instance_tables(spec.task, one.instances(), text=spec.text)
    with store.writer(label, spec, one.indices) as writer:
        for chunk in writer.todo():
            writer.append_table(chunk, one.predictions(chunk.indices))
        limit = spec.subset.limit
        path = writer.finish({"asked": {"tasks": [spec.task.name], "limit": limit}, "reading": asked})
    progress(Finished(model=spec.model.name, task=spec.task.name, path=str(path)))
    return path


def _summary(path: Path, remarks: tuple[str, ...]) -> Imported:
    table = read_columns(path, ["score", "status"])
    value = pc.mean(table["score"]).as_py()
    unreadable = pc.sum(pc.equal(table["status"], "unparsable")).as_py()
    return Imported(
        path=path,
        spec=read_spec(path),
        value=math.nan if value is None else value,
        unreadable=int(unreadable or 0),
        remarks=remarks,
    )


def _about(one: Imported, reading: Reading, store: Store) -> Iterator[str]:
    """What an import that worked may have got wrong: the task's name, its extractor, the model's name."""
    if reading.task and (meant := mistaken(reading.task)):
        yield f"{reading.task} is no task that comes with regress, so its scorer is unknown; {meant} is."
    if one.unreadable == one.spec.n:
        yield (
            f"Nothing could be read by {one.spec.task.metric}: do the texts hold what it looks for? --metric "
            "names another extractor, --marker what stands before the answer in a table."
        )

    yield from _rivals(one, store)


def _rivals(one: Imported, store: Store) -> Iterator[str]:
    """That the name stands for several runs of the task by now, which no command chooses among."""
    label, task = one.path.parent.name, one.spec.task.name
    paths = [path for path, _ in store.finished(task) if path.parent.name == label and path != one.path]
    if paths:
        listed = " ".join(f"{label}/{path.name}" for path in paths)
        yield (
            f"{label} has {len(paths) + 1} runs of {task} now: name one by its path, or delete what this one "
            f"replaces (regress runs rm {listed})."
        )


def _already(source: Source, store: Store, asked: dict[str, Any], name: str) -> Path | None:
    """The finished run of the same bytes read in the same way, under the same name."""
    label, key = label_of(name), digest(source.heading.files)
    for path, spec in store.finished(source.heading.task):
        if path.parent.name == label and spec.origin is not None and spec.origin.digest == key:
            manifest = read_manifest(path)
            if manifest and manifest.recorded.get("reading") == asked:
                return path
    return None


def _refuse_several(path: Path, found: Sequence[Source], name: str | None) -> None:
    """One name means one model, and a model has one run of a task."""
    runs = [(one.heading.model.name, one.heading.task) for one in found]
    models = sorted({model for model, _ in runs})
    if name is not None and len(models) > 1:
        raise UsageError(
            f"{path} holds answers of {len(models)} models, and one name, {name!r}, was given",
            allowed=", ".join(models),
            do="Import them one by one, or without --as.",
        )
    for model, task in runs:
        if runs.count((model, task)) > 1:
            raise UsageError(
                f"{path} holds {runs.count((model, task))} runs of {task} by {model}",
                do="Name one of the files.",
            )


@contextlib.contextmanager
def _spool(store: Store) -> Iterator[Path]:
    """A folder on the store's disk, gone afterwards whatever happens."""
    store.root.mkdir(parents=True, exist_ok=True)
    for leftover in store.root.glob(".import-*"):
        with contextlib.suppress(FileNotFoundError):  # another import is just done
            if time.time() - leftover.stat().st_mtime > _ABANDONED:
                shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=store.root) as folder:
        yield Path(folder)
