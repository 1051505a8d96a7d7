"""What to know of the comparison that a verdict rests on, and that no rule says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from regress.types import Comparison, Notice, TaskComparison
from regress.views.evidence import at_fault
from regress.views.notices import ENGINE_AT_FAULT, listed
from regress.views.records import GateNote
from regress.views.sentences import notices, sentence

LEFT_OUT = frozenset(
    (
        *("few-items", "unreadable", "truncated", "limit-not-sample", "demo-items"),  # the rules, the title
        *("clustered", "few-clusters", "floor-conditional", "no-floor-kinds", "answers-unknown"),  # the rules
        *(
            "undetected",
            "few-discordant",
            "ties",
            "few-differences",
            "interval-rough",
        ),  # about other intervals
        *("epsilon", "repeats"),  # about numbers that no rule looks at
    )
)
"""Notices that the rules say already, or that concern what the comparison shows and the gate does not."""

_NAMES_ITS_GROUP = "pool-partial"


def gathered(comparison: Comparison) -> tuple[GateNote, ...]:
    """Every notice that a reader of the verdict must know, once, with the tasks that it is about."""
    general = {sentence(notice): notice for notice in comparison.warnings if not _left_out(notice)}
    found, where = dict(general), dict[str, list[str]]()
    for row in comparison.tasks:
        for notice in _of_row(row):
            if (text := sentence(notice)) not in general:
                found.setdefault(text, notice)
                where.setdefault(text, []).append(row.task.name)
    every = {row.task.name for row in comparison.tasks if not row.members}
    return tuple(
        GateNote(notice=notice, tasks=_about(where.get(text, []), every)) for text, notice in found.items()
    )


def shown(notes: Iterable[GateNote]) -> Iterator[str]:
    """The notes in words, each with the tasks it is about; engines at fault are alarms instead."""
    for note in notes:
        named = note.tasks and note.notice.code != _NAMES_ITS_GROUP
        if note.notice.code != ENGINE_AT_FAULT:
            yield (f"{listed(note.tasks)}: " if named else "") + sentence(note.notice)


def _of_row(row: TaskComparison) -> Iterator[Notice]:
    fault = at_fault(row)
    yield from (fault,) if fault else ()
    for notice in notices(row):
        if not _left_out(notice) and notice.code != ENGINE_AT_FAULT:
            yield notice


def _left_out(notice: Notice) -> bool:
    """Also versions of libraries, of which one update of an environment changes dozens."""
    return notice.code in LEFT_OUT or str(notice.data.get("field", "")).startswith("recorded.versions.")


def _about(names: Iterable[str], every: set[str]) -> tuple[str, ...]:
    """The tasks that a notice is about; empty where that is all of them."""
    named = tuple(dict.fromkeys(names))
    return () if every.issubset(named) else named
