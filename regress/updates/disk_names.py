"""Names on disk of the tensors of a model in memory, which transformers may rename or fuse on loading."""

from __future__ import annotations

from typing import Any

import torch


def stored_state(model: Any, *, values: bool = True) -> dict[str, torch.Tensor]:
    """What `save_pretrained` would store: tensors by their names on disk, tied ones once.

    Args:
        model: A transformers model; on the meta device it has shapes alone.
        values: Whether numbers are wanted; without them tensors are on the meta device and cost nothing.
    """
    from transformers.core_model_loading import revert_weight_conversion

    unsaved = {*model.all_tied_weights_keys, *(model._keys_to_ignore_on_save or ())}
    state = {
        name: tensor if values else tensor.to("meta")
        for name, tensor in model.state_dict().items()
        if name not in unsaved
    }
    stored: dict[str, torch.Tensor] = revert_weight_conversion(model, state)
    return stored
