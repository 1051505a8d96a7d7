"""What a loaded model takes up: weights counted by the memory that they lie in, so that sharing shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from regress.types import Footprint


def weighed(model: torch.nn.Module, known: Footprint | None = None) -> Footprint:
    """`known` with what is counted on the loaded model: parameters, and bytes in memory by weight type.

    Parameters of any type count, buffers count as bytes alone, and only those that a checkpoint
    would hold. Call it before anything rearranges the weights.
    """
    every = dict(model.named_parameters(remove_duplicate=False)).values()
    unique = {_place(one): one for one in every}
    # all that a checkpoint would hold, each use of a shared weight listed by itself
    held = [one for one in model.state_dict(keep_vars=True).values() if isinstance(one, torch.Tensor)]
    sizes: Counter[str] = Counter()
    for part in {_place(part): part for one in held for part in _parts(one)}.values():
        sizes[str(part.dtype).removeprefix("torch.")] += part.numel() * part.element_size()
    return replace(
        known or Footprint(),
        parameters=sum(one.numel() for one in unique.values()),
        materialised=sum(one.numel() for one in every),
        memory_bytes=dict(sizes),
        loaded=True,
    )


def _parts(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The plain tensors that a tensor of another make, such as a quantised one, consists of."""
    wrapped: Any = tensor
    if not hasattr(wrapped, "__tensor_flatten__"):
        yield tensor
        return
    names, _ = wrapped.__tensor_flatten__()
    for name in names:
        yield from _parts(getattr(wrapped, name))


def _place(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Where a tensor lies; one without memory of its own, as on the device `meta`, is only itself."""
    address = 0 if hasattr(tensor, "__tensor_flatten__") else tensor.data_ptr()
    return (str(tensor.device), address, tensor.shape, tensor.dtype) if address else (id(tensor),)
