"""One row of an Every Eval Ever samples file: which task and metric it belongs to, and what it tells."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from regress.errors import DataError
from regress.identity import source_json
from regress.interop import lines
from regress.interop.exports.reader import record as exported_record
from regress.interop.exports.rows import checked
from regress.interop.fields import Fields
from regress.interop.items import place, tags
from regress.interop.records import Record
from regress.interop.rows import headline_filter
from regress.types import Finish, Status

OURS = "regress"
"""Key under which regress keeps what has no field: of `metadata`, of `source_metadata.additional_details`."""

UNNAMED = "score"
"""What a metric is called that no aggregate result names."""

_FINISH: dict[str, Finish] = {"stop": "stop", "max_tokens": "length"}
_UNREADABLE = "[invalid]"
_EPOCH = re.compile("[1-9][0-9]{0,3}")


def task_and_metric(row: Fields) -> tuple[str, str]:
    """Which task a row belongs to, and which of its metrics; lm-eval's filter is part of the metric.

    >>> task_and_metric(Fields("s:1", {"evaluation_name": "piqa", "evaluation_result_id": "acc"}))
    ('piqa', 'acc')
    >>> filtered = {"evaluation_name": "gsm8k/strict", "evaluation_result_id": "exact_match:strict"}
    >>> task_and_metric(Fields("s:1", filtered))
    ('gsm8k', 'exact_match/strict')

    Raises:
        DataError: If it does not name its evaluation.
    """
    name, result = row.text("evaluation_name"), row.text("evaluation_result_id") or UNNAMED
    if not name:
        raise DataError(f"{row.where} has no evaluation_name", do="It is no row of Every Eval Ever samples.")
    metric, _, filter_ = result.partition(":")
    if filter_ and name.endswith(f"/{filter_}"):
        return name.removesuffix(f"/{filter_}"), f"{metric}/{filter_}"
    return name, result


def record(row: Fields, metric: str, headline: str) -> Record:
    """What a row tells, which is the value of `metric`; the row of the headline decides.

    Raises:
        DataError: If a field is not what the format says.
    """
    choices = _choices(row)
    references = row.texts("input.reference") or ()
    output = _output(row)
    answer, status = _answer(row, choices, output)
    error = row.text("error") or None
    score = row.number("evaluation.score")
    usage = row.mapping("token_usage")
    return Record(
        where=row.where,
        repeat=_repeat(row),
        filter=headline_filter(headline) if metric == headline else metric,
        id=_required(row, "sample_id"),
        prompt=row.text("input.raw"),
        choices=choices,
        golds=_golds(row, choices, references),
        targets=references,
        tags=tags(row.mapping("metadata")),
        source=source_json(row.mapping("metadata")) if row.mapping("metadata") else None,
        output=output,
        answer=answer,
        status="error" if error else status,
        correct=row.truth("evaluation.is_correct"),
        scores={} if score is None else {metric: score},
        prompt_tokens=row.count("token_usage.input_tokens") if usage else None,
        output_tokens=row.count("token_usage.output_tokens") if usage else None,
        finish=_FINISH.get(str(row.mapping("metadata").get("stop_reason"))),
        error=error,
    )


def is_ours(row: Fields) -> bool:
    """Whether regress wrote a row, and put into it what the format has no field for."""
    return isinstance(row.mapping("metadata").get(OURS), str)


def our_records(rows: Sequence[Fields]) -> Iterator[Record]:
    """Rows that regress wrote, as what they were.

    Raises:
        DataError: If one is not what regress wrote.
    """
    whole = [(row.where, {**_held(row), **_kept(row)}) for row in rows]
    return itertools.starmap(exported_record, checked(whole))


def _held(row: Fields) -> dict[str, Any]:
    """Columns that have a field of the format; what is null there has no place but in `metadata`."""
    return {
        "output": (row.texts("output.raw") or (None,))[0],
        "prompt": row.text("input.raw"),
        "choices": row.texts("input.choices"),
        "target": (row.texts("input.reference") or (None,))[0],
    }


def _kept(row: Fields) -> dict[str, Any]:
    text = row.text(f"metadata.{OURS}") or "null"
    kept = lines.parse(f"{row.where}, metadata.{OURS}", text.encode("utf-8", "surrogatepass"))
    if not isinstance(kept, dict):
        raise row.refusal(f"metadata.{OURS}", text, "what regress wrote there")
    return kept


def _required(row: Fields, path: str) -> str:
    value = row.text(path)
    if not value:
        raise DataError(f"{row.where} has no {path}", do="It is no row of Every Eval Ever samples.")
    return value


def _choices(row: Fields) -> tuple[str, ...] | None:
    """The choices; HELM lists the one reference of an open question as its only choice."""
    choices = row.texts("input.choices")
    return choices if choices is not None and len(choices) > 1 else None


def _output(row: Fields) -> str | None:
    """What the model wrote: of several turns, the last that is the model's."""
    said = row.texts("output.raw")
    if said:
        return said[0]
    turns = [Fields(row.where, turn) for turn in row.listed("messages") if isinstance(turn, dict)]
    replies = [turn.text("content") for turn in turns if turn.text("role") == "assistant"]
    return replies[-1] if replies else None


def _answer(row: Fields, choices: Sequence[str] | None, output: str | None) -> tuple[str | None, Status]:
    """What was read from the output, of choices its index; null and unparsable where nothing was."""
    read = output
    for item in row.listed("answer_attribution"):
        if isinstance(item, dict) and item.get("is_terminal", True):
            read = Fields(row.where, item).text("extracted_value")
    if read is None or read == _UNREADABLE:
        return None, "unparsable"
    found = None if choices is None else place(read, choices)
    return read.strip() if found is None else str(found), "scored"


def _golds(row: Fields, choices: Sequence[str] | None, references: Sequence[str]) -> tuple[int, ...]:
    """Which choices are right: named by their text, by a letter, or by lm-eval by their index."""
    if choices is None:
        return ()
    by_index = "lm_eval_metrics" in row.mapping("metadata")
    golds = [place(reference, choices, by_index=by_index) for reference in references]
    return tuple(sorted({gold for gold in golds if gold is not None}))


def _repeat(row: Fields) -> int:
    """inspect_ai counts its epochs from 1."""
    epoch = row.mapping("metadata").get("epoch")
    if not isinstance(epoch, str) or not _EPOCH.fullmatch(epoch):
        return 0
    return int(epoch) - 1
