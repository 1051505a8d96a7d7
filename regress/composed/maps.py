"""Layer maps worth trying for a depth: the published kinds, for any number of layers; pure.

Reference: C. Armstrong, "Seeking Manifold": eight maps of a model of 4 layers to 8, of which repeating
the whole stack kept perplexity lowest, and doubling every layer in its place was three times as high.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, cycle, islice

Layers = tuple[int, ...]


def candidates(count: int, depth: int) -> dict[Layers, str]:
    """What each map for `depth` layers out of `count` does, by the map; a map of two kinds is the first.

    Args:
        count: Layers of the model, at least 1.
        depth: Layers wanted, at least 1.

    >>> candidates(3, 3)
    {(0, 1, 2): 'as it is'}
    >>> list(candidates(4, 6).items())[:2]
    [((0, 1, 2, 3, 0, 1), 'stack again'), ((0, 0, 1, 2, 2, 3), 'each repeated')]
    """
    found: dict[Layers, str] = {}
    kinds = _deeper if depth > count else _shallower if depth < count else _same
    for name, layers in kinds(count, depth):
        if len(layers) == depth and set(layers) <= set(range(count)):
            found.setdefault(layers, name)
    return found


def _same(count: int, _: int) -> Iterator[tuple[str, Layers]]:
    yield "as it is", tuple(range(count))


def _deeper(count: int, depth: int) -> Iterator[tuple[str, Layers]]:
    last, more = count - 1, depth - count
    yield "stack again", _filled(depth, range(count))
    yield "each repeated", tuple(place * count // depth for place in range(depth))
    yield "middle twice", (*range(depth - depth // 2), *range(count - depth // 2, count))
    if count > 2:
        inner, room = last - 1, depth - 2
        yield "ends kept, middle repeated", (0, *(1 + place * inner // room for place in range(room)), last)
        yield "ends kept, middle again", (0, *_filled(room, range(1, last)), last)
        yield "last but one repeated", (*range(last), *[last - 1] * more, last)
    yield "second half again", (*range(count), *_filled(more, range(count // 2, count)))
    if count > 1:
        for share, how in ((3, "more the former"), (2, "evenly"), (1, "more the latter")):
            former = more * share // 4
            ends = chain([last - 1] * (former + 1), [last] * (more - former + 1))
            yield f"last two, {how}", (*range(last - 1), *ends)
    yield "first repeated", (*[0] * more, *range(count))
    yield "last repeated", (*range(count), *[last] * more)


def _shallower(count: int, depth: int) -> Iterator[tuple[str, Layers]]:
    first = depth - depth // 2
    yield "middle left out", (*range(first), *range(count - depth // 2, count))
    yield "evenly thinned", tuple(_rounded(place * (count - 1), max(1, depth - 1)) for place in range(depth))
    yield "first layers", tuple(range(depth))
    yield "last layers", tuple(range(count - depth, count))


def _filled(length: int, layers: range) -> Layers:
    return tuple(islice(cycle(layers), length))


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
