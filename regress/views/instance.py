"""One instance whole, in a terminal and for programs (`regress show --json`).

Schema `regress.instance/1`. What is undefined or unknown is null, and fields may be added without a new
version.

    schema              "regress.instance/1"
    title, old, new, demo, settings_compared    as in `comparison.json` (`regress.views.export`)
    repeats             one object each time that it was asked: every field of
                        `regress.comparison.paired.PairedInstance`
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from regress.comparison.paired import PairedInstance
from regress.identity import plain
from regress.metrics.words import word_diff
from regress.scoring.choice import units
from regress.types import Comparison, Instance, Prediction, TaskSpec
from regress.views.export import compared, representable
from regress.views.flips import change, means
from regress.views.listing import lay_out, pad, wrap
from regress.views.numbers import UNDEFINED, UNKNOWN, about, count, score
from regress.views.prompts import question
from regress.views.sentences import settings_heading, title
from regress.views.settings import name
from regress.views.terminal import NARROWEST, Ink, hanging
from regress.views.untrusted import head, visible, visible_lines
from regress.views.words import inked, marked

SCHEMA = "regress.instance/1"

_INDENT = "  "
_LONGEST = 300
_BAR = 24
"""Cells of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"

_BARS = (
    "✓ right, ► chosen. Numbers are log-probabilities; bars run from the lowest to the highest {unit} "
    "of both sides."
)
_UNITS = {"acc_norm": "one per character", "acc_bytes": "one per byte"}


# ── for programs ─────────────────────────────────────────────────────────────────────────────────


def document(comparison: Comparison, repeats: Sequence[PairedInstance]) -> dict[str, Any]:
    """The instance as an object, ready for `json.dumps(allow_nan=False)`."""
    whole: dict[str, Any] = representable(
        {"schema": SCHEMA, **compared(comparison), "repeats": [plain(one) for one in repeats]}
    )
    return whole


# ── for people ───────────────────────────────────────────────────────────────────────────────────


def render(
    comparison: Comparison,
    repeats: Sequence[PairedInstance],
    *,
    full: bool = False,
    width: int = 80,
    color: bool = False,
) -> str:
    """The instance as text that ends with a line end.

    Args:
        comparison: What it is part of.
        repeats: The instance, once for each time that it was asked.
        full: Whether to show the prompt with its worked examples.
        width: Cells that no line exceeds (at least 60).
        color: Whether to set headings and differences off; the text is the same without.
    """
    width, ink, first = max(width, NARROWEST), Ink(color), repeats[0]
    sections = [
        list(_heading(comparison, first, width, ink)),
        _asked(first, full, width, ink),
        _text("target", first.instance.target, width, ink),
    ]
    for one in repeats:
        if len(repeats) > 1:
            sections.append([ink.bold(f"repeat {one.old.repeat}")])
        sections += [_verdict(one, width), _facts(one, width, ink), *_answers(one, width, ink)]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _heading(comparison: Comparison, one: PairedInstance, width: int, ink: Ink) -> Iterator[str]:
    instance = one.instance
    where = f"{name(one.task.name)}/{visible(instance.id)} · index {count(instance.index)}"
    yield from map(ink.bold, wrap(where, width))
    for text in (settings_heading(comparison.settings_compared), title(comparison)):
        yield from wrap(text, width) if text else ()
    cluster = [("cluster", instance.cluster)] if instance.cluster is not None else []
    for tag, value in (*cluster, *sorted(instance.tags.items())):
        yield from hanging(_INDENT, f"{name(tag)}: {head(value, _LONGEST)}", width)


def _verdict(one: PairedInstance, width: int) -> list[str]:
    """Where it lies and why, in one sentence."""
    if one.quadrant is None:
        return ["the same score on both sides"]
    binary = one.task.scale == "binary"
    words = [means(one.quadrant, one.task)]
    if one.kind:
        words.append(f"kind: {one.kind}")
    if math.isfinite(one.delta) and (one.task.kind == "choice" or not binary):
        words.append(f"Δ {'margin' if one.task.kind == 'choice' else 'score'} {change(one.task, one.delta)}")
    if one.parted is not None:
        words.append(f"outputs part at word {count(one.parted + 1)}")
    return wrap(" · ".join(words), width)


def _asked(one: PairedInstance, full: bool, width: int, ink: Ink) -> list[str]:
    prompt = one.instance.prompt
    if prompt is None or full:
        return _text("prompt", prompt, width, ink)
    shown = question(one.task, prompt)
    folded = "" if shown == prompt else "(its last paragraph; --full shows the worked examples before it)"
    return _text("prompt", shown, width, ink, note=folded)


def _text(label: str, text: str | None, width: int, ink: Ink, *, note: str = "") -> list[str]:
    """A text whole under its label, its line ends and indentation kept."""
    if text is None:
        return [f"{ink.bold(label)} {UNKNOWN}"]
    notes = [ink.dim(line) for line in hanging(_INDENT, note, width)] if note else []
    return [ink.bold(label), *notes, *_block(text, width)]


