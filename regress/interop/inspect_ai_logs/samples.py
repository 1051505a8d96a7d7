"""One sample of an inspect_ai log: what was asked, what was answered, and how it was scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regress.errors import DataError
from regress.identity import ID_FIELDS, source_json
from regress.interop.fields import Fields
from regress.interop.items import place, tags
from regress.interop.records import Record
from regress.types import Finish

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_NO_ANSWER = "N"
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
# `length` is what logs of 2024 call it
_FINISH: Mapping[str, Finish] = {
    "stop": "stop",
    "max_tokens": "length",
    "length": "length",
    "model_length": "length",
}
_ATTACHMENT = "attachment://"


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """The samples' ids in the order of the data set, and whether inspect_ai made them up."""

    ids: Mapping[str, int]
    """Place of each id among those that were to be answered; empty if the log does not list them."""
    automatic: bool
    """Whether they are nothing but places in the data set, counted from 1."""

    @classmethod
    def of(cls, told: Fields) -> Numbering:
        """The numbering of a log.

        Raises:
            DataError: If its list of ids is none.
        """
        listed, n = told.listed("eval.dataset.sample_ids"), told.count("eval.dataset.samples")
        if not all(isinstance(one, (str, int)) and not isinstance(one, bool) for one in listed):
            raise told.refusal("eval.dataset.sample_ids", listed, "texts and whole numbers")
        counted = all(isinstance(one, int) and 0 < one <= max(n or 0, len(listed)) for one in listed)
        return cls(ids={str(one): i for i, one in enumerate(listed)}, automatic=bool(listed) and counted)

    def position(self, sample: Fields, id_: str) -> int | None:
        """Place of a sample in the data set; null if the log does not list its ids."""
        if not self.ids:
            return None
        if id_ not in self.ids:
            raise DataError(f"{sample.where} has the id {id_!r}, which the log's data set does not list")
        return int(id_) - 1 if self.automatic else self.ids[id_]


def record(sample: Fields, metric: str, numbering: Numbering) -> Record:
    """What a sample tells; `metric` is the score that decides.

    Raises:
        DataError: If a field is not what the format says.
    """
    id_ = _id(sample)
    choices, targets = sample.texts("choices") or None, sample.texts("target") or ()
    question, metadata = _question(sample), sample.mapping("metadata")
    found, output = scores(sample), _output(sample)
    error = sample.text("error.message")
    if error is None and metric not in found:
        error = f"the scorer {metric!r} gave no number"
    unreadable = error is None and _unreadable(sample, metric, found[metric])
    own = {name: str(metadata[name]) for name in ID_FIELDS if isinstance(metadata.get(name), (str, int))}
    golds = [] if choices is None else [place(target, choices) for target in targets]
    return Record(
        where=sample.where,
        position=numbering.position(sample, id_),
        repeat=(sample.count("epoch") or 1) - 1,
        id=None if numbering.automatic else id_,
        own=own if numbering.automatic else {},
        question=question,
        prompt=_prompt(sample) or question,
        choices=choices,
        golds=tuple(sorted({gold for gold in golds if gold is not None})),
        targets=targets,
        tags=tags(metadata),
        source=source_json({"input": question, "choices": choices, "target": targets, **metadata}),
        output=output,
        answer=None if unreadable or error is not None else _answer(sample, metric, output),
        status="error" if error is not None else "unparsable" if unreadable else "scored",
        scores=found,
        prompt_tokens=sample.count("output.usage.input_tokens"),
        output_tokens=sample.count("output.usage.output_tokens"),
        finish=_finish(sample),
        error=error,
    )


def _id(sample: Fields) -> str:
    id_ = sample.value("id")
    if isinstance(id_, bool) or not isinstance(id_, (str, int)) or id_ == "":
        raise sample.refusal("id", id_, "a text or a whole number")
    return str(id_)


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


