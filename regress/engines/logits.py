"""What two models expect next, token by token: both loaded, window after window, nothing kept.

Shown is a window at a time and alone, so that nothing is padded. The logits of one window are in memory,
in the models' number format (window × vocabulary, twice), and of these so many rows as float64 as make
`BLOCK` numbers.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from regress.engines.harness import out_of_memory
from regress.engines.open import Opened
from regress.engines.spans import Span
from regress.engines.vocabularies import encode, lead, require_one_vocabulary
from regress.errors import EngineError, ModelError, first_line
from regress.metrics.divergence import Floats, log_softmax, outside
from regress.types import ModelSpec

BLOCK = 2**18
"""Numbers in a block of log-probabilities: 2 MiB, of which the few that are needed stay in the cache."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Consecutive positions of a window: [rows, V] over the V tokens that both models have."""

    old: Floats
    """Log-probabilities of the old model, over these tokens."""
    new: Floats
    """Those of the new one."""
    right: npt.NDArray[np.int64]
    """[rows] ids of the tokens that did come."""
    old_outside: Floats
    """[rows] probability that the old model gives to tokens that the new one does not have."""
    new_outside: Floats
    """[rows] the same the other way round."""


class LogitPair:
    """Two loaded models over one vocabulary.

    `lead` is what stands before every window, `vocabulary` the number of tokens that both have.

    Args:
        old: The old model.
        new: The new one.

    Raises:
        NotComparable: If their vocabularies differ.
        ModelError: If one of them is no causal language model, or cannot be loaded.
    """

    def __init__(self, old: Opened, new: Opened) -> None:
        require_one_vocabulary(old.tokenizer, new.tokenizer)
        self._opened = (old, new)
        self.lead = lead(old.tokenizer)
        self._models: tuple[Any, ...] = tuple(_loaded(each) for each in self._opened)
        self.vocabulary = min(self._logits(side, [0]).shape[1] for side in (0, 1))

    @property
    def specs(self) -> tuple[ModelSpec, ModelSpec]:
        """What the models are, old and new."""
        old, new = self._opened
        return old.model, new.model

    def close(self) -> None:
        """Drop both models and give their memory back."""
        self._models = ()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def encode(self, text: str) -> list[int]:
        """The tokens of a text.

        Raises:
            NotComparable: If the two tokenizers cut it differently.
        """
        old, new = self._opened
        return encode(old.tokenizer, new.tokenizer, text)

    def blocks(self, ids: Sequence[int], span: Span) -> Iterator[Block]:
        """What both models expected at the measured tokens of a window, in order.

        Args:
            ids: The tokens of the text.
            span: The window.

        Raises:
            EngineError: If a model has no answer (nan), or does not fit into memory.
        """
        shown = [*self.lead, *ids[span.start : span.stop]]
        offset = len(self.lead) - span.start - 1  # the logits after one token are about the next
        rows = slice(span.first + offset, span.stop + offset)
        old, new = (self._logits(side, shown)[rows] for side in (0, 1))
        right = np.asarray(ids[span.first : span.stop], dtype=np.int64)
        shared = self.vocabulary
        step = max(1, BLOCK // shared)
        for start in range(0, len(right), step):
            cut = slice(start, start + step)
            yield Block(
                old=self._logprobs(0, old[cut], shared),
                new=self._logprobs(1, new[cut], shared),
                right=right[cut],
                old_outside=outside(old[cut], shared),
                new_outside=outside(new[cut], shared),
            )

    def _logits(self, side: int, shown: Sequence[int]) -> npt.NDArray[Any]:
        """[len(shown), V] as the model has them; 16-bit numbers, which numpy does not know, as float32."""
        model, name = self._models[side], self._opened[side].model.name
        smaller = "Say a smaller --window, or a smaller --dtype."
        with on_window(name, len(shown), smaller), torch.inference_mode():
            logits = model(torch.tensor([list(shown)], device=model.device)).logits[0]
            exact = logits if logits.dtype == torch.float64 else logits.float()
            numbers: npt.NDArray[Any] = exact.cpu().numpy()
        return numbers

    def _logprobs(self, side: int, logits: npt.NDArray[Any], shared: int) -> Floats:
        found = log_softmax(logits[:, :shared])
        if np.isnan(found).any():
            raise EngineError(
                f"the logits of {self._opened[side].model.name} are nan",
                do="Say another --dtype; float16 overflows in some models.",
            )
        return found


@contextlib.contextmanager
def on_window(name: str, tokens: int, smaller: str) -> Iterator[None]:
    """Say of a failure which model read how many tokens, and where memory ran out what is `smaller`."""
    try:
        yield
    except Exception as error:  # torch raises what it likes
        what = f"{name} failed on a window of {tokens} tokens ({first_line(error)})"
        raise EngineError(what, do=smaller if out_of_memory(error) else None) from error


def _loaded(opened: Opened) -> Any:
    try:
        lm = opened.load()
    except Exception as error:
        if out_of_memory(error):
            what = f"{opened.model.name} does not fit into memory beside the other model"
            raise EngineError(f"{what} ({first_line(error)})", do="Say a smaller --dtype.") from error
        raise
    if lm.backend != "causal":
        raise ModelError(f"{opened.model.name} is no causal language model", allowed="models that write on")
    return lm.model.eval()
