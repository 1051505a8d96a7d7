"""One record to one row of a run: judged if need be, and refused if it cannot be what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from regress.errors import DataError
from regress.identity import item_id, text_hash
from regress.interop.records import Heading, Record
from regress.schema import INSTANCE, PREDICTION, target_text
from regress.scoring import choice as by_choice
from regress.scoring.score import Judgement, score
from regress.types import Finish, Kind, Status

LAST_POSITION, LAST_REPEAT = 2**31 - 1, 2**15 - 1
"""The largest that `regress.schema.PREDICTION` holds."""

RECORDED = "correct"
"""What the metric is called where a source says right or wrong and nothing else."""

ITEM = {name: f"item_{name}" for name in INSTANCE.names if name not in ("instance_id", "index")}
"""Columns of a spooled row that make up its instance, by the instance's own name for them."""

SCHEMA = pa.schema(
    [
        *(PREDICTION.field(name) for name in PREDICTION.names),
        *(pa.field(ITEM[name], INSTANCE.field(name).type) for name in ITEM),
        pa.field("where", pa.string()),
        pa.field("position", pa.int64()),
        pa.field("filter", pa.string()),
        pa.field("declared", pa.string()),
        pa.field("hashed", pa.string()),
        pa.field("own", pa.map_(pa.string(), pa.string())),
        pa.field("agrees", pa.bool_()),
    ]
)
"""A row as it is spooled: a prediction, its instance, and what decides the id and position of both."""


@dataclass(kw_only=True, slots=True)
class Row:
    """A spooled row; its fields are the columns of `SCHEMA`."""

    where: str
    position: int | None
    repeat: int
    filter: str
    declared: str | None
    hashed: str | None
    own: Mapping[str, str]
    item_prompt: str | None
    item_choices: tuple[str, ...] | None
    item_target: str | None
    item_golds: tuple[int, ...]
    item_cluster: str | None
    item_tags: Mapping[str, str]
    item_source: str | None
    prompt_hash: str
    output: str | None
    answer: str | None
    status: Status
    correct: bool | None
    score: float | None
    scores: Mapping[str, float]
    choice_logprobs: tuple[float, ...] | None
    choice_lengths: tuple[int, ...] | None
    gold_margin: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    finish: Finish | None
    error: str | None
    agrees: bool | None = None
    instance_id: str = ""
    index: int = 0
    shown_hash: str | None = None
    left_truncated: int = 0


@dataclass(kw_only=True)
class Rows:
    """Turns the records of one source into rows.

    What the heading leaves open, how the task is asked and which metric decides, the first record says.

    Raises:
        DataError: When called with a record that cannot be what it says, naming the row.
    """

    heading: Heading
    kind: Kind | None = field(default=None, init=False)
    """How the task is asked."""
    metric: str | None = field(default=None, init=False)
    """The headline metric."""

    def __call__(self, record: Record) -> Row:
        """The row of a record."""
        if self.kind is None:
            self._settle(record)
        _check_numbers(record)
        _check_choices(record)
        row = _row(record)
        if record.verbatim is not None:
            # it bears the judgement of the filter that decided
            return _verbatim(replace(row, filter=headline_filter(str(self.metric))), record)
        if self.heading.judge:
            self._judge(row, record)
        else:
            self._take(row, record)
        return row

    def _settle(self, record: Record) -> None:
        heading = self.heading
        chosen = record.logprobs is not None or record.choices is not None
        self.kind = heading.kind or ("choice" if chosen else "generation")
        self.metric = heading.metric or next(iter(record.scores), None)
        if self.metric is None:
            self.metric = RECORDED

    def _judge(self, row: Row, record: Record) -> None:
        if not record.targets and not record.golds:
            raise DataError(
                f"{record.where} has no target",
                do="Without a reference answer nothing can be judged; a column of right and wrong will do.",
            )
        judged = _judged(self.heading, str(self.metric), record)
        row.answer, row.status, row.correct = judged.answer, judged.status, judged.correct
        row.score, row.scores, row.gold_margin = judged.score, judged.scores, judged.gold_margin
        row.agrees = None if None in (record.correct, judged.correct) else record.correct == judged.correct
        if record.choices is not None and judged.answer is not None:
            row.output = record.choices[int(judged.answer)]

    def _take(self, row: Row, record: Record) -> None:
        """What the record says of itself."""
        metric = str(self.metric)
        row.scores = dict(record.scores)
        if record.correct is not None and not row.scores:
            row.scores = {metric: float(record.correct)}
        value = row.scores.get(metric)
        if value is None and record.filter != headline_filter(metric):
            return  # the row of that filter decides
        if value is None and record.status == "unparsable" and self.heading.higher_is_better:
            value = 0.0  # where lower is better, that would be the best
        if value is None or not math.isfinite(value):
            found = f"the value {value}" if value is not None else "no value"
            raise DataError(f"{record.where} has {found} of the metric {metric!r}", allowed="a number")
        row.score = value if self.heading.higher_is_better else -value
        row.correct = value == 1.0 if record.correct is None else record.correct
        if record.logprobs is not None:
            values = _units(metric, record)
            row.gold_margin = by_choice.gold_margin(values, record.golds)
            if row.gold_margin and value in (0.0, 1.0) and (row.gold_margin > 0) != row.correct:
                row.gold_margin = None  # right and wrong were decided by something else
            row.answer = str(by_choice.chosen(values)) if record.answer is None else record.answer
            if row.output is None:
                row.output = {str(i): text for i, text in enumerate(record.choices or ())}.get(row.answer)
        elif row.status == "scored" and row.answer is None and row.output is not None:
            row.answer = row.output.strip()


