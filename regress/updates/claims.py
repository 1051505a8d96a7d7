"""What an update promises about the function that the model computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from regress.errors import UnknownName


class Level(IntEnum):
    """How much of the old function is kept; larger is more."""

    OTHER = 0
    """Another function."""
    ARGMAX = 1
    """The same greedy choice everywhere; other probabilities."""
    NEAR = 2
    """The same but for the number format."""
    SAME = 3
    """Algebraically equal."""
    IDENTICAL = 4
    """The same numbers, bit for bit."""


@dataclass(frozen=True)
class Claim:
    """What an update promises, and under which conditions."""

    level: Level
    conditions: tuple[str, ...] = ()
    """In words, for example `texts of at most 512 tokens`; all must hold."""
    length: int | None = None
    """Longest text in tokens for which it holds; null for any."""
    vocabulary: int | None = None
    """It holds for the first this many tokens; null for all."""

    @property
    def name(self) -> str:
        """As it is typed and stored: `same`, `near`, `argmax`, `other`; bit for bit is `identical`."""
        return self.level.name.lower()

    @property
    def terms(self) -> tuple[str, ...]:
        """All that it holds under, in words; nothing of a claim of another function."""
        if self.level is Level.OTHER:
            return ()
        length = () if self.length is None else (f"texts of at most {self.length} tokens",)
        tokens = () if self.vocabulary is None else (f"the first {self.vocabulary} tokens",)
        return (*self.conditions, *length, *tokens)

    def __and__(self, other: Claim) -> Claim:
        """The claim of two updates in a row: the lesser one, under the conditions of both."""
        return Claim(
            min(self.level, other.level),
            tuple(dict.fromkeys([*self.conditions, *other.conditions])),
            _least(self.length, other.length),
            _least(self.vocabulary, other.vocabulary),
        )


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def claim_of(
    level: str,
    conditions: Sequence[str] = (),
    length: int | None = None,
    vocabulary: int | None = None,
) -> Claim:
    """A claim by its level's name.

    Raises:
        UnknownName: If there is no such level.
    """
    names = {each.name.lower(): each for each in Level}
    if level not in names:
        raise UnknownName("claim", level, names)
    return Claim(names[level], tuple(conditions), length, vocabulary)


IDENTICAL, SAME, NEAR = Claim(Level.IDENTICAL), Claim(Level.SAME), Claim(Level.NEAR)
ARGMAX, OTHER = Claim(Level.ARGMAX), Claim(Level.OTHER)
