"""Runs on disk: `<store>/<label>/<task>@<fp12>/`, written chunk by chunk, read back whole.

    spec.json              first: everything that is keyed; its hash names the folder
    lock                   while somebody writes: pid and host
    parts/00007-….parquet  one a chunk, all or nothing (temporary name, fsync, rename)
    predictions.parquet    the parts merged in (index, repeat) order
    manifest.json          last: its existence means complete

Instances lie once per task fingerprint in `<store>/_instances/<task>@<fp12>.parquet`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from regress.errors import DamagedRun, IncompleteRun, LockedRun, StoreError, UnknownName
from regress.identity import file_hash, hashed, run_fingerprint, text_hash
from regress.schema import INSTANCE, PREDICTION, instance_table
from regress.store.lock import is_locked
from regress.store.manifest import MANIFEST, SPEC, read_manifest, read_spec, replacing
from regress.store.writer import PARTS, PREDICTIONS, RunWriter, tidy
from regress.types import Instance, Manifest, Run, RunSpec, TaskSpec

INSTANCES = "_instances"
_LONGEST = 80  # bytes: two labels, or a task and its fingerprint, stay within the 255 of a file name


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """A run as a listing shows it."""

    path: Path
    """Its folder."""
    label: str
    """The model's folder name."""
    spec: RunSpec
    """What was asked."""
    manifest: Manifest | None
    """When it was finished; None if it is not."""
    rows: int
    """Rows stored so far."""
    bytes: int
    """Size on disk."""
    locked: bool
    """Whether somebody is writing it now."""


def label_of(name: str) -> str:
    """Folder name of a model: its alias or id as it is, the last part of a path, with safe characters only.

    >>> label_of("meta-llama/Llama-2-7b-hf"), label_of("./models/mine/"), label_of("base+adapter")
    ('meta-llama--Llama-2-7b-hf', 'mine', 'base+adapter')
    """
    path_like = name.startswith((".", "/", "~")) or name.count("/") > 1
    return _component(Path(name).name if path_like else name.strip("/").replace("/", "--")) or "model"


def _component(word: str) -> str:
    """`word` as one part of a path, on any disk: no separators, not hidden, not too long."""
    safe = re.sub(r"[^\w.+@=()-]+", "-", word).lstrip("._-")
    if len(safe.encode()) <= _LONGEST:
        return safe
    return f"{safe.encode()[: _LONGEST - 9].decode(errors='ignore')}-{text_hash(safe, digits=8)}"


