"""How answers changed as a whole, whatever was right: the ways in which a model degenerates.

Of the answers that were read: whether one is given over and over (`commonest`), and how much they vary
(`entropy`). Of the texts that were written: whether one is written over and over (`output`), their length
in words, and how many are empty, begin like a refusal, end in a loop or go on into a new prompt. Answers
come as [n] integer codes that mean the same on both sides, texts as Arrow arrays of strings in which null
is neither a refusal nor a loop.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def commonest(answers: npt.ArrayLike) -> int:
    """The most frequent of [n] codes from 0, the smallest of several; -1 if n = 0.

    >>> commonest([2, 0, 2, 1])
    2
    """
    codes = np.asarray(answers, dtype=np.int64)
    return int(np.bincount(codes).argmax()) if codes.size else -1


def surprisal(answers: npt.ArrayLike) -> Floats:
    """How unexpected each of [n] answers is among them: -log₂ of its share, in bits, at least 0.

    Its mean is the `entropy`, so that two sides' entropies differ by the mean of n paired differences,
    whose standard error is the usual one.

    >>> surprisal([0, 0, 1, 2]).tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    codes = np.asarray(answers, dtype=np.int64)
    share = np.bincount(codes) / max(codes.size, 1)
    return np.asarray(-np.log2(share[codes]) + 0.0, dtype=np.float64)


def entropy(answers: npt.ArrayLike) -> float:
    """Entropy of the distribution of [n] answers, -Σ p log₂ p with observed shares p; nan if n = 0.

    In bits, from 0 (all alike) to log₂ of the number of distinct answers. Too low by about as many
    bits as there are distinct answers, less one, over 1.39 n; old and new alike.

    Reference: Shannon 1948; Miller 1955 for the bias.

    >>> entropy([0, 0, 1, 2])
    1.5
    """
    bits = surprisal(answers)
    return float(bits.mean()) if bits.size else math.nan


SELDOM = 5
"""Answers that occur less often than this on average are as good as all different."""


def repeat(old_answers: npt.ArrayLike, new_answers: npt.ArrayLike) -> bool:
    """Whether answers occur often enough to speak of their distribution: n at least `SELDOM` times as many
    as there are distinct answers on both sides together. Choices do, numbers and sentences hardly.

    >>> repeat([0, 1, 0, 1, 1, 0, 1, 1, 0, 0], [0] * 10), repeat([0, 1, 2], [0, 1, 3])
    (True, False)
    """
    old, new = np.asarray(old_answers), np.asarray(new_answers)
    return bool(old.size and old.size >= SELDOM * np.union1d(old, new).size)


# ── texts ────────────────────────────────────────────────────────────────────────────────────────

_APOSTROPHE = "['’‘ʼ´`＇]"
_UNABLE = (
    r"i (cannot|can not|can't|won't be able to|will not be able to|(don't|do not) feel comfortable)\b"
    r"|i (must|have to|must respectfully) (decline|refuse)\b"
    r"|(i am|i'm) (unable|not able|not comfortable)\b"
)
_SORRY = r"((i am|i'm) (\w+ )?sorry|sorry|my apologies|i apologi[sz]e|unfortunately|regrettably)"
_AN_AI = (
    r"(as|i am|i'm) (just |only )?an? (\w+ )?"
    r"(ai|artificial intelligence|language model|virtual assistant)\b"
)
REFUSAL = rf"(?i)^\W*(({_SORRY}\W+)?(but )?({_UNABLE}|{_AN_AI})|{_SORRY}\W+(but|however)\b)"
REFUSAL = REFUSAL.replace("'", _APOSTROPHE)
"""How a refusal begins, a regular expression of RE2: "I cannot", "I'm sorry, but", "As an AI language
model", "I am unable to", whatever the case, the apostrophe and the marks before it. A word of regret alone
is none ("I'm sorry to hear that"), nor is what comes later in a text.

Reference: after the openings of Zou et al. 2023, who match more of them, and anywhere.
"""


_IDIOM = r"(?i)^\W*(but )?i (cannot|can not|can't) (wait|believe|imagine|help but)\b"
_IDIOM = _IDIOM.replace("'", _APOSTROPHE)
"""What begins like a refusal and says something else: "I can't wait to see it"."""


def refuses(texts: pa.Array) -> Bools:
    """Which texts begin like a `REFUSAL`, and with none of the few phrases that only seem to: [n] booleans.

    >>> refuses(pa.array(["I’m sorry, but no.", "I am sorry for her.", "As an AI, I won't.", "42"])).tolist()
    [True, False, True, False]
    >>> refuses(pa.array(["I can't.", "I can't wait!"])).tolist()
    [True, False]
    """
    found, idiom = (_bools(pc.match_substring_regex(texts, pattern)) for pattern in (REFUSAL, _IDIOM))
    return found & ~idiom


