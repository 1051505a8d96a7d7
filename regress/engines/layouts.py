"""What each token reads: the trees of a pack, or decoding slots, and beside them a shared prefix.

Keys and values of the prefix are held once. Attention over them and over a window's own tokens are
computed apart and merged by their log-sum-exps.

Shapes: T tokens of a pack or active slots, G trees or slots, Q queries of each, K keys of each,
P prefix tokens, H query heads, N key-value heads, D head size.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from regress.engines.attention import CAUSAL, MASK_WIDTH, Asked, KeyValue, Reads, attention, merged
from regress.engines.schedule import Ids, Pack

ALIKE = 0.85
"""Trees at least this share of the largest beside them are attended to together, padded to its size."""
BESIDE = {"cpu": 8}
"""Decoding slots attended to together, by kind of device; all of them where nothing is said."""


def aligned(length: int) -> int:
    """The next multiple of `MASK_WIDTH`.

    >>> aligned(8), aligned(9)
    (8, 16)
    """
    return -(-length // MASK_WIDTH) * MASK_WIDTH


@dataclass(frozen=True)
class Prefix:
    """Keys and values of a prefix in every layer."""

    length: int
    layers: dict[int, KeyValue]
    """[N, P, D] each."""

    def attend(
        self, layer: int, q: torch.Tensor, positions: torch.Tensor, asked: Asked
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """q [H, T, D] at positions [T] over the prefix: output [T, H, D] and log-sum-exp [T, H]."""
        keys, values = (each[None] for each in self.layers[layer])
        reads = self._reached(positions, asked)
        bias = None if reads is None else _bias(reads, q.dtype)[None, None]
        out, lse = (
            each[0].transpose(0, 1) for each in attention(q[None], keys, values, bias, asked, lse=True)
        )
        if reads is None:
            return out, lse
        blind = ~reads.any(dim=-1)[:, None]  # the window has passed the whole prefix
        return out.masked_fill(blind[..., None], 0.0), lse.masked_fill(blind, -torch.inf)

    def _reached(self, positions: torch.Tensor, asked: Asked) -> torch.Tensor | None:
        """[T, P] which prefix tokens each token's window still reaches; null for all."""
        if asked.window is None or int(positions.max()) < asked.window:
            return None
        return positions[:, None] - torch.arange(self.length, device=positions.device) < asked.window


class Trees:
    """The trees of a pack, each token reading its ancestors, itself and the prefix.

    Args:
        pack: What is computed.
        prefix: What every token reads besides; null for nothing.
        device: Where.
        dtype: Of queries and keys.
        keep: Remember keys and values of every layer in `kept`.
    """

    def __init__(
        self,
        pack: Pack,
        prefix: Prefix | None,
        device: torch.device,
        dtype: torch.dtype,
        *,
        keep: bool = False,
    ) -> None:
        self.kept: dict[int, KeyValue] | None = {} if keep else None
        self._prefix = prefix
        self._positions = torch.from_numpy(pack.positions).to(device)  # [T]
        self._alike = [_Alike(pack, trees, device, dtype) for trees in _alike(np.diff(pack.bounds))]

    def attend(self, layer: int, q: torch.Tensor, kv: KeyValue, asked: Asked) -> torch.Tensor:
        """q [H, T, D], keys and values [N, T, D] to the output [T, H, D]."""
        if self.kept is not None:
            self.kept[layer] = (kv[0].clone(), kv[1].clone())
        parts = [alike.attend(q, kv, asked, lse=self._prefix is not None) for alike in self._alike]
        out, lse = (torch.cat(each) if len(parts) > 1 else each[0] for each in zip(*parts, strict=True))
        if self._prefix is None:
            return out
        return merged(out, lse, *self._prefix.attend(layer, q, self._positions, asked))


