"""Whole models in float64, including the parts that transformers always computes in float32.

RMSNorm, rotary positions, and some softmaxes cast to float32 inside, so that a model loaded in float64
is no more exact than 1e-6. That hides errors which matter: a forgotten correction of eps is as small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class AllDouble(TorchFunctionMode):
    """While it is entered, whoever asks for float32 gets float64."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Called by torch for every function and method of tensors."""
        if func is torch.Tensor.float:
            return args[0].double()
        return func(*map(_wide, args), **{name: _wide(value) for name, value in (kwargs or {}).items()})


def _wide(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


@contextlib.contextmanager
def precisely(*models: Any) -> Iterator[None]:
    """Run models that were loaded in float64 in nothing but float64.

    Rotary frequencies are computed once when a model is made; they are made again.
    """
    with AllDouble():
        for model in models:
            for module in model.modules():
                if isinstance(getattr(module, "inv_freq", None), torch.Tensor):
                    _frequencies(module)
        yield


def _frequencies(module: Any) -> None:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    if getattr(module, "rope_type", "default") == "default":
        compute = module.compute_default_rope_parameters
    else:
        compute = ROPE_INIT_FUNCTIONS[module.rope_type]
    module.inv_freq, module.attention_scaling = compute(module.config, device=module.inv_freq.device)
    module.original_inv_freq = module.inv_freq.clone()
