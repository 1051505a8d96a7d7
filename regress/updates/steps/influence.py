"""How much each layer of a model turns what passes through it.

Reference: Men et al. (2024), "ShortGPT: Layers in Large Language Models are More Redundant Than You
Expect", arXiv:2403.03853.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cosine_similarity

from regress.composed.layers import layer_list


def influences(model: Any, batches: Sequence[torch.Tensor]) -> list[float]:
    """Block Influence of every layer: 1 − E[cos(x, y)] of what enters and leaves it, over all tokens.

    Inputs and outputs are taken at the layers themselves: the last of the hidden states that
    transformers hands out has passed the final norm already.

    Args:
        model: A causal language model of transformers, in eval mode.
        batches: Token ids, [1, T] each; at least one.

    Returns:
        One number a layer, in [0, 2]; 0 where a layer changes no direction.

    Raises:
        Unsupported: If the model has no list of layers.
    """
    _, layers = layer_list(model)
    sums = [0.0] * len(layers)

    def hook(place: int) -> Any:
        def add(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            before = args[0] if args else kwargs["hidden_states"]
            after = output[0] if isinstance(output, tuple) else output
            sums[place] += float(cosine_similarity(before.double(), after.double(), dim=-1).sum())

        return add

    handles = [
        layer.register_forward_hook(hook(place), with_kwargs=True) for place, layer in enumerate(layers)
    ]
    try:
        with torch.no_grad():
            for batch in batches:
                model(batch, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    tokens = sum(batch.numel() for batch in batches)
    return [1.0 - each / tokens for each in sums]
