"""Our own exports, read back: every column that `regress.interop.exports.writer` wrote, as it was.

Recognised by their columns, whatever the file is called. Parquet bears the run's spec; of JSONL and CSV
model, task and engine are unknown, and the headline metric is the one whose values are the scores.
A copy that another program wrote is read too, as long as it kept names and types; columns that are not
ours are ignored, and those that may be null may be missing.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from regress.errors import DataError, NewerSchema, UsageError, first_line
from regress.identity import rebuilt
from regress.interop.exports.rows import UNUSABLE, Row, columns, rows, suffix
from regress.interop.exports.writer import METADATA
from regress.interop.records import ROWS_DO_NOT_TELL, UNKNOWN_ENGINE, Heading, Reading, Record, Source
from regress.schema import PREDICTION, SCHEMA_VERSION
from regress.types import ModelSpec, Prediction, RunSpec, Scale

FORMAT = "regress"
"""What the format is called."""

UNNAMED = "exported"
"""The task's name where nobody tells: the same for all files, so that two of them can be compared."""

_MARKS = {"instance_id", "index", "prompt_hash", "status", "choice_logprobs", "left_truncated"}
_LOOKED_AT = 4096


def recognises(path: Path) -> bool:
    """Whether `path` is a file with the columns of our exports; never an error."""
    try:
        return path.is_file() and set(columns(path)) >= _MARKS
    except (OSError, DataError, csv.Error, *UNUSABLE):
        return False


def sources(path: Path, reading: Reading) -> list[Source]:
    """The run in an export.

    Raises:
        DataError: If the file cannot be read.
        NewerSchema: If a later version of regress wrote it.
        UsageError: If it is asked to be read in another way than it says.
    """
    reading.refuse_columns(path.name)
    spec = _spec(path)
    if spec is None:
        return [_Export(path=path, heading=_unknown_heading(path, reading))]
    if reading.metric not in (None, spec.task.metric):
        raise UsageError(
            f"{path.name} was judged by {spec.task.metric!r}, not by {reading.metric!r}",
            do="Import it without a metric, and judge the run again with `regress rescore`.",
        )
    return [
        _Export(path=path, heading=heading_of(spec, [path], format=FORMAT, expected=_instances(path, spec)))
    ]


@dataclass(frozen=True)
class _Export:
    path: Path
    heading: Heading

    def records(self) -> Iterator[Record]:
        return itertools.starmap(record, rows(self.path))


# ── headings ─────────────────────────────────────────────────────────────────────────────────────


def _spec(path: Path) -> RunSpec | None:
    """The spec in a Parquet file's metadata; null where there is none."""
    if suffix(path) != "parquet":
        return None
    try:
        metadata = pa.parquet.read_schema(path).metadata or {}
        if METADATA not in metadata:
            return None
        document = json.loads(metadata[METADATA])
        if document["schema"] > SCHEMA_VERSION:
            raise NewerSchema(
                f"{path} follows schema {document['schema']}",
                allowed=f"schema {SCHEMA_VERSION} and older",
                do="A later regress wrote it; upgrade this one.",
            )
        return rebuilt(RunSpec, document["spec"])
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except UNUSABLE as error:
        raise DataError(
            f"the spec in {path.name} is damaged ({first_line(error)})", do="Export the run again."
        ) from None


def heading_of(spec: RunSpec, files: Sequence[Path], *, format: str, expected: int | None) -> Heading:
    """What a run's own spec tells of it; `expected` are its instances, which need not be neighbours."""
    task = spec.task
    return Heading(
        format=format,
        files=tuple(files),
        task=task.name,
        model=spec.model,
        engine=spec.engine,
        producer="regress",
        version=task.version,
        kind=task.kind,
        scale=task.scale,
        metric=task.metric,
        higher_is_better=task.higher_is_better,
        num_fewshot=task.num_fewshot,
        scorer=task.scorer,
        generation=task.generation,
        n=task.n or None,
        expected=expected,
        unknown=spec.origin.unknown if spec.origin else (),
        subset=spec.subset,
    )


def _instances(path: Path, spec: RunSpec) -> int | None:
    """How many instances the whole run answered, each as often as the others; null if that is unknown."""
    try:
        repeat = pa.parquet.read_table(path, columns=["repeat"])["repeat"]
        return spec.n // (1 + pc.max(repeat).as_py()) if spec.n and len(repeat) else None
    except (OSError, *UNUSABLE):
        return None  # reading the rows will say what is wrong


def _unknown_heading(path: Path, reading: Reading) -> Heading:
    first = [row for _, row in itertools.islice(rows(path), _LOOKED_AT)]
    return Heading(
        format=FORMAT,
        files=(path,),
        task=reading.task or UNNAMED,
        model=ModelSpec(name=path.stem, source=path.name),
        engine=UNKNOWN_ENGINE,
        producer="regress",
        scale=_scale(first),
        metric=reading.metric or _metric(first),
        sparse=True,
        unknown=ROWS_DO_NOT_TELL,
        remarks=(
            f"{path.name} does not tell the model, task and engine of its run; an export as Parquet does.",
        ),
    )


def _metric(rows: Iterable[Row]) -> str | None:
    """The metric whose values are the scores, in all rows; the first of several, null if none."""
    fitting: dict[str, None] | None = None
    for row in rows:
        if row["score"] is not None and row["scores"]:
            equal = {name: None for name, value in row["scores"].items() if value == row["score"]}
            fitting = equal if fitting is None else {name: None for name in fitting if name in equal}
    return next(iter(fitting or ()), None)


def _scale(rows: Iterable[Row]) -> Scale | None:
    return "binary" if any(row["correct"] is not None for row in rows) else None


def record(where: str, row: Row) -> Record:
    """A row with the columns of `EXPORT`, checked, as a record that holds its prediction verbatim."""
    values = {name: row[name] for name in PREDICTION.names}
    values["scores"] = {name: _number(value) for name, value in (row["scores"] or {}).items()}
    for name in ("choice_logprobs", "choice_lengths"):
        values[name] = None if row[name] is None else tuple(map(_number, row[name]))
    kept = Prediction(**values)
    return Record(
        where=where,
        position=kept.index,
        repeat=kept.repeat,
        id=kept.instance_id,
        prompt=row["prompt"],
        choices=None if row["choices"] is None else tuple(row["choices"]),
        golds=tuple(row["golds"] or ()),
        targets=() if row["target"] is None else (row["target"],),
        cluster=row["cluster"],
        tags={name: value for name, value in (row["tags"] or {}).items() if value is not None},
        source=row["source"],
        output=kept.output,
        logprobs=kept.choice_logprobs,
        lengths=kept.choice_lengths,
        answer=kept.answer,
        status=kept.status,
        correct=kept.correct,
        scores=kept.scores,
        prompt_tokens=kept.prompt_tokens,
        output_tokens=kept.output_tokens,
        finish=kept.finish,
        error=kept.error,
        verbatim=kept,
    )


def _number(value: float | None) -> float:
    """JSON writes null for nan."""
    return math.nan if value is None else value
