"""One of lm-eval's tasks as a `Task`: asks what lm-eval would ask, and judges as it would judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regress.definitions.known import effective_generation
from regress.errors import EngineError
from regress.tasks.build import MISFITS, Options, fits
from regress.tasks.instances import ids_of, instance_of, refuse_hidden, told_apart
from regress.tasks.judging import Judge
from regress.tasks.rendering import Renderer, rows
from regress.tasks.responses import Told, problem, told
from regress.tasks.specs import task_spec
from regress.tasks.task import ChatTemplate
from regress.types import (
    Generation,
    Instance,
    Loglikelihood,
    Prediction,
    Request,
    Response,
    RollingLoglikelihood,
    TaskSpec,
)


class HarnessTask:
    """A task of lm-eval.

    Args:
        task: lm-eval's object, configured and with its items.
        options: What the user set.
    """

    spec: TaskSpec
    instances: Sequence[Instance]

    def __init__(self, task: Any, options: Options) -> None:
        config = task.config
        if task.OUTPUT_TYPE == "generate_until":
            config.generation_kwargs = effective_generation(config.generation_kwargs, options.generation)
        fixed = options.fewshot == "fixed"
        self._judge = Judge(task, options.metric)
        self._contexts: list[str | list[str]] = []
        self._expected: list[int] = []  # how many responses each item wants
        # between context and choice; null as soon as a request is anything but these three
        self._delimiter = task.config.target_delimiter if task.OUTPUT_TYPE == "multiple_choice" else None
        with fits(config.task, "cannot render its items"):
            self._renderer = Renderer(task, fixed=fixed, seed=options.fewshot_seed)
            self.instances, shown = self._render(task)
        self.spec = task_spec(
            task,
            self.instances,
            shown,
            headline=self._judge.headline,
            scorer=self._judge.scorer,
            fixed=fixed or task.fewshot_cfg.sampler == "first_n",
        )

    def _render(self, task: Any) -> tuple[list[Instance], list[str]]:
        """All items, and every text shown."""
        made: list[Instance] = []
        shown: list[str] = []
        own = ids_of(task, rows(task.task_docs))
        for index, rendered in enumerate(self._renderer.in_order()):
            made.append(instance_of(task, index, own[index] if own else None, rendered))
            self._contexts.append(rendered.context)
            self._expected.append(sum(map(_times, rendered.asked)))
            if [one.args for one in rendered.asked] != self._plainly(made[-1], rendered.context):
                self._delimiter = None
            shown += [part for one in rendered.asked for part in one.args if isinstance(part, str)]
        refuse_hidden(task, made)
        return told_apart(made), shown

    def _plainly(self, instance: Instance, context: str | list[str]) -> list[tuple[Any, str]] | None:
        """Context and continuation of each request, put together as lm-eval does; null where it does more."""
        if (delimiter := self._delimiter) is None:
            return None
        return [(context, f"{delimiter}{choice}") for choice in instance.choices or ()]

    def requests(
        self, index: int, *, chat: ChatTemplate | None = None, system: str | None = None
    ) -> list[Request]:
        """What to ask the model about the item at `index`, the same whenever it is called."""
        context = self._contexts[index]
        if chat is None and system is None and (plain := self._plainly(self.instances[index], context)):
            return [Loglikelihood(context=context, continuation=choice) for context, choice in plain]
        with fits(self.spec.name, f"cannot render its item {index}"):
            if chat is not None or system is not None:
                context = self._renderer.context(index, chat=chat, system=system)
            asked = self._renderer.requests(index, context, chat=chat)
        return [_request(one) for one in asked for _ in range(_times(one))]

    def score(self, index: int, responses: Sequence[Response]) -> Prediction:
        """The judged answer to the item at `index`, from the responses to its requests, in order."""
        instance, expected = self.instances[index], self._expected[index]
        if len(responses) != expected:
            raise EngineError(
                f"item {index} of {self.spec.name} has {expected} requests and {len(responses)} responses"
            )
        heard = told(self.spec.kind, instance, responses)
        if (wrong := problem(responses)) is not None:
            return _unanswered(heard, instance, wrong)
        try:
            judged = self._judge.judge(
                instance,
                responses,
                item=lambda: self._renderer.item(index),
                asked=lambda: self._renderer.requests(index, self._contexts[index]),
            )
        except MISFITS as error:
            return _unanswered(heard, instance, f"cannot be judged: {type(error).__name__}: {error}")
        output, output_tokens = heard.output, heard.output_tokens
        if instance.choices is not None and judged.answer is not None:
            chosen = int(judged.answer)
            output, output_tokens = instance.choices[chosen], responses[chosen].output_tokens
        return heard.prediction(
            instance,
            output=output,
            output_tokens=output_tokens,
            answer=judged.answer,
            status=judged.status,
            correct=judged.correct,
            score=judged.score,
            scores=judged.scores,
            gold_margin=judged.gold_margin,
        )


def _unanswered(heard: Told, instance: Instance, error: str) -> Prediction:
    return heard.prediction(
        instance, output=heard.output, output_tokens=heard.output_tokens, status="error", error=error
    )


def _times(asked: Any) -> int:
    """How often lm-eval puts one request; repeating a likelihood would tell nothing new."""
    return int(asked.repeats or 1) if asked.request_type == "generate_until" else 1


def _request(asked: Any) -> Request:
    match asked.request_type:
        case "loglikelihood":
            return Loglikelihood(context=asked.args[0], continuation=str(asked.args[1]))
        case "loglikelihood_rolling":
            return RollingLoglikelihood(text=asked.args[0])
        case _:
            settings = effective_generation(asked.args[1], {})
            return Generation(
                prompt=asked.args[0],
                until=tuple(settings.pop("until")),
                max_tokens=settings.pop("max_gen_toks"),
                options=settings,
            )
