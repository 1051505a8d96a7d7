"""Benchmark items from a folder of JSON lines, and their ids."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regress.errors import DataError
from regress.identity import ID_FIELDS


def split_file(folder: Path, names: Sequence[str], split: str) -> Path:
    """The file `<folder>/<name>/<split>.jsonl`, under the first of `names` that has a folder.

    Raises:
        DataError: If there is no such folder or file, naming what is there.
    """
    if not folder.is_dir():
        near = difflib.get_close_matches(folder.name, _folders_beside(folder), n=1)
        guess = f"; did you mean {str(folder.parent / near[0])!r}?" if near else ""
        raise DataError(
            f"there is no folder {folder}{guess}", allowed="hub, demo, or a folder", do="Check --data."
        )
    here = next((folder / name for name in names if (folder / name).is_dir()), None)
    if here is None:
        there = sorted(path.name for path in folder.iterdir() if path.is_dir())
        near = difflib.get_close_matches(names[0], there, n=1, cutoff=0.5)
        raise DataError(
            f"{folder} has no folder {names[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
            allowed=None if near else ", ".join(there[:12]) or None,
            do=f"Its items belong in {folder / names[0] / split}.jsonl, one JSON object a line.",
        )
    file = here / f"{split}.jsonl"
    if not file.is_file():
        there = sorted(path.name for path in here.glob("*.jsonl"))
        raise DataError(
            f"{file} is missing: the task {names[0]!r} needs the split {split!r}",
            allowed=f"one JSON object a line; there are {', '.join(there) or 'no .jsonl files'}",
        )
    return file


def _folders_beside(folder: Path) -> list[str]:
    return [one.name for one in folder.parent.glob("*") if one.is_dir()] if folder.parent.is_dir() else []


def read_items(file: Path) -> list[dict[str, Any]]:
    """The items in a file of JSON lines; blank lines are skipped.

    Raises:
        DataError: Naming file and line, if a line is no JSON object or has other fields than the first.
    """
    items: list[dict[str, Any]] = []
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            items.append(_item(file, number, line, items[0] if items else None))
    if not items:
        raise DataError(f"{file} has no items")
    return items


def _item(file: Path, number: int, line: str, first: dict[str, Any] | None) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{number} is not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(item, dict) or not item:
        raise DataError(f"{file}:{number} is {line[:40]!r}", allowed="one JSON object a line")
    if first is not None and item.keys() != first.keys():
        missing, extra = sorted(first.keys() - item.keys()), sorted(item.keys() - first.keys())
        said = [f"lacks {missing}"] * bool(missing) + [f"has {extra} beside"] * bool(extra)
        raise DataError(
            f"{file}:{number} {' and '.join(said)}",
            allowed=f"the fields of the first line, {sorted(first)}",
            do="Write null where an item has no value.",
        )
    return {name: item[name] for name in first} if first is not None else item


def mixed_types(file: Path, items: Sequence[Mapping[str, Any]]) -> DataError:
    """The error for a column whose values do not share a type, naming the first line that differs."""
    first: dict[str, tuple[int, str]] = {}
    for number, item in enumerate(items, start=1):
        for name, value in item.items():
            kind = "number" if type(value) in (int, float) else type(value).__name__
            if value is not None and first.setdefault(name, (number, kind))[1] != kind:
                before, other = first[name]
                return DataError(
                    f"item {number} of {file} has a {kind} in {name!r}, item {before} a {other}",
                    allowed="one type a field",
                )
    return DataError(f"the items of {file} do not share one structure", allowed="one type a field")


def own_ids(items: Sequence[Mapping[str, Any]], field: str | None = None) -> list[str] | None:
    """The data set's own ids as text, or null if it has none that are unique.

    Args:
        items: All items.
        field: The field to take; by default the first of `ID_FIELDS` that every item has another value of.

    Raises:
        DataError: If `field` was named and does not identify the items.

    >>> own_ids([{"id": 3}, {"id": 4}])
    ['3', '4']
    >>> own_ids([{"id": 3}, {"id": 3}]) is None
    True
    """
    for name in [field] if field else ID_FIELDS:
        values = [item.get(name) for item in items]
        usable = all(isinstance(v, (str, int)) and not isinstance(v, bool) and str(v).strip() for v in values)
        ids = [str(value) for value in values]
        if usable and len(set(ids)) == len(ids):
            return ids
    if field:
        raise DataError(
            f"the field {field!r} does not identify the items", allowed="another value for every item"
        )
    return None
