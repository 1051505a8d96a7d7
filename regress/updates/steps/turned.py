"""Symmetries that compute new weights: rotations and folded gains; equal up to rounding.

Reference: rotations of the residual stream, Ashkboos et al. (2024), "SliceGPT", arXiv:2401.15024.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from regress.errors import Unsupported
from regress.updates.claims import SAME
from regress.updates.draft import Change, Draft, of_layer, part
from regress.updates.expressions import (
    Computed,
    Normal,
    Shape,
    Tensor,
    matmul,
    ones,
    product,
    reshape,
    turn,
    weighted,
    zeros,
)
from regress.updates.steps.moved import untie, untied

_READERS = {"norm1": ("q", "k", "v"), "norm2": ("gate", "up", "router")}
"""What reads each norm's output."""


@dataclass(frozen=True)
class Orthogonal:
    """From square matrices of normal numbers, orthogonal ones that are uniformly distributed.

    Reference: Mezzadri (2007), "How to Generate Random Matrices from the Classical Compact Groups".
    """

    exact: bool = field(default=False, init=False)
    _last: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The last numbers and what was made of them: one rotation turns many tensors, evaluated one by one."""

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        import torch

        (numbers,) = tensors
        if not self._last or not torch.equal(self._last["numbers"], numbers):
            directions, triangle = torch.linalg.qr(numbers)
            signs = torch.diagonal(triangle, dim1=-2, dim2=-1).sign().unsqueeze(-2)
            self._last.update(numbers=numbers, rotations=directions * signs)
        return self._last["rotations"]


def rotate_values(draft: Draft, seed: int) -> Change:
    """Values of every head turned by a rotation of its own, and turned back before they are read.

    v' = R·v and o' = o·Rᵀ, for each head of keys and values.
    """
    shape = draft.shape
    groups, width = shape.kv_heads, shape.head_dim
    of_layers = [
        _rotations((groups, width, width), f"{seed}/values/{layer}") for layer in range(shape.layers)
    ]

    def turned(name: str, tensor: Tensor) -> Tensor:
        where = of_layer(name)
        if where is None:
            return tensor
        rotations = of_layers[where[0]]
        match part(name):
            case "v.weight":
                rows = reshape(tensor, groups, width, tensor.shape[1])
                return reshape(matmul(rotations, rows), *tensor.shape)
            case "v.bias":
                rows = reshape(tensor, groups, width, 1)
                return reshape(matmul(rotations, rows), *tensor.shape)
            case "o.weight":
                hidden = tensor.shape[0]
                columns = reshape(tensor, hidden, groups, shape.heads // groups, width)
                return reshape(matmul(columns, _turned_back(rotations)), *tensor.shape)
        return tensor

    return Change(draft=draft.but(draft.map(turned)), claim=SAME)


def fold_gains(draft: Draft) -> Change:
    """Gains, and biases, of norms multiplied into what reads them; gains become 1, biases 0.

    The final norm is folded where the output projection is no embedding and the norm has no bias.

    Raises:
        Unsupported: If norms stand after the sums, or have a bias that no reader can take.
    """
    shape = draft.shape
    if not shape.norm_first:
        raise Unsupported("behind norms on the sum (post-norm) gains are read by the residual stream too")
    tensors = dict(draft.tensors)
    for layer in range(shape.layers):
        for norm, readers in _READERS.items():
            _fold(tensors, f"layers.{layer}.{norm}", [
                name for name in draft.tensors
                if name.startswith(f"layers.{layer}.") and name.endswith(".weight")
                and part(name).partition(".")[0] in readers
            ])  # fmt: skip
    if not shape.tied and "final_norm.bias" not in tensors:
        _fold(tensors, "final_norm", ["head.weight"])
    return Change(draft=draft.but(tensors), claim=SAME)


def rotate_residual(draft: Draft, seed: int) -> Change:
    """The residual stream turned: embedding and readers times Q, writers times Qᵀ; the head is untied.

    RMSNorm without a gain does not notice, so gains are folded first.

    Raises:
        Unsupported: With LayerNorm, which takes the mean off, or where gains cannot be folded.
    """
    shape = draft.shape
    if shape.norm != "rms":
        raise Unsupported(
            "LayerNorm takes the mean over the residual stream off, and a rotation moves it",
            allowed="models with RMSNorm",
        )
    width = shape.hidden
    plain = fold_gains(untie(draft).draft).draft
    rotation = _rotations((width, width), f"{seed}/residual")

    def turned(name: str, tensor: Tensor) -> Tensor:
        match part(name).partition("."):
            case ("embed" | "head" | "q" | "k" | "v" | "gate" | "up" | "router", _, "weight"):
                return matmul(tensor, rotation)
            case ("o" | "down", _, "weight"):
                return matmul(turn(rotation), tensor)
            case ("o" | "down", _, "bias"):
                return reshape(matmul(turn(rotation), reshape(tensor, width, 1)), width)
        return tensor

    return Change(draft=plain.but(plain.map(turned)), claim=SAME, notes=untied(draft, plain))


def _rotations(shape: Shape, key: str) -> Tensor:
    return Computed(Orthogonal(), (Normal(shape, 1.0, f"reparam/{key}"),))


def _turned_back(rotations: Tensor) -> Tensor:
    """Rows and columns of each matrix exchanged."""
    return Computed(TurnEach(), (rotations,))


@dataclass(frozen=True)
class TurnEach:
    """Every matrix of a stack with rows and columns exchanged."""

    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        *stack, rows, columns = shapes[0]
        return (*stack, columns, rows)

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0].mT


def _fold(tensors: dict[str, Tensor], norm: str, readers: list[str]) -> None:
    """W·(g∘x + b) = (W∘g)·x + W·b."""
    gain, bias = tensors.get(f"{norm}.weight"), tensors.get(f"{norm}.bias")
    if gain is None:
        return
    for name in readers:
        weight, taken = tensors[name], name.removesuffix("weight") + "bias"
        if bias is not None:
            if taken not in tensors:
                raise Unsupported(
                    f"{norm} has a bias, and {name.removesuffix('.weight')} has none to take it"
                )
            moved = reshape(matmul(weight, reshape(bias, bias.shape[0], 1)), weight.shape[0])
            tensors[taken] = weighted([tensors[taken], moved], [1.0, 1.0])
        tensors[name] = product(weight, reshape(gain, 1, gain.shape[0]))
    tensors[f"{norm}.weight"] = ones(*gain.shape)
    if bias is not None:
        tensors[f"{norm}.bias"] = zeros(*bias.shape)
