"""How cost grows with items, choices and worked examples, on the small Llama."""

from __future__ import annotations

import statistics
from typing import Any

from .bench import REFERENCE, Bench, say
from .contest import Runner, alternate
from .processes import Child
from .side import Side
from .workloads import Items, hellaswag

MODEL, ITEMS = "llama-15m", 32
REFERENCE_BATCH = 8


def scaling(bench: Bench) -> list[dict[str, Any]]:
    """Seconds of both sides along each of the three."""
    say("scaling")
    n = 2 if bench.tiny else ITEMS
    axes: dict[str, dict[int, Items]] = {
        "items": {k * n: hellaswag(bench.writer(MODEL), k * n) for k in (1, 2, 4)},
        "choices": {k: hellaswag(bench.writer(MODEL), n, choices=k) for k in (1, 2, 4, 8, 20)},
        "shots": {k: hellaswag(bench.writer(MODEL), n, shots=k) for k in (0, 2, 5, 10)},
    }
    if bench.tiny:
        axes = {name: dict(list(points.items())[:2]) for name, points in axes.items()}
    folder, some = bench.model(MODEL), next(iter(axes["items"].values()))
    with Child(Side) as our_child, Child(Side) as their_child:
        children = [(bench.ours, our_child), (REFERENCE, their_child)][: 2 if bench.has_reference else 1]
        sides = [
            Runner.start(child, folder, some, bench.settings(name, "float32", **_batch(name)))
            for name, child in children
        ]
        return [
            {"axis": axis, "at": list(points), **_along(bench, sides, points)}
            for axis, points in axes.items()
        ]


def _batch(engine: str) -> dict[str, int]:
    return {"batch_size": REFERENCE_BATCH} if engine == REFERENCE else {}


def _along(bench: Bench, sides: list[Runner], points: dict[int, Items]) -> dict[str, Any]:
    seconds: list[list[float]] = [[] for _ in sides]
    for items in points.values():
        for side in sides:
            side.spent.clear()
        alternate(sides, items, warm=len(items), repeats=min(2, bench.repeats))
        for place, side in enumerate(sides):
            seconds[place].append(statistics.median(one.wall for one in side.spent))
    return {"ours": seconds[0], "hf": seconds[1] if len(seconds) > 1 else None}
