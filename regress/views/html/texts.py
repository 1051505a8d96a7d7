"""The texts of a page: each stored once, and none of them longer than a page can bear."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 20_000
"""Characters of one text that a page shows; of a longer one the middle is left out."""

_HEAD = 15_000
_SHORTEST_SHARED = 80

Kept = str | list[str | int]
"""A text, or its beginning, how many characters were left out, and its end."""


class Texts:
    """Texts by number, so that one that stands in many places is stored once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str | None) -> int | None:
        """The number of a text; null where there is none."""
        return None if text is None else self._numbers.setdefault(text, len(self._numbers))

    @property
    def cut(self) -> int:
        """How many texts are shown without their middle."""
        return sum(len(text) > LONGEST for text in self._numbers)

    def kept(self) -> list[Kept]:
        """All texts in the order of their numbers, long ones without their middle."""
        return [shortened(text) for text in self._numbers]


def shortened(text: str) -> Kept:
    """A text as the page holds it: whole, or its beginning, how much was left out, and its end.

    The end of an answer is kept because it is often what was judged.

    >>> shortened("short"), shortened("x" * 1_000_000)[1]
    ('short', 980000)
    """
    if len(text) <= LONGEST:
        return text
    tail = LONGEST - _HEAD
    return [text[:_HEAD], len(text) - LONGEST, text[-tail:]]


def shared_beginning(prompts: Sequence[str]) -> str:
    r"""What all prompts begin with, up to its last blank line: the worked examples; empty if short.

    >>> shots = "Question: 1 + 1?\nAnswer: 2\n\n" * 4
    >>> shared_beginning([shots + "Question: 2 + 3?", shots + "Question: 3 + 3?"]) == shots
    True
    """
    if len(prompts) < 2:
        return ""
    first, last = min(prompts), max(prompts)  # whatever these two share, all between them share, too
    equal = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    end = first.rfind("\n\n", 0, equal) + 2
    return first[:end] if end >= _SHORTEST_SHARED else ""
