"""A comparison in words: the only place that formats numbers and writes sentences.

`build` turns a `Comparison` into a `View`, which the renderers only lay out. Whatever came from
outside, names as well as answers, is `visible` in it, that is harmless in a terminal; what Markdown
needs on top, its renderer does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from regress.identity import canonical_json, strict
from regress.metrics.continuous import TAU
from regress.types import Comparison, Difference, Flip, ModelSpec, Notice, TaskComparison
from regress.views.records import Block, Column, FlipText, Footnote, Row, Side, View
from regress.views.untrusted import head, tail, visible

UNDEFINED = "–"
UNKNOWN = "unknown"

Unit = Literal["rate", "level", "difference", "ratio"]

_COLUMNS: tuple[tuple[str, str, Unit, bool], ...] = (
    ("old", "old", "level", False),
    ("new", "new", "level", False),
    ("Δ", "delta", "difference", False),
    ("NFR", "nfr", "rate", False),
    ("PFR", "pfr", "rate", False),
    ("NFR_mc", "nfr_mc", "rate", False),
    ("BTC", "btc", "rate", True),
    ("BEC", "bec", "rate", True),
    ("NFI", "nfi", "rate", True),
    ("rel. NFR", "relative_nfr", "ratio", True),
    ("churn", "churn", "rate", True),
    ("m_g", "m_g", "level", True),
    ("m_r", "m_r", "level", True),
)
"""Heading, name of the estimate, unit, and whether it is shown only where there is room."""

_EXCERPT = 150
_NAME = 60


def build(comparison: Comparison) -> View:
    """`comparison` in words."""
    general = dict.fromkeys(map(sentence, comparison.warnings))
    specific = (text for task in comparison.tasks for text in map(sentence, notices(task)))
    marks = {
        text: mark for mark, text in enumerate(dict.fromkeys(t for t in specific if t not in general), 1)
    }
    return View(
        heading=settings_heading(comparison.settings_compared),
        title=title(comparison),
        models=(("old", model(comparison.old)), ("new", model(comparison.new))),
        columns=(
            Column(heading="n", wide=False),
            *(Column(heading=heading, wide=wide) for heading, _, _, wide in _COLUMNS),
        ),
        rows=tuple(_row(task, marks) for task in comparison.tasks),
        legend=_legend(comparison.tasks),
        wide_legend=_WIDE_LEGEND,
        footnotes=(
            *(Footnote(mark="", text=text) for text in general),
            *(Footnote(mark=str(mark), text=text) for text, mark in marks.items()),
        ),
        blocks=tuple(_block(task) for task in comparison.tasks if task.worst and not task.members),
    )


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def percent(rate: float) -> str:
    """A rate in [0, 1] as a percentage; what is not quite 0 or 100 does not look like it.

    >>> percent(0.613), percent(0.0001), percent(0.0), percent(math.nan)
    ('61.3', '<0.1', '0.0', '–')
    """
    if not math.isfinite(rate):
        return UNDEFINED
    if 0 < rate < 0.0005:
        return "<0.1"
    if 0.9995 <= rate < 1:
        return ">99.9"
    return f"{100 * rate:.1f}".replace("-", "−")


def points(delta: float) -> str:
    """A difference of two rates in percentage points, with its sign.

    >>> points(0.1675), points(-0.02), points(0.0), points(math.nan)
    ('+16.8', '−2.0', '0.0', '–')
    """
    if not math.isfinite(delta):
        return UNDEFINED
    return f"{100 * delta:+.1f}".replace("-", "−") if abs(delta) > 1e-9 else "0.0"


def score(value: float, *, signed: bool = False) -> str:
    """A score without bounds, to four digits.

    >>> score(-12.3456), score(0.25, signed=True), score(1234.0), score(math.nan)
    ('−12.35', '+0.2500', '1234', '–')
    """
    if not math.isfinite(value):
        return UNDEFINED
    # the alternate form keeps zeros at the end, so that a column of scores is equally precise
    return format(value, "+#.4g" if signed and value else "#.4g").rstrip(".").replace("-", "−")


def count(number: int | None) -> str:
    """A number of things.

    >>> count(10042), count(None)
    ('10,042', 'unknown')
    """
    return UNKNOWN if number is None else f"{number:,}"


def change(old: int | None, new: int | None) -> str:
    """A count before and after.

    >>> change(4, 2), change(None, 1), change(None, None)
    ('4 → 2', 'unknown → 1', 'unknown')
    """
    return UNKNOWN if old is None and new is None else f"{count(old)} → {count(new)}"


def _number(task: TaskComparison, value: float, unit: Unit) -> str:
    unbounded = task.task.scale == "unbounded"
    if unit == "ratio":
        return f"{value:.2f}" if math.isfinite(value) else UNDEFINED
    if unit == "level":
        return score(value) if unbounded else percent(value)
    if unit == "difference":
        return score(value, signed=True) if unbounded else points(value)
    return percent(value)


def _value(task: TaskComparison, name: str) -> float:
    return task.estimates[name].value if name in task.estimates else math.nan


def _times(rate: float, n: int) -> int | None:
    return round(rate * n) if math.isfinite(rate) else None


def _plural(number: int | None, noun: str, plural: str | None = None) -> str:
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def _row(task: TaskComparison, marks: Mapping[str, int]) -> Row:
    mine = sorted({marks[text] for text in map(sentence, notices(task)) if text in marks})
    return Row(
        task=task_name(task),
        cells=(
            count(task.n),
            *(_number(task, _value(task, name), unit) for _, name, unit, _ in _COLUMNS),
        ),
        marks=_ranges(mine),
        lines=tuple(line for line in (_flips_line(task), _readable_line(task), _interval_line(task)) if line),
    )


def task_name(task: TaskComparison) -> str:
    """What a row is called."""
    return head(task.task.name, _NAME) + (" (pooled)" if task.members else "")


def notices(task: TaskComparison) -> Iterator[Notice]:
    """A row's warnings, and then those of its estimates."""
    yield from task.warnings
    for estimate in task.estimates.values():
        yield from estimate.warnings


