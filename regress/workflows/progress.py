"""What a workflow tells whoever watches: values, so that the door can draw them and a test can read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reused:
    """A finished run with the same key was found; nothing is computed."""

    model: str
    task: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Started:
    """A run begins, or goes on; a total of 0 is unknown."""

    model: str
    task: str
    done: int
    total: int
    counted: str = "instances"


@dataclass(frozen=True, kw_only=True)
class Advanced:
    """A chunk was answered, judged and stored."""

    model: str
    task: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run is complete."""

    model: str
    task: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Something the user should know now, for example that a damaged part is computed again."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Working:
    """A step begins that tells nothing until the next event, for example that runs are compared."""

    text: str


Event = Reused | Started | Advanced | Finished | Remark | Working
Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Watch nothing."""
