"""What an update costs: what each side takes up, and what answering took where the two can be compared.

Time and memory say something of the models only where both were measured alike. A task counts as
answered *together* if every row of both its runs was answered in one session, that is one process,
on one machine and device (`regress.engines.meter`). The price sums over those tasks; of the others it
says why they are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from regress.identity import canonical_json, rebuilt
from regress.types import Effort, Footprint, Price

EFFORT, FOOTPRINT = "effort", "footprint"
"""Under which names a manifest records them: a list of `Effort`, one a session, and a `Footprint`."""

Recorded = tuple[Mapping[str, Any], Mapping[str, Any]]
"""What the manifests of the old and the new run of a task record."""


def by_session(efforts: Iterable[Effort]) -> tuple[Effort, ...]:
    """Efforts summed within each session and machine, in the order in which these first come.

    >>> chunk = Effort(session="a", rows=2, seconds=1.5, cpu_seconds=3.0, prompt_tokens=10, output_tokens=2)
    >>> [(one.session, one.rows, one.seconds) for one in by_session([chunk, chunk])]
    [('a', 4, 3.0)]
    """
    sums: dict[tuple[str, str], Effort] = {}
    for one in efforts:
        key = one.session, canonical_json(one.machine)
        sums[key] = added(sums[key], one) if key in sums else one
    return tuple(sums.values())


def added(one: Effort, other: Effort) -> Effort:
    """Both efforts together: counts and times are summed, of peaks the higher stays.

    What is unknown of one is unknown of both.
    """
    sessions = dict.fromkeys([*one.session.split(), *other.session.split()])
    return replace(
        one,
        session=" ".join(sessions),
        rows=one.rows + other.rows,
        seconds=one.seconds + other.seconds,
        cpu_seconds=one.cpu_seconds + other.cpu_seconds,
        prompt_tokens=_sum(one.prompt_tokens, other.prompt_tokens),
        output_tokens=_sum(one.output_tokens, other.output_tokens),
        load_seconds=one.load_seconds + other.load_seconds,
        peak_bytes=None
        if one.peak_bytes is None or other.peak_bytes is None
        else max(one.peak_bytes, other.peak_bytes),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def price(recorded: Mapping[str, Recorded], rows: Mapping[str, int]) -> Price | None:
    """The price of an update, from what its runs record; null where no run tells of either side.

    Args:
        recorded: By task, what the manifests of both runs record.
        rows: By task, how many predictions each of its runs holds.
    """
    old, new = (_footprint([both[side] for both in recorded.values()]) for side in (0, 1))
    if old is None and new is None:
        return None
    together: dict[str, tuple[Effort, Effort]] = {}
    apart: dict[str, str] = {}
    for task, (before, after) in recorded.items():
        found = _together(_efforts(before), _efforts(after), rows[task])
        if isinstance(found, str):
            apart[task] = found
        else:
            together[task] = found
    return Price(
        old=old,
        new=new,
        old_effort=_total([before for before, _ in together.values()]),
        new_effort=_total([after for _, after in together.values()]),
        together=tuple(together),
        apart=apart,
    )


def _total(efforts: Sequence[Effort]) -> Effort | None:
    return reduce(added, efforts) if efforts else None


def _together(old: Sequence[Effort], new: Sequence[Effort], rows: int) -> tuple[Effort, Effort] | str:
    """Both sides' efforts on a task, or why they cannot be compared."""
    if any(sum(one.rows for one in side) != rows for side in (old, new)):
        return "unrecorded"
    if len(old) > 1 or len(new) > 1:
        return "interrupted"
    (before,), (after,) = old, new
    if canonical_json(before.machine) != canonical_json(after.machine):
        return "machines"
    return (before, after) if before.session == after.session else "sessions"


# ── what manifests say ───────────────────────────────────────────────────────────────────────────


def _efforts(recorded: Mapping[str, Any]) -> list[Effort]:
    """The recorded efforts; none where there are none, or none that can be read."""
    said = recorded.get(EFFORT)
    try:
        return [rebuilt(Effort, one) for one in said] if isinstance(said, list) else []
    except TypeError:
        return []


def _footprint(recorded: Iterable[Mapping[str, Any]]) -> Footprint | None:
    """What a side takes up: as counted on the loaded model in any of its runs, else as its files tell."""
    found = [one for each in recorded if (one := _one_footprint(each)) is not None]
    return next((one for one in found if one.loaded), found[0] if found else None)


def _one_footprint(recorded: Mapping[str, Any]) -> Footprint | None:
    try:
        return rebuilt(Footprint, recorded.get(FOOTPRINT))
    except TypeError:
        return None