def _ranges(marks: Sequence[int]) -> str:
    """Footnote numbers with runs joined: 1, 2, 3, 5 is `1–3, 5`."""
    runs: list[list[int]] = []
    for mark in marks:
        if runs and mark == runs[-1][-1] + 1:
            runs[-1].append(mark)
        else:
            runs.append([mark])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _flips_line(task: TaskComparison) -> str:
    judged = head(task.task.metric, _NAME) + ("" if task.members else f", {task.task.num_fewshot}-shot")
    parts = [_pools(task)] if task.members else []
    parts += _binary_parts(task) if task.task.scale == "binary" else _score_parts(task)
    return "; ".join([*parts, *_side_parts(task)]) + f" ({judged})"


def _pools(task: TaskComparison) -> str:
    named = [head(name, _NAME) for name in task.members[:3]]
    more = len(task.members) - len(named)
    return "all of " + (", ".join(named) + f" and {more} more" if more else " and ".join(named))


def _binary_parts(task: TaskComparison) -> list[str]:
    counts = task.counts
    if counts is None or task.n == 0:
        return [f"{_plural(task.n, 'instance')} compared"]
    return [
        f"{count(counts.negative_flips)} lost, {count(counts.positive_flips)} gained of {count(task.n)}",
        _plural(counts.both_wrong_different, "wrong answer") + " changed",
    ]


def _score_parts(task: TaskComparison) -> list[str]:
    if task.n == 0:
        return [f"{_plural(task.n, 'instance')} compared"]
    fell, rose = (_times(_value(task, name), task.n) for name in ("nfr", "pfr"))
    loss, gain = (_number(task, _value(task, name), "level") for name in ("m_r", "m_g"))
    parts = [
        f"{count(fell)} of {count(task.n)} lower" + (f", by {loss} on average (m_r)" if fell else ""),
        f"{count(rose)} higher" + (f", by {gain} (m_g)" if rose else ""),
    ]
    if "nfr_tau" in task.estimates:
        tau = [percent(_value(task, name)) for name in ("nfr_tau", "pfr_tau")]
        parts.append(f"by more than {100 * TAU:.0f} points (τ = {TAU}): NFR {tau[0]}, PFR {tau[1]}")
    return parts


