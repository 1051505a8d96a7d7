"""Which tokens of a text are measured in which window, so that each is measured once; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Span:
    """A window over the tokens of a text."""

    start: int
    """Place of the first token shown."""
    first: int
    """Place of the first token whose probability is measured."""
    stop: int
    """Place after the last token, shown and measured."""


def spans(n: int, size: int, stride: int, *, begun: bool, known: int = 0) -> Iterator[Span]:
    """Windows of at most `size` tokens, each `stride` after the one before, over a text of `n` tokens.

    Each token is measured in the first window that holds it; every token of a later window has at least
    size - stride tokens before it. Where windows lie does not depend on `n`, so that texts that begin alike
    are measured alike there. Windows in which nothing is measured are left out.

    Args:
        n: Tokens of the text.
        size: Tokens of a window, at least 2 (1 if `begun`).
        stride: From 1 to `size`; `size` leaves no token of one window to the next.
        begun: Whether something stands before the window, so that even its first token can be measured.
        known: So many tokens at the beginning are not measured.

    >>> [(one.start, one.first, one.stop) for one in spans(10, 6, 3, begun=False)]
    [(0, 1, 6), (3, 6, 9), (6, 9, 10)]
    """
    unseen = 0 if begun else 1
    start, done = 0, known
    while done < n:
        first, stop = max(start + unseen, done), min(start + size, n)
        if first < stop:
            yield Span(start, first, stop)
        done = max(done, stop)
        start += stride


def begun_alike(texts: Sequence[Sequence[int]]) -> list[int]:
    """For each text, how many tokens at its beginning some other text has too, and is measured with.

    Worked examples before every question would otherwise count as often as there are questions. Of texts
    that share a beginning, the first in the order of token ids keeps it.

    >>> begun_alike([[1, 2, 3], [1, 2, 4, 5], [7], [1, 2, 3]])
    [0, 2, 0, 3]
    """
    alike = [0] * len(texts)
    order = sorted(range(len(texts)), key=lambda place: list(texts[place]))
    for before, after in pairwise(order):
        alike[after] = _common(texts[before], texts[after])
    return alike


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
