"""Attention over packed trees and over decoding slots, plugged into transformers' attention interface.

A model runs its own forward pass over one long row of tokens; where it would attend, `attend` asks the
layout in force which token reads which. Keys and values of a shared prefix are held once: attention
over them and over a sequence's own tokens are computed apart and merged by their log-sum-exps.

Shapes: T tokens, G trees or slots, Q queries of each, K keys of each, P prefix tokens,
H query heads, N key-value heads, D head size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional
from transformers import AttentionInterface

from regress.engines.schedule import Pack

NAME = "regress_shared"
UNTOLD = -1
KeyValue = tuple[torch.Tensor, torch.Tensor]
"""Keys and values, [N, P, D] each."""


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


def aligned(length: int) -> int:
    """The next multiple of 8: what the kernels of GPUs accept as the width of a mask.

    >>> aligned(8), aligned(9)
    (8, 16)
    """
    return -(-length // 8) * 8


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


# ── a prefix, trees, slots ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Prefix:
    """Keys and values of a prefix in every layer."""

    length: int
    layers: dict[int, KeyValue]


class Trees:
    """The trees of a pack, each token reading its ancestors, itself and the prefix.

    Args:
        pack: What is computed.
        prefix: What every token reads besides; null for nothing.
        device: Where.
        keep: Remember keys and values of every layer in `kept`.
    """

    def __init__(
        self, pack: Pack, prefix: Prefix | None, device: torch.device, *, keep: bool = False
    ) -> None:
        self.prefix = prefix
        self.kept: dict[int, KeyValue] | None = {} if keep else None
        sizes = np.diff(pack.bounds)
        self._width = aligned(int(sizes.max()))
        places = np.arange(self._width)
        inside = places < sizes[:, None]  # [G, Q]
        gather = np.where(inside, pack.bounds[:-1, None] + places, 0)
        ends = np.where(inside, pack.ends[gather], 0) - pack.bounds[:-1, None]
        reads = (places[:, None] >= places) & (places[:, None] < ends[:, None, :])  # [G, Q, K]
        reads[:, :, 0] |= ~inside  # a row of padding must read something
        self._gather = torch.from_numpy(gather.reshape(-1)).to(device)
        self._scatter = torch.from_numpy(np.flatnonzero(inside)).to(device)
        self._reads = torch.from_numpy(reads[:, None]).to(device)  # [G, 1, Q, K]
        self._positions = torch.from_numpy(pack.positions).to(device)  # [T]
        self._deepest = int(pack.positions.max())

    def attend(self, layer: int, q: torch.Tensor, kv: KeyValue, asked: Asked) -> torch.Tensor:
        """See `Layout`."""
        if self.kept is not None:
            self.kept[layer] = (kv[0].clone(), kv[1].clone())
        q_, k_, v_ = (self._padded(each) for each in (q, *kv))  # [G, heads, Q, D]
        out, lse = attention(q_, k_, v_, self._mask(asked), asked, lse=self.prefix is not None)
        own = out.transpose(1, 2).flatten(0, 1).index_select(0, self._scatter)  # [T, H, D]
        if self.prefix is None:
            return own
        own_lse = lse.transpose(1, 2).flatten(0, 1).index_select(0, self._scatter)  # [T, H]
        reads = _back(self._positions, self.prefix.length, asked, self._deepest)
        return merged(own, own_lse, *_prefix_attention(q, self.prefix.layers[layer], reads, asked))

    def _padded(self, each: torch.Tensor) -> torch.Tensor:
        """[heads, T, D] to [G, heads, Q, D]; what fills up is never read."""
        heads, _, size = each.shape
        rows = each.transpose(0, 1).index_select(0, self._gather)  # [G · Q, heads, D]
        return rows.view(-1, self._width, heads, size).transpose(1, 2)

    def _mask(self, asked: Asked) -> torch.Tensor:
        if asked.window is None or self._deepest < asked.window:
            return self._reads
        places = self._positions[self._gather].view(-1, 1, self._width)
        return self._reads & (places[..., :, None] - places[..., None, :] < asked.window)


@dataclass
class Slots:
    """Sequences that are written on: one new token each, reading its own past and the prefix.

    The memory is allocated once; a sequence that ends leaves its slot to another.
    """

    count: int
    """Slots that there are."""
    capacity: int
    """Tokens that a slot holds, without the prefix; `aligned`."""
    prefix: Prefix | None
    lengths: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    """[G] tokens that each active slot holds, before the new one."""
    longest: int = 0
    """The largest of `lengths` with the new one, `aligned`."""
    layers: dict[int, KeyValue] = field(default_factory=dict)
    """[count · capacity, N, D] each: the rows of one slot stand together."""

    def attend(self, layer: int, q: torch.Tensor, kv: KeyValue, asked: Asked) -> torch.Tensor:
        """See `Layout`; T is the number of active slots, which are the first ones."""
        active = q.shape[1]
        rows = torch.arange(active, device=q.device) * self.capacity + self.lengths
        keys, values = (
            self._stored(memory, new, rows)[:active, :, : self.longest]
            for memory, new in zip(self.layers[layer], kv, strict=True)
        )
        places = torch.arange(self.longest, device=q.device)
        reads = places <= self.lengths[:, None]  # [G, K]
        if asked.window is not None:
            reads &= places > self.lengths[:, None] - asked.window
        queries = q.transpose(0, 1)[:, :, None]  # [G, H, 1, D]
        shared = self.prefix is not None
        out, lse = attention(queries, keys, values, reads[:, None, None], asked, lse=shared)
        if self.prefix is None:
            return out[:, :, 0]
        back = _back(
            self.lengths + self.prefix.length, self.prefix.length, asked, self.longest + self.prefix.length
        )
        there = _prefix_attention(q, self.prefix.layers[layer], back, asked)
        return merged(out[:, :, 0], lse[:, :, 0], *there)

    def _stored(self, memory: torch.Tensor, new: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Store new [N, T, D] in `rows` of a memory; all of it as [count, N, capacity, D]."""
        memory.index_copy_(0, rows, new.transpose(0, 1))
        return memory.view(self.count, self.capacity, *memory.shape[1:]).transpose(1, 2)

    def fill(self, kept: dict[int, KeyValue], slots: torch.Tensor, places: torch.Tensor) -> None:
        """Store the keys and values of computed prompts: token t at `places[t]` of slot `slots[t]`."""
        for layer, kv in kept.items():
            if layer not in self.layers:
                rows = self.count * self.capacity
                self.layers[layer] = tuple(new.new_zeros(rows, new.shape[0], new.shape[2]) for new in kv)  # type: ignore[assignment]
            for memory, new in zip(self.layers[layer], kv, strict=True):
                memory.index_copy_(0, slots * self.capacity + places, new.transpose(0, 1))

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one slot into another."""
        a, b = source * self.capacity, target * self.capacity
        for memories in self.layers.values():
            for memory in memories:
                memory[b : b + length] = memory[a : a + length]


def _back(positions: torch.Tensor, prefix: int, asked: Asked, deepest: int) -> torch.Tensor | None:
    """[T, P] which prefix tokens each token's window still reaches; null for all."""
    if asked.window is None or deepest < asked.window:
        return None
    return positions[:, None] - torch.arange(prefix, device=positions.device) < asked.window


