"""The page: one file that needs nothing else, neither a network nor a server.

What it holds is ours (style, scripts, figures), escaped by the template (names and what models wrote), or
packed so that it cannot be read as HTML (`regress.views.html.data`). A policy in its head lets the browser
run the one script whose hash stands there, and fetch nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from regress.comparison.compared import Compared
from regress.types import QUADRANTS, TaskComparison
from regress.verdicts import Verdict
from regress.views.evidence import ends
from regress.views.gate import view as gate_view
from regress.views.html.data import MARKS, Embedded, embedded
from regress.views.html.kept import MOST
from regress.views.html.pictures import pictures
from regress.views.html.texts import LONGEST
from regress.views.measures import MEASURES
from regress.views.numbers import count, plural
from regress.views.pages import style, template
from regress.views.price import HEADINGS
from regress.views.records import FlipText, GateView, Row, View
from regress.views.view import build

HERE = Path(__file__).parent

SCRIPTS = ("visible.js", "diff.js", "instances.js", "list.js", "detail.js", "copying.js", "browser.js")
"""The scripts in the order in which they stand on the page, as one."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the gate says, or why it says nothing."""

    verdict: Verdict | None = None
    """What came of the policy; null where nothing did."""
    assumed: bool = False
    """Whether the policy was used because none was given."""
    refusal: str = ""
    """Why there is no verdict; empty if there is one, or if nobody asked."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of the table."""

    value: str
    """The number in words."""
    ends: str
    """Its interval; empty where none was made."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One task."""

    anchor: str
    """Where links to it lead."""
    row: TaskComparison
    """What became of it."""
    words: Row
    """The same in words."""
    worst: str
    """How many of how many worst flips are shown; empty where nothing is."""
    flips: tuple[tuple[str, FlipText], ...]
    """The worst flips, each with the link that opens it in the flip browser."""


def render(comparison: Compared, judgement: Judgement | None = None, *, with_text: bool = True) -> str:
    """`comparison` as an HTML page; the same bytes for the same comparison and verdict.

    Args:
        comparison: What to show.
        judgement: What the gate says of it.
        with_text: Whether the page may carry prompts, targets and outputs.
    """
    view = build(comparison)
    judgement = judgement or Judgement()
    css, script = style(HERE), _script()
    found = embedded(comparison, with_text=with_text)
    page: str = template(HERE).render(
        policy=_content_policy(css, script),
        style=Markup(css),
        script=Markup(script),
        data=found.packed,
        view=view,
        gate=_gate(comparison, judgement),
        judgement=judgement,
        pictures=pictures(comparison),
        price_headings=HEADINGS,
        columns=[one for one in MEASURES if not one.wide],
        table=[(words, _cells(row, words)) for row, words in zip(comparison.tasks, view.rows, strict=True)],
        sections=list(_sections(comparison, view)),
        quadrants=[(place, name, MARKS[name]) for place, name in enumerate(QUADRANTS)],
        with_text=with_text,
        notes=list(_notes(found)),
        instances=count(found.instances),
    )
    return page


# ── what the template lays out ───────────────────────────────────────────────────────────────────


def _gate(comparison: Compared, judgement: Judgement) -> GateView | None:
    if judgement.verdict is None:
        return None
    return gate_view.build(judgement.verdict, comparison, assumed=judgement.assumed)


def _cells(row: TaskComparison, words: Row) -> list[Cell]:
    """The narrow columns of a row, n first."""
    shown = [Cell(value=words.cells[0], ends="")]
    for one, value in zip(MEASURES, words.cells[1:], strict=True):
        if not one.wide:
            shown.append(Cell(value=value, ends=ends(row, one)))
    return shown


def _sections(comparison: Compared, view: View) -> Iterator[Section]:
    """The single tasks: pooled rows have no instances of their own."""
    blocks = iter(view.blocks)
    for place, (row, words) in enumerate(zip(comparison.tasks, view.rows, strict=True)):
        if row.members:
            continue
        block = next(blocks) if row.worst else None
        links = [permalink(row.task.name, flip.instance_id) for flip in row.worst]
        yield Section(
            anchor=f"task-{place}",
            row=row,
            words=words,
            worst=block.heading if block else "",
            flips=tuple(zip(links, block.flips, strict=True)) if block else (),
        )


def permalink(task: str, instance: str) -> str:
    """The fragment that opens one instance in the flip browser.

    >>> permalink("gsm8k", "a/b #1")
    '#gsm8k/a%2Fb%20%231'
    """
    return f"#{_quoted(task)}/{_quoted(instance)}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _notes(found: Embedded) -> Iterator[str]:
    """What the flip browser does not hold."""
    if found.left_out:
        yield (
            f"This page holds {count(found.instances)} of {count(found.instances + found.left_out)} pairs, "
            f"flips first: more than {count(MOST)}, or more text than a browser searches at once, would make "
            "it slow."
        )
    if found.cut:
        yield (
            f"{plural(found.cut, 'text')} of more than {count(LONGEST)} characters "
            f"{'is' if found.cut == 1 else 'are'} shown, and searched, without the middle."
        )


# ── what stands in it as it is ───────────────────────────────────────────────────────────────────


@cache
def _script() -> str:
    """All scripts as one, in a scope of their own."""
    parts = [(HERE / "scripts" / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def _content_policy(style: str, script: str) -> str:
    """What the browser may do: apply this style, run this script, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_source(script)}'; style-src '{_source(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
