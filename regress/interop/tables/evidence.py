"""What in a table tells whether an answer is right, and what a record holds of it.

The first of these that is there decides: a text that a known task's scorer judges; log-probabilities of
choices; a column of right and wrong; a chosen choice; a text equal to the reference; a score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from regress.errors import DataError
from regress.interop.rows import headline_filter
from regress.interop.tables import cells
from regress.interop.tables.choices import Choosable, Form, chosen, elements, golds
from regress.interop.tables.columns import Row
from regress.interop.tables.items import Item
from regress.types import Finish, Kind, Scale

_FINISH: Mapping[str, Finish] = {
    **dict.fromkeys(("stop", "eos", "end_turn", "stop_sequence", "eos_token", "finished"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_length", "model_length"), "length"),
}

LONGEST_CHOICE = 1_000_000
"""Characters; a length beyond is something else."""

Told = dict[str, Any]
"""Fields of a `Record`."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How answers of a table are, or were, judged."""

    told: Callable[[Row, Item], Told]
    """What a row tells of the answer: fields of its record, those of the item left out."""
    metric: str | None
    """Headline metric; null for a plain column of right and wrong."""
    kind: Kind | None = None
    """How the task is asked; null: as the records show."""
    scale: Scale | None = "binary"
    """How it is judged; null: as the records show."""
    higher_is_better: bool = True
    """Direction of the headline metric."""
    scorer: Mapping[str, Any] = field(default_factory=lambda: {"kind": "recorded"})
    """How answers are judged, as data."""
    judge: bool = False
    """Whether `scorer` has to judge them."""
    remarks: tuple[str, ...] = ()
    """What the user should see."""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Reads what is right: a choice, a text or a list of texts."""

    form: Form | None
    """How choices are named; null if it is a text."""
    column: str
    """Where it stands, for messages."""
    needed: bool = True
    """Whether nothing can be judged without it."""

    def __call__(self, row: Row, item: Item, count: int | None) -> Told:
        """The fields of a record that say it.

        Raises:
            DataError: If it is missing and needed, or names no choice.
        """
        if not self.needed and (item.target is None or (self.form is not None and count is None)):
            return {}
        if self.form is not None:
            among = Choosable(count=count, texts=item.choices)
            return {"golds": golds(item.target, self.form, among, row.where, self.column)}
        told = tuple(cells.text(one) for one in elements(item.target))
        targets = tuple(one for one in told if one is not None)
        if not targets or len(targets) < len(told):
            raise DataError(
                f"{row.where} has no target: nothing stands in the column {self.column!r}",
                do="Without a reference answer nothing can be judged; a column of right and wrong will do.",
            )
        return {"targets": targets}


@dataclass(frozen=True, kw_only=True)
class Likelihoods:
    """Choices are compared by their log-probabilities."""

    role: str | None
    """`logprobs` or `nll`; null if there are none."""
    targets: Targets

    def __call__(self, row: Row, item: Item) -> Told:
        """Log-probabilities, lengths and right choices of a row."""
        told: Told = {}
        count = None if item.choices is None else len(item.choices)
        if self.role is not None:
            told["logprobs"] = logprobs(row, self.role)
            count = len(told["logprobs"])
            if item.choices is not None and len(item.choices) != count:
                raise DataError(
                    f"{row.where} has {count} log-probabilities and {len(item.choices)} choices",
                    allowed="as many of one as of the other",
                )
        if row.layout.has("lengths") and item.choices is None:
            told["lengths"] = _lengths(row, count)
        return told | self.targets(row, item, count)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The scorer judges: log-probabilities, or the text that was written."""

    choices: Likelihoods
    metric: str

    def __call__(self, row: Row, item: Item) -> Told:
        """What is to be judged, and what was recorded of it."""
        told = self.choices(row, item) | {"filter": headline_filter(self.metric)}
        if row.layout.has("correct"):
            told["correct"] = row.truth("correct")
        if self.choices.role is None:
            told["output"] = row.text("prediction")
            if told["output"] is None:
                column = row.column("prediction")
                nothing = f'nothing stands in the column {column!r} (in CSV an empty answer is written "")'
                told |= {"status": "error", "error": nothing}
        return told


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A column says right or wrong, or what was scored."""

    choices: Likelihoods
    metric: str | None
    scores: Mapping[str, str]
    """Columns of scores, by metric."""

    def __call__(self, row: Row, item: Item) -> Told:
        """What was recorded."""
        told = self.choices(row, item) | {"output": row.text("prediction")}
        scores = {name: cells.number(value, row.where, name) for name, value in row.each("score")}
        told["scores"] = {metric: scores[column] for metric, column in self.scores.items()}
        told["filter"] = headline_filter(self.metric or "")
        if row.layout.has("correct"):
            told["correct"] = row.truth("correct")
            if self.metric is not None:
                told["scores"] = {self.metric: float(told["correct"]), **told["scores"]}
        if row.layout.has("answer"):
            told["answer"] = row.name("answer")
            if told["answer"] is None and not told.get("correct"):
                told["status"] = "unparsable"
        return told


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The model named a choice: right if it is a right one, unreadable if it is none."""

    targets: Targets
    form: Form
    metric: str

    def __call__(self, row: Row, item: Item) -> Told:
        """Which choice it was, and whether it is right."""
        count = None if item.choices is None else len(item.choices)
        told = self.targets(row, item, count)
        said = row.cell("answer" if row.layout.has("answer") else "prediction")
        index = chosen(said, self.form, Choosable(count=count, texts=item.choices))
        right = index is not None and index in told["golds"]
        if row.layout.has("prediction"):
            told["output"] = row.text("prediction")
        elif index is not None and item.choices is not None:
            told["output"] = item.choices[index]
        return told | {
            "answer": None if index is None else str(index),
            "status": "unparsable" if index is None else "scored",
            "correct": right,
            "scores": {self.metric: float(right)},
            "filter": headline_filter(self.metric),
        }


def logprobs(row: Row, role: str) -> tuple[float, ...]:
    """A row's log-probabilities; negative log-likelihoods are negated.

    Raises:
        DataError: If one is missing or not finite.
    """
    found = row.numbers(role)
    return found if role == "logprobs" else tuple([-value for value in found])


def around(row: Row) -> Told:
    """What a row tells beside item and answer."""
    layout = row.layout
    told: Told = {}
    for role, name in (("index", "position"), ("repeat", "repeat")):
        if layout.has(role):
            told[name] = cells.whole(row.cell(role), row.where, row.column(role))
    for role in ("prompt_tokens", "output_tokens"):
        if layout.has(role):
            told[role] = row.whole(role)
    if layout.has("finish"):
        told["finish"] = _FINISH.get((row.text("finish") or "").strip().lower())
    return told


def _lengths(row: Row, count: int | None) -> tuple[int, ...]:
    several = row.each("lengths")
    if len(several) == 1:
        several = [(several[0][0], one) for one in cells.listed(several[0][1], row.where, several[0][0])]
    found = tuple(cells.whole(value, row.where, name) for name, value in several)
    if (count is not None and len(found) != count) or not all(0 < one <= LONGEST_CHOICE for one in found):
        raise DataError(
            f"{row.where} has the lengths {list(found)}",
            allowed=f"one from 1 to {LONGEST_CHOICE} for each log-probability",
        )
    return found