def scores(sample: Fields) -> dict[str, float]:
    """Each scorer's value; of a scorer that gives several, `scorer.name`. What is no number is left out.

    >>> sample = {"scores": {"match": {"value": "C"}, "judge": {"value": {"style": 0.25}}}}
    >>> scores(Fields("log.json", sample))
    {'match': 1.0, 'judge.style': 0.25}
    """
    found = {}
    for scorer, score in sample.mapping("scores").items():
        value = Fields(sample.where, {"value": score}).value("value.value")
        name = _plain(scorer)
        parts = {name: value}
        if isinstance(value, Mapping):
            parts = {f"{name}.{_plain(str(part))}": one for part, one in value.items()}
        numbers = {part: _number(one) for part, one in parts.items()}
        found.update({part: number for part, number in numbers.items() if math.isfinite(number)})
    return found


def _plain(name: str) -> str:
    """A name without its package: a slash would set off the filter of a metric."""
    return name.rpartition("/")[2]


def _number(value: Any) -> float:
    """The number that inspect_ai makes of a value; nan of what is none, and of a sample left unscored."""
    if isinstance(value, str):
        value = _GRADES.get(value, _WORDS.get(value.lower(), value))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _score(sample: Fields, metric: str) -> Fields:
    """The scorer's own object of the score that decides."""
    for scorer, score in sample.mapping("scores").items():
        if isinstance(score, Mapping) and _plain(scorer) in (metric, metric.partition(".")[0]):
            return Fields(f"{sample.where}, scores", score)
    return Fields(sample.where, {})


def _unreadable(sample: Fields, metric: str, value: float) -> bool:
    """No answer was read: graded N, or wrong with an empty answer."""
    score = _score(sample, metric)
    return score.value("value") == _NO_ANSWER or (score.value("answer") == "" and value == 0)


def _answer(sample: Fields, metric: str, output: str | None) -> str | None:
    read = _score(sample, metric).text("answer")
    return (output or "").strip() if read is None and output is not None else read


# ── texts ────────────────────────────────────────────────────────────────────────────────────────


def _question(sample: Fields) -> str | None:
    """What was asked: the input, of a conversation its last turn by the user."""
    given = sample.value("input")
    if given is None or isinstance(given, str):
        return None if given is None else _resolved(sample, given)
    turns = [text for role, text in _turns(sample, "input") if role == "user"]
    return turns[-1] if turns else None


def _prompt(sample: Fields) -> str | None:
    """All turns before the model's first; only the text where it is the user's alone."""
    turns = []
    for role, text in _turns(sample, "messages"):
        if role == "assistant":
            break
        turns.append((role, text))
    if [role for role, _ in turns] == ["user"]:
        return turns[0][1]
    return "\n\n".join(f"{role}: {text}" for role, text in turns) or None


def _output(sample: Fields) -> str | None:
    completion = sample.text("output.completion")
    if completion is not None and (completion or not sample.listed("output.choices")):
        return _resolved(sample, completion)
    choice = _first_choice(sample)
    return _content(sample, choice.value("message.content")) if choice else completion


def _finish(sample: Fields) -> Finish | None:
    """Cut off by the longest output, or by a limit on the sample's tokens."""
    if sample.mapping("limit").get("type") == "token":
        return "length"
    choice = _first_choice(sample)
    return None if choice is None else _FINISH.get(choice.text("stop_reason") or "")


def _first_choice(sample: Fields) -> Fields | None:
    choices = sample.listed("output.choices")
    if not choices:
        return None
    if not isinstance(choices[0], Mapping):
        raise sample.refusal("output.choices", choices, "a list of objects")
    return Fields(f"{sample.where}, output.choices", choices[0])


def _turns(sample: Fields, path: str) -> list[tuple[str, str]]:
    turns = [turn for turn in sample.listed(path) if isinstance(turn, Mapping)]
    return [(str(turn.get("role")), _content(sample, turn.get("content")) or "") for turn in turns]


def _content(sample: Fields, content: Any) -> str | None:
    """A message's text: of several parts those that are text, not reasoning or images."""
    if isinstance(content, str):
        return _resolved(sample, content)
    parts: Sequence[Any] = content if isinstance(content, list) else []
    texts = [
        part["text"]
        for part in parts
        if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
    ]
    return "\n".join(_resolved(sample, text) for text in texts) if texts else None


def _resolved(sample: Fields, text: str) -> str:
    """The text, or the attachment that it refers to."""
    if text.startswith(_ATTACHMENT):
        attached = sample.mapping("attachments").get(text.removeprefix(_ATTACHMENT))
        return attached if isinstance(attached, str) else text
    return text
