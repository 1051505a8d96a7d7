"""Why answers flipped, and what other extractors make of them, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from regress.types import FLIP_KINDS, FlipKind, Reading, TaskComparison
from regress.views.evidence import floor_line
from regress.views.measures import has_interval, value
from regress.views.numbers import count, percent, plural
from regress.views.settings import name

_PLURAL: dict[FlipKind, str] = {"coin toss": "coin tosses"}


def kinds_part(counts: Mapping[FlipKind, int]) -> str:
    """The kinds of some flips in brackets, the commonest first; empty where each is the model's answer.

    >>> kinds_part({"truncated": 2, "unreadable": 4, "answer": 14}), kinds_part({"answer": 20})
    (' (14 answer, 4 unreadable, 2 truncated)', '')
    """
    if not counts or set(counts) == {"answer"}:
        return ""
    commonest = sorted(counts, key=lambda kind: (-counts[kind], FLIP_KINDS.index(kind)))
    return f" ({', '.join(_counted(kind, counts[kind]) for kind in commonest)})"


def _counted(kind: FlipKind, number: int) -> str:
    return f"{count(number)} {kind if number == 1 else _PLURAL.get(kind, kind)}"


def model_line(task: TaskComparison) -> str:
    """NFR without flips that are not the model's own answer; empty where all of them are."""
    if task.kinds is None or not task.kinds.not_the_models or not math.isfinite(value(task, "model_nfr")):
        return ""
    if task.kinds.not_the_models == task.kinds.negative.get("coin toss") and floor_line(task):
        return ""  # robust NFR, which stands there
    own = task.estimates["model_nfr"]
    ends = f" ({percent(own.low)} to {percent(own.high)})" if has_interval(own) else ""
    line = (
        f"NFR {percent(value(task, 'nfr'))}, without the {plural(task.kinds.not_the_models, 'flip')} that "
        f"{'is' if task.kinds.not_the_models == 1 else 'are'} not the model's own answer "
        f"{percent(own.value)}{ends}"
    )
    return "; ".join(filter(None, (line, _recoverable(task))))


def _recoverable(task: TaskComparison) -> str:
    """Lost answers that only the headline's extractor could not read."""
    if task.kinds is None or not task.kinds.recoverable:
        return ""
    mended, unreadable = task.kinds.recoverable, task.kinds.negative.get("unreadable", 0)
    found = "right" if task.task.scale == "binary" else "scored higher"
    return (
        f"{count(mended)} of the {count(unreadable)} unreadable {'is' if mended == 1 else 'are'} {found} "
        "by another extractor"
    )


def readings_line(task: TaskComparison) -> str:
    """The extractors side by side, where one disagrees with the headline about delta beyond chance."""
    if not any(reading.disagrees for reading in task.readings):
        return ""
    headline, *others = task.readings
    shown = [headline, *(reading for reading in others if reading.disagrees)]
    return f"{', '.join(map(_reading, shown))}: they disagree by more than chance about Δ"


def _reading(reading: Reading) -> str:
    rates = {rate: percent(estimate.value) for rate, estimate in reading.estimates.items()}
    read_by = reading.metric.partition("/")[2] or reading.metric
    return f"{name(read_by)} {rates['old']} → {rates['new']} (NFR {rates['nfr']})"
