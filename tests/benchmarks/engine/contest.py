"""One line of the table: both sides in turn, each in its own process, and what they answered."""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .bench import REFERENCE, Bench, say
from .limits import Count, count
from .processes import Child
from .side import CHUNK, Side, Spent
from .workloads import Items
from .works import Work

PATIENCE = 1.1
"""A batch size this much slower than the best so far is worse; two, the second slower still, end it."""


@dataclass
class Runner:
    """A side that is open, and what it took so far."""

    child: Child
    opening: float
    loaded: int
    spent: list[Spent] = field(default_factory=list)

    @classmethod
    def start(cls, child: Child, folder: str, items: Items, settings: Mapping[str, Any]) -> Runner:
        """Open the engine in its process."""
        opening = child.ask("open", folder, items, **settings)
        return cls(child, opening, child.ask("peak"))

    @property
    def wall(self) -> float:
        """Median seconds."""
        return statistics.median(one.wall for one in self.spent)

    @property
    def cpu(self) -> float:
        """Median seconds of all threads."""
        return statistics.median(one.cpu for one in self.spent)

    def record(self) -> dict[str, Any]:
        """Time and memory as they are written down."""
        peak = self.child.ask("peak")
        return {
            "wall": self.wall,
            "walls": [one.wall for one in self.spent],
            "cpu": self.cpu,
            "cpus": [one.cpu for one in self.spent],
            "opening": self.opening,
            "peak_bytes": peak,
            "beyond_loading_bytes": peak - self.loaded,
            "facts": self.child.ask("facts"),
        }


def contest(bench: Bench, work: Work) -> dict[str, Any]:
    """Measure one line."""
    say(f"{work.name}: {work.title}, {work.items} items")
    items, folder = bench.items(work), bench.model(work.model)
    searched = best_batch(bench, work, folder, items) if bench.has_reference else {}
    size = min(searched, key=searched.__getitem__) if searched else None
    ours, theirs = bench.settings(bench.ours, work.dtype), bench.settings(REFERENCE, work.dtype)
    if bench.ours == REFERENCE:
        ours["batch_size"] = size
    with Child(Side) as our_child, Child(Side) as their_child:
        sides = [Runner.start(our_child, folder, items, ours)]
        if size is not None:
            sides.append(Runner.start(their_child, folder, items, {**theirs, "batch_size": size}))
        alternate(sides, items, work.trial, bench.repeats)
        answers = [side.child.ask("responses") for side in sides]
        records = [side.record() for side in sides]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = {"name": work.name, "work": work.title, "must": work.must, "aim": work.aim, "measured": now}
    record |= {"model": work.model, "dtype": work.dtype, "items": len(items), "repeats": bench.repeats}
    record |= _ratios(work, records) | _limit(bench, work, items, answers[0], records[0]["wall"])
    record["answers"] = compared(*answers) if len(answers) > 1 else None
    hf = {"batch_size": size, "searched": searched, **records[-1]} if size is not None else None
    return {**record, "ours": {"engine": bench.ours, **records[0]}, "hf": hf}


def alternate(sides: Sequence[Runner], items: Items, warm: int, repeats: int) -> None:
    """Warm both sides up, then time them in turn, the first one second every other time."""
    for side in sides:
        side.child.ask("answer", items[:warm])
    for turn in range(repeats):
        for side in sides if turn % 2 else reversed(sides):
            side.spent.append(side.child.ask("answer", items))


def best_batch(bench: Bench, work: Work, folder: str, items: Items) -> dict[int, float]:
    """Seconds of lm-eval by batch size; the last ones tried are comparable, so that the least is the best.

    Tried from the smallest upwards on the trial items. Where the largest batch that these fill is the
    fastest, it and the larger ones are tried on everything.
    """
    with Child(Side) as child:

        def seconds(size: int, some: Items) -> float:
            child.ask("open", folder, some, **bench.settings(REFERENCE, work.dtype, batch_size=size))
            child.ask("answer", some[:1])
            return float(child.ask("answer", some).wall)

        trial = items[: work.trial]
        requests = sum(map(len, trial))
        sizes = [size for size in bench.batch_sizes if size <= requests]
        found: dict[int, float] = {}
        for size in sizes:
            found[size] = seconds(size, trial)
            say(f"  hf, batches of {size}: {found[size]:.2f} s")
            if _hopeless(list(found.values())):
                break
        larger = [size for size in bench.batch_sizes if sizes[-1] < size <= sum(map(len, items))]
        if larger and min(found, key=found.__getitem__) == sizes[-1]:
            return {size: seconds(size, items) for size in (sizes[-1], *larger)}
    return found


def _hopeless(seconds: Sequence[float]) -> bool:
    return len(seconds) > 2 and seconds[-1] > seconds[-2] > PATIENCE * min(seconds)


def _ratios(work: Work, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ours, theirs = records[0], records[-1]
    if len(records) < 2:
        return {"ratio": None, "cpu_ratio": None, "reached": None, "memory_below_hf": None}
    ratio = theirs["wall"] / ours["wall"]
    return {
        "ratio": ratio,
        "cpu_ratio": theirs["cpu"] / ours["cpu"],
        "reached": None if work.must is None else ratio >= work.must,
        "memory_below_hf": ours["peak_bytes"] < theirs["peak_bytes"],
    }


def _limit(
    bench: Bench, work: Work, items: Items, answers: Sequence[Mapping[str, Any]], wall: float
) -> dict[str, Any]:
    encode = bench.encode(work.model)
    written = [_written(answer) for answer in answers]
    needed: Count = count(items, written, encode, CHUNK)
    machine, size = bench.machine(work.dtype), 2 if work.dtype == "bfloat16" else 4
    seconds = needed.seconds(bench.shape(work.model), machine, size)
    return {"share_of_limit": seconds / wall, "limit_seconds": seconds, "needed": needed.record()}


def _written(answer: Mapping[str, Any]) -> int:
    """Tokens that an answer took to write, the one that ended it included; 0 for a log-likelihood."""
    return 0 if "value" in answer else answer["tokens"] + (answer["finish"] == "stop")


def compared(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How far the answers to the same requests differ, and how long the texts are."""
    pairs = list(zip(ours, theirs, strict=True))
    told: dict[str, Any] = {"errors": sum(bool(a["error"] or b["error"]) for a, b in pairs)}
    if "value" in ours[0]:
        told["largest_difference"] = max(_apart(a["value"], b["value"]) for a, b in pairs)
        return told
    told["different_texts"] = sum(a["text"] != b["text"] for a, b in pairs)
    lengths = sorted(b["tokens"] for b in theirs if b["tokens"] is not None)
    if lengths:
        told["tokens"] = {"mean": statistics.mean(lengths), "median": statistics.median(lengths),
                          "longest": lengths[-1]}  # fmt: skip
    told["cut"] = sum(b["finish"] == "length" for b in theirs)
    return told


def _apart(a: float, b: float) -> float:
    """A difference that cannot hide: nan against a number is infinitely far."""
    return math.inf if math.isnan(a) != math.isnan(b) else 0.0 if math.isnan(a) else abs(a - b)
