"""Writing one run: a fixed partition into chunks, each stored all or nothing, merged at the end."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regress.errors import IncompleteRun, StoreError
from regress.identity import file_hash, run_fingerprint, text_hash
from regress.schema import PREDICTION, prediction_table
from regress.store.lock import RunLock
from regress.store.manifest import SPEC, fsync_folder, read_spec, write_manifest, write_spec
from regress.types import Manifest, Prediction, RunSpec

PARTS, PREDICTIONS = "parts", "predictions.parquet"


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One part of a run: the unit of work, of writing and of resuming."""

    number: int
    """Position among the run's chunks."""
    indices: tuple[int, ...]
    """Positions in the full data set, ascending."""


def chunks_of(indices: Sequence[int], size: int) -> list[Chunk]:
    """The fixed partition of a run's instances: `size` a chunk, in ascending order.

    >>> [chunk.indices for chunk in chunks_of([0, 1, 2], 2)]
    [(0, 1), (2,)]
    """
    ordered = sorted(indices)
    return [
        Chunk(number=number, indices=tuple(ordered[start : start + size]))
        for number, start in enumerate(range(0, len(ordered), size))
    ]


class RunWriter:
    """Writes one run; a context manager that holds the run's lock.

    Args:
        folder: The run's folder; made if missing.
        spec: What is asked; must be what an unfinished run in `folder` was asked.
        indices: The instances to answer, as positions in the full data set.
    """

    def __init__(self, folder: Path, spec: RunSpec, indices: Sequence[int]) -> None:
        self.folder, self.spec = folder, spec
        self.chunks = chunks_of(indices, spec.chunk_size)
        self.damaged: list[Path] = []
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(folder)
        try:
            self._start()
        except BaseException:
            self._lock.close()
            raise

    def _start(self) -> None:
        if not (self.folder / SPEC).exists():
            write_spec(self.folder, self.spec)
        elif run_fingerprint(read_spec(self.folder)) != run_fingerprint(self.spec):
            raise StoreError(f"{self.folder} holds a run of another configuration", do="Delete it first.")
        for leftover in (self.folder / PARTS).glob(".*"):
            leftover.unlink()

    def todo(self) -> list[Chunk]:
        """The chunks that the store does not hold yet, in order.

        A part that cannot be read, or that holds rows with status `error`, does not count: it is
        listed in `damaged` (if unreadable) and will be overwritten.
        """
        return [chunk for chunk in self.chunks if not self._is_valid(chunk)]

    def _is_valid(self, chunk: Chunk) -> bool:
        path = self._part(chunk)
        if not path.exists():
            return False
        try:
            table = pq.read_table(path, columns=["index", "status"], page_checksum_verification=True)
        except (pa.ArrowException, OSError):
            self.damaged.append(path)
            return False
        indices = sorted(set(table.column("index").to_pylist()))
        if indices != list(chunk.indices):
            self.damaged.append(path)
            return False
        return "error" not in table.column("status").to_pylist()

    def append(self, chunk: Chunk, predictions: Sequence[Prediction]) -> None:
        """Store a chunk's predictions, all or nothing: after this returns they survive a crash."""
        ordered = sorted(predictions, key=lambda row: (row.index, row.repeat))
        table = prediction_table(ordered if self.spec.text else [_hashed(row) for row in ordered])
        path = self._part(chunk)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        fsync_folder(path.parent)

    def finish(self, recorded: Mapping[str, Any] | None = None) -> Path:
        """Merge the parts, write the manifest, and return the run's folder.

        Raises:
            IncompleteRun: If chunks are missing or rows have no answer; the parts stay.
        """
        missing = self.todo()
        if missing:
            raise IncompleteRun(_why_incomplete(self, missing), do="Run the same command again to go on.")
        temporary = self.folder / f".{PREDICTIONS}.{os.getpid()}"
        rows = _merge([self._part(chunk) for chunk in self.chunks], temporary)
        temporary.replace(self.folder / PREDICTIONS)
        manifest = Manifest(
            fingerprint=run_fingerprint(self.spec),
            rows=rows,
            sha256=file_hash(self.folder / PREDICTIONS),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            recorded=dict(recorded or {}),
        )
        write_manifest(self.folder, manifest)
        shutil.rmtree(self.folder / PARTS)
        return self.folder

    def _part(self, chunk: Chunk) -> Path:
        return self.folder / PARTS / f"{chunk.number:05d}.parquet"

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()


def _merge(parts: Sequence[Path], target: Path) -> int:
    rows = 0
    with pq.ParquetWriter(target, PREDICTION, compression="zstd", write_page_checksum=True) as writer:
        for part in parts:
            table = pq.read_table(part).cast(PREDICTION)
            writer.write_table(table)
            rows += table.num_rows
    with open(target, "rb") as file:
        os.fsync(file.fileno())
    return rows


def _why_incomplete(writer: RunWriter, missing: Sequence[Chunk]) -> str:
    errors: list[str] = []
    for chunk in missing:
        path = writer._part(chunk)
        if path.exists() and path not in writer.damaged:
            table = pq.read_table(path, columns=["index", "error"])
            errors += [
                f"instance {row['index']}: {row['error']}" for row in table.to_pylist() if row["error"]
            ]
    if errors:
        unanswered = f"{len(errors)} of {writer.spec.n} rows have no answer ({errors[0]})"
        return f"{writer.folder} stays incomplete: {unanswered}"
    return f"{writer.folder} stays incomplete: {len(missing)} of {len(writer.chunks)} chunks are missing"


def _hashed(row: Prediction) -> Prediction:
    """The same prediction with hashes in place of texts."""

    def digest(text: str | None) -> str | None:
        return None if text is None else f"sha256:{text_hash(text)}"

    return replace(row, output=digest(row.output), answer=digest(row.answer))
