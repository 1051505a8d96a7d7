"""Rows of lm-eval's samples as records: by what their file, the results and the task's definition tell."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from regress.definitions.headline import PER_INSTANCE
from regress.definitions.known import Known, metrics_of
from regress.errors import DataError, TaskError
from regress.identity import source_json
from regress.interop.fields import Fields
from regress.interop.lm_eval_logs.row import Row, gold, numeric
from regress.interop.records import Record
from regress.scoring import choice as by_choice
from regress.scoring.score import BINARY, compared, key
from regress.types import Kind

T = TypeVar("T")

MISFITS = (TaskError, re.error, RecursionError, AssertionError)
"""What a foreign definition can raise when it is applied to an item."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is known about all rows of one file."""

    kind: Kind
    """How the task was asked."""
    metric: str
    """The headline, as a key of `Record.scores`."""
    filters: tuple[str, ...]
    """The task's filters in their order; none if they are unknown."""
    definition: Known | None
    """The task's definition, where it can be read as data."""
    alone: bool
    """Whether the prompt is the question and nothing else."""
    templated: bool
    """Whether the prompt was logged as a chat template made it."""

    @property
    def name(self) -> str:
        """The headline metric without its filter."""
        return self.metric.partition("/")[0]

    @property
    def binary(self) -> bool:
        """Whether the headline is right or wrong."""
        if self.definition and self.definition.metric == self.metric:
            return self.definition.scale == "binary"
        return self.name in BINARY

    @property
    def scorer(self) -> Mapping[str, Any]:
        """How the definition judges; empty if it is unknown."""
        return self.definition.scorer if self.definition else {}

    def declared(self, name: str) -> Any:
        """What the definition says; null if it does not, or is unknown."""
        return self.definition.config.get(name) if self.definition else None

    @cached_property
    def delimiter(self) -> str:
        """What stands between a context and a choice."""
        told = self.declared("target_delimiter")
        return told if isinstance(told, str) else " "

    @cached_property
    def aggregations(self) -> Mapping[str, str | None]:
        """How each metric is taken together, which says how an item's value is made."""
        return (
            {one.name: one.aggregation for one in metrics_of(self.definition.config)}
            if self.definition
            else {}
        )

    @cached_property
    def fallbacks(self) -> Mapping[str, frozenset[str]]:
        """By filter, what it gives where it finds nothing."""
        pipelines = [one for one in self.declared("filter_list") or () if isinstance(one.get("filter"), list)]
        return {
            one["name"]: frozenset(
                str(step.get("fallback", "[invalid]")).strip()
                for step in one["filter"]
                if isinstance(step, Mapping) and "regex" in str(step.get("function"))
            )
            for one in pipelines
        }


