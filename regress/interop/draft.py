"""A source read to its end and found sound: everything that a run needs, before anything is stored."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from regress.errors import DataError
from regress.identity import normalise, plain, sequence_hash, strict, task_fingerprint
from regress.interop.identify import Identified, Ints, identify
from regress.interop.records import Heading, Record, Source
from regress.interop.rows import ITEM, SCHEMA, Rows
from regress.interop.spool import Spool
from regress.schema import INSTANCE, PREDICTION, targets_of
from regress.scoring.score import compared
from regress.types import Origin, RunSpec, Scale, Subset, TaskSpec

CHUNK, BYTES = 4096, 32 << 20
"""Instances that a stored part of an imported run holds: fewer where they would have more bytes."""


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
        for numbers, table in _once(self.rows, self.spool):
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
            spec=_spec(heading, rows, spool, known, indices, unanswered.count, name=name, text=text),
            indices=indices.tolist(),
            remarks=(*heading.remarks, *_agreement(spool)),
            spool=spool,
            rows=known,
        )
        undo.pop_all()
    return made


# ── the spec ─────────────────────────────────────────────────────────────────────────────────────


def _spec(
    heading: Heading,
    rows: Rows,
    spool: Spool,
    known: Identified,
    indices: np.ndarray,
    left_out: int,
    *,
    name: str | None,
    text: bool,
) -> RunSpec:
    n = indices.size
    # what is missing counts among the items, or the gate would take what is there for all of them
    told = max(int(indices[-1]) + 1, n + left_out, heading.expected or 0)
    whole = heading.n if heading.n is not None else told
    task = TaskSpec(
        name=heading.task,
        version=heading.version,
        kind=rows.kind or "generation",
        scale=_scale(heading, str(rows.metric), spool, known),
        metric=str(rows.metric),
        higher_is_better=heading.higher_is_better,
        num_fewshot=heading.num_fewshot,
        fewshot="",
        scorer=plain(heading.scorer),
        generation=plain(heading.generation),
        data="",
        n=whole,
        description=f"{heading.task}, imported",
        **_hashes(known, spool, partial(compared, heading.scorer, str(rows.metric))),
    )
    return RunSpec(
        model=replace(heading.model, name=name or heading.model.name),
        task=replace(task, fingerprint=task_fingerprint(task)),
        engine=heading.engine,
        subset=_subset(heading, n, first=n < whole and bool((indices == np.arange(n)).all())),
        chunk_size=_at_once(spool),
        n=known.headline.size,
        ids=sequence_hash(known.ids[int(row)].as_py() for row in _first_of_each(known)),
        text=text,
        origin=Origin(
            format=heading.format,
            digest=digest(heading.files),
            name=heading.files[0].name,
            producer=heading.producer,
            read=strict(heading.read),
            unknown=tuple(sorted({*heading.unknown, *_unknown(spool)})),
        ),
    )


def _subset(heading: Heading, n: int, *, first: bool) -> Subset:
    """Which items there are: as the source says, if there are so many."""
    told = heading.subset
    if told is not None and n in (told.limit, told.sample):
        return told
    return Subset(limit=n) if first else Subset()


def digest(files: Sequence[Path]) -> str:
    """Hash of the bytes of all files, in order."""
    found = []
    for path in files:
        with open(path, "rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found[0] if len(found) == 1 else sequence_hash(found)


def _scale(heading: Heading, metric: str, spool: Spool, known: Identified) -> Scale:
    scores = spool.column("score").to_numpy()[known.headline]
    told = scores[~np.isnan(scores)]
    if not told.size and heading.scale is None:
        raise DataError(f"{heading.files[0].name} has no answer with a value of {metric!r}")
    either = (told == 0.0) | (told == 1.0)
    binary = bool(either.all())
    if heading.scale is None and not heading.higher_is_better:
        return "unbounded"  # negated: a run without a single error is not one of wrong answers
    bounded = binary or bool(((told >= 0.0) & (told <= 1.0)).all())
    seen: Scale = "binary" if binary else "bounded" if bounded else "unbounded"
    declared = heading.scale or seen
    if (declared == "binary" and not binary) or (declared == "bounded" and not bounded):
        odd = told[~either] if declared == "binary" else told[(told < 0) | (told > 1)]
        raise DataError(
            f"{heading.files[0].name} has the value {odd[0]:g} for {metric!r}",
            allowed="0 or 1" if declared == "binary" else "numbers from 0 to 1",
        )
    return declared


def _unknown(spool: Spool) -> Iterator[str]:
    """Columns that no row tells."""
    for name in ("finish", "prompt_tokens", "output_tokens", "output"):
        if name not in spool.told:
            yield name
    if not pc.any(pc.not_equal(spool.column("prompt_hash"), "")).as_py():
        yield "prompts"
    if ITEM["target"] not in spool.told:
        yield "targets"


def _hashes(known: Identified, spool: Spool, reference: Callable[[str], str]) -> dict[str, str]:
    """Hashes of items, targets, prompts and instances, each over all instances; empty where any is unknown.

    Sums of one hash an instance, so that files of the same items in another order have the same.
    """
    told = dict.fromkeys(("items", "targets", "prompts", "definition"), 0)
    unknown: set[str] = set()
    for numbers, table in _once(known, spool):
        ids = known.ids.take(pa.array(numbers)).to_pylist()
        rows = table.select([*ITEM.values(), "prompt_hash", "hashed"]).to_pylist()
        for id_, row in zip(ids, rows, strict=True):
            for name, part in _parts(row, reference).items():
                if part:
                    told[name] += int(sequence_hash([id_, part]), 16)
                else:
                    unknown.add(name)
    return {name: "" if name in unknown else f"{total % 2**256:064x}" for name, total in told.items()}


def _parts(row: Mapping[str, Any], reference: Callable[[str], str]) -> dict[str, str]:
    """What one instance adds to each hash; empty if it is unknown."""
    target = row[ITEM["target"]]
    targets = {normalise(reference(one)) for one in targets_of(target)}
    return {
        # of whatever else a source tells of an item, another one of the same item may tell less
        "items": row["hashed"] or "",
        "targets": "" if target is None else sequence_hash(sorted(targets)),
        "prompts": row["prompt_hash"],
        # decides nothing, but keeps apart what is stored once for all runs of a task
        "definition": json.dumps([row[name] for name in ITEM.values()], sort_keys=True),
    }


def _once(known: Identified, spool: Spool) -> Iterator[tuple[Ints, pa.Table]]:
    """One row an instance, by position, some thousand at a time, with their numbers."""
    rows, size = _first_of_each(known), _at_once(spool)
    for start in range(0, rows.size, size):
        yield rows[start : start + size], spool.take(rows[start : start + size])


def _at_once(spool: Spool) -> int:
    return min(CHUNK, spool.rows_in(BYTES))


def _first_of_each(rows: Identified) -> Ints:
    """Numbers of the rows that decide, one an instance, by position."""
    _, first = np.unique(rows.placed, return_index=True)
    return rows.headline[first]


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
