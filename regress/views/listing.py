"""Small plain tables, and the few things one does with text in terminal cells.

Widths are counted in cells: an ideograph takes two, a combining mark none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len

from regress.views.untrusted import visible

GAP = 2
"""Cells between two columns."""

_NUMBER = re.compile(r"[+−\-<>]?[\d,.]+(e[+−\-]?\d+)?( ?(%|[kMGT]?i?B|s|min|h))?|–|")
_UNBROKEN = re.compile(r"(?<!\d) | (?!%)")
_NARROWEST = 4


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    width: int | None = 80,
    spared: Collection[str] = (),
) -> str:
    """`headers` over `rows`, one line each, columns of numbers to the right.

    Where the table is wider than `width` cells, its widest columns of text are cut with `…`, those
    under `spared` headers last; a `width` of null cuts nothing, so that what is piped on can be
    searched for whole names.

    >>> print(table(["name", "rows"], [["piqa", "1,838"], ["gsm8k", "–"]]))
    name    rows
    piqa   1,838
    gsm8k      –
    """
    body = [[visible(cell) for cell in row] for row in rows]
    right = [all(_NUMBER.fullmatch(row[i]) for row in body) and bool(body) for i in range(len(headers))]
    last = [flush or header in spared for flush, header in zip(right, headers, strict=True)]
    return "\n".join(lay_out([list(headers), *body], right=right, width=width, spared=last))


def lay_out(
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[bool],
    width: int | None,
    spared: Sequence[bool] | None = None,
) -> list[str]:
    """Rows as lines of equal columns.

    Args:
        rows: The cells.
        right: Which columns are flush right.
        width: Cells a line may take; null for as many as there are.
        spared: Which columns are cut only where no other can give; by default those flush right.

    >>> lay_out([["a", "n"], ["bcd", "10"]], right=[False, True], width=None)
    ['a     n', 'bcd  10']
    """
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        widths = _shrunk(widths, right if spared is None else spared, width)
    return [(" " * GAP).join(map(pad, row, widths, right)).rstrip() for row in rows]


def _shrunk(widths: list[int], spared: Sequence[bool], width: int) -> list[int]:
    """Narrower columns, those to be spared last and the widest first, until all fit or none can give."""
    widths = list(widths)
    for last in (False, True):
        while sum(widths) + GAP * (len(widths) - 1) > width:
            able = [i for i, w in enumerate(widths) if w > _NARROWEST and spared[i] == last]
            if not able:
                break
            widths[max(able, key=widths.__getitem__)] -= 1
    return widths


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells, cut with `…` where it is too long.

    >>> pad("gsm8k", 7), pad("3.0", 5, True), pad("hellaswag", 6)
    ('gsm8k  ', '  3.0', 'hella…')
    """
    text = clip(text, width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def clip(text: str, width: int) -> str:
    """`text` in at most `width` cells, cut with `…` where it is too long.

    >>> clip("hellaswag", 6)
    'hella…'
    """
    if cell_len(text) <= width:
        return text
    used, kept = 1, []
    for character in text:
        used += cell_len(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def wrap(text: str, width: int) -> list[str]:
    """`text` broken at spaces into lines of at most `width` cells; a longer word is broken anywhere.

    A number and its `%` stay together.

    >>> wrap("12 lost, 31 gained", 10)
    ['12 lost,', '31 gained']
    >>> wrap("at most 2 %", 10)
    ['at most', '2 %']
    """
    lines, line = [], ""
    for word in _UNBROKEN.split(text):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, width)
        lines += full
    return [*lines, line]


def _pieces(word: str, width: int) -> list[str]:
    pieces, piece, used = [], "", 0
    for character in word:
        cells = cell_len(character)
        if piece and used + cells > width:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + character, used + cells
    return [*pieces, piece]
