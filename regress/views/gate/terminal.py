"""A verdict in a terminal: the headline, each rule with its reason, what to know, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rich.cells import cell_len

from regress.types import Comparison
from regress.verdicts import Verdict
from regress.views.gate.rules import ADMISSION
from regress.views.gate.view import build
from regress.views.listing import pad, wrap
from regress.views.records import GateLine, GateView
from regress.views.terminal import LONGEST_NAME, NARROWEST, Ink, hanging
from regress.views.untrusted import visible


def render(
    verdict: Verdict,
    comparison: Comparison | None = None,
    *,
    width: int = 80,
    color: bool = False,
    where: str = "",
    assumed: bool = False,
) -> str:
    """`verdict` as text that ends with a line end.

    Args:
        verdict: What came of the gate.
        comparison: What was judged, for its models and demo items.
        width: Cells that no line exceeds (at least 60).
        color: Whether to set the headline and what does not pass off; the text is the same without.
        where: The folder in which the reports lie, for the last line.
        assumed: Whether the policy was used because none was given.
    """
    view, width, ink = build(verdict, comparison, assumed=assumed), max(width, NARROWEST), Ink(color)
    sections = [
        [ink.bold(line) for line in wrap(view.headline, width)],
        list(_about(view, width)),
        [ink.bold(line) for text in view.alarms for line in hanging("!  ", text, width)],
        list(_rules(view, width, ink)),
        [line for note in view.notes for line in hanging("·  ", note, width)],
        [line for step in view.steps for line in hanging("→  ", step, width)],
        wrap(f"The rest is in {visible(where)}.", width) if where else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _about(view: GateView, width: int) -> Iterator[str]:
    for text in (view.heading, view.title):
        if text:
            yield from wrap(text, width)
    for side, text in view.models:
        yield from hanging(f"  {side}  ", text, width)
    for text in view.basis:
        yield from wrap(text, width)


def _rules(view: GateView, width: int, ink: Ink) -> Iterator[str]:
    """One hanging paragraph a rule; the task's name stands once, and what decides nothing stands together."""
    marks = max((cell_len(line.mark) for line in view.lines), default=0)
    names = min(LONGEST_NAME, max((cell_len(line.task) for line in view.lines), default=0))
    task = None
    for line in _condensed(view.lines):
        shown = "" if line.task == task else line.task
        task = line.task
        yield from _rule(line, f"{pad(line.mark, marks)}  {pad(shown, names)}  ", width, ink)


def _condensed(lines: Sequence[GateLine]) -> Iterator[GateLine]:
    """Of each task what it takes to be judged in one paragraph, then its rules, then what does not apply."""
    for _, group in groupby(lines, key=lambda line: line.task):
        of_task = list(group)
        admitted = [line for line in of_task if _admits(line)]
        beside = [line for line in of_task if line.result.outcome == "not applicable"]
        yield from _joined(admitted)
        yield from (line for line in of_task if line not in admitted and line not in beside)
        yield from _joined(beside)


def _admits(line: GateLine) -> bool:
    return line.result.outcome == "pass" and line.result.rule in ADMISSION and not line.notes


def _joined(lines: Sequence[GateLine]) -> Iterator[GateLine]:
    if lines:
        yield replace(lines[0], sentence="; ".join(line.sentence for line in lines))


def _rule(line: GateLine, prefix: str, width: int, ink: Ink) -> Iterator[str]:
    texts = hanging(prefix, line.sentence, width)
    yield from map(ink.bold, texts) if line.mark.isupper() else texts
    for note in line.notes:
        yield from hanging(" " * cell_len(prefix) + "note: ", note, width)