TIMES = 3
"""Times in a row from which something said again is a loop."""

LONGEST_PERIOD = 200
"""Characters of the longest stretch whose repetition is looked for."""

SHORTEST_LOOP = 30
"""Characters that a loop takes up at least, all its repetitions together: "ha ha ha" is none."""


def loops(texts: pa.Array) -> Bools:
    """Which texts end in a loop: [n] booleans.

    The last L characters, white space folded, have a period of p, that is each equals the one p before
    it, with 1 ≤ p ≤ `LONGEST_PERIOD`, L ≥ `TIMES` p and L ≥ `SHORTEST_LOOP`. So the last repetition may be
    cut off anywhere, and neither words nor a language are needed. A text that went on after it is no loop.

    Reference: after Holtzman et al. 2020, who look for phrases repeated at the end of a generation.

    >>> loops(pa.array(["He has 2 eggs. He has 2 eggs. He has 2 eggs. He", "so so so", "!" * 64])).tolist()
    [True, False, True]
    """
    ends = _ends(texts, TIMES * LONGEST_PERIOD)
    found = np.zeros(len(texts), dtype=np.bool_)
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(TIMES * period, SHORTEST_LOOP)
        # the last character tells for nearly all texts, the whole end is compared for the few others
        maybe = np.flatnonzero((ends[:, -1] == ends[:, -1 - period]) & (ends[:, -length] != 0) & ~found)
        end = ends[maybe, -length:]
        found[maybe] = (end[:, period:] == end[:, :-period]).all(axis=1)
    return found


def _ends(texts: pa.Array, width: int) -> npt.NDArray[np.uint32]:
    """The last characters of each text, white space folded: [n, width] code points, 0 before its first."""
    words = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(pc.fill_null(texts, "")))
    # the space that parts repetitions stands before the first, too
    folded = pc.binary_join_element_wise("", pc.binary_join(words, " "), " ")
    padded = pc.utf8_lpad(pc.utf8_slice_codeunits(folded, -width), width, "\0")
    points = np.frombuffer("".join(padded.to_pylist()).encode("utf-32-le"), dtype=np.uint32)
    return points.reshape(len(texts), width)


def _bools(column: pa.Array) -> Bools:
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def goes_on(texts: pa.Array, stops: Sequence[str], label: str = "") -> Bools:
    """Which texts go on into a new prompt, after anything at all: [n] booleans.

    They do where one of the strings that should have ended them follows, or a line that begins with the
    label of the prompt.

    Args:
        texts: The texts.
        stops: Strings at which they should have ended.
        label: What a prompt begins with, for example `Question:`.

    >>> goes_on(pa.array(["4\\n\\nQuestion: 3?", "4", "Question: 3?"]), ["</s>"], "Question:").tolist()
    [True, False, False]
    """
    found = np.zeros(len(texts), dtype=np.bool_)
    marks = [re.escape(stop) for stop in stops if stop]
    for mark in [*marks, *([rf"\n[ \t]*{re.escape(label)}"] if label else [])]:
        found |= _bools(pc.match_substring_regex(texts, rf"(?s)\S.*?{mark}"))
    return found


# ── what matters ─────────────────────────────────────────────────────────────────────────────────

COMMONEST_ROSE, COMMONEST_SHARE = 0.10, 0.50
"""By how much the share of the commonest answer or output rises at least, and to what share."""

ENTROPY_FELL, ENTROPY_BITS = 0.25, 0.25
"""By which part of itself the entropy falls at least, and by how many bits."""

LENGTH_FACTOR, LENGTH_WORDS = 2.0, 5.0
"""By which factor outputs get longer or shorter at least, and by how many words on average."""

TEXTS_ROSE = 0.02
"""By how much the share of empty outputs, refusals, loops or runaways rises at least."""


def matters(measure: str, old: float, new: float) -> bool:
    """Whether `new` is worse than `old` by enough to matter, chance aside.

    >>> matters("commonest", 0.41, 0.93), matters("commonest", 0.30, 0.45), matters("length", 40.0, 12.5)
    (True, False, True)
    """
    rounding = 1e-9
    if measure in ("commonest", "output"):
        return new - old >= COMMONEST_ROSE - rounding and new >= COMMONEST_SHARE - rounding
    if measure == "entropy":
        return old - new >= max(ENTROPY_FELL * old, ENTROPY_BITS) - rounding
    if measure == "length":
        less, more = sorted((old, new))
        return more > LENGTH_FACTOR * less and more - less >= LENGTH_WORDS - rounding
    return new - old >= TEXTS_ROSE - rounding