def _alike(sizes: Ids) -> list[range]:
    """Runs of neighbouring trees of about one size, given in descending order.

    >>> _alike(np.array([100, 90, 50, 49, 10]))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    runs: list[range] = []
    start = 0
    for place in range(1, len(sizes) + 1):
        if place == len(sizes) or not ALIKE * sizes[start] <= sizes[place] <= sizes[start]:
            runs.append(range(start, place))
            start = place
    return runs


class _Alike:
    """Neighbouring trees of a pack, padded to the size of the largest where they attend, and only there."""

    def __init__(self, pack: Pack, trees: range, device: torch.device, dtype: torch.dtype) -> None:
        starts, sizes = pack.bounds[trees.start : trees.stop], np.diff(pack.bounds)[trees.start : trees.stop]
        self._width = aligned(int(sizes.max()))
        self._inside = np.arange(self._width) < sizes[:, None]  # [G, Q]
        gather = np.where(self._inside, starts[:, None] + np.arange(self._width), starts[0])
        self._ends = np.where(self._inside, pack.ends[gather] - starts[:, None], 0)  # [G, Q]
        self._positions = pack.positions[gather]  # [G, Q]
        self._chains = bool((self._ends == sizes[:, None])[self._inside].all())
        self._gather, self._scatter = (
            torch.from_numpy(each).to(device) for each in (gather.reshape(-1), np.flatnonzero(self._inside))
        )
        self._dtype = dtype
        self._biases: dict[int | None, torch.Tensor] = {}

    def attend(
        self, q: torch.Tensor, kv: KeyValue, asked: Asked, *, lse: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The output [T, H, D] of these trees' tokens, and where wanted their log-sum-exp [T, H]."""
        q, k, v = (self._padded(each) for each in (q, *kv))  # [G, heads, Q, D]
        out, sums = attention(q, k, v, self._read(asked.window), asked, lse=lse)
        own = out.transpose(1, 2).flatten(0, 1).index_select(0, self._scatter)
        return own, sums.transpose(1, 2).flatten(0, 1).index_select(0, self._scatter) if lse else sums

    def _padded(self, each: torch.Tensor) -> torch.Tensor:
        """[heads, T, D] of the pack to [G, heads, Q, D]; what fills up is never read."""
        heads, _, size = each.shape
        rows = each.transpose(0, 1).index_select(0, self._gather)  # [G · Q, heads, D]
        return rows.view(-1, self._width, heads, size).transpose(1, 2)

    def _read(self, window: int | None) -> Reads:
        """What the kernel is told; where nothing branches it needs no mask."""
        window = None if window is None or self._positions.max() < window else window
        if self._chains and window is None:
            return CAUSAL
        if window not in self._biases:
            reads = torch.from_numpy(self._reads(window)).to(self._gather.device)
            self._biases[window] = _bias(reads, self._dtype)[:, None]
        return self._biases[window]

    def _reads(self, window: int | None) -> npt.NDArray[np.bool_]:
        """[G, Q, K] whether a token is, or descends from, another one not too far back."""
        places = np.arange(self._width)
        reads = (places[:, None] >= places) & (places[:, None] < self._ends[:, None, :])
        if window is not None:
            reads &= self._positions[:, :, None] - self._positions[:, None, :] < window
        reads[:, :, 0] |= ~self._inside  # padding must read something
        return reads


