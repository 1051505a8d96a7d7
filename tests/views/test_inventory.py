"""Stored runs as a table."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len

from regress.views.inventory import runs_table


def run(**changes: Any) -> dict[str, Any]:
    given = {"model": "demo-v1", "task": "gsm8k", "state": "complete", "rows": 400, "of": 400, "limit": None}
    given |= {
        "sample": None,
        "data": "demo",
        "variation": None,
        "replica": 0,
        "origin": None,
        "bytes": 45_500,
    }
    return given | {"finished": "2026-11-21T23:53:11Z", "path": "runs/demo-v1/gsm8k@5be087a5f8f6"} | changes


def test_reruns_can_be_told_apart_at_80_columns() -> None:
    table = runs_table([run(), run(variation="batch", replica=1), run(model="a-model-of-ours")], width=80)
    assert "gsm8k (demo, batch 1)" in table
    assert table.count("5be087a5f8f6") == 3
    assert max(map(cell_len, table.splitlines())) <= 80


def test_the_state_stands_there_unless_all_are_complete() -> None:
    assert "state" not in runs_table([run(), run()])
    table = runs_table([run(), run(state="incomplete", rows=128, finished=None)])
    assert table.splitlines()[0].split() == ["model", "task", "state", "rows", "size", "finished", "run"]
    assert "incomplete" in table
    assert "128/400" in table