def _side_parts(task: TaskComparison) -> list[str]:
    """Unreadable and truncated answers: always for generations, else only where there are any."""
    old, new, written = task.old_side, task.new_side, task.task.kind == "generation"
    parts = []
    if written or old.unreadable or new.unreadable:
        parts.append(f"unreadable {change(old.unreadable, new.unreadable)}")
    if written or old.truncated or new.truncated:
        parts.append(f"truncated {change(old.truncated, new.truncated)}")
    if old.left_truncated or new.left_truncated:
        parts.append(f"prompts cut at the beginning {change(old.left_truncated, new.left_truncated)}")
    return parts


def _readable_line(task: TaskComparison) -> str:
    """The rates on what was readable on both sides, where that is not everything."""
    if "nfr" not in task.readable.keys() & task.estimates.keys():
        return ""
    n = task.readable["nfr"].n
    if n == task.estimates["nfr"].n:
        return ""
    rates = [
        f"{heading} {_number(task, task.readable[name].value, unit)}"
        for heading, name, unit, wide in _COLUMNS
        if name in task.readable and not wide
    ]
    return f"on the {_plural(n, 'instance')} readable on both sides: " + ", ".join(rates)


def _interval_line(task: TaskComparison) -> str:
    """The intervals, where any were made."""
    shown, levels = [], set()
    for heading, name, unit, _ in _COLUMNS:
        estimate = task.estimates.get(name)
        if estimate is None or not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
            continue
        shown.append(f"{heading} {_number(task, estimate.low, unit)} to {_number(task, estimate.high, unit)}")
        levels.add(estimate.confidence)
    level = levels.pop() if len(levels) == 1 else None
    return (f"{100 * level:g} % intervals: " if level else "intervals: ") + ", ".join(shown) if shown else ""


# ── headings and legend ──────────────────────────────────────────────────────────────────────────


def title(comparison: Comparison) -> str:
    """Who is compared with whom, and on demo items if so."""
    demo = any(task.task.data == "demo" for task in comparison.tasks)
    names = f"{tail(comparison.old.name, _NAME)} → {tail(comparison.new.name, _NAME)}"
    return names + (" (demo items, not the benchmarks)" if demo else "")


def rest(where: str) -> str:
    """Where to read on.

    >>> rest("reports/a..b")
    'The rest is in reports/a..b: report.md, comparison.json, comparison.csv.'
    """
    return f"The rest is in {visible(where)}: report.md, comparison.json, comparison.csv."


def settings_heading(differences: Sequence[Difference]) -> str:
    """Says that this compares settings, and which; empty where it compares models."""
    if not differences:
        return ""
    return "a comparison of settings, not of models: " + "; ".join(map(difference, differences))


def difference(setting: Difference) -> str:
    """One setting before and after.

    >>> difference(Difference(field="task.num_fewshot", old=0, new=5))
    'worked examples 0 → 5'
    """
    return f"{_FIELDS.get(setting.field, head(setting.field, _NAME))} {_contrast(setting.old, setting.new)}"


def model(spec: ModelSpec) -> str:
    """A model with where it comes from, its revision (or the hash of its weights) and weight type."""
    if spec.revision:
        version = f"revision {_setting(spec.revision)}"
    elif spec.fingerprint:
        version = f"weights {_setting(spec.fingerprint)}"
    else:
        version = f"revision {UNKNOWN}"
    parts = [
        spec.name,
        "" if spec.source == spec.name else spec.source,
        f"adapter {spec.adapter}" if spec.adapter else "",
        version,
        spec.dtype or f"weight type {UNKNOWN}",
        spec.quantization or "",
    ]
    return " · ".join(tail(part, _NAME) for part in parts if part)


