"""Numbered reruns of a run under changes that should not matter: which there are, and what each changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from regress.config import Settings
from regress.engines.limits import batch_size
from regress.errors import UnknownName, UsageError
from regress.types import VARIATIONS, EngineSpec, RunSpec, Variation

DEFAULT_KINDS: tuple[Variation, ...] = ("rerun", "order", "batch", "seed")
"""`seed` only where answers depend on one."""
DEFAULT_RERUNS: Mapping[Variation, int] = {"rerun": 2, "order": 1, "hardware": 1, "batch": 1, "seed": 2}
"""In the order in which they are made: the first three under one set of settings, by one engine."""


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One rerun of a run, or the run itself.

    Its number counts within its kind, from 1: the second rerun under another batch size is the same
    run whoever asks for it, so that what is stored is found again.
    """

    kind: Variation | None = None
    """What it changes; null for the run itself."""
    number: int = 0
    """Which of its kind; 0 for the run itself."""

    def settings(self, asked: Settings) -> Settings:
        """How its engine is opened; which items are answered is still decided by `asked`.

        >>> Replica(kind="batch", number=1).settings(Settings(batch_size=8)).batch_size
        16
        >>> Replica(kind="seed", number=2).settings(Settings(seed=7)).seed
        9
        """
        if self.kind == "batch":
            sizes = other_batch_sizes(batch_size(asked))
            return replace(asked, batch_size=next(itertools.islice(sizes, self.number - 1, None)))
        if self.kind == "seed":
            return replace(asked, seed=asked.seed + self.number)
        return asked

    def changes(self, run: EngineSpec, rerun: EngineSpec) -> bool:
        """Whether it would change anything: not a batch size that the engine does not have, nor a seed
        that no answer depends on.
        """
        return self.kind not in ("batch", "seed") or run != rerun

    def of(self, run: RunSpec) -> RunSpec:
        """What is keyed of it, where `run` is what its engine says."""
        return replace(run, variation=self.kind, replica=self.number)

    def named(self, model: str) -> str:
        """The model as whoever watches is told.

        >>> Replica(kind="order", number=1).named("mine"), Replica().named("mine")
        ('mine (order 1)', 'mine')
        """
        return f"{model} ({self.kind} {self.number})" if self.kind else model


def replicas(kinds: Sequence[str] | str | None, reruns: int | None) -> list[Replica]:
    """The reruns to make, in the order in which they are made.

    Args:
        kinds: Out of `regress.types.VARIATIONS`; `DEFAULT_KINDS` by default.
        reruns: How many of each kind; by default as `DEFAULT_RERUNS` says.

    Raises:
        UnknownName: If there is no such kind.
        UsageError: If there are no kinds, or fewer than one rerun.

    >>> [(one.kind, one.number) for one in replicas("batch,rerun", 1)]
    [('rerun', 1), ('batch', 1)]
    """
    if isinstance(kinds, str):
        kinds = [kind for kind in map(str.strip, kinds.split(",")) if kind]
    if kinds is not None and not kinds:
        raise UsageError("no kind of rerun was given", allowed=", ".join(VARIATIONS))
    for kind in kinds or ():
        if kind not in VARIATIONS:
            raise UnknownName("kind of rerun", kind, VARIATIONS)
    if reruns is not None and reruns < 1:
        raise UsageError(f"reruns is {reruns}", allowed="a whole number from 1")
    return [
        Replica(kind=kind, number=number)
        for kind, usual in DEFAULT_RERUNS.items()
        if kind in (kinds or DEFAULT_KINDS)
        for number in range(1, 1 + (reruns or usual))
    ]


def other_batch_sizes(size: int) -> Iterator[int]:
    """Twice, half, three times, a third … of `size`: each other batch size once.

    >>> list(itertools.islice(other_batch_sizes(8), 5)), list(itertools.islice(other_batch_sizes(1), 2))
    ([16, 4, 24, 2, 32], [2, 3])
    """
    met = {0, size}
    for factor in itertools.count(2):
        for other in (size * factor, size // factor):
            if other not in met:
                met.add(other)
                yield other
