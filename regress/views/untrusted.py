"""Text that others wrote, models above all, made harmless before anybody looks at it.

An answer may hold escape sequences that repaint a terminal, marks that turn a line around, or
characters that cannot be seen. None of them is dropped in silence: each leaves a visible `�`.
"""

from __future__ import annotations

import re
import unicodedata

REPLACEMENT = "\ufffd"

_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")
"""Letters, marks and one symbol by their category, but nothing that an eye could find."""

_PRESENTATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors: they only choose between two drawings, and terminals disagree on their width."""

_MARKS_IN_A_ROW = 3
"""Combining marks that one letter may bear; more of them climb over the lines above."""


def visible(text: str) -> str:
    r"""`text` on one line, with every character that could act on a screen or hide there replaced by `�`.

    White space, line ends included, is folded to single spaces. Control characters, bidirectional
    and zero-width marks, surrogates, private and unassigned code points are replaced; combining
    marks beyond the third on a letter too.

    >>> visible("a\x1b[31mb\n\tc\u202ed\u200b")
    'a�[31mb c�d�'
    """
    return _harmless(" ".join(_PRESENTATION.sub("", text).split()))


def visible_lines(text: str) -> list[str]:
    r"""`text` line by line, each harmless as by `visible`, with its indentation and its blanks kept.

    Only line feeds and carriage returns end a line; tabs become four blanks at most.

    >>> visible_lines("def f():\r\n    return\x1b[0m 1\u2028\n")
    ['def f():', '    return�[0m 1�', '']
    """
    ends = re.split("\r\n|\r|\n", _PRESENTATION.sub("", text))
    return [_harmless(line.expandtabs(4)).rstrip() for line in ends]


def _harmless(line: str) -> str:
    """`line` with every character replaced that is no letter, mark, sign or blank to be seen."""
    if line.isascii() and line.isprintable():
        return line
    shown, marks = [], 0
    for character in line:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category[0] == "C" or category in ("Zl", "Zp") or character in _UNSEEN
        shown.append(REPLACEMENT if hidden or marks > _MARKS_IN_A_ROW else character)
    return "".join(shown)


def head(text: str, limit: int) -> str:
    """The first `limit` characters of `text`, made `visible`, with `…` where some were left out.

    >>> head("one two three", 8)
    'one two…'
    """
    shown = visible(text[: 4 * limit])
    cut = len(shown) > limit or len(text) > 4 * limit
    return shown[: limit - 1].rstrip() + "…" if cut else shown


def tail(text: str, limit: int) -> str:
    """The last `limit` characters of `text`, made `visible`, with `…` where some were left out.

    >>> tail("one two three", 6)
    '…three'
    """
    shown = visible(text[-4 * limit :])
    cut = len(shown) > limit or len(text) > 4 * limit
    return "…" + shown[len(shown) - min(len(shown), limit - 1) :].lstrip() if cut else shown
