"""Writing one run: a fixed partition into chunks, each stored all or nothing, merged at the end.

A part is `parts/<chunk>-<seal>.parquet`. The seal is a hash of the run's key, the chunk's number and
the file's bytes: Parquet's own checksums leave headers and footers out, so that a changed bit can
read as another value, and a part copied over from another run would look like one of this run's own.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from regress.errors import DamagedRun, IncompleteRun, LockedRun, StoreError
from regress.identity import canonical_json, file_hash, hashed, run_fingerprint, text_hash
from regress.schema import PREDICTION, prediction_table
from regress.store.lock import LOCK, RunLock
from regress.store.manifest import SPEC, read_manifest, read_spec, replacing, write_manifest, write_spec
from regress.types import Manifest, Prediction, RunSpec

PARTS, PREDICTIONS = "parts", "predictions.parquet"
STATE = b"regress.engine_state"
"""Key in a part's metadata: what the engine had changed about itself when it answered the chunk."""
NOTE = b"regress.note"
"""Key in a part's metadata: what else was noted when the chunk was answered."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One part of a run: the unit of work, of writing and of resuming."""

    number: int
    """Position among the run's chunks."""
    indices: tuple[int, ...]
    """Positions in the full data set, in the order in which they are asked."""


def chunks_of(indices: Sequence[int], size: int, *, shuffle: int | None = None) -> list[Chunk]:
    """The fixed partition of a run's instances: `size` a chunk, in ascending order.

    Args:
        indices: Positions in the full data set, in any order.
        size: Instances a chunk.
        shuffle: Seed of another order, in which instances get other neighbours. Two chunks are then
            the fewest, since an engine may sort what it is asked together.

    >>> [chunk.indices for chunk in chunks_of([0, 1, 2], 2)]
    [(0, 1), (2,)]
    >>> [chunk.indices for chunk in chunks_of([0, 1, 2, 3], 4, shuffle=1)]
    [(3, 0), (1, 2)]
    """
    ordered = sorted(indices)
    if shuffle is not None:
        # by hash: the same under every version of every library, or a run could not be resumed
        ordered = sorted(ordered, key=lambda index: text_hash(f"{shuffle}/{index}"))
        size = min(size, -(-len(ordered) // 2) or 1)
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
        shuffle = spec.replica if spec.variation == "order" else None
        self.chunks = chunks_of(indices, spec.chunk_size, shuffle=shuffle)
        self.damaged: list[Path] = []
        self._key = run_fingerprint(spec)
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(folder)
        try:
            self._finished = self._start()
        except BaseException:
            self._lock.close()
            raise

    def _start(self) -> bool:
        """Take the folder over; true if somebody else finished the run while we waited for the lock."""
        if not (self.folder / SPEC).exists():
            write_spec(self.folder, self.spec)
        elif run_fingerprint(read_spec(self.folder)) != self._key:
            raise StoreError(f"{self.folder} holds a run of another configuration", do="Delete it first.")
        for pattern in (".*.json.*", ".*.parquet.*", f"{PARTS}/.*.parquet.*"):
            for leftover in self.folder.glob(pattern):
                leftover.unlink()
        if read_manifest(self.folder) is None:
            return False
        shutil.rmtree(self.folder / PARTS)
        return True

    def todo(self) -> list[Chunk]:
        """The chunks that the store does not hold yet, in order.

        A part that is not what was written for its chunk does not count and is listed in `damaged`;
        nor does one that holds rows with status `error`. Both will be overwritten.
        """
        if self._finished:
            return []
        return [chunk for chunk in self.chunks if not self._is_answered(chunk)]

    def _is_answered(self, chunk: Chunk) -> bool:
        table = self._stored(chunk)
        return table is not None and "error" not in table["status"].to_pylist()

    def _stored(self, chunk: Chunk) -> pa.Table | None:
        """A chunk's rows as they were written; null, and noted, where its part is anything else."""
        for path in self._parts(chunk):
            try:
                content = path.read_bytes()
                if path.name == self._part_name(chunk, content):
                    table = pq.read_table(pa.BufferReader(content))
                    return table.cast(PREDICTION).replace_schema_metadata(table.schema.metadata)
            except (pa.ArrowException, OSError, ValueError):  # not to be read, or by another schema
                pass
            if path not in self.damaged:
                self.damaged.append(path)
        return None

    def state_before(self, chunk: Chunk) -> Mapping[str, Any]:
        """The engine's state after the nearest stored chunk before this one; empty if there is none."""
        for earlier in reversed(self.chunks[: self.chunks.index(chunk)]):
            if (table := self._stored(earlier)) is not None:
                return dict(json.loads((table.schema.metadata or {}).get(STATE, b"{}")))
        return {}

    def notes(self) -> list[Mapping[str, Any]]:
        """What was noted with each stored part, chunk by chunk; nothing of one without a note."""
        held = (pq.read_schema(path).metadata or {} for chunk in self.chunks for path in self._parts(chunk))
        return [dict(json.loads(metadata[NOTE])) for metadata in held if NOTE in metadata]

    def append(
        self,
        chunk: Chunk,
        predictions: Sequence[Prediction],
        state: Mapping[str, Any] | None = None,
        note: Any = None,
    ) -> None:
        """Store a chunk's predictions, all or nothing: after this returns they survive a crash.

        Args:
            chunk: Which.
            predictions: Of all its instances.
            state: The engine's state after it, for `state_before`.
            note: An object to be kept with the part until the run is finished, for `notes`.
        """
        rows = prediction_table(sorted(predictions, key=lambda row: (row.index, row.repeat)))
        beside = {STATE: canonical_json(state or {})}
        if note is not None:
            beside[NOTE] = canonical_json(note)
        self.append_table(chunk, rows.replace_schema_metadata(beside))

    def append_table(self, chunk: Chunk, predictions: pa.Table) -> None:
        """The same for a table of `regress.schema.PREDICTION`, by index and repeat."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            predictions if self.spec.text else _without_text(predictions), sink, compression="zstd"
        )
        content = sink.getvalue().to_pybytes()
        for outdated in self._parts(chunk):
            outdated.unlink()
        with replacing(self.folder / PARTS / self._part_name(chunk, content)) as temporary:
            temporary.write_bytes(content)

    def finish(self, recorded: Mapping[str, Any] | None = None) -> Path:
        """Merge the parts, write the manifest, and return the run's folder.

        Raises:
            IncompleteRun: If chunks are missing or rows have no answer; the parts stay.
        """
        if self._finished:
            return self.folder
        missing = self.todo()
        if missing:
            raise IncompleteRun(self._why_incomplete(missing), do="Run the same command again to go on.")
        with replacing(self.folder / PREDICTIONS) as temporary:
            rows = self._merge(temporary)
        manifest = Manifest(
            fingerprint=self._key,
            rows=rows,
            sha256=file_hash(self.folder / PREDICTIONS),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            recorded=dict(recorded or {}),
        )
        write_manifest(self.folder, manifest)
        shutil.rmtree(self.folder / PARTS)
        return self.folder

    def _merge(self, target: Path) -> int:
        """Write all parts as one file in (index, repeat) order; return its rows."""
        rows = 0
        with pq.ParquetWriter(target, PREDICTION, compression="zstd", write_page_checksum=True) as writer:
            for table in self._in_order(map(self._kept, self.chunks)):
                writer.write_table(table.replace_schema_metadata())
                rows += table.num_rows
        return rows

    def _in_order(self, tables: Iterable[pa.Table]) -> Iterable[pa.Table]:
        """The chunks' tables one by one; where they were dealt in another order, all at once."""
        if self.spec.variation != "order":
            return tables
        return [pa.concat_tables(tables).sort_by([("index", "ascending"), ("repeat", "ascending")])]

    def _kept(self, chunk: Chunk) -> pa.Table:
        table = self._stored(chunk)
        if table is None:
            raise DamagedRun(
                f"a part of {self.folder} changed while the run was being finished",
                do="Run the same command again; what is damaged is answered again.",
            )
        return table

    def _why_incomplete(self, missing: Sequence[Chunk]) -> str:
        held = [table for chunk in missing if (table := self._stored(chunk)) is not None]
        rows = [row for table in held for row in table.select(["index", "error"]).to_pylist()]
        errors = [f"instance {row['index']}: {row['error']}" for row in rows if row["error"]]
        if errors:
            unanswered = f"{len(errors)} of {self.spec.n} rows have no answer ({errors[0]})"
            return f"{self.folder} stays incomplete: {unanswered}"
        return f"{self.folder} stays incomplete: {len(missing)} of {len(self.chunks)} chunks are missing"

    def _parts(self, chunk: Chunk) -> list[Path]:
        return sorted((self.folder / PARTS).glob(f"{chunk.number:05d}-*.parquet"))

    def _part_name(self, chunk: Chunk, content: bytes) -> str:
        seal = hashlib.sha256(f"{self._key}/{chunk.number}/".encode() + content).hexdigest()
        return f"{chunk.number:05d}-{seal[:16]}.parquet"

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()


def tidy(folder: Path) -> None:
    """Remove what a process that died between the manifest and its end left in a finished run."""
    if (folder / PARTS).exists() or (folder / LOCK).exists():
        # somebody is at work there, or the disk is read-only: then it stays
        with contextlib.suppress(LockedRun, OSError), RunLock(folder):
            shutil.rmtree(folder / PARTS, ignore_errors=True)


def _without_text(predictions: pa.Table) -> pa.Table:
    for name in ("output", "answer"):
        texts = pa.array([hashed(text) for text in predictions[name].to_pylist()], pa.string())
        place = predictions.schema.get_field_index(name)
        predictions = predictions.set_column(place, PREDICTION.field(name), texts)
    return predictions
