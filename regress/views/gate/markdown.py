"""A verdict as Markdown, for step summaries and comments on pull requests: ids and counts, no texts.

Hosts cut or refuse long comments, so no more than 65,000 characters are ever made: of a table or a
list that is too long the beginning is shown, and how much more there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from regress.types import Comparison, Scale
from regress.verdicts import RuleResult, Verdict
from regress.views import markdown
from regress.views.gate.rules import DROPS, HARMS, limit_of, size, unit
from regress.views.gate.view import build, scale_of
from regress.views.markdown import escape
from regress.views.numbers import UNDEFINED, count, number, percent
from regress.views.records import GateLine, GateView

LONGEST = 65_000
"""Characters that a comment may have."""

_SPARE = 400
_REST = "- … {} more"
_ORDER = ("fail", "not gateable", "undecided", "pass")
_CODE = re.compile(r"(`[\w ./,:=@'+-]+`)")


def render(
    verdict: Verdict,
    comparison: Comparison | None = None,
    *,
    with_text: bool = False,
    assumed: bool = False,
) -> str:
    """`verdict` as GitHub-flavoured Markdown of at most 65,000 characters.

    Args:
        verdict: What came of the gate.
        comparison: What was judged, for its models and demo items.
        with_text: Whether to add the whole comparison with prompts, targets and answers, if there is room.
        assumed: Whether the policy was used because none was given.
    """
    view = build(verdict, comparison, assumed=assumed)
    before, after = _join(_before(view)), _join(_after(view))
    room = LONGEST - len(before) - len(after) - _SPARE
    notes = _section("### Notes", _fitting([f"- {escape(note)}" for note in view.notes], room // 4, _REST))
    room -= len(notes)
    rows = _fitting([_row(line, comparison) for line in view.lines], room // 2, "| | … {} more |  |  |  |  |")
    table = "\n".join((*_TABLE, *rows))
    reasons = _fitting(list(_reasons(view.lines)), room - len(table), _REST)
    page = _join((before, table, _section("### Reasons", reasons), notes, after))
    return _with_texts(page, comparison) if with_text and comparison else page


def _with_texts(page: str, comparison: Comparison) -> str:
    """The page with the comparison below, where both fit."""
    whole = f"{page}\n{markdown.render(comparison, with_text=True)}"
    return whole if len(whole) <= LONGEST else f"{page}\nThe comparison is too long to be shown here.\n"


def _before(view: GateView) -> Iterator[str]:
    yield f"## {escape(view.headline)}"
    if view.heading:
        yield f"**{escape(view.heading)}**"
    if view.title:
        yield escape(view.title)
    yield "\n".join(f"- {side}: {escape(text)}" for side, text in view.models)
    yield "\n".join(map(escape, view.basis))
    yield from (f"**{escape(text)}**" for text in view.alarms)


def _after(view: GateView) -> Iterator[str]:
    yield _section("### What next", [f"- {_prose(step)}" for step in view.steps])


_TABLE = (
    "| outcome | task | rule | observed | one-sided bounds | n |",
    "| --- | --- | --- | ---: | ---: | ---: |",
)


def _row(line: GateLine, comparison: Comparison | None) -> str:
    result = line.result
    scale = scale_of(result, comparison)
    what = limit_of(result, scale) + (f" [slice {result.slice}]" if result.slice else "")
    observed, bounds = _numbers(result, scale)
    advisory = " (advisory)" if result.tier == "advisory" else ""
    cells = (line.mark + advisory, line.task, what, observed, bounds, count(result.n))
    return f"| {' | '.join(map(escape, cells))} |"


def _numbers(result: RuleResult, scale: Scale | None) -> tuple[str, str]:
    """What was observed and its bounds; changes of accuracy and score as new less old."""

    def shown(harm: float) -> str:
        if result.rule in DROPS:
            return number(-harm, "difference", scale or "binary")
        text = size(harm, result.rule, scale)
        return f"−{text}" if harm < 0 and not text.startswith(("−", UNDEFINED)) else text

    if result.rule in ("max_unreadable", "max_truncated"):
        sides = [result.data.get(side) for side in ("old", "new")]
        return (UNDEFINED if None in sides else " → ".join(f"{percent(float(s or 0))} %" for s in sides)), ""
    observed = shown(result.estimate)
    if result.rule not in HARMS or observed == UNDEFINED:
        return "", ""
    ends = [shown(result.low), shown(result.high)]
    if result.rule in DROPS:
        ends.reverse()
    bounds = "" if ends == [UNDEFINED, UNDEFINED] else " to ".join(ends)
    return f"{observed}{unit(result.rule, scale)}", bounds


def _reasons(lines: Sequence[GateLine]) -> Iterator[str]:
    """Each rule that applies with its sentence: what keeps the gate from passing first."""
    applying = [line for line in lines if line.result.outcome in _ORDER]
    applying.sort(key=lambda line: (not line.result.blocks, _ORDER.index(line.result.outcome)))
    for line in applying:
        notes = "".join(f"\n  - note: {escape(note)}" for note in line.notes)
        yield f"- **{escape(line.mark)}** {escape(line.task)}: {_prose(line.sentence)}{notes}"


def _prose(text: str) -> str:
    """A sentence of ours, escaped but for the commands that it quotes, where they hold nothing unusual."""
    quoted = text if "`" not in _CODE.sub("", text) else ""
    return "".join(part if part.startswith("`") else escape(part) for part in _CODE.split(quoted)) or escape(
        text
    )


def _fitting(lines: Sequence[str], room: int, rest: str) -> list[str]:
    """The first lines that fit into `room` characters, and how many more there are."""
    kept: list[str] = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return [*kept, rest.format(count(len(lines) - len(kept)))]
        kept.append(line)
    return kept


def _section(heading: str, lines: Sequence[str]) -> str:
    """A heading and a list; nothing where the list is empty."""
    return "\n".join((heading, "", *lines)) if lines else ""


def _join(sections: Iterable[str]) -> str:
    text = "\n\n".join(section.strip("\n") for section in sections if section.strip())
    return f"{text}\n" if text else ""
