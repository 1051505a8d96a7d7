"""A run as one file for others: Parquet, JSONL or CSV; `regress.interop.exports.reader` reads it back.

A row is a prediction (`regress.schema.PREDICTION`) followed by what is known of its instance:
prompt, choices, target, golds, cluster, tags, source. Rows keep the run's order. What each format holds:

    parquet   everything; the run's spec and manifest as JSON in the schema's metadata, key `regress`
    jsonl     one object a row, keys in the order of the columns, null for unknown; no spec (a file beside
              it would be lost on the way); nan and infinities, for which JSON has no word, are null
    csv       lists and maps as JSON text; unknown is an empty cell, empty text a quoted one (`""`); no spec

The files are for programs: a text that a spreadsheet would take for a formula stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from regress.errors import StoreError, UsageError
from regress.identity import run_fingerprint, strict
from regress.schema import INSTANCE, PREDICTION, SCHEMA_VERSION
from regress.types import Run

Format = Literal["parquet", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Formats that `write_run` and `write_table` know."""

METADATA = b"regress"
"""Key of the spec and manifest in a Parquet file's metadata."""

_OF_INSTANCE = [column for column in INSTANCE if column.name not in PREDICTION.names]

EXPORT = pa.schema([*PREDICTION, *_OF_INSTANCE])
"""The columns of an exported run, in this order."""

_TEXT = pa.string()

ROWS = 4096
"""Rows held in memory together."""


def write_run(run: Run, instances: pa.Table | None, path: Path, format: Format) -> None:
    """Write a run and its instances to `path`, a few thousand rows at a time.

    What lies there is replaced, and after an error is not whole: the caller gives a temporary name.

    Args:
        run: A finished run.
        instances: The task's instances (`regress.schema.INSTANCE`); null where they are not stored.
        path: Where to; its ending is not looked at.
        format: How.

    Raises:
        StoreError: If the file cannot be written.
        UsageError: If there is no such format.
    """
    document = {
        "schema": SCHEMA_VERSION,
        "fingerprint": run_fingerprint(run.spec),
        "spec": strict(run.spec),
        "manifest": strict(run.manifest),
    }
    schema = EXPORT.with_metadata({METADATA: json.dumps(document, sort_keys=True).encode()})
    _write(schema, joined(run.predictions, instances), path, format)


def write_table(table: pa.Table, path: Path, format: Format) -> None:
    """Write any table, for example of the pairs of two runs, to `path` in the same way.

    Raises:
        StoreError: If the file cannot be written.
        UsageError: If there is no such format.
    """
    _write(table.schema, iter(table.to_batches(max_chunksize=ROWS)), path, format)


def joined(predictions: pa.Table, instances: pa.Table | None) -> Iterator[pa.RecordBatch]:
    """Predictions with what is known of their instances, as batches of `EXPORT`."""
    known = INSTANCE.empty_table() if instances is None else instances
    found = pc.index_in(predictions["instance_id"], value_set=known["instance_id"])
    known = known.select([column.name for column in _OF_INSTANCE])
    for start in range(0, predictions.num_rows, ROWS):
        part = predictions.slice(start, ROWS).select(PREDICTION.names)
        # what is not found is a null index, which takes a null
        texts = known.take(found.slice(start, ROWS))
        table = pa.table([*part.columns, *texts.columns], names=EXPORT.names).cast(EXPORT)
        yield from table.combine_chunks().to_batches()


def _write(schema: pa.Schema, batches: Iterator[pa.RecordBatch], path: Path, format: Format) -> None:
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}", allowed=", ".join(FORMATS))
    try:
        {"parquet": _write_parquet, "csv": _write_csv, "jsonl": _write_jsonl}[format](schema, batches, path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from None


def _write_parquet(schema: pa.Schema, batches: Iterator[pa.RecordBatch], path: Path) -> None:
    with pa.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def _write_jsonl(schema: pa.Schema, batches: Iterator[pa.RecordBatch], path: Path) -> None:
    with open(path, "wb") as file:
        for batch in batches:
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                file.write(json_text(row).encode() + b"\n")


def _write_csv(schema: pa.Schema, batches: Iterator[pa.RecordBatch], path: Path) -> None:
    flat = pa.schema([(column.name, flat_type(column.type)) for column in schema])
    with pa.csv.CSVWriter(path, flat) as writer:
        for batch in batches:
            columns = [_flat(values) for values in batch.columns]
            writer.write_batch(pa.record_batch(columns, names=flat.names).cast(flat))


def flat_type(type_: pa.DataType, *, nested: pa.DataType = _TEXT) -> pa.DataType:
    """The type of a CSV column: that of a dictionary's values; `nested` for lists and maps."""
    if pa.types.is_dictionary(type_):
        return type_.value_type
    return nested if pa.types.is_nested(type_) else type_


def _flat(values: pa.Array) -> pa.Array:
    if not pa.types.is_nested(values.type):
        return values.cast(flat_type(values.type))
    plain = values.to_pylist(maps_as_pydicts="strict")
    return pa.array([None if value is None else json_text(value) for value in plain], pa.string())


def json_text(value: Mapping[str, Any] | list[Any]) -> str:
    """Strict JSON in one line, keys as they stand; nan and infinities are null.

    >>> json_text({"b": 1.5, "a": [float("nan"), "ä"]})
    '{"b": 1.5, "a": [null, "ä"]}'
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(strict(value), ensure_ascii=False, allow_nan=False)
