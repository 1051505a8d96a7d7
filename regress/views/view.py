"""A comparison in words, whole: what every renderer lays out in its own way.

Whatever came from outside, names as well as answers, is `visible` in it, that is harmless in a
terminal; what Markdown needs on top, its renderer does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from regress.metrics.words import shared, word_diff
from regress.types import Comparison, Flip, TaskComparison
from regress.views.evidence import alarms, suite_line
from regress.views.measures import MEASURES, instances
from regress.views.notices import ENGINE_AT_FAULT
from regress.views.numbers import UNDEFINED, count, number, plural
from regress.views.price import price_text
from regress.views.prompts import question
from regress.views.records import Block, Column, FlipText, Footnote, Row, Side, View
from regress.views.rows import row
from regress.views.sentences import WIDE_LEGEND, legend, notices, sentence, settings_heading, task_name, title
from regress.views.settings import model, name
from regress.views.untrusted import head, tail
from regress.views.words import marked

_EXCERPT, _DIFF = 150, 300
_CONTEXT, _CHANGE = 5, 12
_ALIKE = 0.5


def build(comparison: Comparison) -> View:
    """`comparison` in words."""
    general = dict.fromkeys(map(sentence, comparison.warnings))
    marks = _marks(comparison.tasks, general)
    rows = tuple(row(task, marks) for task in comparison.tasks)
    columns = (
        Column(heading="n", wide=False),
        *(Column(heading=one.heading, wide=one.wide) for one in MEASURES),
    )
    return View(
        heading=settings_heading(comparison.settings_compared),
        title=title(comparison),
        models=(("old", model(comparison.old)), ("new", model(comparison.new))),
        alarms=tuple(alarms(comparison)),
        columns=columns,
        rows=rows,
        suite=suite_line(comparison),
        legend=legend(comparison.tasks, undefined=_undefined(columns, rows)),
        wide_legend=WIDE_LEGEND,
        footnotes=(
            *(Footnote(mark="", text=text) for text in general),
            *(Footnote(mark=str(mark), text=text) for text, mark in marks.items()),
        ),
        price=price_text(comparison.price),
        blocks=tuple(_block(task) for task in comparison.tasks if task.worst and not task.members),
    )


def _marks(tasks: Iterable[TaskComparison], general: Mapping[str, None]) -> dict[str, int]:
    """Numbers of the footnotes that belong to rows, by their text, so that each is said once."""
    rest = (notice for task in tasks for notice in notices(task) if notice.code != ENGINE_AT_FAULT)
    texts = dict.fromkeys(map(sentence, rest))
    return {text: mark for mark, text in enumerate((text for text in texts if text not in general), 1)}


def _undefined(columns: Iterable[Column], rows: Iterable[Row]) -> bool:
    """Whether a number is undefined that is always shown."""
    narrow = [place for place, column in enumerate(columns) if not column.wide]
    return any(row.cells[place] == UNDEFINED for row in rows for place in narrow)


# ── worst flips ──────────────────────────────────────────────────────────────────────────────────


def _block(task: TaskComparison) -> Block:
    what = "lost" if task.task.scale == "binary" else "with a lower score"
    shown = count(len(task.worst))
    lost = task.counts.negative_flips if task.counts else instances(task, "nfr")
    return Block(
        heading=f"{task_name(task)}: {shown} of {plural(lost, 'instance')} {what}, worst first",
        flips=tuple(flip_text(task, flip) for flip in task.worst),
    )


def flip_text(task: TaskComparison, flip: Flip) -> FlipText:
    """One of a row's flips in words."""
    heading = [name(flip.instance_id), f"index {count(flip.index)}"]
    if task.task.scale != "binary":
        heading.append(f"score {number(flip.delta, 'difference', task.task.scale)}")
    if flip.kind and flip.kind != "answer":  # which is what one expects of a flip
        heading.append(name(flip.kind))
    if flip.parted is not None:
        heading.append(f"part at word {count(flip.parted + 1)}")
    diff = _diff(flip)
    # a diff that is there whole says what both wrote
    excerpts = not diff or len(diff) > _DIFF
    return FlipText(
        heading=" · ".join(heading),
        asked=tail(question(task.task, flip.prompt or ""), _EXCERPT),
        target=tail(flip.target or "", _EXCERPT),
        old=_side(task, flip.old_answer, flip.old_output, excerpts),
        new=_side(task, flip.new_answer, flip.new_output, excerpts),
        diff=head(diff, _DIFF),
    )


def _diff(flip: Flip) -> str:
    """What became of the words; empty where the texts share too few of them for a diff to help."""
    if flip.parted is None or not flip.old_output or not flip.new_output:
        return ""
    diff = word_diff(flip.old_output, flip.new_output)
    return marked(diff, context=_CONTEXT, longest=_CHANGE) if shared(diff) >= _ALIKE else ""


def _side(task: TaskComparison, answer: str | None, output: str | None, excerpts: bool) -> Side:
    """Choices by their text; a generation by what was read from it, then the part it was read from."""
    if task.task.kind == "choice" and output is not None:
        return Side(answer=head(output, _EXCERPT) or "(empty)", output="")
    missing = "not recorded" if output is None else "unreadable"
    read = missing if answer is None else head(answer, _EXCERPT) or "(empty)"
    if output is None or not excerpts or output.strip() == (answer or "").strip():
        return Side(answer=read, output="")
    excerpt = tail if task.task.scale == "binary" else head
    return Side(answer=read, output=excerpt(output, _EXCERPT))
