"""Judge the answer to one item: as data where the task allows it, else by lm-eval's own code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regress.definitions import headline as headlines
from regress.definitions.headline import Headline, Metric
from regress.errors import TaskError
from regress.scoring.score import Judgement, key, score
from regress.tasks.instances import answers
from regress.types import Instance, Logprob, Response, Text


def metrics_of(task: Any) -> list[Metric]:
    """The metrics of an lm-eval task, in its order."""
    builtin = task.python is None and not callable(task.config.process_results)
    configured = {
        getattr(one["metric"], "__name__", one["metric"]): one["metric"]
        for one in task.config.metric_list or ()
    }
    higher = task.higher_is_better()
    return [
        Metric(
            name=name,
            aggregation=_aggregation_name(function),
            higher_is_better=higher.get(name) is not False,
            builtin=builtin and isinstance(configured.get(name, name), str),
            options=dict(getattr(task, "_metric_fn_kwargs", {}).get(name, {})),
        )
        for name, function in task.aggregation().items()
    ]


def _aggregation_name(function: Any) -> str | None:
    builtin = getattr(function, "__module__", "") == "lm_eval.api.metrics"
    return str(function.__name__) if builtin else None


def as_lm_eval(request_type: str, response: Response) -> Any:
    """A response in the form that lm-eval's engines give it."""
    if isinstance(response, Text):
        return response.text
    return response.value if request_type == "loglikelihood_rolling" else (response.value, response.greedy)


class Judge:
    """Judges the answers to one task's items.

    Args:
        task: lm-eval's.
        asked_metric: The metric that decides, or null for the task's own.
    """

    headline: Headline
    scorer: Mapping[str, Any]

    def __init__(self, task: Any, asked_metric: str | None) -> None:
        self._task = task
        self._filters = [ensemble.name for ensemble in task._filters]
        metrics = metrics_of(task)
        metadata = task.config.metadata or {}
        self._metrics = [metric for metric in metrics if metric.per_instance]
        self.headline = headlines.headline(
            task.config.task, metrics, self._filters, asked=asked_metric, metadata=metadata
        )
        self.scorer = headlines.scorer(task.OUTPUT_TYPE, metrics, task.config.filter_list, metadata=metadata)

    def judge(
        self,
        instance: Instance,
        responses: Sequence[Response],
        *,
        item: Callable[[], Any],
        asked: Callable[[], Sequence[Any]],
    ) -> Judgement:
        """Judge the responses to an item's requests.

        Args:
            instance: The item.
            responses: To all its requests, in order.
            item: Looks lm-eval's item up; that takes longer than to judge choices, which need none.
            asked: Makes lm-eval's requests, for a task that only its own code can judge.

        Raises:
            ValueError: If a value is not finite or not on the task's scale.
            TaskError: If the scale was only assumed, so that the definition has to say more.
        """
        match self.scorer["kind"]:
            case "choice":
                judged = self._choices(instance, responses)
            case "text":
                judged = score(
                    self.scorer,
                    self.headline.key,
                    outputs=[r.text for r in responses if isinstance(r, Text)],
                    targets=answers(self._task, item()).targets,
                )
            case _:
                judged = self._by_lm_eval(item(), asked(), responses)
        self._check(judged.score)
        return judged

    def _choices(self, instance: Instance, responses: Sequence[Response]) -> Judgement:
        choices = instance.choices or ()
        told = [response for response in responses if isinstance(response, Logprob)]
        return score(
            self.scorer,
            self.headline.key,
            logprobs=[response.value for response in told[: len(choices)]],
            choices=choices,
            golds=instance.golds,
            unconditional=[response.value for response in told[len(choices) :]] or None,
            greedy=[response.greedy for response in told],
        )

    def _by_lm_eval(self, item: Any, asked: Sequence[Any], responses: Sequence[Response]) -> Judgement:
        each = len(responses) // len(asked)
        for number, one in enumerate(asked):
            told = responses[number * each : (number + 1) * each]
            one.resps = [as_lm_eval(one.request_type, response) for response in told]
        for ensemble in self._task._filters:
            ensemble.apply(asked)
        scores: dict[str, float] = {}
        for name in self._filters:
            given = self._task.process_results(item, [one.filtered_resps[name] for one in asked])
            scores |= {
                key(metric.name, name): headlines.PER_INSTANCE[metric.aggregation or ""](given[metric.name])
                for metric in self._metrics
                if metric.name in given
            }
        if self.headline.key not in scores:
            raise ValueError(f"the task gave {sorted(scores)}, not {self.headline.key!r}")
        value = scores[self.headline.key]
        if isinstance(responses[0], Logprob) and len(responses) == 1:
            scores["loglikelihood"] = responses[0].value
        binary = self.headline.scale == "binary"
        answer, readable = self._read(asked, right=binary and value == 1.0)
        return Judgement(
            answer=answer if readable else None,
            status="scored" if readable else "unparsable",
            correct=value == 1.0 if binary else None,
            score=value if self.headline.metric.higher_is_better else -value,
            scores=scores,
        )

    def _read(self, asked: Sequence[Any], *, right: bool) -> tuple[str | None, bool]:
        """What the headline's filter read, and whether that is an answer."""
        if self._task.OUTPUT_TYPE == "multiple_choice":
            sums = [one.resps[0][0] for one in asked]
            return str(sums.index(max(sums))), True
        if self._task.OUTPUT_TYPE != "generate_until":
            return None, True
        read = asked[0].filtered_resps[self.headline.filter]
        if isinstance(read, (list, tuple)) and len(read) == 1:
            read = read[0]
        text = read.strip() if isinstance(read, str) else str(read)
        return text, right or text not in ("", *self._fallbacks())

    def _fallbacks(self) -> list[str]:
        """What the headline's filter gives where it finds nothing."""
        return [
            str(step.get("fallback", "[invalid]"))
            for pipeline in self._task.config.filter_list or ()
            if pipeline["name"] == self.headline.filter
            for step in pipeline["filter"]
            if "regex" in str(step["function"])
        ]

    def _check(self, value: float) -> None:
        scale, name = self.headline.scale, self.headline.key
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
        if scale == "unbounded" or value in (0.0, 1.0) or (scale == "bounded" and 0.0 <= value <= 1.0):
            return
        if self.headline.assumed:
            raise TaskError(
                f"the metric {name!r} of the task {self._task.config.task!r} was taken to be {scale} "
                f"and is {value!r}",
                do="Say what it is in the task's YAML, for example `metadata: {scale: unbounded}`.",
            )
        raise ValueError(f"{name} is {value}, outside the scale {scale}")
