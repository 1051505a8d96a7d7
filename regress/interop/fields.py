"""Values in other people's JSON: of the type that one asks for, unknown (null), or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regress.errors import DataError


@dataclass(frozen=True)
class Fields:
    """One JSON object, and where it stands; a path such as `input.raw` reaches into objects.

    A field that is missing or null is unknown, and so is everything inside it.
    """

    where: str
    """For messages: `samples.jsonl:17`."""
    row: Mapping[str, Any]
    """The object."""

    def value(self, path: str) -> Any:
        """The value, whatever its type.

        >>> Fields("a.json", {"input": {"raw": "2+2"}}).value("input.raw")
        '2+2'

        Raises:
            DataError: If something on the way is no object.
        """
        value: Any = self.row
        for name in path.split("."):
            if value is None:
                return None
            if not isinstance(value, Mapping):
                raise self.refusal(path, value, "an object on the way there")
            value = value.get(name)
        return value

    def text(self, path: str) -> str | None:
        """A text."""
        value = self.value(path)
        if value is not None and not isinstance(value, str):
            raise self.refusal(path, value, "a text")
        return value

    def texts(self, path: str) -> tuple[str, ...] | None:
        """A list of texts; one text counts as a list of one.

        >>> Fields("a.json", {"target": "4"}).texts("target")
        ('4',)
        """
        value = self.value(path)
        if value is None:
            return None
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise self.refusal(path, value, "a list of texts")
        return tuple(listed)

    def number(self, path: str) -> float | None:
        """A number; nan and infinities, which JSON has no word for but Python writes, are numbers too."""
        value = self.value(path)
        if value is None:
            return None
        try:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return float(value)
        except OverflowError:  # an integer of hundreds of digits
            pass
        raise self.refusal(path, value, "a number")

    def count(self, path: str) -> int | None:
        """A whole number that is not negative, and fits into 32 bits."""
        value = self.value(path)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
            raise self.refusal(path, value, "a whole number from 0")
        return value

    def truth(self, path: str) -> bool | None:
        """True or false."""
        value = self.value(path)
        if value is not None and not isinstance(value, bool):
            raise self.refusal(path, value, "true or false")
        return value

    def mapping(self, path: str) -> Mapping[str, Any]:
        """An object; an empty one where it is unknown."""
        value = self.value(path)
        if value is not None and not isinstance(value, Mapping):
            raise self.refusal(path, value, "an object")
        return value or {}

    def listed(self, path: str) -> list[Any]:
        """A list of anything; an empty one where it is unknown."""
        value = self.value(path)
        if value is not None and not isinstance(value, list):
            raise self.refusal(path, value, "a list")
        return value or []

    def refusal(self, path: str, value: Any, allowed: str) -> DataError:
        """The error that says what was met and what is allowed."""
        shown = repr(value)
        return DataError(
            f"{self.where} has {shown if len(shown) <= 60 else shown[:60] + '…'} for {path}", allowed=allowed
        )
