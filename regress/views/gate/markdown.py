"""A verdict as Markdown, for step summaries and comments on pull requests: ids and counts, no texts.

The verdict in one line, the rules, the comparison's table, the worst flips folded away, and what to know.
Hosts cut or refuse long comments, so the page is never longer than they take: of what is too long the
beginning is shown, and how much more there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from regress.types import Comparison, Scale
from regress.verdicts import RuleResult, Verdict
from regress.views.fitting import Section, of_table, page
from regress.views.gate.beneath import measured, worst
from regress.views.gate.rules import DROPS, HARMS, limit_of, size, unit
from regress.views.gate.view import build, scale_of
from regress.views.markdown import escape, link, table
from regress.views.numbers import UNDEFINED, count, number, percent
from regress.views.records import GateLine, GateView
from regress.views.settings import name

LONGEST = 64_500
"""Characters of a page: a comment may have 65,000, and needs some to be found again by."""

_HEADINGS = ("outcome", "task", "rule", "observed", "one-sided bounds", "n")
_RIGHT = ("observed", "one-sided bounds", "n")
_ORDER = ("fail", "not gateable", "undecided", "pass")
_CODE = re.compile(r"(`[\w ./,:=@'+-]+`)")
_REST = "- … {} more"


def render(
    verdict: Verdict,
    comparison: Comparison | None = None,
    *,
    with_text: bool = False,
    assumed: bool = False,
    artifact: str | None = None,
) -> str:
    """`verdict` as GitHub-flavoured Markdown of at most `LONGEST` characters.

    Args:
        verdict: What came of the gate.
        comparison: What was judged, for its table, its worst flips, models and demo items.
        with_text: Whether to add prompts, targets and answers of the worst flips.
        assumed: Whether the policy was used because none was given.
        artifact: Where the reports lie.

    Raises:
        UsageError: If `artifact` is no address that begins with http:// or https://.
    """
    view = build(verdict, comparison, assumed=assumed)
    rules = table(_HEADINGS, [_cells(line, comparison) for line in view.lines], right=_RIGHT)
    sections = [
        Section(rank=0, blocks=[f"## {escape(view.headline)}"]),
        Section(rank=2, share=0.2, blocks=[*_about(view)], between="\n\n"),
        of_table(rules, rank=3, share=0.4),
        _listed("Reasons", [*_reasons(view.lines, holding=False)], rank=5, share=0.6),
        _folded("Rules that hold", [*_reasons(view.lines, holding=True)], rank=8),
        *(
            [measured(comparison, rank=4), worst(comparison, rank=6, with_text=with_text)]
            if comparison
            else ()
        ),
        _listed("Notes", [f"- {escape(note)}" for note in view.notes], rank=7, share=0.6),
        _listed("What next", [f"- {_prose(step)}" for step in view.steps], rank=1, share=0.2),
        Section(rank=0, blocks=[link("Reports of this run", artifact)] if artifact else []),
    ]
    return page(sections, LONGEST)


def _listed(heading: str, items: Sequence[str], *, rank: int, share: float = 1.0) -> Section:
    return Section(rank=rank, share=share, opening=f"### {heading}\n\n", blocks=items, rest=_REST)


def _folded(summary: str, items: Sequence[str], *, rank: int) -> Section:
    opening = f"<details>\n<summary>{summary}</summary>\n\n"
    return Section(rank=rank, opening=opening, blocks=items, rest=_REST, closing="\n\n</details>")


def _about(view: GateView) -> Iterator[str]:
    """Paragraphs: what makes the numbers mean something else, who was judged, and by what."""
    if view.heading:
        yield f"**{escape(view.heading)}**"
    yield from (f"**{escape(text)}**" for text in view.alarms)
    if view.title:
        yield escape(view.title)
    if view.models:
        yield "\n".join(f"- {side}: {escape(text)}" for side, text in view.models)
    yield from map(escape, view.basis)


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def _cells(line: GateLine, comparison: Comparison | None) -> tuple[str, ...]:
    result = line.result
    scale = scale_of(result, comparison)
    what = limit_of(result, scale) + (f" [slice {name(result.slice)}]" if result.slice else "")
    observed, bounds = _numbers(result, scale)
    advisory = " (advisory)" if result.tier == "advisory" else ""
    return line.mark + advisory, line.task, what, observed, bounds, count(result.n)


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


def _reasons(lines: Sequence[GateLine], *, holding: bool) -> Iterator[str]:
    """Each rule that applies with its sentence, those that hold or the others: the weightiest first."""
    applying = [line for line in lines if line.result.outcome in _ORDER]
    applying.sort(key=lambda line: (not line.result.blocks, _ORDER.index(line.result.outcome)))
    for line in applying:
        if (line.result.outcome == "pass" and not line.notes) == holding:
            notes = "".join(f"\n  - note: {escape(note)}" for note in line.notes)
            yield f"- **{escape(line.mark)}** {escape(line.task)}: {_prose(line.sentence)}{notes}"


def _prose(text: str) -> str:
    """A sentence of ours, escaped but for the commands that it quotes, where they hold nothing unusual."""
    quoted = text if "`" not in _CODE.sub("", text) else ""
    return "".join(part if part.startswith("`") else escape(part) for part in _CODE.split(quoted)) or escape(
        text
    )
