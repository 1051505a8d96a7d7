"""The Arrow schema of a prediction and of an instance, and its version.

Readers ignore columns that they do not know, so a column may be added without a new version; one
that is renamed, retyped or reinterpreted needs one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from regress.types import Instance, Prediction

SCHEMA_VERSION = 1

_WORD = pa.dictionary(pa.int8(), pa.string())

PREDICTION = pa.schema(
    [
        pa.field("instance_id", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("repeat", pa.int16(), nullable=False),
        pa.field("prompt_hash", pa.string(), nullable=False),
        pa.field("shown_hash", pa.string()),
        pa.field("output", pa.string()),
        pa.field("answer", pa.string()),
        pa.field("status", _WORD, nullable=False),
        pa.field("correct", pa.bool_()),
        pa.field("score", pa.float64()),
        pa.field("scores", pa.map_(pa.string(), pa.float64())),
        pa.field("choice_logprobs", pa.list_(pa.float64())),
        pa.field("choice_lengths", pa.list_(pa.int32())),
        pa.field("gold_margin", pa.float64()),
        pa.field("prompt_tokens", pa.int32()),
        pa.field("output_tokens", pa.int32()),
        pa.field("left_truncated", pa.int32(), nullable=False),
        pa.field("finish", _WORD),
        pa.field("error", pa.string()),
    ]
)

INSTANCE = pa.schema(
    [
        pa.field("instance_id", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("choices", pa.list_(pa.string())),
        pa.field("target", pa.string()),
        pa.field("golds", pa.list_(pa.int32())),
        pa.field("cluster", pa.string()),
        pa.field("tags", pa.map_(pa.string(), pa.string())),
        pa.field("source", pa.string()),
    ]
)


def prediction_table(predictions: Sequence[Prediction]) -> pa.Table:
    """Predictions as an Arrow table of schema `PREDICTION`, in the order given.

    Lone surrogates, which Arrow strings cannot hold, are written as their escape, `\\udc80`.
    """
    return table_of(predictions, PREDICTION)


def instance_table(instances: Sequence[Instance]) -> pa.Table:
    """Instances as an Arrow table of schema `INSTANCE`, in the order given."""
    return table_of(instances, INSTANCE, {"instance_id": "id"})


def table_of(rows: Sequence[Any], schema: pa.Schema, renamed: Mapping[str, str] | None = None) -> pa.Table:
    """Objects as an Arrow table, a column an attribute.

    Args:
        rows: The objects.
        schema: The columns wanted.
        renamed: Attributes that do not bear their column's name, by column.
    """
    columns = []
    for column in schema:
        attribute = (renamed or {}).get(column.name, column.name)
        columns.append(_column([getattr(row, attribute) for row in rows], column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_map(type_):
        values = [None if one is None else list(one.items()) for one in values]
    try:
        return pa.array(values, type=type_)
    except (
        UnicodeEncodeError,
        pa.ArrowTypeError,
    ):  # hardly a column has a lone surrogate; to look takes time
        return pa.array(list(map(_storable, values)), type=type_)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, tuple):  # a key and its item are one
        return tuple(map(_storable, value))
    return list(map(_storable, value)) if isinstance(value, list) else value


def storable(text: str) -> str:
    """`text` with lone surrogates written as escapes, so that UTF-8 can hold it.

    >>> storable("a\\udc80b")
    'a\\\\udc80b'
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def target_text(targets: Sequence[str]) -> str:
    """Reference answers as one text: itself if there is one, a JSON list if several, else empty.

    >>> target_text(["42"]), target_text(["a", "b"])
    ('42', '["a", "b"]')
    """
    return json.dumps(list(targets), ensure_ascii=False) if len(targets) > 1 else "".join(targets)


def targets_of(text: str | None) -> tuple[str, ...]:
    """Reference answers out of the text that `target_text` made of them; none of null.

    >>> targets_of("42"), targets_of('["a", "b"]'), targets_of("[1]"), targets_of(None)
    (('42',), ('a', 'b'), ('[1]',), ())
    """
    if text is None:
        return ()
    if text.startswith('["') and text.endswith('"]'):
        try:
            several = json.loads(text)
        except (ValueError, RecursionError):
            return (text,)
        if len(several) > 1 and all(isinstance(one, str) for one in several):
            return tuple(several)
    return (text,)
