"""Models of one vocabulary as one, whose next-token distribution is the mean of theirs.

Shapes: B texts of T tokens, V vocabulary.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch


class Averaged(torch.nn.Module):
    """Computes log Σ w·p, or Σ w·log p, as logits; each member has a cache of its own.

    Logits are told from the first member's zero, so that those of equal members are theirs.

    Args:
        members: Causal language models of transformers whose tokens mean the same.
        weights: What each counts; they sum to 1.
        geometric: Whether the mean is the geometric one.
    """

    def __init__(self, members: Sequence[Any], weights: Sequence[float], *, geometric: bool) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)
        self._devices = [member.device for member in members]
        self._weights, self._geometric = list(weights), geometric
        self.config = min((member.config for member in members), key=lambda config: config.vocab_size)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Sequence[Any] | None = None,
        use_cache: bool = False,
    ) -> SimpleNamespace:
        """`logits` [B, T, V] of token ids [B, T], in float64, and the members' caches.

        V is the smallest vocabulary: what goes beyond it is padding.
        """
        caches = past_key_values or [None] * len(self.members)
        given = {"attention_mask": attention_mask, "use_cache": use_cache}
        told = []
        for member, device, cache in zip(self.members, self._devices, caches, strict=True):
            known = inspect.signature(member.forward).parameters
            places = {"position_ids": position_ids} if "position_ids" in known else {}
            ids = input_ids.to(device)
            told.append(member(input_ids=ids, past_key_values=cache, **places, **given))
        return SimpleNamespace(
            logits=self._mean([each.logits for each in told]),
            past_key_values=[each.past_key_values for each in told],
        )

    def _mean(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        size = min(each.shape[-1] for each in rows)
        wide = [each[..., :size].double().cpu() for each in rows]
        logs = torch.stack([each.log_softmax(-1) for each in wide])
        weights = torch.tensor(self._weights, dtype=torch.float64).view(-1, *[1] * (logs.ndim - 1))
        mean = (weights * logs).sum(0) if self._geometric else (weights.log() + logs).logsumexp(0)
        return mean + wide[0].logsumexp(-1, keepdim=True)
