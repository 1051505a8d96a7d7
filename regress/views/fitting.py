"""A page that may be no longer than a host takes: what matters most gets its room first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regress.views.numbers import count

_SPARE = 2
"""Characters between two sections."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page that can be shortened."""

    blocks: Sequence[str]
    """Its items, each of one or several lines; shown is the beginning of them."""
    rank: int
    """When it gets its room: the lowest first."""
    share: float = 1.0
    """How much of the room that is left it may take."""
    opening: str = ""
    """What stands before the items wherever any is shown, such as a heading."""
    rest: str = "… {} more"
    """What stands in place of the items left out; braces where their number belongs."""
    closing: str = ""
    """What stands after the items wherever any is shown."""
    between: str = "\n"
    """What stands between two items."""

    def fitted(self, room: int) -> str:
        """The section in at most `room` characters; empty where not even how much is left out fits."""
        kept = len(self.blocks)
        lengths = [len(block) + len(self.between) for block in self.blocks]
        total = sum(lengths)
        while kept and total + len(self._with(0, kept)) > room:
            kept -= 1
            total -= lengths[kept]
        whole = self._with(kept, kept) if self.blocks else ""
        return whole if len(whole) <= room else ""

    def _with(self, shown: int, kept: int) -> str:
        """The first `shown` items in their frame, which says what is left out if `kept` are kept."""
        more = [self.rest.format(count(len(self.blocks) - kept))] if kept < len(self.blocks) else []
        return f"{self.opening}{self.between.join([*self.blocks[:shown], *more])}{self.closing}"


def of_table(lines: Sequence[str], *, rank: int, share: float, before: str = "", after: str = "") -> Section:
    """A Markdown table that can be shortened, its headings and the rule below them aside.

    Args:
        lines: The table, one row a line.
        rank: When it gets its room.
        share: How much of the room that is left it may take.
        before: What stands before it.
        after: What stands after it.
    """
    head, rule, *rows = lines
    cells = rule.count("|") - 1
    rest = "| … {} more |" + " |" * (cells - 1)
    return Section(
        blocks=rows, rank=rank, share=share, opening=f"{before}{head}\n{rule}\n", rest=rest, closing=after
    )


def page(sections: Sequence[Section], longest: int) -> str:
    """The sections in the order given, in at most `longest` characters, a blank line between two.

    >>> page([Section(blocks=["a"] * 9, rank=2), Section(blocks=["verdict"], rank=1)], 25)
    'a\\na\\n… 7 more\\n\\nverdict\\n'
    """
    texts = [""] * len(sections)
    room = longest - 1
    for place in sorted(range(len(sections)), key=lambda place: sections[place].rank):
        section = sections[place]
        allowed = int(section.share * room) - _SPARE
        texts[place] = section.fitted(allowed)
        room -= len(texts[place]) + _SPARE if texts[place] else 0
    return "\n\n".join(filter(None, texts)) + "\n"
