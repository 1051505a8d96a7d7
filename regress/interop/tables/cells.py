"""What stands in one cell of a table: a truth value, a number, a text or a list of them.

A cell is what CSV (text), JSON or Parquet (a Python value) holds; null is an empty cell. What cannot be
meant is refused with its place, its column and its value.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

from regress.definitions.templates import literal
from regress.errors import DataError

LARGEST = 2**31 - 1
"""The largest whole number that a run stores."""

_TRUTH = {
    **dict.fromkeys(("true", "yes", "1", "1.0"), True),
    **dict.fromkeys(("false", "no", "0", "0.0"), False),
}
_COMMA = re.compile(r"[+-]?\d+,\d+")
_NO_ERROR = frozenset({"", "none", "null", "nan", "false", "0"})


def truth(value: Any, where: str, column: str) -> bool:
    """A truth value, in any case of its letters.

    Raises:
        DataError: If it is anything but true, false, yes, no, 1 or 0.

    >>> truth("Yes", "a.csv:2", "correct"), truth(0.0, "a.csv:3", "correct")
    (True, False)
    """
    if isinstance(value, bool):
        return value
    found = _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None and isinstance(value, (int, float, Decimal)) and value in (0, 1):
        found = bool(value)
    if found is None:
        raise refused(
            value,
            where,
            column,
            "true, false, yes, no, 1 or 0",
            do=None if _float(value) is None else f"If it is a score, say --map score={column}.",
        )
    return found


def number(value: Any, where: str, column: str) -> float:
    """A finite number.

    Raises:
        DataError: If it is none.

    >>> number(" -1.5e1", "a.csv:2", "score")
    -15.0
    """
    found = value if type(value) is float else _float(value)
    if found is None or not math.isfinite(found):
        comma = isinstance(value, str) and _COMMA.fullmatch(value.strip())
        do = "Write it with a decimal point." if comma else None
        raise refused(value, where, column, "a finite number", do=do)
    return found


def whole(value: Any, where: str, column: str) -> int:
    """A whole number that is not negative; `3.0` is one too, as tables with empty cells write it.

    Raises:
        DataError: If it is none, or larger than a run can store.

    >>> whole("3.0", "a.csv:2", "index")
    3
    """
    found = value if type(value) is int else _float(value)
    if found is None or not 0 <= found <= LARGEST or found != int(found):
        raise refused(value, where, column, f"a whole number from 0 to {LARGEST}")
    return int(found)


def text(value: Any) -> str | None:
    """The text of a cell: of a number its digits, of an object or list its JSON; null if it is empty.

    >>> text("a"), text(18), text(3.0), text(["a", 1]), text(float("nan")), text(b"a")
    ('a', '18', '3', '["a", 1]', None, 'a')
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, (int, dict, list)):
        try:
            return json.dumps(value, ensure_ascii=False, default=text)
        except (RecursionError, ValueError, TypeError):
            return None
    return str(value)


def texts(value: Any, where: str, column: str) -> tuple[str, ...]:
    """A list of texts.

    Raises:
        DataError: If it is no list, or an element is empty.

    >>> texts('["a", "b"]', "a.csv:2", "choices"), texts("['a', 'b']", "a.csv:2", "choices")
    (('a', 'b'), ('a', 'b'))
    """
    found = [text(one) for one in listed(value, where, column)]
    told = tuple(one for one in found if one is not None)
    if len(told) < len(found) or not told:
        raise refused(value, where, column, "a list of texts, none of them null")
    return told


def numbers(value: Any, where: str, column: str) -> tuple[float, ...]:
    """A list of finite numbers.

    Raises:
        DataError: If it is no list, is empty, or an element is no finite number.

    >>> numbers("[-1, -2.5]", "a.csv:2", "logprobs")
    (-1.0, -2.5)
    """
    found = listed(value, where, column)
    if not found:
        raise refused(value, where, column, "a list of numbers")
    return tuple(number(one, where, column) for one in found)


def listed(value: Any, where: str, column: str) -> list[Any]:
    """A list; in a text as JSON or as Python writes it.

    Raises:
        DataError: If it is none.
    """
    if isinstance(value, (list, tuple)):
        return list(value)
    found = _parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else None
    if found is None:
        raise refused(value, where, column, "a list, in CSV as JSON: [-1.5, -2.5]")
    return found


def problem(value: Any) -> str | None:
    """What went wrong, from a column that says it; null where it says that nothing did.

    >>> problem("timed out"), problem(""), problem("None"), problem(True)
    ('timed out', None, None, 'the source says so')
    """
    if value is True:
        return "the source says so"
    told = text(value)
    return None if told is None or told.strip().lower() in _NO_ERROR else told


def refused(value: Any, where: str, column: str, allowed: str, *, do: str | None = None) -> DataError:
    """The error about a cell."""
    met = "nothing" if value is None else shown(value)
    return DataError(f"{where} has {met} in the column {column!r}", allowed=allowed, do=do)


def shown(value: Any) -> str:
    """A value as a message shows it."""
    told = str(value) if isinstance(value, (bool, int, float, Decimal)) else repr(value)
    return told if len(told) <= 60 else f"{told[:57]} …"


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        return None
    if isinstance(value, str) and "_" in value:  # Python's own way of writing 1_000
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _parsed(cell: str) -> list[Any] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        found = literal(cell.strip())
        # numpy writes ['a' 'b'], which Python takes for one text
        if repr(found) != cell.strip():
            return None
    return found if isinstance(found, list) else None