def _block(text: str, width: int) -> Iterator[str]:
    for line in visible_lines(text.strip("\r\n")):
        bare = line.lstrip()
        indent = min(len(line) - len(bare), width // 2)
        yield from hanging(_INDENT + " " * indent, bare, width)


def _facts(one: PairedInstance, width: int, ink: Ink) -> list[str]:
    """What is known of both answers, side by side."""
    rows = [["", "old", "new"]]
    for label, fact in _FACTS:
        cells = [fact(one.task, side) for side in (one.old, one.new)]
        if any(cells):
            rows.append([label, *(cell or UNDEFINED for cell in cells)])
    for metric in dict.fromkeys((*one.old.scores, *one.new.scores)):
        values = [side.scores.get(metric, math.nan) for side in (one.old, one.new)]
        rows.append([name(metric), *map(about, values)])
    lines = lay_out(rows, right=[False] * 3, width=width - len(_INDENT), spared=[True, False, False])
    header, *body = [_INDENT + line for line in lines]
    return [ink.dim(header), *body]


def _answer(task: TaskSpec, side: Prediction) -> str:
    if side.answer is None:
        return "(not stored)" if side.output is None and side.status == "scored" else "(unreadable)"
    return head(side.answer, _LONGEST) or "(empty)"


def _known(value: int | None) -> str:
    return "" if value is None else count(value)


_FACTS: tuple[tuple[str, Callable[[TaskSpec, Prediction], str]], ...] = (
    ("answer", _answer),
    ("correct", lambda task, side: "" if side.correct is None else "yes" if side.correct else "no"),
    ("status", lambda task, side: side.status),
    ("error", lambda task, side: head(side.error or "", _LONGEST)),
    ("finish", lambda task, side: (side.finish or UNKNOWN) if task.kind == "generation" else ""),
    (
        "gold margin",
        lambda task, side: "" if side.gold_margin is None else score(side.gold_margin, signed=True),
    ),
    ("prompt tokens", lambda task, side: _known(side.prompt_tokens)),
    ("output tokens", lambda task, side: _known(side.output_tokens)),
    ("cut off on the left", lambda task, side: count(side.left_truncated) if side.left_truncated else ""),
)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def _answers(one: PairedInstance, width: int, ink: Ink) -> Iterator[list[str]]:
    if one.old.choice_logprobs or one.new.choice_logprobs:
        yield list(_choices(one, width, ink))
        return
    for label, side in (("old output", one.old), ("new output", one.new)):
        yield _text(label, side.output, width, ink)
    if one.old.output is not None and one.new.output is not None and one.parted is not None:
        diff = marked(word_diff(one.old.output, one.new.output))
        lines = hanging(_INDENT, diff, width)
        yield [ink.bold("word diff"), *inked(lines, old=ink.old, new=ink.new)]


def _choices(one: PairedInstance, width: int, ink: Ink) -> Iterator[str]:
    sides = [
        (label, _Bars(one.task, one.instance, side)) for label, side in (("old", one.old), ("new", one.new))
    ]
    ends = [value for _, side in sides for value in side.values if math.isfinite(value)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 0.0)
    yield ink.bold("choices")
    for place in range(max(len(side.values) for _, side in sides)):
        choices = one.instance.choices
        text = head(choices[place], _LONGEST) if choices and place < len(choices) else f"choice {place}"
        gold = "✓" if place in one.instance.golds else " "
        yield from hanging(f"{_INDENT}{place:>2} {gold} ", text, width)
        for label, side in sides:
            yield f"       {label} {side.line(place, low, high)}".rstrip()
    unit = _UNITS.get(one.task.metric.partition("/")[0], "one")
    yield from (ink.dim(line) for line in wrap(_BARS.format(unit=unit), width))


class _Bars:
    """The choices of one side: their log-probabilities, and what the choice is made by."""

    def __init__(self, task: TaskSpec, instance: Instance, side: Prediction) -> None:
        self.logprobs = side.choice_logprobs or ()
        self.values = self._decisive(task, instance)
        self._chosen = side.answer

    def _decisive(self, task: TaskSpec, instance: Instance) -> Sequence[float]:
        if task.metric.partition("/")[0] in _UNITS and len(instance.choices or ()) == len(self.logprobs):
            made: list[float] = units(task.metric, self.logprobs, instance.choices or ()).tolist()
            return made
        return self.logprobs

    def line(self, place: int, low: float, high: float) -> str:
        """One choice: whether it was chosen, its log-probability, and a bar from `low` to `high`."""
        if place >= len(self.logprobs):
            return UNKNOWN
        chosen = "►" if self._chosen == str(place) else " "
        return f"{chosen} {pad(score(self.logprobs[place]), 8, True)}  {bar(self.values[place], low, high)}"


def bar(value: float, low: float, high: float) -> str:
    """A bar, empty at `low` and full at `high`, in eighths of a cell.

    >>> bar(1.0, 0.0, 2.0), bar(0.0, 0.0, 2.0)
    ('████████████', '')
    """
    if not math.isfinite(value) or high <= low:
        return ""
    eighths = round(8 * _BAR * (value - low) / (high - low))
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