_WIDE_LEGEND = (
    "BTC: share of the old model's right answers that stayed right. BEC: share of the new model's "
    "errors that the old one made too; NFI: share that are new. rel. NFR: NFR as a multiple of what "
    "two unrelated models of these accuracies would show. churn: share of instances with another "
    "answer. m_g, m_r: mean gain and mean loss of scores that rose or fell.",
)


def _legend(tasks: Sequence[TaskComparison]) -> tuple[str, ...]:
    lines = ["Rates in percent of all n instances, Δ in points."]
    if any(task.task.scale == "binary" for task in tasks):
        lines[0] += (
            " NFR: were right and are now wrong. PFR: were wrong and are now right. NFR_mc: are now "
            "wrong, and with another answer than before."
        )
    for scale, means in (("bounded", "mean scores × 100"), ("unbounded", "mean scores, Δ their difference")):
        names = [task_name(task) for task in tasks if task.task.scale == scale]
        if names:
            lines.append(
                f"Answers of {', '.join(names)} are scored, not right or wrong: old and new are {means}, "
                "NFR and PFR the shares of instances with a lower and with a higher score."
            )
    narrow = [name for _, name, _, wide in _COLUMNS if not wide]
    if not all(math.isfinite(_value(task, name)) for task in tasks for name in narrow):
        lines.append(f"{UNDEFINED} is undefined, or not defined for this kind of task.")
    return tuple(lines)


# ── notices ──────────────────────────────────────────────────────────────────────────────────────

_FIELDS = {
    "model.adapter": "adapter",
    "model.chat_template": "chat template",
    "model.dtype": "weight type",
    "model.quantization": "quantisation",
    "model.system": "system instruction",
    "model.tokenizer": "tokenizer",
    "engine.batch_size": "batch size",
    "engine.name": "engine",
    "engine.version": "engine version",
    "task.definition": "task definition",
    "task.num_fewshot": "worked examples",
    "task.prompts": "prompts",
    "task.scorer": "scorer",
    "task.version": "task version",
    "recorded.device": "device",
}

_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "setting-differs": lambda data: f"The runs differ: {difference(Difference(**data))}.",
    "few-items": lambda data: (
        f"Fewer than {count(data['minimum'])} instances: a few flips more or less change the picture."
    ),
    "truncation-unknown": lambda data: (
        f"Whether answers on the {data['side']} side were cut off at the longest length is unknown: "
        "the engine does not tell."
    ),
    "unreadable": lambda data: "Answers that cannot be read count as not right and stay in every rate.",
    "truncated": lambda data: (
        "Some answers were cut off at the longest length and judged as they stood; a higher limit may "
        "change them."
    ),
    "left-truncated": lambda data: (
        "Some prompts did not fit into the model's context and lost their beginning."
    ),
    "max-tokens-reduced": lambda data: (
        f"On the {data['side']} side answers were limited to {count(data['used'])} tokens instead of "
        f"{count(data['asked'])}, because the model's context is short."
    ),
    "limit-not-sample": lambda data: (
        f"Only the first {count(data['limit'])} of {count(data['n'])} instances were asked; they need "
        "not be like the rest, as a random sample would be."
    ),
    "metric-negated": lambda data: (
        f"{head(data['metric'], _NAME)} is better when lower; it is shown negated, so that higher is "
        "better in every row."
    ),
    "demo-items": lambda data: (
        "The instances are demo items, made up for trying this out; they are not the benchmarks whose "
        "names they bear."
    ),
    "per-document": lambda data: (
        f"{head(data['metric'], _NAME)} is taken per instance and averaged, which is not the figure "
        "published for a whole corpus."
    ),
    "same-run": lambda data: "Old and new are the same stored run, so nothing can differ.",
    "repeats": lambda data: (
        f"Each instance was answered {_plural(data['repeats'], 'time')}; n counts answers."
    ),
    "pool-skipped": lambda data: (
        f"No pooled row for {head(data['group'], _NAME)}: {head(data['reason'], 200)}."
    ),
    "pool-partial": lambda data: (
        f"{head(data['group'], _NAME)} pools only some of its tasks; missing: {_listed(data['missing'])}."
    ),
}


