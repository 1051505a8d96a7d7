"""The engine's table as figures, each a share of what lm-eval's `hf` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..figure import Figure
from .bench import say
from .report import shown
from .run import run


def engine(*, tiny: bool) -> list[Figure]:
    """The local engine against lm-eval's `hf` at its best batch size, line by line; about an hour."""
    path, document = run(tiny=tiny)
    say(f"{shown(document)}\n\nwritten to {path}")
    rows = [row for row in document["cpu"]["rows"] if row["hf"]]
    return [_time(row) for row in rows] + [_memory(row) for row in rows]


def _time(row: Mapping[str, Any]) -> Figure:
    return Figure(
        name=f"{row['work']}, local / hf, wall",
        value=1 / row["ratio"],
        unit="x",
        target=1 / row["must"],
        samples=list(zip(row["ours"]["walls"], row["hf"]["walls"], strict=True)),
        details={"aim": 1 / row["aim"], "share_of_limit": row["share_of_limit"], "answers": row["answers"]},
    )


def _memory(row: Mapping[str, Any]) -> Figure:
    ours, theirs = row["ours"]["peak_bytes"], row["hf"]["peak_bytes"]
    return Figure(
        name=f"{row['work']}, local / hf, peak memory",
        value=ours / theirs,
        unit="x",
        target=1.0,
        samples=[(ours, theirs)],
    )
