"""A comparison in a terminal: the table, what its numbers mean, and the worst flips side by side.

No line is wider than asked for, counted in cells. The texts are `visible` already, so nothing that
a model wrote can act on the terminal, and nothing here reads markup.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len

from regress.types import Comparison
from regress.views.listing import lay_out, pad, wrap
from regress.views.price import HEADINGS
from regress.views.records import Block, FlipText, PriceText, Row, Side, View
from regress.views.sentences import rest
from regress.views.view import build
from regress.views.words import inked

NARROWEST = 60
"""Cells that a table of numbers needs; a narrower terminal gets lines of this width."""

LONGEST_NAME = 20
"""Cells of a task's name beside what is said of it."""

_BOLD, _DIM, _RED, _GREEN, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


@dataclass(frozen=True)
class Ink:
    """What sets a line off, where colours are wanted."""

    color: bool
    """Whether they are."""

    def bold(self, text: str) -> str:
        """What is to be seen first."""
        return f"{_BOLD}{text}{_RESET}" if self.color else text

    def dim(self, text: str) -> str:
        """What can be left unread."""
        return f"{_DIM}{text}{_RESET}" if self.color else text

    def old(self, text: str) -> str:
        """What only the old side has, or what was lost."""
        return f"{_RED}{text}{_RESET}" if self.color else text

    def new(self, text: str) -> str:
        """What only the new side has, or what was gained."""
        return f"{_GREEN}{text}{_RESET}" if self.color else text


def render(
    comparison: Comparison,
    *,
    width: int = 80,
    wide: bool = False,
    color: bool = False,
    where: str | None = None,
) -> str:
    """`comparison` as text of at most `width` cells a line.

    Args:
        comparison: What to show.
        width: Cells a line may take.
        wide: Whether to add BTC, BEC, NFI, relative NFR, churn, m_g and m_r (140 cells hold them).
        color: Whether to set headings off with ANSI bold and dim; the text is the same without.
        where: The folder in which the reports lie, for the last line.
    """
    view, width, ink = build(comparison), max(width, NARROWEST), Ink(color)
    sections = [
        _heading(view, width, ink),
        [ink.bold(line) for text in view.alarms for line in hanging("!  ", text, width)],
        _table(view, width, wide, ink),
        wrap(view.suite, width) if view.suite else [],
        _explained(view, width, wide),
        [ink.dim(line) for line in _legend(view, width, wide)],
        [line for note in view.footnotes for line in hanging(f"{note.mark or '·':>3}  ", note.text, width)],
        _price(view.price, width, ink) if view.price else [],
        *(_worst(block, width, ink) for block in view.blocks),
        wrap(rest(where), width) if where else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _heading(view: View, width: int, ink: Ink) -> list[str]:
    titles = [line for text in (view.heading, view.title) if text for line in wrap(text, width)]
    models = [line for side, text in view.models for line in hanging(f"  {side}  ", text, width)]
    return [*map(ink.bold, titles), *models]


def _table(view: View, width: int, wide: bool, ink: Ink) -> list[str]:
    shown = [i for i, column in enumerate(view.columns) if wide or not column.wide]
    noted = any(row.marks for row in view.rows)

    def line(name: str, cells: tuple[str, ...], marks: str) -> list[str]:
        return [name, *(cells[i] for i in shown), *([marks] if noted else [])]

    rows = [line("task", tuple(column.heading for column in view.columns), "notes")]
    rows += [line(row.task, row.cells, row.marks) for row in view.rows]
    right = [False, *(True for _ in shown), *([False] if noted else [])]
    head, *body = lay_out(rows, right=right, width=width)
    return [ink.bold(head), ink.dim("─" * max(map(cell_len, (head, *body)))), *body]


def _explained(view: View, width: int, wide: bool) -> list[str]:
    """What each row means in instances, the name of its task hanging out to the left."""
    name_width = min(LONGEST_NAME, max(cell_len(row.task) for row in view.rows)) if view.rows else 0
    return [line for row in view.rows for line in _explained_row(row, name_width, width, wide)]


def _explained_row(row: Row, name_width: int, width: int, wide: bool) -> Iterator[str]:
    for i, text in enumerate((*row.lines, *(row.wide_lines if wide else ()))):
        yield from hanging(pad(row.task if i == 0 else "", name_width) + "  ", text, width)


def _legend(view: View, width: int, wide: bool) -> Iterator[str]:
    for text in (*view.legend, *(view.wide_legend if wide else ())):
        yield from wrap(text, width)


def _price(price: PriceText, width: int, ink: Ink) -> list[str]:
    rows = [list(HEADINGS), *([row.label, row.old, row.new, row.ratio] for row in price.rows)]
    head, *body = lay_out(rows, right=[False, True, True, True], width=width)
    notes = [ink.dim(line) for note in price.notes for line in wrap(note, width)]
    return [ink.bold(head), *body, *notes]


def _worst(block: Block, width: int, ink: Ink) -> list[str]:
    lines = [ink.bold(line) for line in wrap(block.heading, width)]
    for number, flip in enumerate(block.flips, 1):
        lines += ["", *_flip(number, flip, width, ink)]
    return lines


def _flip(number: int, flip: FlipText, width: int, ink: Ink) -> Iterator[str]:
    yield from hanging(f"{number:>3}  ", flip.heading, width)
    for label, text in (("asked", flip.asked), ("target", flip.target)):
        if text:
            yield from hanging(f"     {label:<8}", text, width)
    column = (width - 5 - 3) // 2
    old, new = (_side(label, side, column) for label, side in (("old", flip.old), ("new", flip.new)))
    for left, right in zip_longest(old, new, fillvalue=""):
        yield f"     {pad(left, column)}   {right}".rstrip()
    if flip.diff:
        yield from inked(hanging("     diff    ", flip.diff, width), old=ink.old, new=ink.new)


def _side(label: str, side: Side, width: int) -> list[str]:
    lines = hanging(f"{label}  ", side.answer, width)
    return lines + (hanging("     ", side.output, width) if side.output else [])


def hanging(prefix: str, text: str, width: int) -> list[str]:
    """`text` wrapped beside `prefix`, which stands on the first line alone."""
    first, *more = wrap(text, width - cell_len(prefix))
    return [f"{prefix}{first}".rstrip(), *(" " * cell_len(prefix) + line for line in more)]
