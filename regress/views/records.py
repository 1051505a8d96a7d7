"""What the renderers lay out: a comparison in words, each text ready to be shown.

`regress.views.view.build` makes them, and `regress.views.gate.view.build` those of the gate.
"""

from __future__ import annotations

from dataclasses import dataclass

from regress.types import Notice
from regress.verdicts import RuleResult


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of numbers."""

    heading: str
    """What stands above it."""
    wide: bool
    """Whether it is shown only where there is room."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One task."""

    task: str
    """Its name."""
    cells: tuple[str, ...]
    """One number a column."""
    marks: str
    """Which footnotes belong to it, for example `1–3, 5`; empty if none."""
    lines: tuple[str, ...]
    """What the numbers mean in instances, and how sure they are, a sentence each."""
    wide_lines: tuple[str, ...] = ()
    """What is said of them only where there is room."""


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """What to know before relying on a number."""

    mark: str
    """Its number; empty where it concerns every row."""
    text: str
    """The sentence."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one model answered."""

    answer: str
    """What was read from it."""
    output: str
    """An excerpt of what it wrote; empty where that says no more than the answer."""


@dataclass(frozen=True, kw_only=True)
class FlipText:
    """One instance that got worse."""

    heading: str
    """Which one."""
    asked: str
    """The end of the prompt; empty where it is not known."""
    target: str
    """The reference answer; empty where it is not known."""
    old: Side
    """The old model's answer."""
    new: Side
    """The new model's answer."""
    diff: str = ""
    """Where their texts part and how they go on, as a word diff; empty where they share too few words."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The worst flips of one task."""

    heading: str
    """Which task, and how many of how many."""
    flips: tuple[FlipText, ...]
    """Worst first."""


@dataclass(frozen=True)
class PriceRow:
    """One thing that a model takes up or took."""

    label: str
    """What; indented where it is part of the row above."""
    old: str
    """Of the old side."""
    new: str
    """Of the new side."""
    ratio: str
    """New by old."""


@dataclass(frozen=True, kw_only=True)
class PriceText:
    """What the update costs."""

    rows: tuple[PriceRow, ...]
    """What the models take up, then what answering took where that can be compared."""
    notes: tuple[str, ...]
    """How it was measured, or why it is not shown."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A comparison in words."""

    heading: str
    """Says that this compares settings, not models; empty where it compares models."""
    title: str
    """Who is compared with whom, and on demo items if so."""
    models: tuple[tuple[str, str], ...]
    """`old` and `new`, each with the model's name, revision and weight type."""
    alarms: tuple[str, ...]
    """What makes numbers of this table meaningless; to be seen before them."""
    columns: tuple[Column, ...]
    """The columns of numbers, in order."""
    rows: tuple[Row, ...]
    """One a task."""
    suite: str
    """Whether the new model is worse on all tasks together; empty where that was not tested."""
    legend: tuple[str, ...]
    """What the columns mean."""
    wide_legend: tuple[str, ...]
    """What the columns mean that are shown only where there is room."""
    footnotes: tuple[Footnote, ...]
    """What to know, each said once."""
    price: PriceText | None
    """What the update costs; null where no run tells."""
    blocks: tuple[Block, ...]
    """The worst flips, task by task."""


@dataclass(frozen=True, kw_only=True)
class GateLine:
    """What came of one rule."""

    mark: str
    """The outcome, in capitals where it keeps the gate from passing."""
    task: str
    """Which task."""
    sentence: str
    """The rule, and why it came out so."""
    notes: tuple[str, ...]
    """What to know before relying on it."""
    result: RuleResult
    """The result itself."""


@dataclass(frozen=True, kw_only=True)
class GateNote:
    """What to know of the comparison that a verdict rests on."""

    notice: Notice
    """What."""
    tasks: tuple[str, ...]
    """The tasks that it is about; empty where that is all of them."""


@dataclass(frozen=True, kw_only=True)
class GateView:
    """A verdict in words."""

    headline: str
    """The verdict, and which rules it rests on."""
    heading: str
    """Says that settings were compared, not models; empty where models were."""
    title: str
    """Who was judged, and on demo items if so; empty where that is not known."""
    models: tuple[tuple[str, str], ...]
    """`old` and `new`, each with the model's name, revision and weight type."""
    basis: tuple[str, ...]
    """The policy, what the verdict is about, and which tasks are judged as one."""
    alarms: tuple[str, ...]
    """What makes the numbers of a task meaningless."""
    lines: tuple[GateLine, ...]
    """One a rule, task by task."""
    notes: tuple[str, ...]
    """What to know of the comparison, each said once."""
    steps: tuple[str, ...]
    """What to do next; empty after a pass."""
