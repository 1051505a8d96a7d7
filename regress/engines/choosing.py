"""Which token comes next: greedy, or drawn, after the changes to the logits that a user asked for.

The changes are transformers' own processors, in its order, each sequence for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from regress.engines.attention import Unsupported
from regress.engines.schedule import Ids

_DEFAULTS: Mapping[str, Any] = {
    "do_sample": False,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
}
"""What transformers takes where neither the user nor the model says anything."""
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "num_beams": (None, 1),
    "num_beam_groups": (None, 1),
    "num_return_sequences": (None, 1),
    "typical_p": (None, 1.0),
    "epsilon_cutoff": (None, 0.0),
    "eta_cutoff": (None, 0.0),
    "min_length": (None, 0),
    "length_penalty": (None, 1.0),
    "diversity_penalty": (None, 0.0),
    "encoder_repetition_penalty": (None, 1.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "guidance_scale": (None, 1.0),
    "early_stopping": (None, False),
    "use_cache": (None, True),
    "remove_invalid_values": (None, False),
    "renormalize_logits": (None, False),
    "is_assistant": (None, False),
}
_IRRELEVANT = {"bos_token_id", "pad_token_id", "eos_token_id", "decoder_start_token_id", "max_length"}
_IRRELEVANT |= {"max_new_tokens", "transformers_version", "_from_model_config", "cache_implementation"}
_IRRELEVANT |= {"num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"}
_IRRELEVANT |= {"assistant_lookbehind", "target_lookbehind", "cache_config", "disable_compile"}
_IRRELEVANT |= {"output_attentions", "output_hidden_states", "output_scores", "output_logits"}
_IRRELEVANT |= {"return_dict_in_generate", "top_k", "top_p", "temperature"}


@dataclass(eq=False)
class Answer:
    """A prompt, and what has been written after it."""

    prompt: Ids
    """Token ids, at least one."""
    draw: torch.Generator | None = None
    """Its own source of randomness; null where nothing is drawn."""
    written: list[int] = field(default_factory=list)
    """Ids, with the one that ended it."""
    broken: bool = False
    """Whether the model's logits were ever nan or infinite."""


@dataclass(frozen=True)
class Chooser:
    """Chooses each answer's next token."""

    processors: LogitsProcessorList
    sampled: bool

    def next(self, logits: torch.Tensor, answers: Sequence[Answer]) -> list[int]:
        """One token an answer, from logits [answers, V] in float32."""
        if not self.processors and not self.sampled:
            chosen: list[int] = logits.argmax(dim=-1).tolist()
            return chosen
        return [self._one(row, answer) for row, answer in zip(logits, answers, strict=True)]

    def _one(self, row: torch.Tensor, answer: Answer) -> int:
        ids = torch.tensor([[*answer.prompt.tolist(), *answer.written]], device=row.device)
        scores = self.processors(ids, row[None].clone())
        if not self.sampled:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(dim=-1).cpu(), 1, generator=answer.draw))


def chooser(options: Mapping[str, Any], declared: Mapping[str, Any]) -> Chooser:
    """What a user's options and a model's generation config ask for.

    Args:
        options: As lm-eval would hand them to `generate`; they come before `declared`.
        declared: The model's generation config.

    Raises:
        Unsupported: If they ask for beams or for anything else that is not done here.
    """
    said = {**{name: value for name, value in declared.items() if value is not None}, **options}
    for name, value in said.items():
        known = name in _DEFAULTS or name in _IRRELEVANT
        if not known and value not in _NEUTRAL.get(name, (None,)):
            raise Unsupported(f"{name} = {value!r} is asked for")
    chosen = {**_DEFAULTS, **said}
    sampled = bool(chosen["do_sample"])
    return Chooser(LogitsProcessorList(_processors(chosen, sampled=sampled)), sampled)


def _processors(chosen: Mapping[str, Any], *, sampled: bool) -> list[Any]:
    found: list[Any] = []
    if chosen["repetition_penalty"] not in (None, 1.0):
        found.append(RepetitionPenaltyLogitsProcessor(penalty=chosen["repetition_penalty"]))
    if chosen["no_repeat_ngram_size"]:
        found.append(NoRepeatNGramLogitsProcessor(chosen["no_repeat_ngram_size"]))
    if not sampled:
        return found
    if chosen["temperature"] not in (None, 1.0):
        found.append(TemperatureLogitsWarper(chosen["temperature"]))
    if chosen["top_k"]:
        found.append(TopKLogitsWarper(top_k=chosen["top_k"]))
    if chosen["top_p"] is not None and chosen["top_p"] < 1.0:
        found.append(TopPLogitsWarper(top_p=chosen["top_p"]))
    if chosen["min_p"] is not None:
        found.append(MinPLogitsWarper(min_p=chosen["min_p"]))
    return found
