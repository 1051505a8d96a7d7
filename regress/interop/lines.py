"""JSON as others write it: files of one object, and files of one object a line, read one line at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from regress.errors import DataError

LONGEST_LINE = 64 << 20
"""Bytes of one line; more is no file of lines, and would have to be held in memory whole."""

LARGEST_FILE = 512 << 20
"""Bytes of a file that is one JSON value: it has to be held in memory whole."""


def json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's object, and where it stands (`answers.jsonl:17`); blank lines are skipped.

    Raises:
        DataError: If the file cannot be read, or a line is no JSON object, naming the line; of the last
            line that it seems to be cut off.
    """
    try:
        with open(path, "rb") as file:
            number = 0
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                where = f"{path.name}:{number}"
                if len(raw) > LONGEST_LINE:
                    raise DataError(
                        f"{where} is longer than {LONGEST_LINE >> 20} MB", allowed="one JSON object a line"
                    )
                if raw.strip():
                    yield where, _object(where, raw, complete=raw.endswith(b"\n"), first=number == 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


def json_file(path: Path) -> Any:
    """The value in a file of one JSON value.

    Raises:
        DataError: If the file cannot be read, is too large to be held in memory, or is not JSON.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise DataError(
                f"{path.name} has {size >> 20} MB", allowed=f"JSON files of up to {LARGEST_FILE >> 20} MB"
            )
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return parse(path.name, raw)


def parse(where: str, raw: bytes) -> Any:
    """The JSON value in `raw`.

    Raises:
        DataError: Saying where, if it is none.
    """
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 ({error.reason} at byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON: {error.msg} at column {error.colno}") from None
    except (RecursionError, ValueError) as error:  # nested without end; an integer of thousands of digits
        raise DataError(f"{where} is not usable JSON: {error}") from None


def _object(where: str, raw: bytes, *, complete: bool, first: bool) -> dict[str, Any]:
    try:
        value = parse(where, raw)
    except DataError as error:
        if complete or first:
            raise
        raise DataError(
            f"{error.what.rstrip('.')}; it is the last line, and has no end: the file seems to be cut off",
            do="Copy it again, or delete that line if the run really ended there.",
        ) from None
    if not isinstance(value, dict) or not value:
        shown = raw[:40].decode(errors="replace").strip()
        raise DataError(f"{where} is {shown!r}", allowed="one JSON object a line")
    return value
