"""Parts of tasks in a terminal, and for programs (`regress slices --json`).

Schema `regress.slices/1`. What is undefined or was not tested is null, rates lie in [0, 1], and fields may
be added without a new version.

    schema              "regress.slices/1"
    title, old, new, demo, settings_compared    as in `comparison.json` (`regress.views.export`)
    min_n               instances that a part must have
    notices             warnings about all of it: {code, data, sentence}
    tasks               one object a task:
      task, metric, scale, n
      estimates         of the whole task: old, new, delta, nfr, pfr, each {value, n, low, high, confidence,
                        method}
      parts             those first of which the interval of nfr lies highest, by margin last: every field of
                        `regress.findings.SliceRow` with estimates as above, and `label` (in words), `worse`
                        and `concentrated` (adjusted p-value below 0.05)
      skipped           number of parts that were too small, by what the task was cut by
      notices           warnings about this task
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from regress.findings import ALPHA, SlicedComparison, SliceRow, TaskSlices
from regress.identity import plain
from regress.types import Estimate, Notice, Scale
from regress.views.evidence import alarms
from regress.views.export import compared, representable
from regress.views.listing import lay_out, wrap
from regress.views.measures import MEASURES
from regress.views.numbers import about, chosen, count, number, percent, plural
from regress.views.sentences import sentence, settings_heading, task_name, title
from regress.views.settings import model, name
from regress.views.terminal import NARROWEST, Ink, hanging

SCHEMA = "regress.slices/1"

_SHOWN = [one for one in MEASURES if one.estimate in ("old", "new", "delta", "nfr", "pfr")]
_HEADERS = ("n", *(one.heading for one in _SHOWN[:4]), "NFR ≥", _SHOWN[4].heading, "")
_MORE, _WORSE = "*", "↓"


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def document(sliced: SlicedComparison) -> dict[str, Any]:
    """`sliced` as an object, ready for `json.dumps(allow_nan=False)`."""
    comparison = sliced.comparison
    whole: dict[str, Any] = representable(
        {
            "schema": SCHEMA,
            **compared(comparison),
            "min_n": sliced.min_n,
            "notices": [*map(_notice, sliced.warnings)],
            "tasks": [*map(_task, sliced.tasks)],
        }
    )
    return whole


def _task(task: TaskSlices) -> dict[str, Any]:
    spec = task.whole.task
    return {
        "task": spec.name,
        "metric": spec.metric,
        "scale": spec.scale,
        "n": task.whole.n,
        "estimates": _estimates({one.estimate: task.whole.estimates[one.estimate] for one in _SHOWN}),
        "parts": [_part(row) for row in task.rows],
        "skipped": dict(task.skipped),
        "notices": [*map(_notice, task.warnings)],
    }


def _part(row: SliceRow) -> dict[str, Any]:
    found = {"label": label(row), "worse": row.worse, "concentrated": row.concentrated}
    return {**vars(row), **found, "estimates": _estimates(row.estimates)}


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        name: {field: value for field, value in vars(one).items() if field != "warnings"}
        for name, one in estimates.items()
    }


def _notice(notice: Notice) -> dict[str, Any]:
    return {"code": notice.code, "data": plain(notice.data), "sentence": told(notice)}


# ── in a terminal ────────────────────────────────────────────────────────────────────────────────


def render(sliced: SlicedComparison, *, top: int = 10, width: int = 80, color: bool = False) -> str:
    """`sliced` as text that ends with a line end.

    Args:
        sliced: What to show.
        top: Parts shown a task; those by margin, which are few, are always shown.
        width: Cells that no line exceeds (at least 60).
        color: Whether to set headings off; the text is the same without.
    """
    width, ink = max(width, NARROWEST), Ink(color)
    notes = dict.fromkeys(
        told(notice)
        for notice in (*sliced.warnings, *(one for task in sliced.tasks for one in task.warnings))
        if notice.code != _NOT_CUT
    )
    sections = [
        _heading(sliced, width, ink),
        [ink.bold(line) for text in alarms(sliced.comparison) for line in hanging("!  ", text, width)],
        *(section for task in sliced.tasks for section in _sections(task, sliced.min_n, top, width, ink)),
        [ink.dim(line) for text in _LEGEND for line in wrap(text, width)],
        [line for text in notes for line in hanging("  ·  ", text, width)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _heading(sliced: SlicedComparison, width: int, ink: Ink) -> list[str]:
    comparison = sliced.comparison
    titles = [text for text in (settings_heading(comparison.settings_compared), title(comparison)) if text]
    models = (("old", comparison.old), ("new", comparison.new))
    return [
        *(ink.bold(line) for text in titles for line in wrap(text, width)),
        *(line for side, spec in models for line in hanging(f"  {side}  ", model(spec), width)),
    ]


def _sections(task: TaskSlices, min_n: int, top: int, width: int, ink: Ink) -> Iterator[list[str]]:
    """The table of one task, that by margin, and what is not in them."""
    tested = [row for row in task.rows if row.by != "margin"]
    margins = [row for row in task.rows if row.by == "margin"]
    named = task_name(task.whole)
    heading = f"{named}: {plural(len(tested), 'part')}"
    if len(tested) > 1:
        heading += ", what surely loses most first"
    whole = ["all", *_cells(task.whole.n, task.whole.estimates, task.whole.task.scale), ""]
    if tested or not margins:
        lines = _table(task, whole, tested[:top], width, ink)
        yield [ink.bold(line) for line in wrap(heading, width)] + lines
    yield [ink.dim(line) for text in _left_out(task, tested[top:], min_n) for line in wrap(text, width)]
    if margins:
        heading = f"{named} by the old model's margin, from wrong to right"
        yield [ink.bold(line) for line in wrap(heading, width)] + _table(task, whole, margins, width, ink)


def _table(
    task: TaskSlices, whole: Sequence[str], rows: Sequence[SliceRow], width: int, ink: Ink
) -> list[str]:
    scale = task.whole.task.scale
    body = [[label(row), *_cells(row.n, row.estimates, scale), _marks(row)] for row in rows]
    right = [False, *(True for _ in _HEADERS[:-1]), False]
    head, *lines = lay_out([["part", *_HEADERS], whole, *body], right=right, width=width)
    return [ink.bold(head), ink.dim("─" * max(map(len, (head, *lines)))), *lines]


def _cells(n: int, estimates: Mapping[str, Estimate], scale: Scale) -> list[str]:
    cells = [number(estimates[one.estimate].value, one.unit, scale) for one in _SHOWN]
    return [count(n), *cells[:4], percent(estimates["nfr"].low), cells[4]]


def _marks(row: SliceRow) -> str:
    return (_MORE if row.concentrated else "") + (_WORSE if row.worse else "")


def _left_out(task: TaskSlices, hidden: Sequence[SliceRow], min_n: int) -> Iterator[str]:
    if hidden:
        marked = sum(row.worse or row.concentrated for row in hidden)
        bear = f", {count(marked)} of them marked" if marked else ""
        yield f"{plural(len(hidden), 'more part')}{bear}: see --top and --json."
    if task.skipped:
        small = ", ".join(f"{count(parts)} by {by}" for by, parts in task.skipped.items())
        yield f"Left out, with fewer than {plural(min_n, 'instance')}: {small}."
    yield from (told(notice) for notice in task.warnings if notice.code == _NOT_CUT)


# ── words ────────────────────────────────────────────────────────────────────────────────────────

_LEGEND = (
    "Rates in percent of a part's instances, Δ in points. NFR: were right and are now wrong (of scores: "
    "are lower now). NFR ≥: lower end of its 95 % interval, which parts are ordered by. PFR: the reverse.",
    f"{_MORE} answers are lost here more often than in the rest of the task; {_WORSE} the new model is worse "
    f"here: each one-sided at {chosen(ALPHA)} %, adjusted for all parts of the task (Holm).",
)


def label(row: SliceRow) -> str:
    """What a part is called."""
    match row.by:
        case "tag":
            return f"{name(row.name)}: {name(row.value)}"
        case "cluster":
            return f"cluster {name(row.value)}"
        case "prompt length":
            return f"prompt of {_range(row)} {row.name}"
        case "steps":
            return f"{_range(row)} step" + ("" if row.low == row.high == 1 else "s")
        case "choice position":
            return f"right choice {_range(row)}"
        case "margin":
            return _range(row)


def _range(row: SliceRow) -> str:
    """The numbers of a part, from the smallest to the largest."""
    if row.by == "margin":
        return " to ".join(dict.fromkeys(map(_margin, (row.low, row.high))))
    return "–".join(dict.fromkeys(count(int(end)) for end in (row.low, row.high)))


def _margin(value: float) -> str:
    return about(value) if math.isfinite(value) else "−∞" if value < 0 else "∞"


def told(notice: Notice) -> str:
    """What to know before relying on parts of a task.

    >>> told(Notice(code="not-cut", data={"by": ["tag", "steps"]}))
    'Not cut by tag, steps: nothing is known of that here, or it is the same for all.'
    """
    said = _SENTENCES.get(notice.code)
    return said(notice.data) if said else sentence(notice)


_NOT_CUT = "not-cut"

_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    _NOT_CUT: lambda data: (
        f"Not cut by {', '.join(map(name, data['by']))}: nothing is known of that here, or it is the same "
        "for all."
    ),
    "parts-after-the-fact": lambda data: (
        "These parts were looked for after the fact: they say where to look. To hold the next update to "
        "one, declare it beforehand as [[gate.slices]]."
    ),
    "margin-regresses": lambda data: (
        "Answers with an old margin near 0 flip by themselves, and what was right by luck can only be lost: "
        "parts by margin say where answers flip and not why, so they are not tested."
    ),
    "items-unknown": lambda data: (
        "What the items say is not stored: tags and clusters go by their hashes, and steps are not known."
        if data["hashed"]
        else "The items are not stored: of their tags, clusters, steps and choices nothing is known."
    ),
}
