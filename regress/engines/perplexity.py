"""How well a model expects texts: the mean surprisal of their tokens, each measured once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from regress.engines.logits import on_window
from regress.engines.spans import Span, begun_alike, spans
from regress.engines.vocabularies import encode, lead
from regress.errors import DataError, EngineError

ROWS = 256
"""Positions whose distributions are in memory as float64 at once."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """Texts as a tokenizer cuts them, and the windows in which they are read."""

    lead: tuple[int, ...]
    """What stands before every window."""
    ids: tuple[tuple[int, ...], ...]
    """The tokens of each text."""
    windows: tuple[tuple[int, Span], ...]
    """Place of the text, and the window over it."""

    @property
    def tokens(self) -> int:
        """Tokens that are measured."""
        return sum(span.stop - span.first for _, span in self.windows)


def windows(tokenizer: Any, texts: Sequence[str], *, size: int) -> Text:
    """Texts cut into windows of at most `size` tokens that overlap by half, as `regress divergence` does.

    Of texts that begin alike, what they share is measured once.

    Raises:
        DataError: If no token can be predicted from others.
    """
    begins = tuple(lead(tokenizer))
    ids = [tuple(encode(tokenizer, tokenizer, text)) for text in texts]
    plan = [
        (place, span)
        for (place, one), known in zip(enumerate(ids), begun_alike(ids), strict=True)
        for span in spans(len(one), size - len(begins), max(1, size // 2), begun=bool(begins), known=known)
    ]
    if not plan:
        raise DataError("the texts have no token to predict from others", allowed="at least 2 tokens")
    return Text(lead=begins, ids=tuple(ids), windows=tuple(plan))


@torch.inference_mode()
def surprisal(model: Any, text: Text) -> float:
    """Mean of −log p(token) over all measured tokens, in nats, computed in float64; perplexity is exp of it.

    Args:
        model: A causal language model of transformers, in eval mode.
        text: What it reads, window by window and alone.

    Raises:
        EngineError: If the model fails on a window, or has no probability for a token (nan).
    """
    total = sum(
        float(each.sum()) for place, span in text.windows for each in _window(model, text, place, span)
    )
    if total != total:
        raise EngineError("the model's logits are nan", do="Say another --dtype; float16 overflows in some.")
    return total / text.tokens


def _window(model: Any, text: Text, place: int, span: Span) -> Iterator[torch.Tensor]:
    shown = [*text.lead, *text.ids[place][span.start : span.stop]]
    offset = len(text.lead) - span.start - 1  # the logits after one token are about the next
    with on_window("the model", len(shown), "Say a smaller --dtype, or shorter texts."):
        logits = model(torch.tensor([shown], device=model.device), use_cache=False).logits[0]
    right = torch.tensor(text.ids[place][span.first : span.stop], device=logits.device)
    rows = logits[span.first + offset : span.stop + offset]
    for start in range(0, len(rows), ROWS):
        cut = slice(start, start + ROWS)
        yield torch.nn.functional.cross_entropy(rows[cut].double(), right[cut], reduction="none")
