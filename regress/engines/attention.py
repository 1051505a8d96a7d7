"""Attention as a model asks for it, and torch's kernels for it.

A model runs its own forward pass over one long row of tokens; where it would attend, `attend` hands over
to the layout in force (`regress.engines.layouts`), which knows what each token reads.

Shapes: T tokens, G groups of tokens that read each other, Q queries and K keys of each,
H query heads, N key-value heads, D head size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import torch
from torch.nn import functional
from transformers import AttentionInterface

NAME = "regress_shared"
UNTOLD = -1
CAUSAL: Final = "causal"
Reads = torch.Tensor | Literal["causal"] | None
"""Which keys a query reads: all (null), those up to its own place, or those where a bias [G or 1, 1, Q, K]
is 0 and not −inf."""
MASK_WIDTH = 8
"""Of which the kernels of GPUs want the width of a mask to be a multiple."""
KeyValue = tuple[torch.Tensor, torch.Tensor]
"""Keys and values, [N, T, D] each unless another shape is said."""


class Unsupported(Exception):
    """The model asks its attention for something that is not done here; another engine must run it."""


@dataclass(frozen=True)
class Asked:
    """What a layer asks of its attention."""

    scale: float
    window: int | None
    """Tokens back that are read, itself included; null for all."""
    softcap: float | None


class Layout(Protocol):
    """Which token reads which."""

    def attend(self, layer: int, q: torch.Tensor, kv: KeyValue, asked: Asked) -> torch.Tensor:
        """q [H, T, D], keys and values [N, T, D] to the attention's output [T, H, D]."""
        ...


_layout: ContextVar[Layout] = ContextVar("layout")


@contextlib.contextmanager
def in_force(layout: Layout) -> Iterator[None]:
    """Attend as `layout` says while the block runs."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = UNTOLD,
    softcap: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls: [1, heads, T, D] each, to [1, T, H, D].

    Raises:
        Unsupported: If the layer asks for sinks, biases or anything else that changes attention.
    """
    for name in ("position_bias", "s_aux", "cache", "head_mask"):
        if others.get(name) is not None:
            raise Unsupported(f"its attention takes {name}")
    if query.shape[0] != 1 or query.shape[2] != key.shape[2] or attention_mask is not None:
        raise Unsupported("its attention has masks or a cache of its own")
    if sliding_window is UNTOLD:
        if getattr(module.config, "sliding_window", None) is not None:
            raise Unsupported("its attention does not tell how far back it reads")
        sliding_window = None
    scale = query.shape[-1] ** -0.5 if scaling is None else float(scaling)
    asked = Asked(scale, sliding_window, softcap)
    out = _layout.get().attend(module.layer_idx, query[0], (key[0], value[0]), asked)
    return out[None], None


AttentionInterface.register(NAME, attend)


# ── the kernels ──────────────────────────────────────────────────────────────────────────────────


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, reads: Reads, asked: Asked, *, lse: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(scale · q kᵀ + bias) v, and where wanted the log of what the softmax divides by.

    Args:
        q: [G, H, Q, D].
        k: [G, N, K, D]; H is a multiple of N, neighbouring query heads share a key-value head.
        v: As `k`.
        reads: Which keys a query reads.
        asked: Scale and soft cap.
        lse: Whether the second result is wanted; else it is empty.

    Returns:
        [G, H, Q, D] and [G, H, Q] in float32.
    """
    groups, heads, queries, size = q.shape
    sharing = heads // k.shape[1]
    if sharing > 1 and reads is CAUSAL:
        k, v = (each.repeat_interleave(sharing, dim=1) for each in (k, v))
    elif sharing > 1:  # the heads that share keys as further queries
        q = q.reshape(groups, k.shape[1], sharing * queries, size)
        reads = reads.repeat(1, 1, sharing, 1) if isinstance(reads, torch.Tensor) else reads
    if asked.softcap is not None or not _kernel_takes(q, v, reads):
        out, sums = _plain(q, k, v, reads, asked)
    elif lse:
        out, sums = _with_lse(q, k, v, reads, asked.scale)
    else:
        bias = reads if isinstance(reads, torch.Tensor) else None
        out = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=bias, is_causal=reads is CAUSAL, scale=asked.scale
        )
    told = sums.reshape(groups, heads, queries) if lse else q.new_empty(0)
    return out.reshape(groups, heads, queries, -1), told


def merged(a: torch.Tensor, a_lse: torch.Tensor, b: torch.Tensor, b_lse: torch.Tensor) -> torch.Tensor:
    """Attention over two sets of keys from attention over each: [T, H, D] and log-sum-exps [T, H].

    softmax over both = a · e^a_lse / (e^a_lse + e^b_lse) + b · e^b_lse / (…), so b weighs σ(b_lse − a_lse).
    """
    return torch.lerp(a, b, torch.sigmoid(b_lse - a_lse)[..., None].to(a.dtype))


def _kernel_takes(q: torch.Tensor, v: torch.Tensor, reads: Reads) -> bool:
    if q.shape[-1] != v.shape[-1] or q.dtype == torch.float64:
        return False
    masks = not isinstance(reads, torch.Tensor) or reads.shape[-1] % MASK_WIDTH == 0
    return q.device.type == "cpu" or (q.device.type == "cuda" and masks)


def _with_lse(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, reads: Reads, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernels of torch that tell the log-sum-exp: private ones, so a model is checked when it is loaded."""
    bias, causal = (reads if isinstance(reads, torch.Tensor) else None), reads is CAUSAL
    if q.device.type == "cpu":
        out, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, is_causal=causal, attn_mask=bias, scale=scale
        )
        return out, sums
    wide = None if bias is None else bias.expand(*q.shape[:3], k.shape[2])
    out, sums, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
        q, k, v, wide, True, is_causal=causal, scale=scale
    )
    return out, sums[..., : q.shape[2]]  # the kernel rounds the number of queries up


def _plain(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, reads: Reads, asked: Asked
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = (q @ k.transpose(-1, -2)).float() * asked.scale
    if asked.softcap is not None:
        scores = torch.tanh(scores / asked.softcap) * asked.softcap
    if reads is CAUSAL:
        later = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    elif isinstance(reads, torch.Tensor):
        scores = scores + reads
    return scores.softmax(dim=-1).to(v.dtype) @ v, scores.logsumexp(dim=-1)
