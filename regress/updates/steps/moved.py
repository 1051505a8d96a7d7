"""Symmetries that move weights, copy them, or double and halve them: no digit changes."""

from __future__ import annotations

import random
from collections.abc import Sequence

from regress.errors import Unsupported
from regress.updates.claims import IDENTICAL, SAME
from regress.updates.draft import Change, Draft, of_layer, part
from regress.updates.expressions import Tensor, reshape, scale, take

_HOMOGENEOUS = ("relu", "leaky_relu", "linear")
"""Activations with act(2·x) = 2·act(x)."""


def permute_ffn(draft: Draft, seed: int) -> Change:
    """Units of every MLP in a random order: rows of gate and up, columns of down."""
    units = draft.shape.ffn

    def moved(name: str, tensor: Tensor) -> Tensor:
        match part(name):
            case "gate.weight" | "gate.bias" | "up.weight" | "up.bias":
                return take(tensor, 0, _order(units, seed, _block(name)))
            case "down.weight":
                return take(tensor, 1, _order(units, seed, _block(name)))
        return tensor

    return Change(draft=draft.but(draft.map(moved)), claim=SAME)


def permute_heads(draft: Draft, seed: int) -> Change:
    """Heads of keys and values in a random order, each with its query heads."""
    shape = draft.shape
    groups = shape.kv_heads

    def moved(name: str, tensor: Tensor) -> Tensor:
        piece, _, kind = part(name).partition(".")
        where = of_layer(name)
        if where is None or piece not in ("q", "k", "v", "o") or (piece, kind) == ("o", "bias"):
            return tensor
        order = _order(groups, seed, f"layers.{where[0]}")
        return _groups(tensor, 1 if piece == "o" else 0, groups, order)

    return Change(draft=draft.but(draft.map(moved)), claim=SAME)


def repeat_kv(draft: Draft) -> Change:
    """Every query head gets a copy of the keys and values that it shared."""
    shape = draft.shape
    places = [head * shape.kv_heads // shape.heads for head in range(shape.heads)]

    def copied(name: str, tensor: Tensor) -> Tensor:
        if part(name) in ("k.weight", "k.bias", "v.weight", "v.bias"):
            return _groups(tensor, 0, shape.kv_heads, places)
        return tensor

    return Change(draft=draft.but(draft.map(copied), kv_heads=shape.heads), claim=SAME)


def scale_ffn(draft: Draft) -> Change:
    """What a gate multiplies doubled, and what reads it halved: every bit of every logit stays.

    Raises:
        Unsupported: Without a gate, if the activation notices.
    """
    shape = draft.shape
    if not shape.gated and shape.activation not in _HOMOGENEOUS:
        raise Unsupported(
            f"{shape.activation} of twice a number is not twice {shape.activation} of it",
            allowed=f"an MLP with a gate, or {', '.join(_HOMOGENEOUS)}",
        )

    def scaled(name: str, tensor: Tensor) -> Tensor:
        match part(name):
            case "up.weight" | "up.bias":
                return scale(tensor, 2.0)
            case "down.weight":
                return scale(tensor, 0.5)
        return tensor

    # small numbers of 16 bits lose a digit when they are halved
    claim = SAME if draft.dtype == "float16" else IDENTICAL
    return Change(draft=draft.but(draft.map(scaled)), claim=claim)


def untie(draft: Draft) -> Change:
    """The output projection becomes a copy of the embedding, where it was the same tensor."""
    if not draft.shape.tied:
        return Change(draft=draft, notes=("Output projection and embedding are two tensors already.",))
    tensors = {**draft.tensors, "head.weight": draft.tensors["embed.weight"]}
    return Change(draft=draft.but(tensors, tied=False))


def untied(old: Draft, new: Draft) -> tuple[str, ...]:
    """What to say where a step could not leave output projection and embedding one."""
    if old.architecture is None or new.shape.tied == old.shape.tied:
        return ()
    return ("Output projection and embedding are two tensors now.",)


def _order(length: int, seed: int, key: str) -> list[int]:
    """A random order that moves something, where there is anything to move."""
    order, draw = list(range(length)), random.Random(f"reparam/{seed}/{key}")
    while length > 1 and order == sorted(order):
        draw.shuffle(order)
    return order


def _block(name: str) -> str:
    """The MLP, or the expert, that a tensor belongs to."""
    return name.rsplit(".", 2)[0]


def _groups(tensor: Tensor, dim: int, groups: int, places: Sequence[int]) -> Tensor:
    """Equal blocks along `dim`, in the order of `places`."""
    before, length, after = tensor.shape[:dim], tensor.shape[dim], tensor.shape[dim + 1 :]
    blocks = take(reshape(tensor, *before, groups, length // groups, *after), dim, places)
    return reshape(blocks, *before, length // groups * len(places), *after)
