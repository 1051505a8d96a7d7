"""Which metric decides, on which scale, and whether stored outputs can be judged again by it.

Read from the task's definition: the headline is its first metric (after its first filter), unless
another is asked for. How an item's value is made follows from how the task would aggregate it;
metrics that exist only over a whole corpus have none and are refused by name.

The scale of a metric that lm-eval computes itself is known. For one that a task's own code computes
it is taken from the name (`acc`, `exact_match`, `em` … are right or wrong; anything else lies in
[0, 1]; lower-is-better has no bounds), and a value that contradicts this stops the run and asks for
`metadata: {scale: binary | bounded | unbounded}` in the task's YAML.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from regress.errors import TaskError, UnknownName
from regress.scoring.choice import CHOOSING
from regress.scoring.extract import known
from regress.scoring.score import BINARY, key
from regress.types import Scale

_PASSED_THROUGH = frozenset({"bleu", "chrf", "chrf++", "ter", "f1", "mcc", "likelihood", "acc_all", "bypass"})
"""Metrics of lm-eval's registry that hand on pairs and are computed over the corpus only."""
_BINARY_NAMES = BINARY | {"accuracy", "em", "exact"}
_FRACTIONAL_TASKS = frozenset({"truthfulqa_mc2"})
"""Tasks whose `acc` is a share of probability, not right or wrong."""
_EXACT_MATCH = frozenset({"regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers"})


def _weighted(value: Any) -> float:
    total, weight = value
    return math.exp(-float(total) / float(weight))


def _bits(value: Any) -> float:
    total, weight = value
    return -float(total) / (float(weight) * math.log(2))


def _brier(value: Any) -> float:
    gold, probabilities = value
    return float(sum((p - (i == gold)) ** 2 for i, p in enumerate(probabilities)))


PER_INSTANCE: Mapping[str, Callable[[Any], float]] = {
    "mean": float,
    "nanmean": float,
    "perplexity": lambda value: math.exp(-float(value)),
    "weighted_perplexity": _weighted,
    "bits_per_byte": _bits,
    "brier_score": _brier,
}
"""By lm-eval's name of the aggregation: one item's value from what the task hands to it."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of a task, as its definition gives it."""

    name: str
    """Name, without filter."""
    aggregation: str | None
    """lm-eval's name of the aggregation; null for a function of the task's own."""
    higher_is_better: bool
    """Direction."""
    builtin: bool
    """Computed by lm-eval itself, not by code of the task."""
    options: Mapping[str, Any]
    """Arguments of the metric."""

    @property
    def per_instance(self) -> bool:
        """Whether one item has a value."""
        return self.aggregation in PER_INSTANCE and not (self.builtin and self.name in _PASSED_THROUGH)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What decides."""

    key: str
    """As in `Prediction.scores`."""
    metric: Metric
    """The metric."""
    filter: str
    """The filter that reads the answer; `none` if the task names none."""
    scale: Scale
    """How it is judged."""
    assumed: bool
    """The scale was taken from the name of a metric that the task's own code computes."""


def headline(
    task: str,
    metrics: Sequence[Metric],
    filters: Sequence[str],
    *,
    asked: str | None,
    metadata: Mapping[str, Any],
) -> Headline:
    """The metric that decides, and its scale.

    Raises:
        UnknownName: If the metric asked for is not one of the task's.
        TaskError: If it has no value per item, or the scale that is declared is none.
    """
    keys = {key(metric.name, name): (metric, name) for name in filters for metric in metrics}
    keys = {**{metric.name: (metric, filters[0]) for metric in metrics}, **keys}
    usable = [name for name, (metric, _) in keys.items() if metric.per_instance]
    if asked is not None and asked not in keys:
        raise UnknownName("metric", asked, usable, do=f"These are the metrics of the task {task!r}.")
    metric, filter_name = keys[asked] if asked is not None else (metrics[0], filters[0])
    if not metric.per_instance:
        raise TaskError(
            f"the metric {metric.name!r} of the task {task!r} is computed over all items together: "
            "it has no value per item, so there is nothing to pair",
            allowed=", ".join(usable) or None,
            do="Choose another with --metric." if usable else "This task cannot be compared item by item.",
        )
    scale, assumed = _scale(task, metric, metadata)
    return Headline(
        key=key(metric.name, filter_name), metric=metric, filter=filter_name, scale=scale, assumed=assumed
    )


def _scale(task: str, metric: Metric, metadata: Mapping[str, Any]) -> tuple[Scale, bool]:
    declared = metadata.get("scale")
    if declared is not None:
        if declared not in get_args(Scale):
            raise TaskError(
                f"the task {task!r} declares the scale {declared!r}", allowed=", ".join(get_args(Scale))
            )
        return declared, False
    if not metric.higher_is_better or metric.aggregation not in ("mean", "nanmean"):
        return "unbounded", False
    if metric.name in _BINARY_NAMES and task not in _FRACTIONAL_TASKS:
        return "binary", not metric.builtin
    return "bounded", metric.name not in metadata.get("scorer", {})


def scorer(
    output_type: str,
    metrics: Sequence[Metric],
    filter_list: Sequence[Mapping[str, Any]] | None,
    *,
    metadata: Mapping[str, Any],
) -> Mapping[str, Any]:
    """How answers are judged, as data; `{"kind": "lm-eval"}` where only the task's own code can.

    >>> acc = Metric(name="acc", aggregation="mean", higher_is_better=True, builtin=True, options={})
    >>> scorer("multiple_choice", [acc], None, metadata={})
    {'kind': 'choice', 'metrics': ['acc']}
    """
    usable = [metric for metric in metrics if metric.per_instance]
    if output_type == "multiple_choice" and filter_list is None:
        names = [metric.name for metric in usable]
        if all(m.builtin and m.name in CHOOSING | {"brier_score", "exact_match"} for m in usable):
            return {"kind": "choice", "metrics": names}
    if output_type == "generate_until":
        filters = filter_list or [{"name": "none", "filter": [{"function": "take_first"}]}]
        declared = metadata.get("scorer", {})
        functions = [_text_function(metric, declared) for metric in usable]
        if None not in functions and all(known(pipeline["filter"]) for pipeline in filters):
            return {
                "kind": "text",
                "filters": [{"name": p["name"], "filter": [dict(s) for s in p["filter"]]} for p in filters],
                "metrics": functions,
            }
    return {"kind": "lm-eval"}


def _text_function(metric: Metric, declared: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if metric.name in declared:
        return {"metric": metric.name, **declared[metric.name]}
    if metric.builtin and metric.name == "exact_match" and set(metric.options) <= _EXACT_MATCH:
        return {"metric": "exact_match", "function": "exact_match", **metric.options}
    return None
