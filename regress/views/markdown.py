"""A comparison as Markdown, for `report.md` and for pull requests.

Ids and counts by default, because reports travel; what models and data sets say only on request.
Every text is escaped: nothing in it is read as markup, HTML, link or mention.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import quote

from regress.errors import UsageError
from regress.types import Comparison
from regress.views.price import HEADINGS
from regress.views.records import Block, FlipText, PriceText, Row, Side, View
from regress.views.view import build

_OPENING = re.compile(r"[-+=](?=[-+=\s]|$)|#{1,6}(?=[#\s]|$)|\d{1,9}(?=[.)](?:\s|$))")
"""What opens a list, a heading or a rule where a line begins with it."""
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_REFERENCE = re.compile(r"[@#](?=\w)")
_ADDRESS = "!#$%&'*+,/:;=?@~[]"
"""What an address may hold, beside letters and digits, without ending the link."""
_LINK = re.compile(r"://|(?<![^\W_])www\.", re.IGNORECASE)


def render(comparison: Comparison, *, with_text: bool = False, beside: Sequence[Sequence[str]] = ()) -> str:
    """`comparison` as GitHub-flavoured Markdown.

    Args:
        comparison: What to show.
        with_text: Whether to add prompts, targets and answers to the ids of the worst flips.
        beside: What else was measured, as paragraphs of lines.
    """
    view = build(comparison)
    sections = [
        [f"**{escape(view.heading)}**"] if view.heading else [],
        [f"# {escape(view.title)}"],
        [f"- {side}: {escape(text)}" for side, text in view.models],
        *([f"**{escape(text)}**"] for text in view.alarms),
        measures_table(view, marks=True),
        [escape(view.suite)] if view.suite else [],
        [line for row in view.rows for line in _explained(row)],
        *([escape(text)] for text in view.legend),
        *_notes(view),
        ["## More measures"],
        measures_table(view, wide=True),
        [
            f"- **{escape(row.task)}**: {escape('; '.join(row.wide_lines))}"
            for row in view.rows
            if row.wide_lines
        ],
        *([escape(text)] for text in view.wide_legend),
        *beside,
        *_price(view.price),
        *_worst(view.blocks, with_text),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def escape(text: str) -> str:
    r"""`text` such that Markdown shows it as it is: no markup, HTML, link, mention or issue number.

    >>> escape("<b> *a|b* @you #1"), escape("# no heading"), escape("1. no list")
    ('&lt;b&gt; \\*a\\|b\\* @&#8203;you #&#8203;1', '\\# no heading', '1\\. no list')
    """
    opening = _OPENING.match(text)
    text = _SPECIAL.sub(lambda found: "\\" + found[0], text.replace("&", "&amp;"))
    if opening:
        place = opening.end() if opening[0].isdecimal() else 0
        text = f"{text[:place]}\\{text[place:]}"
    text = text.replace("<", "&lt;").replace(">", "&gt;")
    text = _LINK.sub(lambda found: found[0][:-1] + "\\" + found[0][-1], text)
    return _REFERENCE.sub("\\g<0>&#8203;", text)


def link(text: str, address: str) -> str:
    """A link that ends where it ends, whatever the address holds.

    Raises:
        UsageError: If it is no address that begins with http:// or https://.

    >>> link("here", "https://a.example/x y)?a=1&b=<2>")
    '[here](<https://a.example/x%20y%29?a=1&amp;b=%3C2%3E>)'
    """
    require_address(address)
    return f"[{escape(text)}](<{quote(address, safe=_ADDRESS).replace('&', '&amp;')}>)"


def require_address(address: str) -> None:
    """Refuse what is no address of the web.

    Raises:
        UsageError: If it does not begin with http:// or https://, or nothing follows.
    """
    if not re.match(r"https?://[\w.\[]", address) or not address.isprintable():
        raise UsageError(
            f"{address!r} is no address of the web", allowed="what begins with http:// or https://"
        )


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()
) -> list[str]:
    """A table, one row a line: the headings, the rule below them, the rows.

    >>> table(["task", "n"], [["a|b", "3"]], right=["n"])
    ['| task | n |', '| --- | ---: |', '| a\\\\|b | 3 |']
    """
    rule = ["---:" if heading in right else "---" for heading in headings]
    escaped = ([escape(cell) for cell in row] for row in (headings, *rows))
    head, *body = [f"| {' | '.join(row)} |" for row in escaped]
    return [head, f"| {' | '.join(rule)} |", *body]


def measures_table(view: View, *, wide: bool = False, marks: bool = False) -> list[str]:
    """The table of numbers, a row a task.

    Args:
        view: The comparison in words.
        wide: Whether to show the columns that are shown only where there is room, in place of the others.
        marks: Whether to show which footnotes belong to a row, if any does.
    """
    shown = [place for place, column in enumerate(view.columns) if column.wide == wide]
    headings = [view.columns[place].heading for place in shown]
    noted = ["notes"] if marks and any(row.marks for row in view.rows) else []
    rows = ([row.task, *(row.cells[i] for i in shown), *([row.marks] if noted else [])] for row in view.rows)
    return table(["task", *headings, *noted], rows, right=headings)


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


def _price(price: PriceText | None) -> Iterator[list[str]]:
    if price is None:
        return
    yield ["## Price"]
    rows = ([row.label.strip(), row.old, row.new, row.ratio] for row in price.rows)
    yield table(["", *HEADINGS[1:]], rows, right=HEADINGS[1:])
    for note in price.notes:
        yield [escape(note)]


def _worst(blocks: Sequence[Block], with_text: bool) -> Iterator[list[str]]:
    if not blocks:
        return
    yield ["## Worst flips"]
    for block in blocks:
        yield [f"### {escape(block.heading)}"]
        yield [
            line
            for number, flip in enumerate(block.flips, 1)
            for line in (f"{number}. {escape(flip.heading)}", *(texts(flip) if with_text else ()))
        ]


def texts(flip: FlipText) -> Iterator[str]:
    """What was asked and answered, as a list below a numbered one."""
    told = (
        ("asked", flip.asked),
        ("target", flip.target),
        ("old", _side(flip.old)),
        ("new", _side(flip.new)),
        ("diff", flip.diff),
    )
    for label, text in told:
        if text:
            yield f"   - {label}: {escape(text)}"


def _side(side: Side) -> str:
    return f"{side.answer} — {side.output}" if side.output else side.answer
