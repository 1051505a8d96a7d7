"""Several versions in a terminal: for each task who loses what against whom, then its history.

No line is wider than asked for, counted in cells. Columns of versions that find no room stand below, in
a table of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from regress.findings import VersionMatrix
from regress.views.listing import GAP, clip, lay_out, wrap
from regress.views.matrix.sentences import rest
from regress.views.matrix.view import Block, Measured, Step, VersionText, View, build
from regress.views.terminal import LONGEST_NAME, NARROWEST, Ink, hanging
from regress.views.untrusted import tail

_EIGHTHS = "▏▎▍▌▋▊▉█"
_LONGEST_BAR, _SHORTEST_BAR = 20, 8


def render(matrix: VersionMatrix, *, width: int = 80, color: bool = False, where: str | None = None) -> str:
    """`matrix` as text of at most `width` cells a line.

    Args:
        matrix: What to show.
        width: Cells a line may take (at least 60).
        color: Whether to set headings off with ANSI bold and dim; the text is the same without.
        where: The folder in which the files lie, for the last line.
    """
    view, width, ink = build(matrix), max(width, NARROWEST), Ink(color)
    sections = [
        _heading(view, width, ink),
        *(section for block in view.blocks for section in _sections(block, view.versions, width, ink)),
        [ink.dim(line) for text in view.legend for line in wrap(text, width)],
        [
            line
            for note in view.footnotes
            for line in hanging(f"{_marked(note.mark) or '·':>3}  ", note.text, width)
        ],
        wrap(rest(where), width) if where else [],
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _heading(view: View, width: int, ink: Ink) -> list[str]:
    titles = [ink.bold(line) for text in (view.heading, view.title) if text for line in wrap(text, width)]
    numbers = max(len(version.number) for version in view.versions)
    return [
        *titles,
        *(
            line
            for version in view.versions
            for line in hanging(f"  {version.number:>{numbers}}  ", version.described, width)
        ),
    ]


def _sections(block: Block, versions: Sequence[VersionText], width: int, ink: Ink) -> Iterator[list[str]]:
    """The tables of one task."""
    tables = list(_matrix(block, versions, width))
    for place, (head, *rows) in enumerate(tables):
        titles = wrap(block.heading, width) if place == 0 else []
        yield [*map(ink.bold, titles), head, *rows]
    head, *rows = _history(block, versions, width)
    yield [*(ink.bold(line) for line in wrap(f"{block.name}: each after the one before", width)), head, *rows]


def _matrix(block: Block, versions: Sequence[VersionText], width: int) -> Iterator[list[str]]:
    """The cells, as many versions beside each other as find room."""
    first = [["", "old ↓  new →", block.level]]
    first += [
        [version.number, _short(version.name), _plain(step.level)]
        for version, step in zip(versions, block.steps, strict=True)
    ]
    cells = [[_plain(cell) for cell in row] for row in block.cells]
    widest = max(cell_len(text) for row in cells for text in row)
    taken = sum(max(map(cell_len, column)) + GAP for column in zip(*first, strict=True))
    room = max(1, (width - taken + GAP) // (widest + GAP))
    for start in range(0, len(versions), room):
        shown = slice(start, start + room)
        heads = [f"{version.number:>{widest}}" for version in versions[shown]]
        rows = [
            [*before, *row]
            for before, row in zip(first, [heads, *(row[shown] for row in cells)], strict=True)
        ]
        yield lay_out(rows, right=[True, False, *[True] * (len(rows[0]) - 2)], width=width)


def _history(block: Block, versions: Sequence[VersionText], width: int) -> list[str]:
    """Every version with how it does, and what it lost and gained against the one before."""
    rows = [["", "", block.level, "95 %", "Δ", "NFR", "95 %"]]
    for version, step in zip(versions, block.steps, strict=True):
        rows.append([version.number, _short(version.name), *_numbers(step)])
    right = [True, False, True, False, True, True, False]
    narrow = max(cell_len(line) for line in lay_out(rows, right=right, width=None))
    room = min(_LONGEST_BAR, width - narrow - GAP)
    if room >= _SHORTEST_BAR and any(step.level.value is not None for step in block.steps):
        bars = [f"0{'100':>{room - 1}}", *(_bar(step.level.value, room) for step in block.steps)]
        rows = [[*row[:4], bar, *row[4:]] for row, bar in zip(rows, bars, strict=True)]
        right.insert(4, False)
    return lay_out(rows, right=right, width=width)


def _numbers(step: Step) -> list[str]:
    own = [_plain(step.level), step.level.interval]
    if step.delta is None or step.nfr is None:
        return [*own, "", "", ""]
    return [*own, _plain(step.delta), _plain(step.nfr), step.nfr.interval]


def _short(name: str) -> str:
    """A name beside numbers: of a long one the end, in which versions of one model differ.

    >>> _short("v1"), _short("organisation/assistant-2024-06")
    ('v1', '…n/assistant-2024-06')
    """
    return clip(tail(name, LONGEST_NAME), LONGEST_NAME)


def _plain(measured: Measured) -> str:
    """A number, or the mark of the note that says why there is none.

    >>> _plain(Measured(shown="3.1")), _plain(Measured(shown="–", mark="a"))
    ('3.1', '(a)')
    """
    return _marked(measured.mark) or measured.shown


def _marked(mark: str) -> str:
    return f"({mark})" if mark else ""


def _bar(share: float | None, width: int) -> str:
    """A share of `width` cells, to an eighth of a cell.

    >>> _bar(0.5, 5), _bar(1.0, 3), _bar(0.0, 3)
    ('██▌', '███', '')
    """
    full, eighths = divmod(round(8 * width * min(max(share or 0.0, 0.0), 1.0)), 8)
    return _EIGHTHS[-1] * full + (_EIGHTHS[eighths - 1] if eighths else "")
