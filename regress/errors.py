"""Every error that regress raises on purpose, drawn as a tree.

    RegressError                 exit 2: could not do it
    ├── UsageError               an option or a setting that makes no sense
    ├── UnknownName              a model, task, engine, run … that nobody has heard of
    ├── MissingExtra             the weights wing is not installed
    ├── HubError                 the hub cannot be reached, or will not hand the thing out
    ├── ModelError               weights or tokenizer that cannot be used
    │   └── NotEnoughMemory      the weights do not fit
    ├── TaskError                a task definition that cannot be judged
    ├── DataError                benchmark items that are missing or malformed
    ├── EngineError              the engine did not answer
    ├── UpdateError              a new model that cannot be made
    │   ├── Unsupported          a recipe that this model's family cannot express
    │   └── ClaimViolated        exit 1: a new model that is not what its recipe promised
    ├── StoreError               runs on disk
    │   ├── IncompleteRun        no manifest yet, or rows with `error`
    │   ├── LockedRun            another writer is at work
    │   ├── DamagedRun           checksum, part or manifest is not what was written
    │   └── NewerSchema          written by a later regress
    └── NotComparable            two runs that answer different questions

A message says what went wrong, the value met, what is allowed and what to do, in that order.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RegressError(Exception):
    """Something regress could not do; the command line prints it and exits with `exit_code`.

    Args:
        what: What went wrong, with the value that was met.
        allowed: What would have been accepted, if that can be said.
        do: What the user can do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, allowed: str | None = None, do: str | None = None) -> None:
        self.what, self.allowed, self.do = what, allowed, do
        allowed_sentence = f"Allowed: {allowed}." if allowed else None
        super().__init__(" ".join(part for part in (_stop(what), allowed_sentence, do) if part))


def _stop(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


class UsageError(RegressError):
    """An option, setting or combination of them that cannot be meant."""


class UnknownName(RegressError):
    """A name that is not known, with the nearest known ones.

    Args:
        noun: What kind of thing was asked for, for example `task`.
        name: The name met.
        known: The names that would have been accepted.
        where: The place that it was met in, for example a file; null where that is plain.
        do: What the user can do; by default nothing more than picking a known one.
    """

    def __init__(
        self, noun: str, name: str, known: Iterable[str], *, where: str | None = None, do: str | None = None
    ) -> None:
        self.noun, self.name = noun, name
        names = sorted(set(known))
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
        shown = names if len(names) <= 12 else [*names[:12], f"… ({len(names)} in all)"]
        place = f" in {where}" if where else ""
        guess = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(
            f"unknown {noun} {name!r}{place}{guess}",
            allowed=None if near else (", ".join(shown) or None),
            do=do,
        )


class MissingExtra(RegressError):
    """A command that needs an optional part of regress which is not installed."""

    def __init__(self, what: str, extra: str, module: str) -> None:
        super().__init__(
            f"{what} needs {module}, which is not installed",
            do=f"Install it with: pip install 'regress-harness[{extra}]'",
        )


class HubError(RegressError):
    """The Hugging Face hub cannot be reached, or does not hand out what was asked for."""


class ModelError(RegressError):
    """A checkpoint that cannot be used as it is."""


class NotEnoughMemory(ModelError):
    """The weights do not fit into the memory that is free."""


class TaskError(RegressError):
    """A task definition that regress cannot run or judge."""


class DataError(RegressError):
    """Benchmark items that are missing or malformed."""


class EngineError(RegressError):
    """An engine that cannot be built or did not answer."""


class UpdateError(RegressError):
    """A new model that cannot be made from the old one."""


class Unsupported(UpdateError):
    """A step that cannot be expressed for this model, with the reason."""


class ClaimViolated(UpdateError):
    """A new model that is not what its recipe promised; nothing of it was kept."""

    exit_code = 1


class StoreError(RegressError):
    """A run on disk that cannot be read or written."""


class IncompleteRun(StoreError):
    """A run without a manifest: still running, interrupted, or with unanswered rows."""


class LockedRun(StoreError):
    """A run that another process is writing."""


class DamagedRun(StoreError):
    """A run whose bytes are not those that were written."""


class NewerSchema(StoreError):
    """A run written by a later version of regress."""


class NotComparable(RegressError):
    """Two runs that answer different questions; `field` names the first difference."""

    def __init__(self, what: str, *, field: str, allowed: str | None = None, do: str | None = None) -> None:
        self.field = field
        super().__init__(what, allowed=allowed, do=do)


def first_line(error: BaseException) -> str:
    """What an error says, in one line; with the next where the first only announces it."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
