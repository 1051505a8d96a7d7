"""Does padding change an answer? The same log-likelihoods in float32, alone and in batches.

In float32 rounding moves a log-likelihood by about 1e-4. What moves it by more when other prompts go
through the model beside it is a wrong mask, or a pad token that is counted: a fault of the engine
that no change of the model explains. (In bfloat16 the check would say nothing: between 16 and 32 its
values lie 0.125 apart.)
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence

from regress.engines.base import Engine
from regress.statistics.noise import PADDING_FAULT
from regress.types import Loglikelihood, Logprob, PaddingCheck, RollingLoglikelihood

DTYPE = "float32"
LEAST_BATCH = 8

Question = Loglikelihood | RollingLoglikelihood


def check_padding(
    open_engine: Callable[[int], Engine], questions: Mapping[str, Sequence[Question]], batch_size: int
) -> dict[str, PaddingCheck]:
    """Compare every question's log-likelihood alone with that in a batch.

    Args:
        open_engine: Opens the engine in `DTYPE` with a batch size; one is open at a time.
        questions: By task; a task without any is left out of the result.
        batch_size: Of the batches; at least `LEAST_BATCH` are taken.

    Raises:
        RegressError: If the engine cannot be built or does not answer.
    """
    size = max(LEAST_BATCH, batch_size)
    batches = {task: mixed(asked, size) for task, asked in questions.items() if asked}
    singly = {task: [[one] for batch in each for one in batch] for task, each in batches.items()}
    alone = _answered(open_engine(1), singly)
    together = _answered(open_engine(size), batches)
    return {task: compared(alone[task], together[task], size) for task in batches}


def _answered(engine: Engine, batches: Mapping[str, Sequence[Sequence[Question]]]) -> dict[str, list[float]]:
    """The log-likelihoods; nan where there is none."""
    with contextlib.closing(engine):
        return {
            task: [_value(group[0]) for batch in each for group in engine.answer([[one] for one in batch])]
            for task, each in batches.items()
        }


def _value(response: object) -> float:
    return response.value if isinstance(response, Logprob) and response.error is None else math.nan


def mixed(questions: Sequence[Question], size: int) -> list[list[Question]]:
    """Batches of at most `size`, short and long together, so that the short ones must be padded.

    Each is asked in a call of its own, since lm-eval sorts what it is asked by length.

    >>> texts = [RollingLoglikelihood(text="a" * n) for n in (1, 2, 3, 4)]
    >>> [[len(one.text) for one in batch] for batch in mixed(texts, 2)]
    [[4, 2], [3, 1]]
    """
    ordered = sorted(questions, key=_length, reverse=True)
    count = -(-len(ordered) // size)
    return [ordered[first::count] for first in range(count)]


def _length(question: Question) -> int:
    if isinstance(question, RollingLoglikelihood):
        return len(question.text)
    return len(question.context) + len(question.continuation)


def compared(alone: Sequence[float], together: Sequence[float], batch_size: int) -> PaddingCheck:
    """The largest difference; infinite where only one of two values is there.

    >>> compared([-1.0, -2.0], [-1.0, -2.5], 8).largest
    0.5
    """
    differences = [
        abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
        for a, b in zip(alone, together, strict=True)
        if math.isfinite(a) or math.isfinite(b)
    ]
    return PaddingCheck(
        n=len(differences),
        batch_size=batch_size,
        largest=max(differences, default=0.0),
        threshold=PADDING_FAULT,
    )
