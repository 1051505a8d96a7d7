"""Canonical hashes: of a spec, of a normalised item, of file bytes.

A hash here is the same on every machine, in every process and for every order of dictionary keys.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import types
import typing
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from regress.types import RunSpec, TaskSpec

ID_FIELDS = ("id", "_id", "idx", "ind", "uid", "qid", "question_id", "questionId", "query_id", "example_id")
"""Fields that are taken as the data set's own id, in this order, if every item has another one."""

Record = TypeVar("Record")

_WHERE_FROM = ("name", "source", "revision", "adapter")
_HASHED = re.compile("sha256:[0-9a-f]{16}")
_SPACES = re.compile(r"\s+")


def canonical_json(value: Any) -> str:
    """Serialise `value` to the one JSON text that all equal values share.

    Keys are sorted, there is no white space, dataclasses become objects, and `nan` and infinities
    are refused because JSON has no word for them.

    Raises:
        ValueError: If a number is not finite.
        TypeError: If a value has no JSON form.

    >>> canonical_json({"b": 1, "a": (1.5, None)})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(
        plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def plain(value: Any) -> Any:
    """Turn dataclasses, mappings and tuples into what `json` knows.

    >>> plain({1: (2, 3)})
    {'1': [2, 3]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def strict(value: Any) -> Any:
    """Like `plain`, with nan and infinities as null: what is written to JSON files.

    >>> strict({"a": float("nan"), "b": (1.0,)})
    {'a': None, 'b': [1.0]}
    """
    value = plain(value)
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def rebuilt(cls: type[Record], data: Any) -> Record:
    """The (nested) dataclass that `plain` turned into `data`; fields that it does not know are ignored.

    Raises:
        TypeError: If a field that has no default is missing, or one has a value of another kind.

    >>> rebuilt(TaskSpec, {"name": 1})
    Traceback (most recent call last):
    TypeError: name is 1
    """
    if not isinstance(data, dict):
        raise TypeError(f"{cls.__name__} is not an object")
    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(typing.cast(Any, cls)):
        if field.name in data:
            values[field.name] = _rebuilt_field(field.name, hints[field.name], data[field.name])
    return cls(**values)


def _rebuilt_field(name: str, hint: Any, value: Any) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    nested = options[0]
    if isinstance(nested, type) and dataclasses.is_dataclass(nested):
        return rebuilt(nested, value)
    kind = typing.get_origin(nested) or nested
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if (hint in (str, int, bool) or kind is Mapping) and not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}")
    return value


def fingerprint(value: Any) -> str:
    """sha256 of the canonical JSON of `value`, as 64 hex digits.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    return text_hash(canonical_json(value), digits=64)


def text_hash(text: str, *, digits: int = 16) -> str:
    """sha256 of the UTF-8 bytes of `text`, as that many hex digits.

    Lone surrogates, which have no UTF-8 form, are hashed as their code points.

    >>> text_hash("2 + 2 =")
    '154e0c9c61763891'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


@overload
def hashed(text: str) -> str: ...
@overload
def hashed(text: str | None) -> str | None: ...
def hashed(text: str | None) -> str | None:
    """What is stored in place of a text that must not be.

    What is such a hash already stays as it is, so that an imported one is the one that was exported.

    >>> hashed("private"), hashed(hashed("private"))
    ('sha256:715dc8493c36579a', 'sha256:715dc8493c36579a')
    """
    if text is None or _HASHED.fullmatch(text):
        return text
    return f"sha256:{text_hash(text)}"


def sequence_hash(parts: Iterable[str]) -> str:
    """sha256 over a sequence of texts, each with its length, so that no two sequences run together.

    >>> sequence_hash(["ab", "c"]) == sequence_hash(["a", "bc"])
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.hexdigest()


def normalise(text: str) -> str:
    """NFKC, white space (no-break spaces too) folded to one space, ends stripped.

    >>> normalise("a\\u00a0 b\\n")
    'a b'
    """
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def item_id(question: str, choices: Sequence[str] = ()) -> str:
    """Id of an item that has none: 16 hex digits over its normalised text and all its choices.

    The target is left out, so that an item keeps its id where the answer is hidden; the choices are
    in, because some benchmarks repeat a question with other choices (PIQA: 35 goals).

    >>> item_id("How?", ["a", "b"]) == item_id(" How?\\u00a0", ["a", "b "])
    True
    >>> item_id("How?", ["a", "b"]) == item_id("How?", ["ab"])
    False
    """
    return sequence_hash([normalise(question), *map(normalise, choices)])[:16]


def numbered(ids: Sequence[str]) -> list[str]:
    """Ids made unique: a second item with the same id gets `#2`, a third `#3`, in order.

    >>> numbered(["a", "b", "a", "a"])
    ['a', 'b', 'a#2', 'a#3']
    """
    seen: Counter[str] = Counter()
    unique = []
    for id_ in ids:
        seen[id_] += 1
        unique.append(id_ if seen[id_] == 1 else f"{id_}#{seen[id_]}")
    return unique


def source_json(item: Mapping[str, Any]) -> str:
    """An item as JSON with sorted keys; what JSON has no word for is written as text."""
    try:  # most items are plain JSON already
        return json.dumps(item, ensure_ascii=False, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        pass
    return json.dumps(strict(dict(item)), ensure_ascii=False, sort_keys=True, default=str)


def file_hash(path: str | Path) -> str:
    """sha256 of a file's bytes, read in pieces, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def task_fingerprint(task: TaskSpec | Mapping[str, Any]) -> str:
    """Hash of everything in a task's spec that changes a prompt, a target or a judgement.

    Of the data source its revision is left out: the items' own hash says more, and is known offline.
    Null counts as absent, here and in `run_fingerprint`, so that a field added later with null as its
    default leaves the hashes of stored runs as they are.
    """
    fields = plain(task)
    fields["data"] = fields["data"].partition("@")[0]
    for recorded in ("description", "fingerprint"):
        fields.pop(recorded, None)
    return fingerprint(_without_nulls(fields))


def run_fingerprint(spec: RunSpec | Mapping[str, Any]) -> str:
    """Hash of everything that is keyed: another value means another run, never a mixed one.

    The model's name, source and revision count only where the engine hides its weights; otherwise
    the weights themselves do, so that a renamed copy is the same model. Derived facts (context
    length, number of parameters) and the task's description do not count.

    Args:
        spec: The spec, or its JSON form as it lies on disk.
    """
    fields = plain(spec)
    model, task = fields["model"], fields["task"]
    visible = model.get("fingerprint") is not None
    for recorded in ("context_length", "parameters", *(_WHERE_FROM if visible else ())):
        model.pop(recorded, None)
    if fields.get("origin"):
        fields["origin"].pop("name", None)
    fields["task"] = task["fingerprint"] or task_fingerprint(task)
    return fingerprint(_without_nulls(fields))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