def sentence(notice: Notice) -> str:
    """A notice in words; one whose code is not known here is shown as it is.

    The row that it belongs to shows its counts already, so the sentence says what they mean: that
    way tasks with different counts share one footnote.

    >>> sentence(Notice(code="setting-differs", data={"field": "engine.batch_size", "old": 8, "new": 16}))
    'The runs differ: batch size 8 → 16.'
    >>> sentence(Notice(code="moon-phase", data={"phase": "full"}))
    'Notice moon-phase: phase full.'
    """
    if notice.code in _SENTENCES:
        return _SENTENCES[notice.code](notice.data)
    data = ", ".join(f"{head(str(key), _NAME)} {_setting(value)}" for key, value in notice.data.items())
    return f"Notice {head(notice.code, _NAME)}" + (f": {data}." if data else ".")


def _contrast(old: Any, new: Any) -> str:
    """Two values of a setting; of long ones the part where they part."""
    texts = [_plain(value) for value in (old, new)]
    if max(map(len, texts)) > 40:
        parting = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
        start = max(0, parting - 20)
        texts = [("…" if start else "") + text[start:] for text in texts]
    return " → ".join(head(text, 40) for text in texts)


def _setting(value: Any) -> str:
    return head(_plain(value), 40)


def _plain(value: Any) -> str:
    """A setting as text: a hash by its first eight digits, a structure as JSON."""
    if value is None:
        return "none"
    if isinstance(value, str):
        hashed = len(value) >= 16 and all(digit in "0123456789abcdef" for digit in value)
        return value[:8] if hashed else value
    if isinstance(value, (Mapping, list, tuple)):
        return canonical_json(strict(value))
    return str(value)


def _listed(value: Any) -> str:
    return (
        ", ".join(_setting(item) for item in value) if isinstance(value, (list, tuple)) else _setting(value)
    )


# ── worst flips ──────────────────────────────────────────────────────────────────────────────────


def _block(task: TaskComparison) -> Block:
    lost = task.counts.negative_flips if task.counts else _times(_value(task, "nfr"), task.n)
    what = "lost" if task.task.scale == "binary" else "with a lower score"
    shown = count(len(task.worst))
    return Block(
        heading=f"{task_name(task)}: {shown} of {_plural(lost, 'instance')} {what}, worst first",
        flips=tuple(_flip(task, flip) for flip in task.worst),
    )


def _flip(task: TaskComparison, flip: Flip) -> FlipText:
    heading = [head(flip.instance_id, _NAME), f"index {count(flip.index)}"]
    if task.task.scale != "binary":
        heading.append(f"score {_number(task, flip.delta, 'difference')}")
    if flip.kind:
        heading.append(head(flip.kind, _NAME))
    return FlipText(
        heading=" · ".join(heading),
        asked=tail(_question(task, flip.prompt or ""), _EXCERPT),
        target=tail(flip.target or "", _EXCERPT),
        old=_side(task, flip.old_answer, flip.old_output),
        new=_side(task, flip.new_answer, flip.new_output),
    )


def _question(task: TaskComparison, prompt: str) -> str:
    """The prompt without its worked examples, which blank lines set apart."""
    return prompt.rstrip().rpartition("\n\n")[2] if task.task.num_fewshot else prompt


def _side(task: TaskComparison, answer: str | None, output: str | None) -> Side:
    """Choices by their text; a generation by what was read from it, then the part it was read from."""
    if task.task.kind == "choice" and output is not None:
        return Side(answer=head(output, _EXCERPT) or "(empty)", output="")
    read = "unreadable" if answer is None else head(answer, _EXCERPT) or "(empty)"
    if output is None or output.strip() == (answer or "").strip():
        return Side(answer=read, output="")
    excerpt = tail if task.task.scale == "binary" else head
    return Side(answer=read, output=excerpt(output, _EXCERPT))
