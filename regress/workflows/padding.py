"""The float32 padding check of some tasks: what is asked, and when it cannot be made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from regress.config import Alias, Settings
from regress.engines.base import Engine
from regress.engines.limits import batch_size
from regress.engines.open import LOADS_CHECKPOINTS, open_engine
from regress.engines.padding import DTYPE, Question, check_padding
from regress.errors import RegressError
from regress.tasks.task import Task
from regress.types import Generation, Loglikelihood, Notice, PaddingCheck
from regress.workflows.evaluate import choose
from regress.workflows.progress import Progress, Remark

INSTANCES = 100
"""Of each task, from the shortest prompt to the longest."""

Checks = Mapping[str, PaddingCheck | Notice]
"""By task, the check or why there is none."""


def padding_checks(
    model: str,
    engine: Engine,
    tasks: Sequence[Task],
    settings: Settings,
    aliases: Mapping[str, Alias],
    progress: Progress,
) -> Checks:
    """Make the check for each of `tasks`, or say why it cannot be made.

    Args:
        model: What the model was called.
        engine: What runs it otherwise, without its weights loaded: two models would not fit.
        tasks: What it is asked.
        settings: How it is asked.
        aliases: Short names of models.
        progress: Called before the check, which takes its time.
    """
    if reason := _impossible(engine, settings):
        return {task.spec.name: reason for task in tasks}

    def in_float32(size: int) -> Engine:
        changed = dataclasses.replace(settings, dtype=DTYPE, batch_size=size)
        return open_engine(model, changed, aliases)

    names = ", ".join(task.spec.name for task in tasks)
    progress(Remark(text=f"{model}: checking whether padding changes an answer, in {DTYPE}, on {names}"))
    asked = {task.spec.name: questions(task, engine, settings) for task in tasks}
    try:
        checks = check_padding(in_float32, asked, batch_size(settings))
    except RegressError as error:  # too little memory for float32, or no float32 in this engine
        return dict.fromkeys(asked, Notice(code="padding-failed", data={"why": error.what}))
    nothing = Notice(code="padding-no-questions")
    return {name: check if (check := checks.get(name)) and check.n else nothing for name in asked}


def _impossible(engine: Engine, settings: Settings) -> Notice | None:
    if settings.engine not in LOADS_CHECKPOINTS:
        return Notice(code="padding-no-dtype", data={"engine": settings.engine})
    if engine.model.quantization:
        return Notice(code="padding-quantised", data={"quantization": engine.model.quantization})
    return None


def questions(task: Task, engine: Engine, settings: Settings) -> list[Question]:
    """Log-likelihoods as the task asks them; where it has text written, of the reference answer."""
    _, indices = choose(len(task.instances), settings)
    found: list[Question] = []
    for index in spread(indices, [len(task.instances[index].prompt or "") for index in indices]):
        for request in task.requests(index, chat=engine.chat, system=settings.system):
            if not isinstance(request, Generation):
                found.append(request)
            elif target := (task.instances[index].target or "").strip():
                found.append(Loglikelihood(context=request.prompt, continuation=f" {target}"))
    return [one for one in found if not isinstance(one, Loglikelihood) or one.continuation]


def spread(indices: Sequence[int], lengths: Sequence[int], most: int = INSTANCES) -> list[int]:
    """At most `most` of `indices`, evenly from the shortest to the longest.

    >>> spread([10, 11, 12, 13, 14], [5, 1, 4, 2, 3], most=3)
    [11, 14, 10]
    """
    ordered = [index for _, index in sorted(zip(lengths, indices, strict=True))]
    if len(ordered) <= most:
        return ordered
    return [ordered[place * (len(ordered) - 1) // (most - 1)] for place in range(most)]
