"""What the engine told about one item, gathered over its requests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regress.identity import sequence_hash, text_hash
from regress.types import Finish, Instance, Kind, Logprob, Prediction, Response, Text


@dataclass(frozen=True, kw_only=True)
class Told:
    """The parts of a prediction that come from the engine, whatever the judgement."""

    output: str | None
    """The raw text of the first generation; null if none was written."""
    output_tokens: int | None
    """Tokens written or scored."""
    prompt_tokens: int | None
    """Tokens of prompt shown."""
    left_truncated: int
    """Most prompt tokens cut off for any request."""
    shown_hash: str | None
    """Hash over what was shown for all requests; null if it is unknown for one."""
    finish: Finish | None
    """`length` if any generation was cut off there; null if that is unknown for one."""
    choice_logprobs: tuple[float, ...] | None
    """One a choice."""
    choice_lengths: tuple[int, ...] | None
    """Characters of each choice."""

    def prediction(self, instance: Instance, **judged: Any) -> Prediction:
        """The prediction about `instance`, with what was judged."""
        empty = {"answer": None, "correct": None, "score": None}
        return Prediction(
            instance_id=instance.id,
            index=instance.index,
            prompt_hash="" if instance.prompt is None else text_hash(instance.prompt),
            shown_hash=self.shown_hash,
            prompt_tokens=self.prompt_tokens,
            left_truncated=self.left_truncated,
            finish=self.finish,
            choice_logprobs=self.choice_logprobs,
            choice_lengths=self.choice_lengths,
            **{**empty, **judged},
        )


def problem(responses: Sequence[Response]) -> str | None:
    """Why there is no usable answer, or null: the engine's own error, or a likelihood that is no number.

    >>> problem([Logprob(value=float("nan"))])
    'a log-likelihood is nan'
    """
    for response in responses:
        if response.error is not None:
            return response.error
        if isinstance(response, Logprob) and not math.isfinite(response.value):
            return f"a log-likelihood is {response.value}"
    return None


def told(kind: Kind, instance: Instance, responses: Sequence[Response]) -> Told:
    """Gather what the engine told about one item."""
    first = responses[0]
    shown = [response.shown for response in responses]
    values = [response.value for response in responses if isinstance(response, Logprob)]
    choices = instance.choices if kind == "choice" else None
    usable = choices is not None and problem(responses) is None
    return Told(
        output=first.text if isinstance(first, Text) and first.error is None else None,
        output_tokens=first.output_tokens,
        prompt_tokens=first.prompt_tokens,
        left_truncated=max(response.left_truncated for response in responses),
        shown_hash=sequence_hash([s for s in shown if s is not None])[:16] if None not in shown else None,
        finish=_finish([response.finish for response in responses if isinstance(response, Text)]),
        choice_logprobs=tuple(values[: len(choices)]) if choices is not None and usable else None,
        choice_lengths=tuple(map(len, choices)) if choices is not None else None,
    )


def _finish(finishes: Sequence[Finish | None]) -> Finish | None:
    if "length" in finishes:
        return "length"
    return "stop" if finishes and None not in finishes else None
