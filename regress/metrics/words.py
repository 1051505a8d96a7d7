"""Where two texts part, word by word: white space separates words, and how much of it says nothing.

The functions of single texts take strings, those of whole columns Arrow arrays of strings in which a
text that is not known is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain, groupby, takewhile
from operator import itemgetter
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Words = tuple[str, ...]
Operation = Literal["equal", "replace", "delete", "insert"]
Stretch = tuple[Operation, Words, Words]
"""What became of some words: the operation, the old words, the new words."""

WINDOW = 100
"""Words of either text that are aligned at a time: with loops in both, time grows with the cube of it."""


# ── two texts ────────────────────────────────────────────────────────────────────────────────────


def first_divergence(old: str, new: str) -> int | None:
    """The first word, counted from 0, in which two texts part; null if they have the same words.

    Where one text is the beginning of the other, the number of words of the shorter one.

    >>> first_divergence("16 - 3 = 13 eggs", "16 - 3  = 7 eggs")
    4
    >>> first_divergence("so it is", "so"), first_divergence("a b", " a b ")
    (1, None)
    """
    before, after = old.split(), new.split()
    same = _common(before, after)
    return None if same == len(before) == len(after) else same


def word_diff(old: str, new: str) -> list[Stretch]:
    """The stretches of words that turn `old` into `new`, in order, as `git diff --word-diff` has them.

    Each is (operation, old words, new words). The operation is `equal`, `delete` (no new words), `insert`
    (no old words) or `replace`; all old words put together are those of `old`, and all new ones those of
    `new`. Readable rather than shortest.

    What both texts begin and end with is set aside. The words between are aligned `WINDOW` of each text
    at a time, so time grows with their number alone; what moved further than that is deleted and inserted.

    Reference: Ratcliff & Metzener 1988, as in `difflib.SequenceMatcher`.

    >>> for stretch in word_diff("16 - 3 = 13 eggs", "16 - 3 = 7 eggs left"):
    ...     print(*stretch)
    equal ('16', '-', '3', '=') ('16', '-', '3', '=')
    replace ('13',) ('7',)
    equal ('eggs',) ('eggs',)
    insert () ('left',)
    """
    before, after = tuple(old.split()), tuple(new.split())
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    i, j = len(before) - tail, len(after) - tail
    stretches: list[Stretch] = [
        ("equal", before[:head], after[:head]),
        *_aligned(before[head:i], after[head:j]),
        ("equal", before[i:], after[j:]),
    ]
    said = (stretch for stretch in stretches if stretch[1] or stretch[2])
    return [_joined(list(alike)) for _, alike in groupby(said, key=itemgetter(0))]


def shared(diff: Sequence[Stretch]) -> float:
    """The share of both texts' words that a diff finds in both, from 0 to 1; nan where there are none.

    2 M / (n + m), with M words in stretches that are `equal`, n old and m new ones in all.

    Reference: Ratcliff & Metzener 1988.

    >>> shared(word_diff("16 - 3 = 13 eggs", "16 - 3 = 7 eggs left")), shared(word_diff("so", "it is"))
    (0.7692307692307693, 0.0)
    """
    equal = sum(len(old) + len(new) for operation, old, new in diff if operation == "equal")
    words = sum(_sizes(diff))
    return equal / words if words else math.nan


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """With how many equal words both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _aligned(old: Words, new: Words) -> Iterator[Stretch]:
    while old or new:
        # autojunk would take every frequent word of a long text for noise
        matcher = SequenceMatcher(None, old[:WINDOW], new[:WINDOW], autojunk=False)
        found = [(operation, old[i:j], new[k:m]) for operation, i, j, k, m in matcher.get_opcodes()]
        if max(len(old), len(new)) > WINDOW and found[-1][0] != "equal":
            kept = found[:-1]
            # what ends a window may go on in the next; each takes a good step, so that there are few
            found = kept if 4 * max(_sizes(kept)) >= WINDOW else found
        yield from found
        i, k = _sizes(found)
        old, new = old[i:], new[k:]


def _joined(alike: Sequence[Stretch]) -> Stretch:
    """Neighbours of one operation as one stretch."""
    operation, old, new = zip(*alike, strict=True)
    return operation[0], tuple(chain(*old)), tuple(chain(*new))


def _sizes(stretches: Sequence[Stretch]) -> tuple[int, int]:
    """How many old and new words they have."""
    return sum(len(old) for _, old, _ in stretches), sum(len(new) for _, _, new in stretches)


# ── whole columns ────────────────────────────────────────────────────────────────────────────────


def split(texts: pa.Array) -> pa.Array:
    """The words of each text: [n] lists of strings, null where the text is.

    >>> split(pa.array(["a  b", " ", None])).to_pylist()
    [['a', 'b'], [], None]
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    words = pc.utf8_split_whitespace(trimmed)
    # a text without a word would be split into one empty word
    return pc.if_else(pc.equal(pc.utf8_length(trimmed), 0), pa.scalar([], type=words.type), words)


def first_divergences(old: pa.Array, new: pa.Array) -> Ints:
    """`first_divergence` of each pair of `split` texts: [n] int64, -1 where the words are the same.

    A null list counts as one without words.

    >>> first_divergences(split(pa.array(["a b", "a b", ""])), split(pa.array(["a c", "a b", "x"]))).tolist()
    [1, -1, 0]
    """
    before, after = counts(old), counts(new)
    shorter = np.minimum(before, after)
    parted = np.where(before == after, -1, shorter)
    row = np.repeat(np.arange(shorter.size), shorter)
    place = np.arange(row.size) - np.repeat(np.cumsum(shorter) - shorter, shorter)
    words = (_at(side, number, row, place) for side, number in ((old, before), (new, after)))
    differing = np.flatnonzero(pc.not_equal(*words).to_numpy(zero_copy_only=False))
    rows, first = np.unique(row[differing], return_index=True)
    parted[rows] = place[differing[first]]
    return parted


def counts(words: pa.Array) -> Ints:
    """How many words each text has: [n] int64, 0 where it is not known.

    >>> counts(split(pa.array(["a  b", " ", None]))).tolist()
    [2, 0, 0]
    """
    number = pc.fill_null(pc.list_value_length(words), 0)
    return np.asarray(number.to_numpy(zero_copy_only=False), dtype=np.int64)


def _at(words: pa.Array, number: Ints, row: Ints, place: Ints) -> pa.Array:
    """The word at `place` in the text of `row`, one each."""
    return words.flatten().take(pa.array((np.cumsum(number) - number)[row] + place))
