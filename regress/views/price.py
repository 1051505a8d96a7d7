"""The price of an update in words: a small table of what either side takes up and took, and its notes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from regress.types import Effort, Footprint, Price
from regress.views.numbers import UNDEFINED, UNKNOWN, about, count, duration, plural, ratio, size
from regress.views.records import PriceRow, PriceText
from regress.views.settings import name

HEADINGS = ("price", "old", "new", "new/old")
"""What stands above the columns."""

_APART = {
    "unrecorded": "a run does not tell what all of its answers took",
    "interrupted": "a run was interrupted and went on in another process",
    "sessions": "the two sides were answered in different processes",
    "machines": "the two sides were answered on different machines or devices, or with other threads",
}
_NOTHING = Footprint()


def price_text(price: Price | None) -> PriceText | None:
    """A price in words; null where there is none."""
    if price is None:
        return None
    rows = [*_static(price.old or _NOTHING, price.new or _NOTHING)]
    if price.old_effort is not None and price.new_effort is not None:
        rows += _measured(price.old_effort, price.new_effort)
    return PriceText(rows=tuple(rows), notes=tuple(_notes(price)))


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def _static(old: Footprint, new: Footprint) -> Iterator[PriceRow]:
    """What the models take up; what is unknown of both is left out."""
    yield from _counted("parameters", old.parameters, new.parameters)
    if (old.parameters, new.parameters) != (old.materialised, new.materialised):
        yield from _counted("parameters if none were shared", old.materialised, new.materialised)
    yield from _sized("weights on disk", old.disk_bytes, new.disk_bytes)
    types = dict.fromkeys([*old.memory_bytes, *new.memory_bytes])
    one = f", {name(next(iter(types)))}" if len(types) == 1 else ""
    yield from _sized("weights in memory" + one, _whole(old), _whole(new))
    for kind in types if len(types) > 1 else ():
        yield from _sized(f"  of these {name(kind)}", _part(old, kind), _part(new, kind))
    yield from _sized("KV cache a token", old.cache_bytes, new.cache_bytes)


def _whole(side: Footprint) -> int | None:
    return sum(side.memory_bytes.values()) if side.memory_bytes else None


def _part(side: Footprint, kind: str) -> int | None:
    return side.memory_bytes.get(kind, 0) if side.memory_bytes else None


def _measured(old: Effort, new: Effort) -> Iterator[PriceRow]:
    """What answering took."""
    before, after = old.tokens_per_second, new.tokens_per_second
    if not (math.isnan(before) and math.isnan(after)):
        yield PriceRow("tokens/s", _speed(before), _speed(after), _ratio(before, after))
    where = "GPU" if str(old.machine.get("device")).startswith("cuda") else "process"
    yield from _sized(f"peak memory ({where})", old.peak_bytes, new.peak_bytes)
    yield _timed("wall time", old.seconds, new.seconds)
    yield _timed("CPU time", old.cpu_seconds, new.cpu_seconds)


def _timed(label: str, old: float, new: float) -> PriceRow:
    return PriceRow(label, duration(old), duration(new), _ratio(old, new))


def _speed(tokens: float) -> str:
    if math.isnan(tokens):
        return UNKNOWN
    return count(round(tokens)) if tokens >= 100 else about(tokens)


def _counted(label: str, old: int | None, new: int | None) -> Iterator[PriceRow]:
    if (old, new) != (None, None):
        yield PriceRow(label, count(old), count(new), _ratio(old, new))


def _sized(label: str, old: int | None, new: int | None) -> Iterator[PriceRow]:
    if (old, new) != (None, None):
        yield PriceRow(label, size(old), size(new), _ratio(old, new))


def _ratio(old: float | None, new: float | None) -> str:
    return ratio(new / old) if old and new is not None else UNDEFINED


# ── notes ────────────────────────────────────────────────────────────────────────────────────────


def _notes(price: Price) -> Iterator[str]:
    for side, found in (("old", price.old), ("new", price.new)):
        if found is not None and found.windowed_layers and found.window:
            yield (
                f"{plural(found.windowed_layers, 'layer')} of the {side} model keep only the last "
                f"{count(found.window)} tokens: a longer text adds nothing to the cache there."
            )
    if price.old_effort is not None and price.new_effort is not None:
        yield _how(price, price.old_effort)
        if price.apart:
            yield "Left out of time and memory: " + "; ".join(_reasons(price)) + "."
    elif price.apart:
        yield "Time and memory are not shown: " + "; ".join(_reasons(price)) + "."


def _how(price: Price, effort: Effort) -> str:
    """What was measured, on what, and what the numbers can bear."""
    tasks = "all tasks" if not price.apart else ", ".join(map(name, price.together))
    return (
        f"Time and memory: {count(effort.rows)} answers to {tasks}, each side once, one after the other in "
        f"one process ({_machine(effort)}); small differences are chance. Tokens: prompts and answers. Wall "
        "time: without loading. A process's memory: with libraries, and what the side before left behind."
    )


def _machine(effort: Effort) -> str:
    """What it ran on."""
    told = effort.machine
    gpu, cores, threads = told.get("gpu"), told.get("cores"), told.get("threads")
    parts = [
        name(str(gpu)) if gpu else "",
        name(str(told.get("cpu") or "")),
        plural(cores, "core") if isinstance(cores, int) else "",
        plural(threads, "thread") if isinstance(threads, int) else "",
    ]
    return ", ".join(filter(None, parts)) or UNKNOWN


def _reasons(price: Price) -> Iterator[str]:
    """Why tasks were not measured together, with their names where others were or reasons differ."""
    reasons = dict.fromkeys(price.apart.values())
    for reason in reasons:
        tasks = [name(task) for task, why in price.apart.items() if why == reason]
        named = f" ({', '.join(tasks)})" if price.together or len(reasons) > 1 else ""
        yield _APART.get(reason, name(reason)) + named
