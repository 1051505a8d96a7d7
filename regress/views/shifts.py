"""How answers changed as a whole, in words: a sentence where they degenerate, a line where there is room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from regress.types import Kind, Shift, TaskComparison
from regress.views.numbers import p_value, percent, plural, worded
from regress.views.untrusted import head

_ANSWER = 30
_COMMON, _LIKELY = 0.10, 0.05


def degenerate(data: Mapping[str, Any]) -> str:
    """A degenerate shift as a sentence that names the finding.

    >>> degenerate({"measure": "length", "old": 48.2, "new": 9.0})
    'The new model writes 9.0 words on average; the old one 48.2.'
    """
    return _SENTENCES[data["measure"]](data)


def divergence_line(task: TaskComparison) -> str:
    """On how many instances both wrote the same, and where the others part; empty for other tasks."""
    found = task.divergence
    if found is None:
        return ""
    of = "the instances" if found.n == task.n else f"the {plural(found.n, 'instance')} with both texts"
    same = f"outputs equal on {worded(percent(found.equal))} % of {of}"
    if found.equal == 1:
        return same
    return f"{same}; the others part at word {found.median_word + 1:g} (median)"


def shifts_line(task: TaskComparison) -> str:
    """The measures of the answers as a whole, old and new, without what hardly occurs; empty for none."""
    shown = [_measured(shift, task.task.kind) for shift in task.shifts if _occurs(shift)]
    return "answers as a whole: " + ", ".join(shown) if shown else ""


def _occurs(shift: Shift) -> bool:
    # an answer to a few instances is what one of them says, and reports without texts keep that to themselves
    one_of_many = shift.measure in ("commonest", "output")
    return max(shift.old, shift.new) >= (_COMMON if one_of_many else 1e-9)


def _measured(shift: Shift, kind: Kind) -> str:
    """One measure, with its p-value where it is small."""
    values = f"{_value(shift.measure, shift.old)} → {_value(shift.measure, shift.new)}"
    answer = f" ({_named(shift.answer, kind)})" if shift.answer is not None else ""
    p = f" (Holm {p_value(shift.p_holm)})" if shift.p_holm < _LIKELY else ""
    return f"{_NAMES[shift.measure]}{answer} {values}{p}"


_NAMES = {
    "commonest": "commonest new answer",
    "entropy": "entropy in bits",
    "output": "commonest new output",
    "length": "words",
    "empty": "empty",
    "refusal": "like a refusal",
    "repetition": "ending in a loop",
    "runaway": "going on into a new prompt",
}


def _value(measure: str, value: float) -> str:
    return {"entropy": f"{value:.2f}", "length": f"{value:.1f}"}.get(measure, percent(value))


def _named(answer: str, kind: Kind) -> str:
    """An answer by what it says; of choices by its place, counted from 1 as people do.

    >>> _named("no", "generation"), _named("1", "choice")
    ('“no”', 'choice 2')
    """
    if kind == "choice" and answer.isdecimal():
        return f"choice {int(answer) + 1}"
    return f"“{head(answer, _ANSWER)}”"


# ── sentences ────────────────────────────────────────────────────────────────────────────────────


def _commonest(data: Mapping[str, Any]) -> str:
    old, new = (worded(percent(data[side])) for side in ("old", "new"))
    answer = data["answer"]
    answers = "gives one and the same answer" if answer is None else f"answers {_named(answer, data['kind'])}"
    of = "the instances" + ("" if data["all_read"] else " readable on both sides")
    return f"The new model {answers} to {new} % of {of}; the old one to {old} %."


def _entropy(data: Mapping[str, Any]) -> str:
    old, new = (_value("entropy", data[side]) for side in ("old", "new"))
    return (
        f"The new model's answers vary less: the entropy of their distribution fell from {old} to {new} bits."
    )


def _output(data: Mapping[str, Any]) -> str:
    old, new = (worded(percent(data[side])) for side in ("old", "new"))
    text = head(data["answer"], _ANSWER)
    return f"{new} % of the new model's outputs are nothing but “{text}”; of the old one's {old} %."


def _length(data: Mapping[str, Any]) -> str:
    old, new = (_value("length", data[side]) for side in ("old", "new"))
    return f"The new model writes {new} words on average; the old one {old}."


def _texts(what: str) -> Callable[[Mapping[str, Any]], str]:
    def sentence(data: Mapping[str, Any]) -> str:
        old, new = (worded(percent(data[side])) for side in ("old", "new"))
        return f"{new} % of the new model's outputs {what}; of the old one's {old} %."

    return sentence


_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "commonest": _commonest,
    "entropy": _entropy,
    "output": _output,
    "length": _length,
    "empty": _texts("are empty"),
    "refusal": _texts("begin like a refusal"),
    "repetition": _texts("end in a loop, saying one thing over and over"),
    "runaway": _texts("go on into a new prompt, as if no stop string had been applied"),
}