@dataclass(kw_only=True)
class Records:
    """Turns the rows of one file into records, in their order."""

    form: Form
    _passes: Counter[int] = field(default_factory=Counter)

    def __call__(self, where: str, told: Mapping[str, Any]) -> Record:
        """The record of a row.

        Raises:
            DataError: Naming the row, and what cannot be read.
        """
        row = Row(Fields(where, told))
        filter_name = self._filter(row)
        scores = self._scores(row, filter_name)
        value = scores.get(self.form.metric)
        match self.form.kind:
            case "choice":
                answered = self._choice(row, scores)
            case "generation":
                answered = self._generation(row, scores.get(key(self.form.name, filter_name)), filter_name)
            case _:
                answered = self._likelihood(row)
        return Record(
            where=where,
            position=row.position,
            filter=filter_name,
            own=row.own,
            prompt=None if self.form.templated else row.prompt,
            source=source_json(row.item),
            correct=value == 1.0 if self.form.binary and value is not None else None,
            scores={**scores, **answered.pop("scores", {})},
            **self._strata(row),
            **answered,
        )

    # ── which metric, after which filter ─────────────────────────────────────────────────────────

    def _filter(self, row: Row) -> str:
        named = row.fields.text("filter")
        if named is not None:
            return named
        # without names, the filters' rows follow each other in the order of the definition
        number, filters = self._passes[row.position], self.form.filters
        self._passes[row.position] += 1
        if number and not filters:
            raise DataError(
                f"{row.fields.where} is about doc_id {row.position} again: a copy, or read by another filter",
                do="Which filter, only the results file says: put it beside the samples, or name the task's "
                "YAML with --task.",
            )
        return filters[number % len(filters)] if filters else "none"

    def _scores(self, row: Row, filter_name: str) -> dict[str, float]:
        values = {
            name: self._value(name, row.fields.row.get(name)) for name in (*row.metrics, self.form.name)
        }
        scores = {key(name, filter_name): value for name, value in values.items() if value is not None}
        if key(self.form.name, filter_name) == self.form.metric and self.form.metric not in scores:
            recorded = row.fields.row.get(self.form.name)
            raise row.fields.refusal(self.form.name, recorded, "a finite number, since it decides")
        return scores

    def _value(self, name: str, recorded: Any) -> float | None:
        """One item's value, made as the task aggregates it; null if it is no finite number."""
        convert = PER_INSTANCE.get(self.form.aggregations.get(name) or "", float)
        try:
            value = convert(numeric(recorded))
        except (TypeError, ValueError, LookupError, ArithmeticError):
            return None
        return value if math.isfinite(value) else None

    # ── what the item says ───────────────────────────────────────────────────────────────────────

    def _strata(self, row: Row) -> dict[str, Any]:
        """Declared id, cluster and tags, as the definition's metadata has them."""
        definition, metadata = self.form.definition, self.form.declared("metadata")
        if not definition or not isinstance(metadata, Mapping):
            return {}
        named = metadata.get("id")
        return {
            "id": str(row.item[named]) if isinstance(named, str) and named in row.item else None,
            "cluster": _applied(definition.cluster, row),
            "tags": _applied(definition.tags, row),
        }

    def _question(self, row: Row) -> str:
        """What is asked, without worked examples.

        By the definition; else the prompt, if it is nothing else; else the item without what equals the
        target.
        """
        definition, prompt = self.form.definition, row.contexts[0]
        question = _applied(definition.question, row) if definition else None
        if question is not None:
            return question
        return prompt if self.form.alone and isinstance(prompt, str) else _without_target(row)

    # ── what was answered ────────────────────────────────────────────────────────────────────────

    def _choice(self, row: Row, scores: Mapping[str, float]) -> dict[str, Any]:
        sums, count = row.sums, row.conditional
        continuations = [one.removeprefix(self.form.delimiter) for one in row.continuations]
        choices: tuple[str, ...] | None = tuple(continuations)
        golds: tuple[int, ...] = ()
        if row.contexts.count(row.contexts[0]) < count:  # they are the choices, and end in the same words
            choices = tuple(map(str, row.contexts)) if self.form.alone else None
            question = continuations[0] if choices else _without_target(row)
        else:
            question, golds = self._question(row), self._golds(row, continuations)
        chosen = by_choice.chosen(self._units(sums[:count], choices, sums[count:]))
        value = scores.get(self.form.metric)
        if self.form.name in by_choice.CHOOSING and value in (0.0, 1.0):
            if (chosen in golds) != (value == 1.0):
                golds = ()  # lm-eval meant another choice by that target
            if not golds and count == 2:
                golds = (chosen if value else 1 - chosen,)  # of two, right or wrong tells
        answered = {"choices": choices, "golds": golds, "logprobs": tuple(sums[:count])}
        return {"question": question, "answer": str(chosen), **answered}

    def _units(
        self, sums: Sequence[float], choices: Sequence[str] | None, unconditional: Sequence[float]
    ) -> Any:
        """What the choices are compared by; plain sums where the headline does not choose, or cannot here."""
        name = self.form.name
        usable = name in by_choice.CHOOSING and (choices is not None or name == "acc")
        usable = usable and (bool(unconditional) or name != "acc_mutual_info")
        return by_choice.units(name if usable else "acc", sums, choices or (), unconditional or None)

    def _golds(self, row: Row, choices: Sequence[str]) -> tuple[int, ...]:
        declared = self.form.declared("doc_to_target")
        texts = isinstance(declared, str) and isinstance(row.item.get(declared), str)
        found = [gold(one, choices, texts_first=texts) for one in row.targets]
        return tuple(one for one in found if one is not None)

    def _generation(self, row: Row, value: float | None, filter_name: str) -> dict[str, Any]:
        read = row.read
        nothing = self.form.fallbacks.get(filter_name, frozenset({"[invalid]"}))
        # what the benchmark counts as right was an answer, even a blank one
        right = self.form.binary and value == 1.0
        readable = right or bool(read.strip() and read.strip() not in nothing)
        return {
            "question": self._question(row),
            "output": row.output,
            "answer": compared(self.form.scorer, self.form.name, read) if readable else None,
            "status": "scored" if readable else "unparsable",
            "targets": self._targets(row),
        }

    def _targets(self, row: Row) -> tuple[str, ...]:
        definition, told = self.form.definition, tuple(map(str, row.targets))
        if definition and definition.config.get("doc_to_choice") and len(told) == 1 and told[0].isdecimal():
            choices = _applied(definition.choices, row) or ()
            return tuple(choices[int(told[0])] for _ in told if int(told[0]) < len(choices))
        return told

    def _likelihood(self, row: Row) -> dict[str, Any]:
        sums, rolling = row.sums, len(row.requests[0]) == 1
        return {
            "question": str(row.contexts[0]) if rolling else self._question(row),
            "targets": () if rolling else (row.continuations[0].removeprefix(self.form.delimiter),),
            "scores": {"loglikelihood": sums[0]} if len(sums) == 1 else {},
        }


def _without_target(row: Row) -> str:
    """An item as JSON, without the fields that equal the target: its id where nothing else tells it."""
    target = str(row.fields.value("target"))
    return source_json({name: value for name, value in row.item.items() if str(value) != target})


def _applied(part: Callable[[Mapping[str, Any]], T], row: Row) -> T:
    """What a part of the definition says about a row's item."""
    try:
        return part(row.item)
    except MISFITS as error:
        raise DataError(f"{row.fields.where}: {error}") from None
