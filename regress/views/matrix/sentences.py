"""What is said of several versions: who they are, what the cells mean, and why some are empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from regress.findings import TaskMatrix, VersionMatrix
from regress.types import Difference
from regress.views.numbers import count, plural
from regress.views.sentences import sentence, settings_heading
from regress.views.settings import NAMES, name, value
from regress.views.untrusted import head, visible

_REASON = 600
"""Characters of a reason that are shown; JSON has all of them."""

_LISTED = 6
"""Pairs that are named one by one."""


def title(matrix: VersionMatrix) -> str:
    """What is compared, and on demo items if so."""
    said = f"{plural(len(matrix.versions), 'version')}, each against each"
    return said + (" (demo items, not the benchmarks)" if demo(matrix) else "")


def demo(matrix: VersionMatrix) -> bool:
    """Whether any task asked demo items instead of its benchmark."""
    return any(task.task.data == "demo" for task in matrix.tasks)


def heading(matrix: VersionMatrix) -> str:
    """Says that settings are compared, and which; empty where models are."""
    overridden: list[Difference] = []
    for pair in (pair for task in matrix.tasks for pair in task.pairs if pair.old < pair.new):
        overridden += (one for one in pair.overridden if one not in overridden)
    return settings_heading(overridden)


def task_name(task: TaskMatrix) -> str:
    """What a task is called."""
    return name(task.task.name) + (" (pooled)" if task.members else "")


def task_heading(task: TaskMatrix) -> str:
    """A task with its metric and how many instances every pair rests on."""
    sizes = sorted({pair.n for pair in task.pairs if pair.refused is None})
    n = [f"{'–'.join(map(count, dict.fromkeys((sizes[0], sizes[-1]))))} instances"] if sizes else []
    return " · ".join([task_name(task), name(task.task.metric), *n])


def level_name(task: TaskMatrix) -> str:
    """What the level of a version is: a share of right answers, or a score."""
    return "right" if task.task.scale == "binary" else "score"


def rest(where: str) -> str:
    """Where to read on.

    >>> rest("reports/matrix/a..c")
    'The rest is in reports/matrix/a..c: matrix.html, matrix.json, and a picture of each task.'
    """
    return f"The rest is in {visible(where)}: matrix.html, matrix.json, and a picture of each task."


# ── legend ───────────────────────────────────────────────────────────────────────────────────────


def legend(matrix: VersionMatrix) -> Iterator[str]:
    """What the numbers mean, for these tasks."""
    scales = {task.task.scale for task in matrix.tasks}
    if "binary" in scales:
        yield (
            "Cells are NFR in percent: of all instances, those that the version of the row (old) answers "
            "right and the one of the column (new) wrong. right: share of right answers, in percent."
        )
    scored = [task_name(task) for task in matrix.tasks if task.task.scale != "binary"]
    if scored:
        unit = "" if "unbounded" in scales else " × 100"
        yield (
            f"Answers of {', '.join(scored)} are scored: score is the mean{unit}, NFR the share of instances "
            "with a lower score in the column's version than in the row's."
        )
    yield (
        "A row says what is lost where its version is replaced; what the same step gains stands in the "
        "opposite cell. Intervals are at 95 %."
    )


# ── notes ────────────────────────────────────────────────────────────────────────────────────────


def refusals(task: TaskMatrix) -> dict[str, str]:
    """What is said of cells that are empty, by the reason that `regress.findings` holds."""
    found: dict[str, list[tuple[int, int]]] = {
        standing.refused: [] for standing in task.standings if standing.refused is not None
    }
    alone = set(found)
    for pair in task.pairs:
        if pair.refused is not None and pair.old < pair.new:
            found.setdefault(pair.refused, []).append((pair.old, pair.new))
    # what is wrong with one version alone names it
    return {why: _reason(task, why, [] if why in alone else pairs) for why, pairs in found.items()}


def _reason(task: TaskMatrix, why: str, pairs: Sequence[tuple[int, int]]) -> str:
    who = [task_name(task), *([_pairs(pairs)] if pairs else [])]
    return f"{', '.join(who)}: {head(why, _REASON)}"


def _pairs(pairs: Sequence[tuple[int, int]]) -> str:
    """Pairs of versions, one version with several where it is in all of them.

    >>> _pairs([(0, 1)]), _pairs([(0, 3), (1, 3)]), _pairs([(0, 1), (2, 3)])
    ('1 with 2', '4 with 1, 2', '1 with 2, 3 with 4')
    """
    shared = set(pairs[0]).intersection(*pairs)
    if len(pairs) > 1 and shared:
        (one,) = shared
        return f"{one + 1} with {', '.join(str(sum(pair) - one + 1) for pair in pairs)}"
    more = f" and {count(len(pairs) - _LISTED)} more" if len(pairs) > _LISTED else ""
    return ", ".join(f"{old + 1} with {new + 1}" for old, new in pairs[:_LISTED]) + more


def notes(matrix: VersionMatrix) -> Iterator[str]:
    """What to know before relying on the numbers, each once, after the tasks that it is about."""
    about: dict[str, list[str]] = {}
    for task in matrix.tasks:
        for text in _of_task(task):
            about.setdefault(text, []).append(task_name(task))
    yield from dict.fromkeys(map(sentence, matrix.warnings))
    for text, tasks in about.items():
        yield text if len(tasks) == len(matrix.tasks) else f"{', '.join(tasks)}: {text}"


def _of_task(task: TaskMatrix) -> Iterator[str]:
    for field, values in task.settings.items():
        yield f"{NAMES.get(field, name(field))} differs: {_by_value(values)}."
    unreadable = {
        place: standing.side.unreadable for place, standing in enumerate(task.standings) if standing.side
    }
    if any(unreadable.values()):
        yield f"unreadable answers, which count as not right: {_by_value(unreadable)}."
    yield from map(sentence, task.warnings)
    for old, new in combinations(range(len(task.standings)), 2):
        for warning in task.pair(old, new).warnings:
            yield f"{old + 1} with {new + 1}: {sentence(warning)}"


def _by_value(values: Mapping[int, Any]) -> str:
    """Which versions share which value.

    >>> _by_value({0: 8, 1: 16, 2: 8})
    '8 in 1, 3; 16 in 2'
    """
    held: dict[str, list[str]] = {}
    for place, one in values.items():
        held.setdefault(value(one), []).append(str(place + 1))
    return "; ".join(f"{one} in {', '.join(places)}" for one, places in held.items())


def letters(number: int) -> str:
    """The mark of a footnote, counted from 0: versions are numbered, so notes are lettered.

    >>> letters(0), letters(25), letters(26), letters(701), letters(702)
    ('a', 'z', 'aa', 'zz', 'aaa')
    """
    mark = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        mark = chr(ord("a") + digit) + mark
    return mark