class Slots:
    """Sequences that are written on: one new token each, reading its own past and the prefix.

    The memory is taken once; a sequence that ends leaves its slot to another. The active ones are
    always the first.

    Args:
        capacities: Tokens that each slot must hold, without the prefix, [slots]; descending.
        prefix: What every slot reads besides; null for nothing.
        device: Where.
        dtype: Of queries and keys.
    """

    def __init__(
        self, capacities: Ids, prefix: Prefix | None, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.count, self.prefix = len(capacities), prefix
        self._device, self._dtype = device, dtype
        step = BESIDE.get(device.type, self.count)
        self._starts = range(0, self.count, step)
        wide = [aligned(int(capacities[start])) for start in self._starts]
        self._capacities = np.repeat(wide, step)[: self.count]
        self._offsets = self._capacities.cumsum() - self._capacities  # of each slot's first token
        self._layers: dict[int, KeyValue] = {}  # [N · sum of capacities, D] each: slots, heads, tokens
        self._lengths = np.zeros(0, np.int64)
        self._beside: list[_Beside] = []

    def begin(self, lengths: Ids) -> None:
        """Say how many tokens each active slot holds, [G], before a new one is computed in all of them."""
        self._lengths = lengths
        ends = [*self._starts[1:], self.count]
        active = [slice(start, min(end, len(lengths))) for start, end in zip(self._starts, ends, strict=True)]
        self._beside = [
            _Beside(slots, lengths[slots], self._device, self._dtype)
            for slots in active
            if slots.start < slots.stop
        ]

    def attend(self, layer: int, q: torch.Tensor, kv: KeyValue, asked: Asked) -> torch.Tensor:
        """q [H, G, D], keys and values [N, G, D] of the new tokens to the output [G, H, D]."""
        self._put(layer, np.arange(len(self._lengths)), self._lengths, kv)
        queries = q.transpose(0, 1)[:, :, None]  # [G, H, 1, D]
        parts = [self._read(beside, queries, layer, asked) for beside in self._beside]
        out = torch.cat([own for own, _ in parts])[:, :, 0]
        if self.prefix is None:
            return out
        lse = torch.cat([sums for _, sums in parts])[:, :, 0]
        positions = torch.from_numpy(self._lengths + self.prefix.length).to(self._device)
        return merged(out, lse, *self.prefix.attend(layer, q, positions, asked))

    def _read(
        self, beside: _Beside, queries: torch.Tensor, layer: int, asked: Asked
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of queries [all, H, 1, D] those of neighbours: the output [G, H, 1, D] and log-sum-exps."""
        keys, values = (
            self._held(memory, beside.slots)[:, :, : beside.longest] for memory in self._layers[layer]
        )
        bias, wanted = beside.bias(asked.window), self.prefix is not None
        return attention(queries[beside.slots], keys, values, bias, asked, lse=wanted)

    def fill(self, kept: dict[int, KeyValue], slots: Ids, places: Ids) -> None:
        """Store the keys and values of computed prompts: token t at `places[t]` of slot `slots[t]`."""
        for layer, kv in kept.items():
            if layer not in self._layers:
                tokens = int(self._capacities.sum())
                keys, values = (_zeros((new.shape[0] * tokens, new.shape[2]), new) for new in kv)
                self._layers[layer] = keys, values
            self._put(layer, slots, places, kv)

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one slot into another."""
        for memories in self._layers.values():
            for memory in memories:
                held, free = (self._held(memory, slice(slot, slot + 1)) for slot in (source, target))
                free[:, :, :length] = held[:, :, :length]

    def _put(self, layer: int, slots: Ids, places: Ids, kv: KeyValue) -> None:
        """Write keys and values [N, T, D] at `places` of `slots`, [T] each."""
        heads = np.arange(len(kv[0]))[:, None]
        rows = self._offsets[slots] * len(heads) + heads * self._capacities[slots] + places  # [N, T]
        at = torch.from_numpy(rows.reshape(-1)).to(self._device)
        for memory, new in zip(self._layers[layer], kv, strict=True):
            memory.index_copy_(0, at, new.reshape(len(at), -1))

    def _held(self, memory: torch.Tensor, slots: slice) -> torch.Tensor:
        """Of a memory, what neighbours of one capacity hold: [slots, N, capacity, D]."""
        heads = len(memory) // int(self._capacities.sum())
        capacity = int(self._capacities[slots.start])
        start, count = int(self._offsets[slots.start]) * heads, slots.stop - slots.start
        rows = memory[start : start + count * heads * capacity]
        return rows.view(count, heads, capacity, memory.shape[1])


class _Beside:
    """Neighbouring slots of one capacity, and which of their tokens are read."""

    def __init__(self, slots: slice, lengths: Ids, device: torch.device, dtype: torch.dtype) -> None:
        self.slots, self.longest = slots, aligned(int(lengths.max()) + 1)
        self._lengths = torch.from_numpy(lengths).to(device)
        self._dtype = dtype
        self._biases: dict[int | None, torch.Tensor] = {}

    def bias(self, window: int | None) -> torch.Tensor:
        """[G, 1, 1, K] for tokens up to the longest's."""
        if window not in self._biases:
            places = torch.arange(self.longest, device=self._lengths.device)
            reads = places <= self._lengths[:, None]
            if window is not None:
                reads = reads & (places > self._lengths[:, None] - window)
            self._biases[window] = _bias(reads, self._dtype)[:, None, None]
        return self._biases[window]


def _zeros(shape: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
    """Zeros of another tensor's type and place; on a CPU memory is taken only where something is written."""
    if like.device.type != "cpu":
        return like.new_zeros(shape)
    memory = mmap.mmap(-1, shape[0] * shape[1] * like.element_size())
    return torch.frombuffer(memory, dtype=like.dtype).view(shape)


def _bias(reads: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros(reads.shape, dtype=dtype, device=reads.device).masked_fill_(~reads, -torch.inf)
