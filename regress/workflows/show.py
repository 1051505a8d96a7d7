"""`regress show`: one instance, whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regress.comparison.paired import PairedInstance, find
from regress.errors import UsageError
from regress.frames import ComparedRuns
from regress.workflows.compare import compare


@dataclass(frozen=True, kw_only=True)
class ShownInstance:
    """One instance of a comparison."""

    comparison: ComparedRuns
    """What it is part of."""
    repeats: tuple[PairedInstance, ...]
    """The instance, once for each time that it was asked."""


def show(
    old: str, new: str, where: str, *, tasks: Sequence[str] | str | None = None, **asked: Any
) -> ShownInstance:
    """One instance with what both models answered; runs that are not stored yet are evaluated first.

    Args:
        old: As `compare` takes it.
        new: As `compare` takes it.
        where: `TASK/ID`; the id may be cut short, and an index will do in its place.
        tasks: As `compare` takes it; by default the task that `where` names.
        **asked: What else `compare` takes.

    Raises:
        UnknownName: If there is no such task or instance.
        UsageError: If `where` names none, or several.
        RegressError: What `compare` raises.
    """
    task, slash, named = where.partition("/")
    if not (task and slash and named):
        raise UsageError(f"{where!r} names no instance", allowed="TASK/ID or TASK/INDEX, such as gsm8k/12")
    compared = compare(old, new, tasks=tasks or [task], worst=0, **asked)
    return ShownInstance(comparison=compared, repeats=find(compared, where))
