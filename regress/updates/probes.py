"""What two models are shown to see whether they compute the same: short, long, batched, padded, written on.

Random ids reach tokens that no text has; real prompts reach what matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

LENGTHS = (1, 2, 17)
LONGEST = 512
"""Tokens of the longest probe, where the model takes so many; more only costs time."""
WRITTEN = 16
"""Tokens written after each prompt that is gone on from, where there is room."""
TOGETHER = 8
"""Texts of the one batch that is padded, at most: all their logits are in memory together."""
SEED = 20250


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One batch of texts."""

    name: str
    ids: torch.Tensor
    """[B, T] token ids."""
    mask: torch.Tensor
    """[B, T], 0 where padded on the left."""

    @property
    def positions(self) -> torch.Tensor:
        """[B, T] position of every token, from 0 at the first that is no padding."""
        return (self.mask.cumsum(-1) - 1).clamp(min=0)


def probes(vocabulary: int, context: int, prompts: Sequence[Sequence[int]], *, pad: int = 0) -> list[Probe]:
    """The verification set.

    Args:
        vocabulary: Ids are below this.
        context: Longest text that is claimed to be treated alike.
        prompts: Real texts as ids; longer ones are cut.
        pad: Id that padding is made of.
    """
    draw = torch.Generator().manual_seed(SEED)

    def ids(rows: int, length: int) -> torch.Tensor:
        return torch.randint(0, vocabulary, (rows, length), generator=draw)

    longest = min(context, LONGEST)
    lengths = [length for length in dict.fromkeys((*LENGTHS, longest)) if length <= longest]
    found = [_full(f"random ids, length {length}", ids(1, length)) for length in lengths]
    found.append(_full("random ids, batch", ids(3, min(17, longest))))
    texts = [list(prompt[:longest]) for prompt in prompts if len(prompt)]
    found += [_full("a prompt", torch.tensor([text])) for text in texts]
    if len(texts) > 1:
        found.append(_padded(texts[:TOGETHER], pad))
    return found


def written(context: int) -> int:
    """Tokens to write after each beginning: `WRITTEN`, or what a short context has room for."""
    return min(WRITTEN, context - 1)


def beginnings(vocabulary: int, context: int, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """[1, T] texts to be gone on from, each leaving room for what is written."""
    room = max(1, min(context, LONGEST) - written(context))
    draw = torch.Generator().manual_seed(SEED + 1)
    random = torch.randint(0, vocabulary, (1, min(5, room)), generator=draw)
    return [random, *(torch.tensor([list(prompt[:room])]) for prompt in prompts[:2] if len(prompt))]


def _full(name: str, ids: torch.Tensor) -> Probe:
    return Probe(name=name, ids=ids, mask=torch.ones_like(ids))


def _padded(texts: Sequence[Sequence[int]], pad: int) -> Probe:
    width = max(map(len, texts))
    ids = torch.tensor([[pad] * (width - len(text)) + list(text) for text in texts])
    mask = torch.tensor([[0] * (width - len(text)) + [1] * len(text) for text in texts])
    return Probe(name="prompts, padded on the left", ids=ids, mask=mask)


def tokenized(folder: Path, texts: Sequence[str], vocabulary: int) -> list[list[int]]:
    """Texts as the model's own tokenizer reads them; none where it cannot be loaded."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError):  # a checkpoint without a tokenizer can still be verified
        return []
    rows = [list(tokenizer(text)["input_ids"]) for text in texts]
    return [row for row in rows if row and max(row) < vocabulary]
