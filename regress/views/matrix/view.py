"""Several versions in words, whole: what terminal and page lay out in their own ways.

Names and reasons came from outside and are `visible` in it; what HTML needs on top, the page does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from regress.findings import Standing, TaskMatrix, VersionMatrix
from regress.types import Estimate, Scale
from regress.views.matrix.sentences import (
    heading,
    legend,
    letters,
    level_name,
    notes,
    refusals,
    task_heading,
    task_name,
    title,
)
from regress.views.measures import has_interval
from regress.views.numbers import UNDEFINED, Unit, number
from regress.views.records import Footnote
from regress.views.settings import NAME, model
from regress.views.untrusted import tail

SELF = "·"
"""A version in its own place: nothing flips."""


@dataclass(frozen=True, kw_only=True)
class VersionText:
    """One version."""

    number: str
    """Its place, from 1."""
    name: str
    """Its name."""
    described: str
    """The model behind it, with where it comes from and its weights."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number with its interval, and a note where there is none."""

    shown: str
    """The number, or a dash."""
    interval: str = ""
    """Its ends; empty where none was made."""
    mark: str = ""
    """The footnote that says why there is no number."""
    value: float | None = None
    """The number itself, where it is a share of the instances; null otherwise."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One version in the history of a task."""

    level: Measured
    """Share of right answers, or mean score."""
    nfr: Measured | None
    """NFR against the version before; null for the first."""
    delta: Measured | None
    """Change against the version before; null for the first."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """One task."""

    name: str
    """Its name."""
    heading: str
    """Its name, metric and size."""
    level: str
    """What the level of a version is called."""
    cells: tuple[tuple[Measured, ...], ...]
    """NFR by row (the version replaced) and column (the one in its place)."""
    steps: tuple[Step, ...]
    """The versions in order."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Several versions in words."""

    heading: str
    """That settings are compared; empty where models are."""
    title: str
    """What is compared."""
    versions: tuple[VersionText, ...]
    """In order."""
    blocks: tuple[Block, ...]
    """One a task."""
    legend: tuple[str, ...]
    """What the numbers mean."""
    footnotes: tuple[Footnote, ...]
    """Those of single cells with their letters, then those without."""


def build(matrix: VersionMatrix) -> View:
    """`matrix` in words."""
    said = [refusals(task) for task in matrix.tasks]
    reasons = dict.fromkeys(text for of_task in said for text in of_task.values())
    marks = {text: letters(place) for place, text in enumerate(reasons)}
    versions = [
        VersionText(number=str(place), name=tail(one.name, NAME), described=model(one.model))
        for place, one in enumerate(matrix.versions, 1)
    ]
    return View(
        heading=heading(matrix),
        title=title(matrix),
        versions=tuple(versions),
        blocks=tuple(
            _block(task, {why: marks[text] for why, text in of_task.items()})
            for task, of_task in zip(matrix.tasks, said, strict=True)
        ),
        legend=tuple(legend(matrix)),
        footnotes=(
            *(Footnote(mark=mark, text=text) for text, mark in marks.items()),
            *(Footnote(mark="", text=text) for text in notes(matrix)),
        ),
    )


def _block(task: TaskMatrix, marks: Mapping[str, str]) -> Block:
    places = range(len(task.standings))
    return Block(
        name=task_name(task),
        heading=task_heading(task),
        level=level_name(task),
        cells=tuple(tuple(_cell(task, old, new, marks) for new in places) for old in places),
        steps=tuple(_step(task, place, marks) for place in places),
    )


def _cell(task: TaskMatrix, old: int, new: int, marks: Mapping[str, str]) -> Measured:
    if old == new:
        return Measured(shown=SELF)
    pair = task.pair(old, new)
    if pair.refused is not None:
        return Measured(shown=UNDEFINED, mark=marks[pair.refused])
    return _measured(pair.estimates["nfr"], "rate", task.task.scale)


def _step(task: TaskMatrix, place: int, marks: Mapping[str, str]) -> Step:
    level = _level(task, task.standings[place], marks)
    if place == 0:
        return Step(level=level, nfr=None, delta=None)
    pair = task.pair(place - 1, place)
    if pair.refused is not None:
        nothing = Measured(shown=UNDEFINED, mark=marks[pair.refused])
        return Step(level=level, nfr=nothing, delta=nothing)
    return Step(
        level=level,
        nfr=_measured(pair.estimates["nfr"], "rate", task.task.scale),
        delta=_measured(pair.estimates["delta"], "difference", task.task.scale),
    )


def _level(task: TaskMatrix, standing: Standing, marks: Mapping[str, str]) -> Measured:
    if standing.accuracy is None:
        return Measured(shown=UNDEFINED, mark=marks[standing.refused or ""])
    return _measured(standing.accuracy, "level", task.task.scale)


def _measured(estimate: Estimate, unit: Unit, scale: Scale) -> Measured:
    low, high = (number(end, unit, scale) for end in (estimate.low, estimate.high))
    share = scale != "unbounded" if unit == "level" else unit == "rate"
    return Measured(
        shown=number(estimate.value, unit, scale),
        interval=f"{low} to {high}" if has_interval(estimate) else "",
        value=estimate.value if share and math.isfinite(estimate.value) else None,
    )
