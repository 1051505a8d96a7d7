"""What a log of lm-eval tells about a run as a whole: its samples, its results and the task's definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from regress.definitions.known import Known, effective_generation, known, metrics_of, named, shipped
from regress.errors import DataError, RegressError, TaskError, UnknownName
from regress.interop.lm_eval_logs.records import MISFITS, Form
from regress.interop.lm_eval_logs.results import Results
from regress.interop.lm_eval_logs.row import Row, numeric
from regress.interop.records import Heading, Reading
from regress.scoring.score import compared, key
from regress.types import Kind

_NEVER = ("model.fingerprint", "model.tokenizer", "finish", "prompt_tokens", "output_tokens", "shown")
"""What no log holds."""
_PREFERRED = ("acc", "exact_match/strict-match")


@dataclass(frozen=True, kw_only=True)
class Log:
    """One file of samples, the results of its run, and how the user wants it read."""

    samples: Path
    """The file."""
    results: Results
    """The results of the same run."""
    logged: str
    """What lm-eval called the task."""
    task: str
    """What it is to be called here."""
    first: Row
    """The first row."""
    reading: Reading
    """How it is to be read."""

    def heading(self) -> Heading:
        """What is told about the run.

        Raises:
            DataError: If the results cannot be read, or nothing was judged.
            UnknownName: If the metric asked for is not recorded.
        """
        form, told, definition = self.form, self.results, self.definition
        model, engine = told.model(self.samples.parent), told.engine()
        version = told.of("versions", self.logged)
        return Heading(
            format="lm-eval",
            files=(self.samples, *([told.path] if told.path else ())),
            task=self.task,
            model=model,
            engine=engine,
            producer=told.producer,
            version="" if version in (None, "Yaml") else str(version),
            kind=form.kind,
            scale=definition.scale if definition and self._declared else None,
            metric=form.metric,
            higher_is_better=self._higher_is_better,
            num_fewshot=told.count("n-shot", self.logged),
            scorer=definition.scorer if definition and self._declared else {"kind": "recorded"},
            generation=self._generation,
            n=told.count("n-samples", self.logged, "original"),
            expected=told.count("n-samples", self.logged, "effective"),
            read={"metric": form.metric, "filters": list(form.filters)},
            unknown=(*_NEVER, *told.unknown(model, engine, self.logged)),
            remarks=tuple(self._remarks()),
        )

    @cached_property
    def form(self) -> Form:
        """What is known about all rows."""
        return Form(
            kind=self._kind,
            metric=self._metric,
            filters=tuple(self._filters),
            definition=self.definition,
            alone=self._alone,
            templated=self.results.templated,
        )

    # ── the definition ───────────────────────────────────────────────────────────────────────────

    @property
    def definition(self) -> Known | None:
        """The task's: the one the user named, else the results', else the one that comes with regress."""
        return self._defined[0]

    @cached_property
    def _defined(self) -> tuple[Known | None, str]:
        """The definition, and what the user should know about it."""
        if self.reading.task is not None and (found := named(self.reading.task, metric=self.reading.metric)):
            return found, ""
        told, guess = self._configured, not self._configured
        try:
            found = shipped(self.task) if guess else self._known(told)
            if found is not None and guess:
                found.question(self.first.item)
            if not all(isinstance(name, str) for name in _filters_of(found)):
                raise TypeError("a filter has no name")
            if found is not None:
                compared(found.scorer, found.metric, "")
        except (*MISFITS, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, RegressError) else f"{type(error).__name__}: {error}"
            return None, f"The definition of {self.logged} cannot be read as data: {reason}"
        return (
            found,
            f"{self.task} is taken to be the task that comes with regress." if guess and found else "",
        )

    @property
    def _configured(self) -> Mapping[str, Any]:
        told = self.results.of("configs", self.logged)
        return told if isinstance(told, Mapping) else {}

    def _known(self, config: Mapping[str, Any]) -> Known:
        """By the metric asked for, else the definition's, else one of the recorded ones."""
        problems: list[RegressError] = []
        for metric in dict.fromkeys([self.reading.metric, None, *self.first.metrics]):
            try:
                return known({**config, "task": self.logged}, metric=metric)
            except (UnknownName, TaskError) as error:
                problems.append(error)
        raise problems[0]

    # ── the metric that decides ──────────────────────────────────────────────────────────────────

    @property
    def _filters(self) -> list[str]:
        """The task's filters in their order; none if they are unknown."""
        if self.definition:
            return _filters_of(self.definition)
        told = self.results.of("results", self.logged)
        names = [name.partition(",") for name in told] if isinstance(told, Mapping) else []
        return [*dict.fromkeys(filter_name for metric, _, filter_name in names if filter_name)]

    @property
    def _recorded(self) -> list[str]:
        """Keys of the metrics that have a value for each item, in the order of filters and rows."""
        row = self.first.fields.row
        names = [name for name in self.first.metrics if name in row and _is_number(row[name])]
        filters = self._filters or [self.first.fields.text("filter") or "none"]
        return [key(name, filter_name) for filter_name in filters for name in names]

    @cached_property
    def _metric(self) -> str:
        asked, recorded, definition = self.reading.metric, self._recorded, self.definition
        names = [one.partition("/")[0] for one in recorded]
        if set(self.first.metrics) == {"bypass"}:
            raise DataError(
                f"{self.samples.name} was made with --predict_only: its answers were not judged",
                do="Run it again without.",
            )
        if definition and definition.metric.partition("/")[0] in self.first.metrics:
            headline = definition.metric
            if asked in (None, headline, headline.partition("/")[0]):
                return headline
        if not recorded:
            raise DataError(f"{self.first.fields.where} has no metric", allowed="a number for each item")
        if asked is not None and asked not in recorded:
            if asked not in names:
                raise UnknownName("metric", asked, recorded, where=self.samples.name)
            return recorded[names.index(asked)]
        return asked or next((one for one in _PREFERRED if one in recorded), recorded[0])

    @property
    def _declared(self) -> bool:
        """Whether the headline is the definition's."""
        return self.definition is not None and self._metric == self.definition.metric

    @property
    def _first_declared(self) -> bool:
        """Whether it is the one that the definition names first; that may be a metric over all items."""
        definition = self.definition
        return bool(
            definition
            and self._declared
            and metrics_of(definition.config)[0].name == self._metric.partition("/")[0]
        )

    @property
    def _higher_is_better(self) -> bool:
        if self.definition and self._declared:
            return self.definition.higher_is_better
        name = self._metric.partition("/")[0]
        told = self.results.of("higher_is_better", self.logged)
        if isinstance(told, Mapping) and isinstance(told.get(name), bool):
            return bool(told[name])
        return metrics_of({"metric_list": [{"metric": name}]})[0].higher_is_better

    # ── how it was asked ─────────────────────────────────────────────────────────────────────────

    @property
    def _kind(self) -> Kind:
        if self.definition:
            return self.definition.kind
        requests = self.first.requests
        if len(requests[0]) > 1 and isinstance(requests[0][1], Mapping):
            return "generation"
        return "choice" if len(requests) > 1 else "likelihood"

    @property
    def _alone(self) -> bool:
        told = self.definition.config if self.definition else self._configured
        around = told.get("description") or told.get("gen_prefix")
        return self.results.alone and not around and self.results.count("n-shot", self.logged) == 0

    @property
    def _generation(self) -> Mapping[str, Any]:
        """Settings of the first request; lm-eval asks for the same in all."""
        request = self.first.requests[0]
        if self._kind != "generation" or len(request) < 2 or not isinstance(request[1], Mapping):
            return {}
        try:
            return effective_generation(request[1], {})
        except (TypeError, ValueError, OverflowError):
            raise self.first.fields.refusal("arguments", request[1], "generation settings") from None

    # ── what the user should see ─────────────────────────────────────────────────────────────────

    def _remarks(self) -> list[str]:
        said = [self._defined[1]] if self._defined[1] else []
        if self.results.path is None:
            said.append(
                f"There are no results beside {self.samples.name}: what only they tell (model, worked "
                "examples, version of the task) is unknown."
            )
        if self.results.templated:
            said.append(
                "A chat template was applied, and the log holds prompts only as it made them: they count as "
                "unknown."
            )
        others = [one for one in self._recorded if one != self._metric]
        if self.reading.metric is None and others and not self._first_declared:
            said.append(f"{self._metric} decides; --metric takes another: {', '.join(others)}.")
        answers = self.first.fields.value("resps")
        if isinstance(answers, list) and answers and isinstance(answers[0], list) and len(answers[0]) > 1:
            said.append(f"Each item was answered {len(answers[0])} times; of the outputs the first is kept.")
        return said


def _filters_of(definition: Known | None) -> list[str]:
    declared = definition.config.get("filter_list") if definition else None
    return [one["name"] for one in declared or ()] or ["none"]


def _is_number(value: Any) -> bool:
    try:
        float(numeric(value))
    except (TypeError, ValueError, OverflowError):
        return False
    return True
