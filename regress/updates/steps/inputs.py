"""What the matrices of a running model read: norms of their inputs over calibration texts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from regress.errors import Unsupported, UpdateError
from regress.updates.disk_names import stored_state
from regress.updates.draft import Draft
from regress.updates.expressions import Old, Tensor, walk
from regress.updates.planning import draft
from regress.updates.steps.matrices import matrices


def input_norms(model: Any, batches: Sequence[Any]) -> dict[str, tuple[float, ...]]:
    """Euclidean norm over all tokens of each input [in] of a model's matrices, by their names in a draft.

    A matrix that is stored with others in one tensor, as queries, keys and values often are, reads what that
    tensor's module reads.

    Args:
        model: A transformers model in eval mode.
        batches: Token ids [1, T].

    Raises:
        Unsupported: If a matrix is not the weight of a linear layer in memory that is run, as with experts.
        UpdateError: If there are no calibration texts.
    """
    if not batches:
        raise UpdateError("there are no calibration texts to measure inputs on")
    paper = _paper(model)
    modules = dict(model.named_modules())
    sources = {name: _module(modules, name, paper.tensors[name]) for name in matrices(paper)}
    with _squares(list(sources.values())) as squares, torch.no_grad():
        for ids in batches:
            model(ids.to(model.device), use_cache=False)
    for name, module in sources.items():
        if id(module) not in squares:
            raise _unseen(name, "is read by other code than its linear layer")
    norms = {key: tuple(each.sqrt().tolist()) for key, each in squares.items()}
    return {name: norms[id(module)] for name, module in sources.items()}


def _paper(model: Any) -> Draft:
    """The model in memory on paper, by its names on disk, so that a family's naming and fusing is known."""
    stored = stored_state(model, values=False)
    tensors = {name: Old(name, tuple(tensor.shape)) for name, tensor in stored.items()}
    return draft(model.config.to_dict(), tensors, "float32")


def _module(modules: Mapping[str, Any], name: str, tensor: Tensor) -> Any:
    """The linear layer whose weight the tensor is, or is part of."""
    stored = [each.name for each in walk(tensor) if isinstance(each, Old)]
    path = stored[0].removesuffix(".weight") if len(stored) == 1 else ""
    module = modules.get(path)
    if _inputs(module) != tensor.shape[-1]:
        fused = " (transformers runs all experts of a layer as one)" if "expert" in name else ""
        raise _unseen(name, f"is not the weight of a linear layer in memory{fused}")
    return module


def _unseen(name: str, why: str) -> Unsupported:
    return Unsupported(
        f"{name} {why}, so that what it is multiplied with is not seen",
        do="Score by=magnitude, which looks at weights alone.",
    )


def _inputs(module: Any) -> int | None:
    if isinstance(module, nn.Linear):
        return module.in_features
    return int(module.weight.shape[0]) if isinstance(module, Conv1D) else None


@contextlib.contextmanager
def _squares(modules: Sequence[Any]) -> Iterator[dict[int, torch.Tensor]]:
    """Sums of squares of what each module reads while inside, float64 [in], by the module's `id`."""
    sums: dict[int, torch.Tensor] = {}

    def watch(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        read = given[0].detach().double().flatten(0, -2)
        sums[id(module)] = sums.get(id(module), 0) + read.square().sum(0)

    handles = [module.register_forward_pre_hook(watch) for module in {id(m): m for m in modules}.values()]
    try:
        yield sums
    finally:
        for handle in handles:
            handle.remove()
