"""A model with its map and its adapter, in memory; what is loaded, and how, is the caller's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from regress.composed.layers import tied
from regress.errors import ModelError, first_line


def put_together(model: Any, layers: Sequence[int] | None, adapter: Path | None) -> Any:
    """The loaded base `model` with its layers by a map, and an adapter of PEFT on them.

    Raises:
        ModelError: If the adapter does not fit.
        Unsupported: If the layers cannot be mapped.
    """
    made = model if layers is None else tied(model, layers)
    return made if adapter is None else with_adapter(made, adapter)


def with_adapter(model: Any, adapter: Path) -> Any:
    """The model with an adapter of PEFT on its modules, in eval mode.

    Raises:
        ModelError: If the adapter does not fit the model, lacks weights, or puts something before prompts.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # PEFT would go on with adapter weights that it made up
            warnings.filterwarnings("error", message="Found missing adapter keys")
            around = PeftModel.from_pretrained(model, str(adapter)).eval()
    except Exception as error:  # PEFT raises what it likes
        raise ModelError(
            f"the adapter {adapter} cannot be put on this model ({first_line(error)})"
        ) from error
    config = around.active_peft_config
    if config.is_prompt_learning:
        raise ModelError(
            f"the adapter {adapter} puts learnt tokens before prompts ({config.peft_type})",
            allowed="adapters that change a model's modules",
        )
    return around.get_base_model()


def move_apart(model: torch.nn.Module) -> None:
    """Give weights memory of their own: where they lie in a mapped file decides how products are rounded."""
    for weight in model.parameters():  # each once, however many layers share it
        weight.data = weight.data.clone()
