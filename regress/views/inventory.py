"""What there is, as plain tables: runs, models, tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regress.views.listing import table

Rows = Sequence[Mapping[str, Any]]


def runs_table(rows: Rows, *, width: int | None = 80) -> str:
    """Stored runs, one a line, with their state unless all are complete; those that cannot be read below."""
    readable = [row for row in rows if row["state"] != "unreadable"]
    columns = [column for column in _RUN if column != "state" or {row["state"] for row in readable} != _DONE]
    cells = [[_RUN[column](row) for column in columns] for row in readable]
    lines = table(columns, cells, width=width, spared=("model", "task", "run"))
    broken = [
        f"cannot be read: {row['why'] if row['path'] in row['why'] else row['path'] + ': ' + row['why']}"
        for row in rows
        if row["state"] == "unreadable"
    ]
    return "\n".join([lines, *broken])


def models_table(rows: Rows, *, width: int | None = 80) -> str:
    """Short names of models, one a line."""
    return table(
        ["name", "model", "revision", "runs"],
        [[row["name"], row["model"], row["revision"] or "newest", str(row["runs"])] for row in rows],
        width=width,
    )


def tasks_table(rows: Rows, *, width: int | None = 80) -> str:
    """Tasks, one a line."""
    return table(
        ["name", "kind", "description"],
        [[row["name"], row["kind"], row["description"]] for row in rows],
        width=width,
    )


def size(number: int) -> str:
    """Bytes in the unit a person would choose.

    >>> size(999), size(4_400_000)
    ('999 B', '4.4 MB')
    """
    value, units = float(number), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def _task(row: Mapping[str, Any]) -> str:
    """The task, with what makes this run another than the full one on the real data."""
    marks = (
        [f"first {row['limit']}"] if row["limit"] else [f"sample {row['sample']}"] if row["sample"] else []
    )
    marks += ["demo"] if row["data"] == "demo" else []
    marks += [f"{row['variation']} {row['replica']}"] if row.get("variation") else []
    if origin := row.get("origin"):
        marks.append("rescored" if origin == "rescored" else f"imported, {origin}")
    return str(row["task"]) + (f" ({', '.join(marks)})" if marks else "")


_DONE = {"complete"}

_RUN: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "model": lambda row: row["model"],
    "task": _task,
    "state": lambda row: row["state"],
    "rows": lambda row: str(row["rows"]) if row["rows"] == row["of"] else f"{row['rows']}/{row['of']}",
    "size": lambda row: size(row["bytes"]),
    "finished": lambda row: (row["finished"] or "–")[:16].replace("T", " "),
    "run": lambda row: row["path"].rpartition("@")[2],
}
"""The columns of runs, by their headings; the state says nothing where all are complete."""
