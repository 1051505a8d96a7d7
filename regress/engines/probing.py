"""A few requests answered both ways, by lm-eval's `hf` and natively, before the native way is relied on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessorList

from regress.engines.choosing import Answer, Chooser
from regress.engines.decoding import write
from regress.engines.encoding import Encoder, Pair
from regress.engines.facts import TellingHFLM
from regress.engines.likelihood import score
from regress.engines.native import NativeModel
from regress.engines.schedule import LEAST_PREFIX

_TEXT = (
    "The harbour was quiet when the last boat came in. Two men carried the nets ashore, counted 27 crates "
    "of herring, and argued about the price. Nobody saw that the lamp at the end of the pier had gone out."
)
_A_TOKEN = {torch.float64: 1e-6, torch.float32: 2e-4, torch.float16: 0.05, torch.bfloat16: 0.25}
"""Nats a token by which rounding may move a log-likelihood."""
_WRITTEN = 6
_BUDGET = 96


def difference(lm: TellingHFLM, model: NativeModel) -> str | None:
    """How the two ways differ by more than rounding; null where they agree."""
    ids = lm.tok_encode(_TEXT)
    ids = (ids * (1 + 96 // max(1, len(ids))))[: min(96, lm.max_length - _WRITTEN)]
    if len(ids) < LEAST_PREFIX:
        return "its context is too short for a trial"
    likelihoods = _likelihoods(lm, model, _pairs(ids))
    return likelihoods or _generation(lm, model, ids)


def _pairs(ids: Sequence[int]) -> list[Pair]:
    """Contexts with a prefix in common, each with continuations that part at once, late, or not at all."""
    half, quarter = len(ids) // 2, len(ids) // 4
    prefix, rest = list(ids[:half]), list(ids[half:])
    contexts = [prefix + rest[:quarter], prefix + rest[2:quarter], prefix + rest[quarter : quarter + 3]]
    endings = [rest[-3:], [*rest[-3:-1], ids[0]], ids[:1], rest[1:6]]
    return [(context, list(ending)) for context in contexts for ending in endings] + [
        (list(ids[3:9]), rest[:4])
    ]


def _likelihoods(lm: TellingHFLM, model: NativeModel, pairs: Sequence[Pair]) -> str | None:
    encoder = Encoder(lm)
    windows = [window for pair in pairs for window in encoder.windows(pair)]  # one each: all are short
    return _compared(score(model, windows, _BUDGET).values.tolist(), lm, model, pairs)


def _generation(lm: TellingHFLM, model: NativeModel, ids: Sequence[int]) -> str | None:
    """Whether tokens written one by one have the log-probabilities that reading them together gives."""
    prompts = [list(ids[:-1]), list(ids[:-4]), [*ids[: len(ids) // 2], ids[0]]]
    answers = [Answer(np.array(prompt, np.int64)) for prompt in prompts]
    noting = _Noting()
    write(
        model, answers, noting, lambda written: len(written) >= _WRITTEN,
        longest=_WRITTEN, slots=2, budget=_BUDGET,
    )  # fmt: skip
    values = [noting.values[id(answer)] for answer in answers]
    written = [(prompt, answer.written) for prompt, answer in zip(prompts, answers, strict=True)]
    return _compared(values, lm, model, written)


class _Noting(Chooser):
    """Greedy; notes the log-probability of what each answer got."""

    def __init__(self) -> None:
        super().__init__(LogitsProcessorList(), sampled=False)
        object.__setattr__(self, "values", defaultdict(float))

    values: dict[int, float]

    def next(self, logits: torch.Tensor, answers: Sequence[Answer]) -> list[int]:
        """See `Chooser`."""
        chosen = super().next(logits, answers)
        for answer, row, token in zip(answers, torch.log_softmax(logits, dim=-1), chosen, strict=True):
            self.values[id(answer)] += float(row[token])
        return chosen


def _compared(
    values: Sequence[float], lm: TellingHFLM, model: NativeModel, pairs: Sequence[Pair]
) -> str | None:
    """How far log-likelihoods are from lm-eval's, each alone; null if rounding explains it."""
    requests = [(("", ""), list(context), list(ending)) for context, ending in pairs]
    expected = [lm._loglikelihood_tokens([request], disable_tqdm=True)[0][0] for request in requests]
    a_token = _A_TOKEN.get(model.dtype, 0.0)
    for value, other, (_, ending) in zip(values, expected, pairs, strict=True):
        if math.isfinite(other) and not abs(value - other) <= a_token * len(ending):
            return f"its log-likelihoods are off lm-eval's (by {abs(value - other):.2g} in a trial)"
    return None
