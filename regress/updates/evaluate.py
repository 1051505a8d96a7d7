"""Expressions to tensors, one at a time, reading only what each needs.

Everything is computed in float64 and rounded once, when it is stored: moves and factors of two stay
exact, and a chain of scalings costs one rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from regress.identity import fingerprint
from regress.updates.expressions import Computed, Fill, Normal, Old, Tensor

Read = Callable[[Old], torch.Tensor]


def evaluate(tensor: Tensor, read: Read, seed: int) -> torch.Tensor:
    """The values of an expression.

    Args:
        tensor: What to compute.
        read: Hands out tensors of stored models.
        seed: Decides all random numbers.

    Returns:
        A float64 tensor of `tensor.shape`; an old tensor of whole numbers keeps its type.

    Raises:
        ValueError: If a stored tensor has another shape than the plan was made for.
    """
    known: dict[int, torch.Tensor] = {}

    def value(each: Tensor) -> torch.Tensor:
        if id(each) not in known:
            known[id(each)] = _value(each)
        return known[id(each)]

    def _value(each: Tensor) -> torch.Tensor:
        match each:
            case Old():
                return _wide(each, read(each))
            case Fill():
                return torch.full(each.shape, each.value, dtype=torch.float64)
            case Normal():
                return _normal(each, seed)
            case Computed():
                result: torch.Tensor = each.operation.run(*map(value, each.inputs))
                return result

    return value(tensor)


def _wide(old: Old, stored: torch.Tensor) -> torch.Tensor:
    if tuple(stored.shape) != old.shape:
        raise ValueError(f"{old.name} has shape {tuple(stored.shape)}, not {old.shape}")
    return stored.double() if stored.is_floating_point() else stored


def _normal(each: Normal, seed: int) -> torch.Tensor:
    """Drawn in float32, so that a checkpoint in float32 holds the very numbers that were checked."""
    generator = torch.Generator().manual_seed(int(fingerprint([seed, each.key, each.shape])[:15], 16))
    return (torch.randn(each.shape, generator=generator) * each.std).double()