class Store:
    """A folder of runs.

    Args:
        root: The folder; it need not exist yet.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def folder(self, label: str, spec: RunSpec) -> Path:
        """Where the run of `spec` lies, or would lie."""
        return self.root / label / _folder_name(spec.task.name, run_fingerprint(spec))

    @staticmethod
    def label(name: str) -> str:
        """Folder name of the model called `name`; see `label_of`."""
        return label_of(name)

    def next_replica(self, label: str, spec: RunSpec) -> RunSpec:
        """The first replica of `spec` that is not finished: for models that cannot prove to be the same."""
        while (self.folder(label, spec) / MANIFEST).exists():
            spec = replace(spec, replica=spec.replica + 1)
        return spec

    def writer(self, label: str, spec: RunSpec, indices: Sequence[int]) -> RunWriter:
        """Open a run for writing; it goes on where an interrupted one stopped."""
        return RunWriter(self.folder(label, spec), spec, indices)

    def complete(self, label: str, spec: RunSpec) -> Path | None:
        """Folder of the finished run with this very key, under whatever label; None if there is none."""
        name = self.folder(label, spec).name
        for folder in [self.root / label / name, *sorted(self.root.glob(f"*/{_glob_safe(name)}"))]:
            if read_manifest(folder) and run_fingerprint(read_spec(folder)) == run_fingerprint(spec):
                tidy(folder)
                return folder
        return None

    def runs(self) -> list[StoredRun]:
        """All runs, by label and task; folders that cannot be read are left out (see `unreadable`)."""
        found = []
        for folder in self._folders():
            try:
                found.append(describe(folder))
            except StoreError:
                continue
        return found

    def unreadable(self) -> list[tuple[Path, str]]:
        """Folders that look like runs but cannot be read, with the reason."""
        found = []
        for folder in self._folders():
            try:
                describe(folder)
            except StoreError as error:
                found.append((folder, str(error)))
        return found

    def _folders(self) -> Iterator[Path]:
        for path in sorted(self.root.glob(f"*/*@*/{SPEC}")):
            if not path.parent.name.startswith("."):  # about to be deleted
                yield path.parent

    def named(self, name: str) -> list[StoredRun]:
        """Runs of the model called `name`: its label, alias, id, source or revision."""
        return [run for run in self.runs() if name in _names(run)]

    def finished(self, task: str) -> Iterator[tuple[Path, RunSpec]]:
        """Folder and spec of the finished runs of a task, reruns too; what cannot be read is left out."""
        for path in sorted(self.root.glob(f"*/{_glob_safe(_task_component(task))}@*/{MANIFEST}")):
            with contextlib.suppress(StoreError):
                yield path.parent, read_spec(path.parent)

    def remove(self, path: Path) -> None:
        """Delete a run.

        Raises:
            LockedRun: If somebody is writing it.
        """
        if is_locked(path):
            raise LockedRun(f"{path} is being written", do="Stop that process first.")
        doomed = path.with_name(f".deleted-{path.name}-{os.getpid()}")
        path.rename(doomed)  # a half-deleted run must not look like a run
        for deleted in path.parent.glob(".deleted-*"):  # also what a killed process left half-deleted
            shutil.rmtree(deleted, ignore_errors=deleted != doomed)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    def write_instances(self, task: TaskSpec, instances: Iterable[Instance], *, text: bool = True) -> Path:
        """Store a task's instances once; a later call with the same task writes nothing."""
        return self.write_instance_tables(task, map(instance_table, [list(instances)]), text=text)

    def write_instance_tables(self, task: TaskSpec, tables: Iterable[pa.Table], *, text: bool = True) -> Path:
        """The same for instances that come as tables (`regress.schema.INSTANCE`), one held at a time."""
        path = self.instances_path(task, text=text)
        _sweep(path)
        if _is_parquet(path):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        options = {"compression": "zstd", "write_page_checksum": True}
        with replacing(path) as temporary, pq.ParquetWriter(temporary, INSTANCE, **options) as writer:
            for table in tables:
                writer.write_table(table if text else _without_text(table))
        return path

    def instances_path(self, task: TaskSpec, *, text: bool = True) -> Path:
        """Where a task's instances lie, or would lie."""
        suffix = "" if text else ".hashes"
        return self.root / INSTANCES / f"{_folder_name(task.name, task.fingerprint)}{suffix}.parquet"


def describe(folder: Path) -> StoredRun:
    """What a listing shows of the run in `folder`, without reading its predictions."""
    manifest = read_manifest(folder)
    return StoredRun(
        path=folder,
        label=folder.parent.name,
        spec=read_spec(folder),
        manifest=manifest,
        rows=manifest.rows if manifest else _count_so_far(folder),
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        locked=is_locked(folder),
    )


def incomplete(run: StoredRun) -> IncompleteRun:
    """The error that says how far a run without a manifest has come."""
    unanswered = _count_so_far(run.path, unanswered=True)
    state = f", {unanswered} of them without an answer" if unanswered else ""
    state += " and it is being written now" if run.locked else ""
    return IncompleteRun(
        f"the run {run.path} is not complete: {run.rows} of {run.spec.n} rows are stored{state}",
        do="Start the same `regress evaluate` again; it goes on where it stopped.",
    )


def read_run(folder: str | Path) -> Run:
    """Read a finished run back.

    Raises:
        IncompleteRun: If it has no manifest, or no rows.
        DamagedRun: If its bytes are not those that were written.
        NewerSchema: If a later version of regress wrote it.
    """
    folder = Path(folder)
    spec, manifest = read_spec(folder), read_manifest(folder)
    if manifest is None:
        raise incomplete(describe(folder))
    path = folder / PREDICTIONS
    damaged = DamagedRun(
        f"{path} is not what was written (its checksum differs from the manifest's)",
        do="Delete the run with `regress runs rm` and evaluate again.",
    )
    if (
        manifest.fingerprint != run_fingerprint(spec)
        or not path.exists()
        or file_hash(path) != manifest.sha256
    ):
        raise damaged
    present = set(pq.read_schema(path).names)
    if absent := [name for name in PREDICTION.names if name not in present]:
        raise DamagedRun(f"{path} has no column {absent[0]!r}", do="It was not written by this regress.")
    table = pq.read_table(path, columns=PREDICTION.names).cast(PREDICTION)
    if table.num_rows != manifest.rows:
        raise damaged
    if table.num_rows == 0:
        raise IncompleteRun(f"the run {folder} is empty", do="Evaluate again with at least one item.")
    return Run(spec=spec, manifest=manifest, predictions=table, path=str(folder))