def _row(record: Record) -> Row:
    """What needs no judgement."""
    choices, prompt = record.choices, record.prompt
    if choices is not None and record.golds:
        target: str | None = target_text([choices[gold] for gold in record.golds])
    else:
        target = target_text(record.targets) if record.targets else None
    hashed = None if record.question is None else item_id(record.question, choices or ())
    return Row(
        where=record.where,
        position=record.position,
        repeat=record.repeat,
        filter=record.filter,
        declared=record.id,
        hashed=hashed,
        own=record.own,
        item_prompt=record.question if prompt is None else prompt,
        item_choices=choices,
        item_target=target,
        item_golds=record.golds,
        item_cluster=record.cluster,
        item_tags=record.tags,
        item_source=record.source,
        prompt_hash="" if prompt is None else text_hash(prompt),
        output=record.output,
        answer=record.answer if record.status == "scored" else None,
        status=record.status,
        correct=record.correct,
        score=None,
        scores={},
        choice_logprobs=record.logprobs,
        choice_lengths=tuple(map(len, choices)) if choices is not None else record.lengths,
        gold_margin=None,
        prompt_tokens=record.prompt_tokens,
        output_tokens=record.output_tokens,
        finish=record.finish,
        error=None,
    )


def _verbatim(row: Row, record: Record) -> Row:
    kept = record.verbatim
    assert kept is not None
    for name in PREDICTION.names:
        setattr(row, name, getattr(kept, name))
    row.declared, row.position = kept.instance_id, kept.index
    return row


def _check_numbers(record: Record) -> None:
    for name, value, most in (
        ("position", record.position, LAST_POSITION),
        ("repeat", record.repeat, LAST_REPEAT),
    ):
        if value is not None and not 0 <= value <= most:
            raise DataError(f"{record.where} has the {name} {value}", allowed=f"0 to {most}")


def _check_choices(record: Record) -> None:
    logprobs, choices, where = record.logprobs, record.choices, record.where
    counted = {
        "log-probabilities": logprobs,
        "choices": choices,
        "lengths": record.lengths if choices is None else None,
    }
    counts = {name: len(values) for name, values in counted.items() if values is not None}
    if len(set(counts.values())) > 1:
        told = " and ".join(f"{count} {name}" for name, count in counts.items())
        raise DataError(f"{where} has {told}", allowed="as many of one as of the other")
    for place, value in enumerate(logprobs or ()):
        if not math.isfinite(value):
            raise DataError(
                f"{where} has the log-probability {value} for choice {place + 1}", allowed="numbers"
            )
    count = next(iter(counts.values()), None)
    for gold in record.golds:
        if count is not None and not 0 <= gold < count:
            raise DataError(f"{where} names choice {gold} as right", allowed=f"0 to {count - 1}")


def _judged(heading: Heading, metric: str, record: Record) -> Judgement:
    scorer = heading.scorer
    if scorer.get("kind") == "choice":
        if record.logprobs is None:
            raise DataError(f"{record.where} has no log-probabilities", allowed="one for each choice")
        return score(scorer, metric, logprobs=record.logprobs, choices=_texts(record), golds=record.golds)
    if record.output is None:
        raise DataError(f"{record.where} has no output to judge", do="Leave out rows that were not answered.")
    return score(scorer, metric, outputs=[record.output], targets=record.targets)


def _units(metric: str, record: Record) -> np.ndarray:
    """What the choices are compared by; plain sums where the metric compares something else."""
    texts = record.choices is not None
    usable = {"acc": True, "acc_norm": texts or record.lengths is not None, "acc_bytes": texts}.get(metric)
    return by_choice.units(metric if usable else "acc", record.logprobs or (), _texts(record))


def _texts(record: Record) -> Sequence[str]:
    """The choices; where only their lengths are known, as many characters."""
    if record.choices is not None:
        return record.choices
    return ["?" * length for length in record.lengths or (0,) * len(record.logprobs or ())]


def headline_filter(metric: str) -> str:
    """The filter whose rows decide, from the metric's key.

    >>> headline_filter("exact_match/strict-match"), headline_filter("acc")
    ('strict-match', 'none')
    """
    return metric.partition("/")[2] or "none"
