"""Which choice a cell names: by its index, its letter or its text, the same way in all rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from regress.errors import DataError
from regress.identity import normalise
from regress.interop.tables import cells

Form = Literal["index", "letter", "text"]
"""How choices are named: counted from 0, as A, B, C …, or by what they say."""

FORMS: tuple[Form, ...] = ("index", "letter", "text")
"""In the order in which they are tried."""

_LETTER = re.compile(r"\s*\(?([A-Za-z])[).:]?\s*")
_DO = "Indices are counted from 0; letters (A, B, …) and the texts of the choices will do too."


@dataclass(frozen=True, kw_only=True)
class Choosable:
    """What a row tells of its choices."""

    count: int | None = None
    """How many there are; null if unknown."""
    texts: Sequence[str] | None = None
    """What they say; null if unknown."""


def form_of(
    values: Sequence[tuple[Any, Choosable]], column: str, name: str, *, settled: bool = False
) -> Form | None:
    """How the cells of a column name choices; null if most of them do not.

    Args:
        values: Cells, or elements of lists in cells, with their row's choices; empty ones left out.
        column: Its name, for messages.
        name: The file's.
        settled: A number is an index, also where choices are numbers, as lm-eval has it.

    Raises:
        DataError: If they can be read in two ways that disagree.
    """
    read = {form: [chosen(value, form, among) for value, among in values] for form in FORMS}
    fitting = [form for form in FORMS if values and None not in read[form]]
    if len(fitting) > 1 and not settled and read[fitting[0]] != read[fitting[1]]:
        raise DataError(
            f"the values in the column {column!r} of {name} may be indices of choices or their texts",
            do="Give letters (A, B, …) instead.",
        )
    if fitting:
        return fitting[0]
    best = max(FORMS, key=lambda form: sum(one is not None for one in read[form]))
    readable = sum(one is not None for one in read[best])
    return best if 2 * readable > len(values) else None


def chosen(value: Any, form: Form, among: Choosable) -> int | None:
    """The index of the choice that a cell names; null if it names none.

    >>> two = Choosable(count=2, texts=("no", "yes"))
    >>> chosen("1", "index", two), chosen("(B)", "letter", two), chosen(" yes", "text", two)
    (1, 1, 1)
    >>> chosen("2", "index", two) is None
    True
    """
    index: int | None = None
    match form:
        case "index":
            index = _index(value)
        case "letter":
            found = _LETTER.fullmatch(value) if isinstance(value, str) else None
            index = ord(found[1].upper()) - ord("A") if found else None
        case "text":
            return _index_of(cells.text(value), among.texts or ())
    return None if index is None or (among.count is not None and index >= among.count) else index


def golds(value: Any, form: Form, among: Choosable, where: str, column: str) -> tuple[int, ...]:
    """The indices of the right choices: one, or several in a list.

    Raises:
        DataError: If one names no choice, or there is none.
    """
    several = elements(value)
    found = [chosen(one, form, among) for one in several]
    told = tuple(one for one in found if one is not None)
    if not told or len(told) < len(found):
        raise no_choice(value, among, where, column)
    return told


def elements(value: Any) -> list[Any]:
    """What a cell names: several things if it is a list."""
    return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]


def no_choice(value: Any, among: Choosable, where: str, column: str) -> DataError:
    """The error about a cell that names no choice."""
    if value is None:
        return DataError(
            f"{where} has no target: nothing stands in the column {column!r}", allowed="one in every row"
        )
    allowed = "an index or letter of a choice" if among.count is None else f"0 to {among.count - 1}"
    if among.texts is not None:
        allowed += ", or the text of a choice"
    return cells.refused(value, where, column, allowed, do=_DO)


def _index(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, str) and not value.strip().removesuffix(".0").isdecimal():
        return None
    number = float(value) if not isinstance(value, int) else value
    return int(number) if 0 <= number <= cells.LARGEST and number == int(number) else None


def _index_of(text: str | None, texts: Sequence[str]) -> int | None:
    if text is None:
        return None
    if text in texts:
        return [*texts].index(text)
    folded = [normalise(one) for one in texts]
    return folded.index(normalise(text)) if normalise(text) in folded else None