def read_columns(folder: Path, names: Sequence[str]) -> pa.Table:
    """Only these columns of a finished run, unchecked: for a glance at what is too large to be held whole."""
    return pq.read_table(folder / PREDICTIONS, columns=list(names))


def read_instances(run: Run) -> pa.Table | None:
    """The instances that a run answered; None where they were not stored or cannot be read.

    Those of a run without text are shown without, even where another run stored them with it.
    """
    store = Store(Path(run.path).resolve().parent.parent)
    for text in (True, False) if run.spec.text else (False,):
        path = store.instances_path(run.spec.task, text=text)
        try:
            return pq.read_table(path, page_checksum_verification=True).select(INSTANCE.names).cast(INSTANCE)
        except (OSError, KeyError, ValueError, pa.ArrowException):
            continue
    return None


def find_runs(store: Store, selector: str) -> list[StoredRun]:
    """Runs that `selector` names: `label`, `label/task`, `label/task@fp`, or a folder.

    Of `fp`, as many digits will do as one likes.

    Raises:
        UnknownName: If nothing fits.
    """
    label, _, task = selector.strip("/").partition("/")
    runs = store.runs()
    here = [run for run in runs if Path(selector).resolve() == run.path.resolve()]
    fitting = here or [run for run in runs if run.label == label and _is_task(run, task)]
    if not fitting:
        known = [f"{run.label}/{run.path.name}" for run in runs] + [run.label for run in runs]
        raise UnknownName("run", selector, known, do=f"`regress runs` lists what {store.root} holds.")
    return fitting


def _is_task(run: StoredRun, task: str) -> bool:
    begun = "@" in task and run.path.name.startswith(task)  # not `samsum` for `samsum_muscle@…`
    return not task or run.spec.task.name == task or begun


def _names(run: StoredRun) -> set[str | None]:
    model = run.spec.model
    if run.spec.origin is not None:  # somebody's answers of a model, or another judgement: not the model
        return {run.label, model.name}
    at_revision = (
        {f"{base}@{model.revision}" for base in (model.name, model.source)} if model.revision else set()
    )
    return {run.label, model.name, model.source, model.revision, *at_revision} - {None}


def _count_so_far(folder: Path, *, unanswered: bool = False) -> int:
    """Rows in the parts of an unfinished run, or those among them with status `error`."""
    rows = 0
    for part in sorted((folder / PARTS).glob("[0-9]*.parquet")):
        try:
            if unanswered:
                rows += pq.read_table(part, columns=["status"])["status"].to_pylist().count("error")
            else:
                rows += pq.read_metadata(part).num_rows
        except (pa.ArrowException, OSError):
            continue
    return rows


def _sweep(path: Path) -> None:
    """Delete the temporary files that writers of `path` left when they were killed.

    No lock is held here: two models may well be asked the same task at once.
    """
    for leftover in path.parent.glob(f".{_glob_safe(path.name)}.*"):
        writer = leftover.name.rpartition(".")[2]
        if writer.isdigit() and not _is_alive(int(writer)):
            leftover.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _without_text(instances: pa.Table) -> pa.Table:
    """Nulls in place of everything that the items say; hashed, clusters and tags still tell items apart."""
    tags = [[(tag, hashed(value)) for tag, value in one or ()] for one in instances["tags"].to_pylist()]
    hidden = {"cluster": [hashed(one) for one in instances["cluster"].to_pylist()], "tags": tags}
    nothing = dict.fromkeys(("prompt", "choices", "target", "source"), [None] * len(instances))
    for name, values in (hidden | nothing).items():
        field = INSTANCE.field(name)
        place = instances.schema.get_field_index(name)
        instances = instances.set_column(place, field, pa.array(values, field.type))
    return instances


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True


def _folder_name(task: str, fingerprint: str) -> str:
    return f"{_task_component(task)}@{fingerprint[:12]}"


def _task_component(task: str) -> str:
    return _component(task) or "task"


def _glob_safe(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
