"""Flips in a terminal, one a line, as ids, and for programs (`regress flips --json`).

Schema `regress.flips/1`. What is undefined or unknown is null, and fields may be added without a new
version.

    schema              "regress.flips/1"
    title, old, new, demo, settings_compared    as in `comparison.json` (`regress.views.export`)
    tasks               one object a task: {task, metric, scale, n, selected}: pairs compared, and how many of
                        them were asked for
    flips               one object an instance (and repeat), task by task, those that moved furthest first:
                        {task, instance_id, index, repeat, quadrant, kind, delta, old_answer, new_answer,
                        old_correct, new_correct, old_score, new_score, old_output, new_output,
                        old_gold_margin, new_gold_margin, old_finish, new_finish, parted, target, tags};
                        prompts are in `regress show --json`
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from regress.comparison.compared import tags_of
from regress.comparison.selected import Selected
from regress.errors import UsageError
from regress.schema import targets_of
from regress.scoring.score import compared as as_compared
from regress.types import Comparison, Quadrant, TaskSpec
from regress.views.export import compared, representable
from regress.views.listing import lay_out, wrap
from regress.views.numbers import count, number, plural, score
from regress.views.sentences import settings_heading, title
from regress.views.settings import name
from regress.views.terminal import NARROWEST, Ink
from regress.views.untrusted import head, visible

SCHEMA = "regress.flips/1"

MARKS: dict[Quadrant, str] = {
    "negative flip": "−",
    "positive flip": "+",
    "both right": "✓",
    "both wrong same": "=",
    "both wrong different": "≠",
}
"""What stands before an instance."""

_MEANS = {
    "−": "was right, is wrong",
    "+": "was wrong, is right",
    "✓": "right on both sides",
    "=": "wrong on both sides, the same answer",
    "≠": "wrong on both sides, another answer",
}
_MEANS_OF_SCORES = {"−": "a lower score", "+": "a higher score"}
_LONGEST = 300
"""Characters of an answer on one line, where nothing else limits it."""

_COLUMNS = (
    *("task", "instance_id", "index", "repeat", "quadrant", "kind", "delta", "old_answer", "new_answer"),
    *("old_correct", "new_correct", "old_score", "new_score", "old_output", "new_output"),
    *("old_gold_margin", "new_gold_margin", "old_finish", "new_finish", "parted", "target"),
)

Row = Mapping[str, Any]


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def document(comparison: Comparison, tasks: Sequence[Selected], *, top: int | None = None) -> dict[str, Any]:
    """The instances as an object, ready for `json.dumps(allow_nan=False)`; at most `top` of each task."""
    whole: dict[str, Any] = representable(
        {
            "schema": SCHEMA,
            **compared(comparison),
            "tasks": [_task(one) for one in tasks],
            "flips": [flip for one in tasks for flip in _flips(one, top)],
        }
    )
    return whole


def _task(one: Selected) -> dict[str, Any]:
    spec, found = one.task, one.rows.num_rows
    return {"task": spec.name, "metric": spec.metric, "scale": spec.scale, "n": one.n, "selected": found}


def _flips(one: Selected, top: int | None) -> Iterator[dict[str, Any]]:
    tags = tags_of(one.rows)
    wanted = [column for column in _COLUMNS if column in one.rows.column_names]
    unknown = {"repeat": 0, "parted": None}
    for row in one.rows.select([*wanted, *tags.values()]).slice(0, top).to_pylist():
        flip = {column: row.get(column, unknown.get(column)) for column in _COLUMNS}
        yield flip | {"tags": {tag: row[column] for tag, column in tags.items() if row[column] is not None}}


# ── for files of ids ─────────────────────────────────────────────────────────────────────────────


def ids(tasks: Sequence[Selected], *, top: int | None = None) -> list[str]:
    """Each instance once, by its bare id, as a `must_not_flip` file lists them.

    Raises:
        UsageError: If there are several tasks, or an id could not be read back from a line of a file.
    """
    if len(tasks) > 1:
        several = ", ".join(name(one.task.name) for one in tasks)
        raise UsageError(f"ids of {several} would stand in one list", do="Name one task with --task.")
    found = [str(one) for task in tasks for one in task.rows["instance_id"].slice(0, top).to_pylist()]
    for one in found:
        if one.startswith("#") or one != visible(one) or not one:
            raise UsageError(f"the id {visible(one)!r} cannot stand on a line of its own", do="See --json.")
    return list(dict.fromkeys(found))


# ── for people ───────────────────────────────────────────────────────────────────────────────────


def render(
    comparison: Comparison,
    tasks: Sequence[Selected],
    *,
    top: int | None = None,
    width: int | None = 80,
    color: bool = False,
) -> str:
    """The instances, one a line, that ends with a line end.

    Args:
        comparison: What they were picked from.
        tasks: The instances of each task.
        top: How many of each task are shown; null for all.
        width: Cells that no line exceeds (at least 60); null to cut nothing but very long answers.
        color: Whether to set headings and marks off; the text is the same without.
    """
    ink = Ink(color)
    width = width and max(width, NARROWEST)
    sections = [
        [text for text in (settings_heading(comparison.settings_compared), title(comparison)) if text],
        *(_section(one, top, width, ink) for one in tasks),
        [ink.dim(line) for line in _wrapped(_legend(tasks), width)],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _section(one: Selected, top: int | None, width: int | None, ink: Ink) -> list[str]:
    found = one.rows.num_rows
    heading = ink.bold(f"{name(one.task.name)}: {count(found)} of {plural(one.n, 'instance')}")
    if not found:
        return [heading]
    rows = one.rows.slice(0, top).to_pylist()
    columns = _columns(rows, one.task)
    cells = [["", *columns], *([MARKS.get(row["quadrant"], "·"), *_cells(row, columns)] for row in rows)]
    moved = [heading in _MOVED for heading in ("", *columns)]
    spared = [heading not in _TEXTS for heading in ("", *columns)]
    header, *lines = lay_out(cells, right=moved, width=width, spared=spared)
    more = [f"… {count(found - len(rows))} more"] if found > len(rows) else []
    return [heading, ink.dim(header), *(_inked(line, ink) for line in lines), *more]


_MOVED = ("Δ margin", "Δ score")
_TEXTS = ("old", "→ new", "target")
_Cell = Callable[[Row], str]


def _columns(rows: Sequence[Row], task: TaskSpec) -> dict[str, _Cell]:
    """The columns by their headings, without those that would say nothing new."""
    columns: dict[str, _Cell] = {
        "instance": lambda row: _where(row, task),
        "kind": lambda row: row["kind"] or "",
        _MOVED[task.kind != "choice"]: lambda row: change(task, row["delta"]),
        "old": lambda row: _answer(row, "old", task),
        "→ new": lambda row: f"→ {_answer(row, 'new', task)}",
        "target": lambda row: _target(row, task),
    }
    if task.kind != "choice" and task.scale == "binary":
        del columns["Δ score"]  # the mark says as much
    if task.kind == "choice" and all(row["target"] in (row["old_output"], row["new_output"]) for row in rows):
        del columns["target"]  # it is what the right side chose
    return columns


def _cells(row: Row, columns: Mapping[str, _Cell]) -> list[str]:
    return [cell(row) for cell in columns.values()]


def _where(row: Row, task: TaskSpec) -> str:
    repeat = f" #{row['repeat']}" if "repeat" in row else ""
    return f"{name(task.name)}/{visible(row['instance_id'])}{repeat}"


def _target(row: Row, task: TaskSpec) -> str:
    target = as_target(task, row["target"])
    return "–" if target is None else head(target, _LONGEST)


def _answer(row: Row, side: str, task: TaskSpec) -> str:
    """What was read from an output; of a choice its text."""
    output, answer = row[f"{side}_output"], row[f"{side}_answer"]
    read = output if task.kind == "choice" and output is not None else answer
    if read is None:
        return "(not recorded)" if output is None else "(unreadable)"
    return head(read, _LONGEST) or "(empty)"


def as_target(task: TaskSpec, target: str | None) -> str | None:
    """Reference answers as the answers are compared with them; null where they are not known.

    >>> as_target(TaskSpec(name="t", version="1", kind="choice", scale="binary", metric="acc"), " a ")
    'a'
    """
    if target is None:
        return None
    if task.kind != "generation" or task.scale != "binary":
        return target.strip()
    return " | ".join(as_compared(task.scorer, task.metric, one) for one in targets_of(target))


def change(task: TaskSpec, delta: float) -> str:
    """How far an instance moved: of choices the gold margin, of scores the score."""
    return score(delta, signed=True) if task.kind == "choice" else number(delta, "difference", task.scale)


def _inked(line: str, ink: Ink) -> str:
    inks: dict[str, Callable[[str], str]] = {"−": ink.old, "+": ink.new}
    return inks[line[0]](line[0]) + line[1:] if line[0] in inks else line


def means(quadrant: Quadrant, task: TaskSpec) -> str:
    """What lying in a quadrant says of an instance.

    >>> means("negative flip", TaskSpec(name="t", version="1", kind="choice", scale="binary", metric="acc"))
    '− was right, is wrong'
    """
    mark = MARKS[quadrant]
    return f"{mark} {_MEANS[mark] if task.scale == 'binary' else _MEANS_OF_SCORES[mark]}"


def _legend(tasks: Sequence[Selected]) -> str:
    used = [(one.task, quadrant) for one in tasks for quadrant in one.rows["quadrant"].unique().to_pylist()]
    words = dict.fromkeys(means(quadrant, task) for task, quadrant in used)
    return "; ".join([*words, "`regress show OLD NEW TASK/ID` prints one whole."]) if words else ""


def _wrapped(text: str, width: int | None) -> list[str]:
    if not text:
        return []
    return [text] if width is None or cell_len(text) <= width else wrap(text, width)
