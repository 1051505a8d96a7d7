"""A comparison as Markdown, for `report.md` and for pull requests.

Ids and counts by default, because reports travel; what models and data sets say only on request.
Every text is escaped: nothing in it is read as markup, HTML, link or mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from regress.types import Comparison
from regress.views.records import Block, FlipText, Row, Side, View
from regress.views.view import build

_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_REFERENCE = re.compile(r"[@#](?=\w)")
_LINK = re.compile(r"://|\bwww\.", re.IGNORECASE)


def render(comparison: Comparison, *, with_text: bool = False) -> str:
    """`comparison` as GitHub-flavoured Markdown.

    Args:
        comparison: What to show.
        with_text: Whether to add prompts, targets and answers to the ids of the worst flips.
    """
    view = build(comparison)
    narrow = [i for i, column in enumerate(view.columns) if not column.wide]
    wide = [i for i, column in enumerate(view.columns) if column.wide]
    sections = [
        [f"**{escape(view.heading)}**"] if view.heading else [],
        [f"# {escape(view.title)}"],
        [f"- {side}: {escape(text)}" for side, text in view.models],
        *([f"**{escape(text)}**"] for text in view.alarms),
        _table(view, narrow, marks=True),
        [escape(view.suite)] if view.suite else [],
        [line for row in view.rows for line in _explained(row)],
        *([escape(text)] for text in view.legend),
        *_notes(view),
        ["## More measures"],
        _table(view, wide, marks=False),
        [
            f"- **{escape(row.task)}**: {escape('; '.join(row.wide_lines))}"
            for row in view.rows
            if row.wide_lines
        ],
        *([escape(text)] for text in view.wide_legend),
        *_worst(view.blocks, with_text),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def escape(text: str) -> str:
    r"""`text` such that Markdown shows it as it is: no markup, HTML, link, mention or issue number.

    >>> escape("<b> *a|b* @you #1")
    '&lt;b&gt; \\*a\\|b\\* @&#8203;you #&#8203;1'
    """
    text = _SPECIAL.sub(lambda found: "\\" + found[0], text.replace("&", "&amp;"))
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    text = _LINK.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], text)
    return _REFERENCE.sub("\\g<0>&#8203;", text)


def _table(view: View, shown: Sequence[int], *, marks: bool) -> list[str]:
    noted = marks and any(row.marks for row in view.rows)
    headings = ["task", *(view.columns[i].heading for i in shown), *(["notes"] if noted else [])]
    rows = [[row.task, *(row.cells[i] for i in shown), *([row.marks] if noted else [])] for row in view.rows]
    rule = ["---", *("---:" for _ in shown), *(["---"] if noted else [])]
    escaped = [[escape(cell) for cell in row] for row in (headings, *rows)]
    return [f"| {' | '.join(row)} |" for row in (escaped[0], rule, *escaped[1:])]


def _explained(row: Row) -> Iterator[str]:
    first, *more = row.lines
    yield f"- **{escape(row.task)}**: {escape(first)}"
    for line in more:
        yield f"  - {escape(line)}"


def _notes(view: View) -> Iterator[list[str]]:
    if not view.footnotes:
        return
    yield ["## Notes"]
    yield [f"- {f'{note.mark}: ' if note.mark else ''}{escape(note.text)}" for note in view.footnotes]


def _worst(blocks: Sequence[Block], with_text: bool) -> Iterator[list[str]]:
    if not blocks:
        return
    yield ["## Worst flips"]
    for block in blocks:
        yield [f"### {escape(block.heading)}"]
        yield [
            line
            for number, flip in enumerate(block.flips, 1)
            for line in (f"{number}. {escape(flip.heading)}", *(_texts(flip) if with_text else ()))
        ]


def _texts(flip: FlipText) -> Iterator[str]:
    texts = (
        ("asked", flip.asked),
        ("target", flip.target),
        ("old", _side(flip.old)),
        ("new", _side(flip.new)),
        ("diff", flip.diff),
    )
    for label, text in texts:
        if text:
            yield f"   - {label}: {escape(text)}"


def _side(side: Side) -> str:
    return f"{side.answer} — {side.output}" if side.output else side.answer
