"""Parts of a task: which instances belong together, by what is known of them before anybody answers.

Each function takes one value an instance and returns a `Cut`: a part for each of the n instances.
Instances with equal values are always in the same part, and an instance whose value is not known
(null, nan) is in none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

QUARTILES, DECILES = 4, 10

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_STEP = r"<<[^<>]*>>"


class Part(NamedTuple):
    """What the instances of one part have in common: a name, or numbers in a range."""

    value: str = ""
    """The name; empty where they have numbers."""
    low: float = math.nan
    """The smallest of the numbers; nan where they have a name."""
    high: float = math.nan
    """The largest."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Which part each instance is in."""

    codes: Codes
    """[n] positions in `parts`; -1 for an instance that is in none."""
    parts: tuple[Part, ...]
    """Names in alphabetical order, numbers from the smallest; none is empty."""


def names(values: pa.Array | pa.ChunkedArray) -> Cut:
    """One part a name: [n] strings, null where there is none.

    >>> cut = names(pa.array(["b", "a", None, "b"]))
    >>> cut.codes.tolist(), [part.value for part in cut.parts]
    ([1, 0, -1, 1], ['a', 'b'])
    """
    known = pc.unique(values.drop_null())
    known = known.take(pc.sort_indices(known))
    codes = pc.fill_null(pc.index_in(values, value_set=known), -1).to_numpy(zero_copy_only=False)
    return Cut(codes=codes.astype(np.int64), parts=tuple(map(Part, known.to_pylist())))


def whole_numbers(values: npt.ArrayLike, tail: int = 1) -> Cut:
    """One part a number, but the largest numbers together, so many of them that `tail` instances have one.

    Args:
        values: [n] numbers, nan where unknown.
        tail: Instances in the last part, at least, as far as there are so many; 1 pools nothing.

    >>> cut = whole_numbers([2, 1, 2, 2, 3, 7], tail=2)
    >>> cut.codes.tolist(), cut.parts[-1].low, cut.parts[-1].high
    ([1, 0, 1, 1, 2, 2], 3.0, 7.0)
    """
    known, distinct, place, count = _distinct(values)
    as_large = count[::-1].cumsum()[::-1]
    first = int(np.flatnonzero(as_large >= tail).max(initial=0))
    return _cut(known, distinct, place, np.minimum(np.arange(distinct.size), first))


def quantiles(values: npt.ArrayLike, parts: int) -> Cut:
    """So many parts of equal size, by rank; fewer, and unequal ones, where values are equal.

    A value is in part ⌊parts · r⌋, r in (0, 1) being the share of instances below it and half of those
    equal to it: all that are equal lie where the middle of their ranks does. Infinite values have ranks
    too.

    Args:
        values: [n] numbers, nan where unknown.
        parts: How many, at most.

    >>> quantiles([5, 1, 3, 2, 8, 9, 4, 7], 4).codes.tolist()
    [2, 0, 1, 0, 3, 3, 1, 2]
    >>> quantiles([0, 0, 0, 0, 0, 6, 7, 8], 4).codes.tolist()  # the middle of five zeros is in the second
    [0, 0, 0, 0, 0, 1, 2, 2]
    """
    known, distinct, place, count = _distinct(values)
    middle = count.cumsum() - count / 2
    return _cut(known, distinct, place, np.floor(parts * middle / max(place.size, 1)).astype(np.int64))


def steps(targets: pa.Array | pa.ChunkedArray) -> Floats:
    """Steps of the reference solutions: [n] counts of GSM8K's `<<3+7=10>>`, nan where a target is null.

    Reference: Cobbe et al. 2021, for the annotations.

    >>> steps(pa.array(["2*2=<<2*2=4>>4 and 4+2=<<4+2=6>>6. #### 6", "42", None])).tolist()
    [2.0, 0.0, nan]
    """
    found = pc.count_substring_regex(targets, _STEP)
    return np.array(found.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _distinct(values: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], Floats, Codes, Codes]:
    """Which values are known; the distinct ones from the smallest; where each known one is; how many."""
    numbers = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(numbers)
    distinct, place, count = np.unique(numbers[known], return_inverse=True, return_counts=True)
    return known, distinct, place.astype(np.int64), count.astype(np.int64)


def _cut(known: npt.NDArray[np.bool_], distinct: Floats, place: Codes, part: Codes) -> Cut:
    """The cut that puts each distinct value into this part; parts without any are left out."""
    _, first, part = np.unique(part, return_index=True, return_inverse=True)
    last = np.append(first[1:], distinct.size) - 1
    codes = np.full(known.size, -1, dtype=np.int64)
    codes[known] = part[place]
    ends = zip(distinct[first].tolist(), distinct[last[: first.size]].tolist(), strict=True)
    return Cut(codes=codes, parts=tuple(Part(low=low, high=high) for low, high in ends))
