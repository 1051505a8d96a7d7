"""`grow`: wider MLPs, more heads, wider heads, a wider residual stream, all without changing the function.

One rule covers them: of the tensors on the two sides of a dimension, one side gets zeros in the new
slots and the other is free. Only three scales are to be corrected: keys, norm gains, and eps.

Reference: Gesmundo & Maile (2023), "Composable Function-preserving Expansions for Transformer
Architectures", arXiv:2308.06103; for LayerNorm, LEMON (Wang et al. 2023), arXiv:2310.07999.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from regress.errors import Unsupported, UsageError
from regress.updates.claims import SAME
from regress.updates.draft import Architecture, Change, Draft, part
from regress.updates.expressions import Tensor, join, mean, ones, repeat, reshape, scale, take, zeros
from regress.updates.steps.fresh import Fresh, Init
from regress.updates.steps.rotation import rotation
from regress.updates.steps.sizes import Size, resized


@dataclass(frozen=True, kw_only=True)
class Grow:
    """Widen a model; what is not named stays as it is.

    Widths are absolute (640), so many more ("+2") or a factor ("1.5x").
    """

    verb: ClassVar[str] = "grow"

    mlp: Size | None = None
    """Units of the MLP, or of every expert."""
    heads: Size | None = None
    """Query heads: inside every group of shared keys where they fit, else whole groups."""
    kv_heads: Size | None = None
    """Heads of keys and values: whole groups are added."""
    head_dim: Size | None = None
    """Width of a head, for keys and values alike."""
    hidden: Size | None = None
    """Width of the residual stream."""
    init: Init = "random"
    """What fills new slots whose values do not matter: `random`, or `copy` of old ones."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        shape = draft.shape
        if self.init not in ("random", "copy"):
            raise UsageError(f"init={self.init} is not known", allowed="random, copy")
        fresh = Fresh(init=self.init, std=shape.init_std, step=f"grow/{_widths(shape)}")
        draft = _mlp(draft, resized("mlp", self.mlp, shape.ffn), fresh)
        draft = self._heads(draft, fresh)
        draft = _head_dim(draft, resized("head_dim", self.head_dim, shape.head_dim), fresh)
        draft = _hidden(draft, resized("hidden", self.hidden, shape.hidden), fresh)
        return Change(draft=draft, claim=SAME)

    def _heads(self, draft: Draft, fresh: Fresh) -> Draft:
        shape = draft.shape
        heads = resized("heads", self.heads, shape.heads)
        ratio = shape.heads // shape.kv_heads
        if self.kv_heads is not None:
            groups = resized("kv_heads", self.kv_heads, shape.kv_heads)
            heads = heads if self.heads is not None else ratio * groups
            if heads % groups:
                raise _unshared(heads, groups)
        elif heads % shape.kv_heads == 0 and ratio > 1:
            groups = shape.kv_heads
        elif heads % ratio == 0:
            groups = heads // ratio
        else:
            raise _unshared(heads, shape.kv_heads)
        draft = _heads_in_groups(draft, heads // groups, fresh)
        return _groups(draft, groups, fresh)


def _widths(shape: Architecture) -> tuple[int, ...]:
    """Different after every growth, so that no two draw the same numbers."""
    return (shape.ffn, shape.heads, shape.kv_heads, shape.head_dim, shape.hidden, shape.layers)


def _unshared(heads: int, groups: int) -> Unsupported:
    return Unsupported(
        f"{heads} heads cannot share {groups} heads of keys and values",
        allowed=f"a multiple of {groups}, as {groups * -(-heads // groups)}",
        do="Or say kv_heads as well.",
    )


def _mlp(draft: Draft, units: int, fresh: Fresh) -> Draft:
    """p to p': the new columns of `down` are zero."""
    more = units - draft.shape.ffn
    if not more:
        return draft

    def grown(name: str, tensor: Tensor) -> Tensor:
        match part(name):
            case "gate.weight" | "up.weight" | "gate.bias" | "up.bias":
                return fresh.more(name, tensor, 0, more)
            case "down.weight":
                return join([tensor, zeros(tensor.shape[0], more)], 1)
        return tensor

    return draft.but(draft.map(grown), ffn=units)


def _heads_in_groups(draft: Draft, ratio: int, fresh: Fresh) -> Draft:
    """r to r' query heads in every group of shared keys: the new columns of `o` are zero."""
    shape = draft.shape
    groups, width = shape.kv_heads, shape.head_dim
    old = shape.heads // groups
    more = ratio - old
    if not more:
        return draft

    def grown(name: str, tensor: Tensor) -> Tensor:
        match part(name):
            case "q.weight" | "q.bias":
                rest = tensor.shape[1:]
                grouped = reshape(tensor, groups, old, width, *rest)
                return reshape(fresh.more(name, grouped, 1, more), groups * ratio * width, *rest)
            case "o.weight":
                hidden = tensor.shape[0]
                grouped = reshape(tensor, hidden, groups, old, width)
                wider = join([grouped, zeros(hidden, groups, more, width)], 2)
                return reshape(wider, hidden, groups * ratio * width)
        return tensor

    return draft.but(draft.map(grown), heads=groups * ratio)


def _groups(draft: Draft, groups: int, fresh: Fresh) -> Draft:
    """KV to KV' heads of keys and values, each with its query heads: the new columns of `o` are zero."""
    shape = draft.shape
    more = groups - shape.kv_heads
    if not more:
        return draft
    ratio = shape.heads // shape.kv_heads
    added = {"q": more * ratio * shape.head_dim, "k": more * shape.head_dim, "v": more * shape.head_dim}

    def grown(name: str, tensor: Tensor) -> Tensor:
        piece, _, kind = part(name).partition(".")
        if piece in added:
            return fresh.more(name, tensor, 0, added[piece])
        if (piece, kind) == ("o", "weight"):
            return join([tensor, zeros(tensor.shape[0], added["q"])], 1)
        return tensor

    return draft.but(draft.map(grown), heads=ratio * groups, kv_heads=groups)


def _head_dim(draft: Draft, width: int, fresh: Fresh) -> Draft:
    """d to d': new rows of `k` and new columns of `o` are zero, and keys take up what scores lose.

    With rotary positions old dimensions must keep their frequencies. With norms of queries and keys
    the new rows of both are zero, since a norm would notice anything else.
    """
    shape = draft.shape
    if width == shape.head_dim:
        return draft
    turned = rotation(shape, width)
    share = shape.head_dim / width

    def grown(name: str, tensor: Tensor) -> Tensor:
        match part(name):
            case "q.weight" | "q.bias":
                return _wider_heads(
                    tensor, shape.heads, turned.places, width, None if shape.qk_norm else fresh, name
                )
            case "k.weight" | "k.bias":
                louder = scale(tensor, math.sqrt(1 / share)) if _scores_shrink(shape) else tensor
                return _wider_heads(louder, shape.kv_heads, turned.places, width, None, name)
            case "v.weight" | "v.bias":
                return _wider_heads(tensor, shape.kv_heads, tuple(range(shape.head_dim)), width, fresh, name)
            case "o.weight":
                return _wider_columns(tensor, shape, width)
            case "q_norm.weight" | "k_norm.weight":
                return _wider_gain(part(name), tensor, turned.places, width)
        return tensor

    return draft.but(
        draft.map(grown),
        head_dim=width,
        rope=turned.parameters,
        rotary=turned.dimensions,
        qk_eps=shape.qk_eps * share if shape.qk_eps is not None else None,
    )


def _scores_shrink(shape: Architecture) -> bool:
    """Whether wider heads divide scores by more; behind a norm the gain makes up for it."""
    return shape.scaled_scores and not shape.qk_norm


def _wider_heads(
    tensor: Tensor, heads: int, places: tuple[int, ...], width: int, fresh: Fresh | None, name: str
) -> Tensor:
    """Rows of every head moved to `places` of `width`; the others are free, or zero without `fresh`."""
    old, rest = len(places), tensor.shape[1:]
    grouped = reshape(tensor, heads, old, *rest)
    more = width - old
    new = zeros(heads, more, *rest) if fresh is None else fresh.slots(f"{name}/{width}", grouped, 1, more)
    order = _order(places, width)
    return reshape(take(join([grouped, new], 1), 1, order), heads * width, *rest)


def _wider_columns(tensor: Tensor, shape: Architecture, width: int) -> Tensor:
    hidden, more = tensor.shape[0], width - shape.head_dim
    grouped = reshape(tensor, hidden, shape.heads, shape.head_dim)
    wider = join([grouped, zeros(hidden, shape.heads, more)], 2)
    return reshape(wider, hidden, shape.heads * width)


def _wider_gain(name: str, gain: Tensor, places: tuple[int, ...], width: int) -> Tensor:
    """The mean square over a head falls by d/d'; the key's gain also takes up what scores lose."""
    old = len(places)
    lost = math.sqrt(old / width)
    kept = scale(gain, lost) if name == "q_norm.weight" else gain
    return take(join([kept, ones(width - old)], 0), 0, _order(places, width))


def _order(places: tuple[int, ...], width: int) -> tuple[int, ...]:
    """Which of [old slots, new slots] stands at each of `width` places."""
    old = {place: number for number, place in enumerate(places)}
    new = iter(range(len(places), width))
    return tuple(old[place] if place in old else next(new) for place in range(width))


def _hidden(draft: Draft, width: int, fresh: Fresh) -> Draft:
    """h to h': writers of the residual stream get zeros (with LayerNorm: means), its readers are free."""
    shape = draft.shape
    if width == shape.hidden:
        return draft
    if not shape.norm_first and shape.norm == "layer":
        raise Unsupported("behind a LayerNorm on the sum the residual stream cannot be widened exactly")
    return draft.but(
        {name: _wider_stream(name, tensor, shape, width, fresh) for name, tensor in draft.tensors.items()},
        hidden=width,
        eps=shape.eps * shape.hidden / width,
    )


_WRITERS = ("o.weight", "down.weight", "o.bias", "down.bias")
_READERS = ("q.weight", "k.weight", "v.weight", "gate.weight", "up.weight", "router.weight", "head.weight")
_TABLES = ("embed.weight", "positions.weight", "position_padding.weight")
_STREAM_NORMS = ("norm1", "norm2", "final_norm")


def _wider_stream(name: str, tensor: Tensor, shape: Architecture, width: int, fresh: Fresh) -> Tensor:
    more, piece = width - shape.hidden, part(name)
    if piece in _TABLES:
        return _written(tensor, 1, more, shape)
    if piece in _WRITERS:
        return _written(tensor, 0, more, shape)
    if piece in _READERS:
        return fresh.more(f"{name}/{width}", tensor, 1, more)
    norm, _, kind = piece.partition(".")
    if norm not in _STREAM_NORMS:
        return tensor
    if kind == "bias":
        return join([tensor, zeros(more)], 0)
    return join([scale(tensor, math.sqrt(shape.hidden / width)), ones(more)], 0)


def _written(tensor: Tensor, dim: int, more: int, shape: Architecture) -> Tensor:
    """What the new channels hold: nothing; before a LayerNorm the old ones' mean, which it takes off."""
    if shape.norm == "layer":
        return join([tensor, repeat(mean(tensor, dim), dim, more)], dim)
    return join([tensor, zeros(*tensor.shape[:dim], more, *tensor.shape[dim + 1 :])], dim)
