"""A source read to its end and found sound: everything that a run needs, before anything is stored."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.errors import DataError
from regress.interop.identify import Identified, Ints, identify
from regress.interop.records import Heading, Record, Source
from regress.interop.rows import ITEM, SCHEMA, Rows
from regress.interop.specs import once, spec_of
from regress.interop.spool import Spool
from regress.schema import INSTANCE, PREDICTION
from regress.types import RunSpec


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An imported run that is not stored yet. It lives as long as its spool does, which is to be closed."""

    spec: RunSpec
    """Everything that is keyed."""
    indices: Sequence[int]
    """Positions of its instances in the full data set, ascending."""
    remarks: tuple[str, ...]
    """What the user should see, in sentences."""
    spool: Spool
    """Its rows, in the order of the source."""
    rows: Identified
    """Which of them are about which instance."""

    def predictions(self, indices: Sequence[int]) -> pa.Table:
        """The rows about these instances, which are neighbours, by position and repeat.

        Returns:
            A table of `regress.schema.PREDICTION`.
        """
        placed = self.rows.placed
        here = slice(np.searchsorted(placed, indices[0]), np.searchsorted(placed, indices[-1], side="right"))
        numbers = self.rows.headline[here]
        table = self.spool.take(numbers)
        columns = self._identity(numbers)
        if self.spec.task.scale != "binary":
            columns["correct"] = pa.nulls(len(table), pa.bool_())
        if self.rows.others:
            scores = [self.spool.take(rows[here])["scores"].to_pylist() for rows in self.rows.others]
            columns["scores"] = _merged([table["scores"].to_pylist(), *scores])
        told = {name: columns.get(name, table[name]) for name in PREDICTION.names}
        return pa.table(told).cast(PREDICTION)

    def instances(self) -> Iterator[pa.Table]:
        """All instances, in tables of some thousand (`regress.schema.INSTANCE`)."""
        for numbers, table in once(self.rows, self.spool):
            told = {**self._identity(numbers), **{name: table[ITEM[name]] for name in ITEM}}
            yield pa.table(told).select(INSTANCE.names).cast(INSTANCE)

    def _identity(self, numbers: Ints) -> dict[str, pa.Array]:
        return {
            "instance_id": self.rows.ids.take(pa.array(numbers)),
            "index": pa.array(self.rows.position[numbers], pa.int32()),
        }


def draft(
    source: Source,
    folder: Path,
    *,
    name: str | None = None,
    text: bool = True,
    partial: bool = False,
    advanced: Callable[[int], None] = lambda rows: None,
) -> Draft:
    """Read a source to its end, and refuse it if anything is wrong with it.

    Args:
        source: What to read.
        folder: Where rows are kept as long as the import lasts; memory holds only a few of them.
        name: What the model is to be called; by default as the source calls it.
        text: False to store hashes instead of prompts and outputs.
        partial: Take a run that was cut off.
        advanced: Called with how many rows were read.

    Raises:
        DataError: Naming rows, if they contradict each other or the source's heading, or are too few.
    """
    heading, rows = source.heading, Rows(heading=source.heading)
    unanswered = _Unanswered(partial)
    with contextlib.ExitStack() as undo:
        spool = Spool(folder / "rows.arrow", SCHEMA)
        undo.callback(spool.close)
        for count in spool.fill(map(rows, unanswered.without(source.records()))):
            advanced(count)
        unanswered.refuse()
        if not spool.rows:
            raise DataError(f"{heading.files[0].name} holds no answers")
        known = identify(spool, str(rows.metric))
        indices = np.unique(known.position)
        _refuse_holes(heading, indices, partial)
        made = Draft(
            spec=spec_of(heading, rows, spool, known, indices, unanswered.count, name=name, text=text),
            indices=indices.tolist(),
            remarks=(*heading.remarks, *_agreement(spool)),
            spool=spool,
            rows=known,
        )
        undo.pop_all()
    return made


def _merged(scores: Sequence[list[list[tuple[str, float]]]]) -> pa.Array:
    """Each row's scores by every filter, those of the first first."""
    merged = []
    for row in zip(*scores, strict=True):
        told: dict[str, float] = {}
        for one in row:
            told = {**told, **{name: value for name, value in one if name not in told}}
        merged.append([*told.items()])
    return pa.array(merged, PREDICTION.field("scores").type)


# ── what is wrong with it ────────────────────────────────────────────────────────────────────────


class _Unanswered:
    """Sets records without an answer aside: to leave them out, or to refuse the run.

    Args:
        partial: Whether they may be left out.
    """

    def __init__(self, partial: bool) -> None:
        self._partial, self._first, self.count = partial, "", 0

    def without(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            if record.status != "error":
                yield record
                continue
            self._first = self._first or f"{record.where}: {record.error or 'no reason given'}"
            self.count += 1

    def refuse(self) -> None:
        if self.count and not self._partial:
            raise DataError(
                f"{self.count:,} rows have no answer (first: {self._first[:200]})",
                do="Answer them again; --partial leaves them out, as a run of only the other instances.",
            )


def _refuse_holes(heading: Heading, indices: np.ndarray, partial: bool) -> None:
    """A run that was cut off, or of which rows are missing in the middle."""
    if partial:
        return
    name, n = heading.files[0].name, indices.size
    do = "Copy or run it again; --partial takes what is there, as a run of only these instances."
    if heading.expected is not None:
        if n < heading.expected:
            raise DataError(f"{name} holds {n:,} of {heading.expected:,} instances: it was cut off", do=do)
        return
    last = int(indices[-1])
    missing = last + 1 - n
    if missing and not heading.sparse:
        before = np.concatenate([[-1], indices[:-1]])
        gaps = np.flatnonzero(indices - before > 1)[:3].tolist()
        holes = [hole for gap in gaps for hole in islice(range(before[gap] + 1, indices[gap]), 3)]
        listed = ", ".join(map(str, holes[:3])) + (", …" if missing > 3 else "")
        raise DataError(
            f"{name} holds {n:,} of {last + 1:,} positions: {missing:,} are missing ({listed})", do=do
        )


def _agreement(spool: Spool) -> Iterator[str]:
    """Whether the judgement that the source bears is that of the scorer."""
    agrees = spool.column("agrees").drop_null()
    if not len(agrees):
        return
    equal = int(pc.sum(agrees).as_py() or 0)
    sentence = f"The recorded judgement agrees with the scorer's on {equal:,} of {len(agrees):,} answers"
    if equal < len(agrees):
        first = pc.index(spool.column("agrees"), False).as_py()
        sentence += f" (first that differs: {spool.column('where')[first].as_py()}); the scorer's counts"
    yield sentence + "."
