"""Words and draws that the four kinds of demo items share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone a story is about."""

    name: str
    """First name."""
    he: str
    """Subject pronoun."""
    him: str
    """Object pronoun."""
    his: str
    """Possessive pronoun."""


_SHE = ("Anna", "Betty", "Clara", "Emma", "Grace", "Julia", "Laura", "Maria", "Nina", "Sara")
_HE = ("Adam", "Ben", "Carl", "David", "Eric", "Frank", "Jack", "Leo", "Paul", "Tom")

PEOPLE: tuple[Person, ...] = (
    *(Person(name=name, he="she", him="her", his="her") for name in _SHE),
    *(Person(name=name, he="he", him="him", his="his") for name in _HE),
)

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def two_people(rng: Random) -> tuple[Person, Person]:
    """Draw two different people.

    >>> a, b = two_people(Random(0))
    >>> a != b
    True
    """
    first, second = rng.sample(PEOPLE, 2)
    return first, second


def weighted(rng: Random, weights: Mapping[str, float]) -> str:
    """Draw a key with probability proportional to its weight.

    >>> weighted(Random(0), {"a": 0.0, "b": 2.0})
    'b'
    """
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def other(rng: Random, options: Sequence[str], *taken: str) -> str:
    """Draw an option that is not taken yet.

    >>> other(Random(0), ["a", "b"], "a")
    'b'
    """
    return rng.choice([option for option in options if option not in taken])