def _prefix_attention(
    q: torch.Tensor, kv: KeyValue, reads: torch.Tensor | None, asked: Asked
) -> tuple[torch.Tensor, torch.Tensor]:
    """q [H, T, D] over keys and values [N, P, D]: output [T, H, D] and log-sum-exp [T, H]."""
    mask = None if reads is None else reads[None, None]
    out, lse = (
        each[0].transpose(0, 1)
        for each in attention(q[None], kv[0][None], kv[1][None], mask, asked, lse=True)
    )
    if reads is None:
        return out, lse
    blind = ~reads.any(dim=-1)[:, None]  # its window has passed the whole prefix
    return out.masked_fill(blind[..., None], 0.0), lse.masked_fill(blind, -torch.inf)


def merged(a: torch.Tensor, a_lse: torch.Tensor, b: torch.Tensor, b_lse: torch.Tensor) -> torch.Tensor:
    """Attention over two sets of keys from attention over each: [T, H, D] and log-sum-exps [T, H].

    softmax over both = a · e^a_lse / (e^a_lse + e^b_lse) + b · e^b_lse / (…), so b weighs σ(b_lse − a_lse).
    """
    return torch.lerp(a, b, torch.sigmoid(b_lse - a_lse)[..., None].to(a.dtype))


# ── the kernels ──────────────────────────────────────────────────────────────────────────────────


def attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    reads: torch.Tensor | None,
    asked: Asked,
    *,
    lse: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """softmax(scale · q kᵀ) v, and where wanted the log of what the softmax divides by.

    Args:
        q: [G, H, Q, D].
        k: [G, N, K, D]; H is a multiple of N, neighbouring query heads share a key-value head.
        v: As `k`.
        reads: [G or 1, 1, Q, K], true where a query reads a key; null for everywhere.
        asked: Scale and soft cap.
        lse: Whether the second result is wanted; else it is empty.

    Returns:
        [G, H, Q, D] and [G, H, Q] in float32; −inf for a query that reads nothing.
    """
    trees, heads, queries, size = q.shape
    group = heads // k.shape[1]
    if group > 1:  # the heads that share keys as further queries
        q = q.reshape(trees, k.shape[1], group * queries, size)
        reads = reads if reads is None else reads.repeat(1, 1, group, 1)
    if asked.softcap is not None or not _kernel_takes(q, v, reads):
        out, sums = _plain(q, k, v, reads, asked)
    elif not lse:
        out, sums = (
            functional.scaled_dot_product_attention(q, k, v, attn_mask=reads, scale=asked.scale),
            q.new_empty(0),
        )
    else:
        out, sums = _with_lse(q, k, v, reads, asked.scale)
    return (
        out.reshape(trees, heads, queries, -1),
        sums.reshape(trees, heads, queries) if lse else sums,
    )


def _kernel_takes(q: torch.Tensor, v: torch.Tensor, reads: torch.Tensor | None) -> bool:
    if q.shape[-1] != v.shape[-1] or q.dtype == torch.float64:
        return False
    masks = reads is None or reads.shape[-1] % 8 == 0
    return q.device.type == "cpu" or (q.device.type == "cuda" and masks)


def _with_lse(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, reads: torch.Tensor | None, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernels of torch that tell the log-sum-exp: private ones, so a model is checked when it is loaded."""
    if q.device.type == "cpu":
        bias = None if reads is None else _bias(reads, q.dtype)
        out, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, attn_mask=bias, scale=scale
        )
        return out, sums
    bias = None if reads is None else _bias(reads, q.dtype).expand(*q.shape[:3], k.shape[2])
    out, sums, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, bias, True, scale=scale)
    return out, sums[..., : q.shape[2]]  # the kernel rounds the number of queries up


def _bias(reads: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(reads.shape, dtype=dtype, device=reads.device).masked_fill_(~reads, -torch.inf)


def _plain(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, reads: torch.Tensor | None, asked: Asked
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = (q @ k.transpose(-1, -2)).float() * asked.scale
    if asked.softcap is not None:
        scores = torch.tanh(scores / asked.softcap) * asked.softcap
    if reads is not None:
        scores = scores.masked_fill(~reads, -torch.inf)
    return scores.softmax(dim=-1).to(v.dtype) @ v, scores.logsumexp(dim=-1)
