"""What a model does by itself: what reruns moved, and whether the engine is sound."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from regress.metrics.continuous import TAU
from regress.views.listing import table, wrap
from regress.views.numbers import UNDEFINED, UNKNOWN, count, percent, plural, score
from regress.views.settings import name
from regress.views.untrusted import head, tail

_KINDS = {
    "rerun": "nothing",
    "batch": "the batch size",
    "order": "the order of instances",
    "hardware": "the device",
    "seed": "the seed of sampling",
}
_HEADERS = ["task", "kind", "runs", "flips %", "NFR floor %", "same output %", "margins move"]
_NAME, _REASON = 60, 200


def noise_table(document: Mapping[str, Any], *, width: int | None = 80) -> str:
    """What each kind of rerun moved, one a line, with what to know below.

    Args:
        document: `regress.workflows.noise.Noise.document()`.
        width: Cells of the terminal; null to break no line.
    """
    tasks = document["tasks"]
    rows = [_row(task["task"], kind, moved) for task in tasks for kind, moved in task["kinds"].items()]
    title = f"{tail(str(document['model']), _NAME)} against itself"
    notes = [line for sentence in _lines(tasks) for line in (wrap(sentence, width) if width else [sentence])]
    listed = table(_HEADERS, rows, width=width) if rows else "No rerun is stored."
    return "\n\n".join(part for part in (title, listed, "\n".join(notes)) if part)


def _row(task: str, kind: str, moved: Mapping[str, Any]) -> list[str]:
    by_score = moved["flips"] is None
    epsilon = _value(moved["epsilon"])
    return [
        task,
        kind,
        count(moved["runs"]),
        percent(_value(moved["moved"] if by_score else moved["flips"])),
        percent(_value(moved["nfr"])),
        percent(_value(moved["identical"])),
        UNDEFINED if math.isnan(epsilon) else f"{'≤ ' if moved['capped'] else ''}{score(epsilon)}",
    ]


def _value(number: float | None) -> float:
    return math.nan if number is None else number


# ── sentences ────────────────────────────────────────────────────────────────────────────────────


def _lines(tasks: Any) -> Iterator[str]:
    kinds = dict.fromkeys(kind for task in tasks for kind in task["kinds"])
    if kinds:
        yield f"What a rerun changed: {'; '.join(f'{kind}, {_changed(kind)}' for kind in kinds)}."
    if any(moved["flips"] is None for task in tasks for moved in task["kinds"].values()):
        yield "Of tasks with scores, flips are scores that differ at all."
    for task in tasks:
        for kind, moved in task["kinds"].items():
            if moved["moved"]:
                yield f"{name(task['task'])}, {kind}: {_scores(moved)}"
    yield from _together(tasks, lambda task: [padding(task["padding"])] if task["padding"] else [])
    yield from _together(tasks, lambda task: [sentence(notice) for notice in task["notices"]])


def _changed(kind: str) -> str:
    return _KINDS.get(kind, name(kind))


def _scores(moved: Mapping[str, Any]) -> str:
    return (
        f"{percent(moved['moved_tau'])} % of the scores differ by more than {TAU:g}, 95 % by at most "
        f"{score(moved['moved_95'])}. This is advice: a tolerance is declared, not taken from noise."
    )


def _together(tasks: Any, said: Callable[[Mapping[str, Any]], list[str]]) -> Iterator[str]:
    """Each sentence once, after the tasks that it is about."""
    about: dict[str, list[str]] = {}
    for task in tasks:
        for line in said(task):
            about.setdefault(line, []).append(name(task["task"]))
    for line, names in about.items():
        yield f"{', '.join(names)}: {line}"


def padding(check: Mapping[str, Any]) -> str:
    """The float32 padding check in words.

    >>> padding({"n": 400, "batch_size": 8, "largest": 2e-5, "threshold": 0.01, "sound": True})
    'padding is sound; in float32, 400 log-likelihoods differ by at most 2e-05 between batches of 1 and of 8.'
    """
    about, size = plural(check["n"], "log-likelihood"), count(check["batch_size"])
    if check["sound"]:
        return (
            f"padding is sound; in float32, {about} differ by at most {check['largest']:.1g} between batches "
            f"of 1 and of {size}."
        )
    by = "and some are lost" if check["largest"] is None else f"by up to {check['largest']:.2g}"
    return (
        f"THE ENGINE, NOT THE MODEL, IS AT FAULT. In float32, {about} differ between batches of 1 and of "
        f"{size}, {by}; rounding stays far below {check['threshold']:g}. It pads or masks wrongly, and until "
        "that is mended its flips say nothing about any model."
    )


def sentence(notice: Mapping[str, Any]) -> str:
    """What was left out, or what to know, in words; one whose code is not known is shown as it is.

    >>> sentence({"code": "few-reruns", "data": {"runs": 2, "minimum": 3}})
    'only 2 runs in all; with fewer than 3, what is said of the noise holds for these alone.'
    """
    told = _SENTENCES.get(notice["code"])
    return told(notice["data"]) if told else f"notice {name(notice['code'])}."


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "few-reruns": lambda data: (
        f"only {plural(data['runs'], 'run')} in all; with fewer than {count(data['minimum'])}, what is said "
        "of the noise holds for these alone."
    ),
    "changes-nothing": lambda data: (
        f"no rerun that changes {_changed(data['kind'])}: no answer here depends on it."
    ),
    "rerun-elsewhere": lambda data: (
        f"the reruns that change {_changed(data['kind'])} were also made on another device "
        f"({name(data['rerun'] or UNKNOWN)}, the run on {name(data['run'] or UNKNOWN)}); what they moved is "
        "not that change alone."
    ),
    "padding-no-dtype": lambda data: (
        f"no padding check: engine {name(data['engine'])} does not let its weight type be chosen."
    ),
    "padding-quantised": lambda data: (
        f"no padding check: {name(data['quantization'])} weights do not run in float32."
    ),
    "padding-failed": lambda data: f"no padding check: {head(data['why'], _REASON)}.",
    "padding-no-questions": lambda data: "no padding check: no answer here has a log-likelihood.",
}
