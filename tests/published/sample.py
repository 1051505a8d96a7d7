"""What the models are shown: stories that the old model wrote itself.

How the published stories were drawn is not said but for "self-sampled". The table itself tells: the logarithm
of each printed perplexity over 3.596 is about the printed divergence (int3: 1.82 and 1.79, without layer 0:
3.59 and 3.56), and the two have one expectation only where each token is drawn from the old model's whole
distribution as it is. So here, too: at temperature 1, with nothing cut off. The old model's perplexity on
its own text is the exponential of its entropy then, 3.5 to 3.7 by the luck of the draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

STORIES, TOKENS = 24, 256
"""Stories of a sample, and tokens of each after the start token, as published."""
SEED = 0
"""Which stories, where nobody says otherwise."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Stories as they were drawn, and as text."""

    ids: Ids
    """[stories, tokens] token ids, without the start token."""
    beginnings: tuple[tuple[str, ...], ...]
    """Of each story the text of its first 0, 1, 2, … tokens."""

    @property
    def texts(self) -> list[str]:
        """The stories."""
        return [story[-1] for story in self.beginnings]


def draw(folder: Path, seed: int = SEED) -> Sample:
    """Stories by the model in `folder`.

    Drawn in float64 by inverting the cumulative distribution, so that machines whose sums are rounded
    differently draw the same tokens.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float64).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    ids = _drawn(model, int(tokenizer.bos_token_id), np.random.default_rng(seed))
    return Sample(ids=ids, beginnings=tuple(_beginnings(tokenizer, row) for row in ids))


def _drawn(model: Any, start: int, rng: np.random.Generator) -> Ids:
    import torch

    columns = [np.full(STORIES, start)]
    cache = None
    with torch.no_grad():
        for _ in range(TOKENS):
            shown = torch.from_numpy(columns[-1][:, None])
            out = model(shown, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            reached = out.logits[:, -1].softmax(-1).cumsum(-1).numpy()
            height = rng.random((STORIES, 1)) * reached[:, -1:]
            columns.append((reached <= height).sum(-1))
    return np.stack(columns[1:], axis=1)


def _beginnings(tokenizer: Any, ids: Ids) -> tuple[str, ...]:
    return tuple(tokenizer.decode(ids[:end], skip_special_tokens=True) for end in range(len(ids) + 1))
