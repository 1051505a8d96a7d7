"""`regress flips`: which instances an update lost and gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regress.comparison.selected import FLIPPED, Selected, Wanted, select
from regress.frames import ComparedRuns
from regress.types import FLIP_KINDS, QUADRANTS, FlipKind, Quadrant
from regress.workflows.compare import compare
from regress.workflows.typed import dashed, typed

_SHORT: dict[str, tuple[Quadrant, ...]] = {
    "negative": ("negative flip",),
    "positive": ("positive flip",),
    "both-wrong": ("both wrong same", "both wrong different"),
}


@dataclass(frozen=True, kw_only=True)
class FlippedRuns:
    """Instances picked out of a comparison."""

    comparison: ComparedRuns
    """What they were picked from."""
    tasks: tuple[Selected, ...]
    """Those of each task."""


def flips(
    old: str,
    new: str,
    *,
    quadrants: Sequence[str] | str | None = None,
    kinds: Sequence[str] | str | None = None,
    tags: Mapping[str, str] | None = None,
    **asked: Any,
) -> FlippedRuns:
    """The instances of each task that an update lost or gained, those that moved furthest first.

    Runs that are not stored yet are evaluated first, as `compare` does.

    Args:
        old: As `compare` takes it.
        new: As `compare` takes it.
        quadrants: Out of `regress.types.QUADRANTS`, or `negative`, `positive`, `both-wrong` (dashes will do
            for blanks); by default negative and positive flips.
        kinds: Only these of `regress.types.FLIP_KINDS`.
        tags: What the instances' tags must say.
        **asked: What else `compare` takes.

    Raises:
        UnknownName: If there is no such quadrant, kind, tag or value of a tag.
        RegressError: What `compare` raises.
    """
    wanted = Wanted(quadrants=known_quadrants(quadrants), kinds=known_kinds(kinds), tags=tags or {})
    compared = compare(old, new, worst=0, **asked)
    return FlippedRuns(comparison=compared, tasks=select(compared, wanted))


def known_quadrants(words: Sequence[str] | str | None) -> tuple[Quadrant, ...]:
    """Quadrants as they are typed; those of flips if that is null.

    Raises:
        UnknownName: If one is none of them.
        UsageError: If there is none.

    >>> known_quadrants("negative"), known_quadrants("both-wrong,both right")[0]
    (('negative flip',), 'both right')
    """
    if words is None:
        return FLIPPED
    known = _SHORT | {dashed(one): (one,) for one in QUADRANTS}
    found = {
        quadrant
        for word in typed("quadrant", words, known, none="no quadrant is named")
        for quadrant in known[word]
    }
    return tuple(one for one in QUADRANTS if one in found)


def known_kinds(words: Sequence[str] | str | None) -> tuple[FlipKind, ...]:
    """Kinds of flips as they are typed; none, which means any, if that is null.

    Raises:
        UnknownName: If one is none of them.
        UsageError: If there is none.

    >>> known_kinds("coin-toss,answer")
    ('coin toss', 'answer')
    """
    if words is None:
        return ()
    named = typed("kind of flip", words, map(dashed, FLIP_KINDS), none="no kind of flip is named")
    return tuple(one for one in FLIP_KINDS if dashed(one) in named)
