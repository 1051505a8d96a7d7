"""lm-eval's `hf` model, made to tell what it did: token counts, truncation, finish reasons, broken logits.

It computes exactly what lm-eval computes; it only listens. The answers are lm-eval's own.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from transformers import LogitsProcessor, LogitsProcessorList

from regress.composed.layers import tied
from regress.errors import ModelError
from regress.identity import text_hash
from regress.types import Finish

Pair = tuple[Any, list[int], list[int]]


@dataclass(frozen=True, kw_only=True)
class LikelihoodFacts:
    """What was done for one log-likelihood request."""

    prompt_tokens: int
    output_tokens: int
    left_truncated: int
    shown: str
    error: str | None


@dataclass(frozen=True, kw_only=True)
class GenerationFacts:
    """What was done for one generation request."""

    prompt_tokens: int
    output_tokens: int
    left_truncated: int
    shown: str
    finish: Finish
    error: str | None


class _NanWatch(LogitsProcessor):  # type: ignore[misc]
    """Notes the rows whose logits were ever nan or infinite; changes only those.

    Such a row has no answer whatever is written on, and sampling from it would end the whole batch.
    """

    def __init__(self, rows: int) -> None:
        self.broken = torch.zeros(rows, dtype=torch.bool)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        broken = (scores.isnan() | scores.isposinf()).any(dim=-1)
        self.broken |= broken.view(len(self.broken), -1).any(dim=-1).cpu()  # several beams a row
        return scores.masked_fill(broken[:, None], 0.0)


class _Whole:
    """A transformers class that refuses a checkpoint which lacks weights, instead of making them up.

    With a map, what it loads has the checkpoint's layers by that map, repeated ones with shared weights.
    """

    def __init__(self, transformers_class: Any, layers: Sequence[int] | None) -> None:
        self._class, self._layers = transformers_class, layers

    def from_pretrained(self, source: str, **arguments: Any) -> Any:
        model, report = self._class.from_pretrained(source, output_loading_info=True, **arguments)
        if missing := sorted(report["missing_keys"]):
            raise ModelError(
                f"{source} lacks {len(missing)} of its weights (first: {missing[0]})",
                do="Save or fetch it again; its config.json may belong to another model.",
            )
        return model if self._layers is None else tied(model, self._layers)


class TellingHFLM(HFLM):  # type: ignore[misc]
    """lm-eval's `hf`, with the facts of the last calls beside the answers.

    Args:
        layers: For each layer the checkpoint's layer that it is; null for the checkpoint's own.
        args: What `HFLM` takes.
        kwargs: The same by name.
    """

    AUTO_MODEL_CLASS: Any

    def __init__(self, *args: Any, layers: Sequence[int] | None = None, **kwargs: Any) -> None:
        self._layers = layers
        super().__init__(*args, **kwargs)
        self.likelihood_facts: list[LikelihoodFacts] = []
        self.generation_facts: dict[str, deque[GenerationFacts]] = defaultdict(deque)
        self._batch: list[tuple[str, int, int, str]] = []

    def _create_model(self, *args: Any, **kwargs: Any) -> None:
        transformers_class: Any = self.AUTO_MODEL_CLASS
        self.AUTO_MODEL_CLASS = _Whole(transformers_class, self._layers)
        try:
            super()._create_model(*args, **kwargs)
        finally:
            self.AUTO_MODEL_CLASS = transformers_class

    def _loglikelihood_tokens(
        self, requests: list[Pair], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[tuple[float, bool]]:
        facts = [self.shown_of(context, continuation) for _, context, continuation in requests]
        if all(key is not None for key, _, _ in requests):  # windows of a rolling request have no key
            self.likelihood_facts += facts
        windows = [
            [(key, *window) for window in self.windows(context, continuation)]
            for key, context, continuation in requests
        ]
        flat = [window for group in windows for window in group]
        scored = iter(
            super()._loglikelihood_tokens(flat, disable_tqdm=True, override_bs=override_bs) if flat else []
        )
        return [_total([next(scored) for _ in group]) for group in windows]

    def windows(self, context: list[int], continuation: list[int]) -> list[tuple[list[int], list[int]]]:
        """What lm-eval can score in one go: the pair itself, or windows where the continuation is too long.

        lm-eval stops with an assertion there. Scoring every token, window after window as for a
        rolling likelihood, keeps the sum over the continuation complete.
        """
        if not context or not continuation:
            return []
        if len(continuation) <= self.max_length:
            return [(context, continuation)]
        rolled = get_rolling_token_windows(continuation, context[-1], self.max_length, context_len=1)
        return [make_disjoint_window(window) for window in rolled]

    def shown_of(self, context: list[int], continuation: list[int]) -> LikelihoodFacts:
        """What a request's answer is told about what was shown."""
        after = len(continuation) - 1 if self.backend == "causal" else 0  # what shares the context's room
        cut = min(max(0, len(context) + after - self.max_length), max(0, len(context) - 1))
        return LikelihoodFacts(
            prompt_tokens=len(context) - cut,
            output_tokens=len(continuation),
            left_truncated=cut,
            shown=hash_ids(context[cut:] + continuation),
            error=None if context and continuation else "the continuation has no token of its own",
        )

    def tok_batch_encode(
        self,
        strings: list[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a batch of prompts as lm-eval does, noting how long each was before it was cut."""
        ids, mask = super().tok_batch_encode(strings, padding_side, None, truncation)
        lengths = mask.sum(dim=1).tolist()
        if left_truncate_len:
            ids, mask = ids[:, -left_truncate_len:], mask[:, -left_truncate_len:]
        self._batch = [
            (string, length, int(kept.sum()), hash_ids(row[kept.bool()].tolist()))
            for string, length, row, kept in zip(strings, lengths, ids, mask, strict=True)
        ]
        return ids, mask

    def _model_generate(
        self, context: torch.Tensor, max_length: int, stop: list[str], **generation_kwargs: Any
    ) -> torch.Tensor:
        watch = _NanWatch(context.shape[0])
        processors = LogitsProcessorList([watch])
        output: torch.Tensor = super()._model_generate(
            context, max_length, stop, logits_processor=processors, **generation_kwargs
        )
        for row, (string, length, kept, shown), broken in zip(
            output.tolist(), self._batch, watch.broken.tolist(), strict=True
        ):
            # an encoder-decoder's output holds its start token where others hold the prompt
            begins = context.shape[1] if self.backend == "causal" else 1
            written, finish = self.where_it_ends(row[begins:], stop)
            self.generation_facts[string].append(
                GenerationFacts(
                    prompt_tokens=kept,
                    output_tokens=written,
                    left_truncated=length - kept,
                    shown=shown,
                    finish=finish,
                    error="the model's logits are nan" if broken else None,
                )
            )
        return output

    def where_it_ends(self, tokens: list[int], stop: list[str]) -> tuple[int, Finish]:
        """Tokens written up to the end of the answer, and why it ended there."""
        ends = self.end_tokens()
        end = next((place for place, token in enumerate(tokens) if token in ends), None)
        upto = tokens if end is None else tokens[:end]

        def stopped(count: int) -> bool:
            text = self.tok_decode(upto[:count])
            return any(word and word in text for word in stop)

        if not stopped(len(upto)):
            return len(upto), "length" if end is None else "stop"
        low, high = 0, len(upto)  # the first count at which a stop string is complete
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if stopped(middle) else (middle + 1, high)
        return low, "stop"

    def end_tokens(self) -> set[int]:
        """Tokens that end an answer."""
        declared = getattr(self.model.generation_config, "eos_token_id", None)
        declared = declared if isinstance(declared, list) else [declared]
        return {token for token in [*declared, self.eot_token_id] if token is not None}


def _total(windows: list[tuple[float, bool]]) -> tuple[float, bool]:
    if not windows:
        return math.nan, False
    return sum(value for value, _ in windows), all(greedy for _, greedy in windows)


def hash_ids(ids: list[int]) -> str:
    """Hash of token ids."""
    return text_hash(",".join(map(str, ids)))
