"""Text to token ids exactly as lm-eval's `hf` does it, many texts in one call of the tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from lm_eval.models.utils import has_bos_prefix
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from regress.engines.facts import TellingHFLM
from regress.engines.schedule import Window

Pair = tuple[list[int], list[int]]
"""Context and continuation."""


class Encoder:
    """Encodes for one model.

    Args:
        lm: lm-eval's model, whose tokenizer and rules are followed.
    """

    def __init__(self, lm: TellingHFLM) -> None:
        self._lm, self._tokenizer = lm, lm.tokenizer
        self._prefix = lm.tokenizer.decode(lm.prefix_token_id)

    def pairs(self, requests: Sequence[tuple[str, str]]) -> list[Pair]:
        """Contexts and continuations, split where lm-eval splits them."""
        split = [_split(*request) if request[0] else request for request in requests]
        given = [pair for pair, (context, _) in zip(split, requests, strict=True) if context]
        contexts = self._encoded((context for context, _ in given), self._prefix)
        wholes = self._encoded((context + continuation for context, continuation in given), self._prefix)
        bare = self._tokenized(
            [
                continuation
                for (_, continuation), (context, _) in zip(split, requests, strict=True)
                if not context
            ],
            False,
        )
        return [
            (contexts[context], wholes[context + continuation][len(contexts[context]) :])
            if asked
            else self._without_context(bare[continuation])
            for (context, continuation), (asked, _) in zip(split, requests, strict=True)
        ]

    def windows(self, pair: Pair) -> list[Window]:
        """What the model is shown to score a pair; none where nothing is to be scored."""
        return [self._window(*each) for each in self._lm.windows(*pair)]

    def rolled(self, texts: Sequence[str]) -> list[list[Window]]:
        """The windows over each whole text."""
        encoded = self._encoded(texts, self._prefix)
        return [
            [
                self._window(*make_disjoint_window(window))
                for window in get_rolling_token_windows(
                    token_list=encoded[text],
                    prefix_token=self._lm.prefix_token_id,
                    max_seq_len=self._lm.max_length,
                    context_len=1,
                )
            ]
            for text in texts
        ]

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Prompts to be written on, whole."""
        encoded = self._encoded(texts, self._tokenizer.bos_token)
        return [encoded[text] for text in texts]

    def _window(self, context: list[int], continuation: list[int]) -> Window:
        shown = (context + continuation)[-(self._lm.max_length + 1) :][:-1]
        return Window(np.array(shown, np.int64), np.array(continuation, np.int64))

    def _without_context(self, continuation: list[int]) -> Pair:
        start = self._lm.prefix_token_id
        if continuation and continuation[0] == start:
            return continuation[:1], continuation[1:]
        return [start], continuation

    def _encoded(self, texts: Iterable[str], start: str | None) -> dict[str, list[int]]:
        """Ids by text; one that begins with the start token as text gets no second one."""
        distinct = dict.fromkeys(texts)
        begun = [text for text in distinct if has_bos_prefix(text, start)]
        rest = [text for text in distinct if not has_bos_prefix(text, start)]
        return self._tokenized(begun, False) | self._tokenized(rest, self._lm.add_bos_token)

    def _tokenized(self, texts: Sequence[str], special: bool | None) -> dict[str, list[int]]:
        if not texts:
            return {}
        chosen: dict[str, Any] = {} if special is None else {"add_special_tokens": special}
        ids = self._tokenizer(list(texts), return_attention_mask=False, **chosen)["input_ids"]
        return dict(zip(texts, ids, strict=True))


def _split(context: str, continuation: str) -> tuple[str, str]:
    """Blanks at the context's end belong to the continuation."""
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation
