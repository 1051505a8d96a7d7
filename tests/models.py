"""Tiny models of many families with weights in which every mistake shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LLAMA = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64,
}  # fmt: skip
_GROUPED = {**_LLAMA, "num_key_value_heads": 2}
SIZES: Mapping[str, Mapping[str, Any]] = {
    "llama": _GROUPED,
    "mistral": {**_GROUPED, "sliding_window": None},
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 8},
    "mixtral": {**_GROUPED, "num_local_experts": 3},
    "phi3": _GROUPED,
    "granite": {**_GROUPED, "attention_multiplier": 0.3, "residual_multiplier": 0.4,
                "embedding_multiplier": 3.0, "logits_scaling": 5.0},
    "arcee": _GROUPED,
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "gpt_neo": {"hidden_size": 32, "num_layers": 3, "num_heads": 4, "window_size": 8,
                "attention_types": [[["global", "local"], 1], [["global"], 1]],
                "max_position_embeddings": 64},
    "gpt_neox": _LLAMA,
    "opt": {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 64},
    "gemma3_text": {**_GROUPED, "head_dim": 8, "sliding_window": 8,
                    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    "qwen3_moe": {**_GROUPED, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
                  "moe_intermediate_size": 16},
    "falcon": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4},
}  # fmt: skip
"""By transformers' `model_type`: three layers that differ."""


def random_model(kind: str, *, seed: int = 0, **config: Any) -> Any:
    """A model of the family `kind` in memory, in eval mode.

    Weights are large, and norms and biases are no ones and zeros, so that whatever is left out shows.
    Further arguments are its configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    special = {"vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, **{**special, **SIZES[kind], **config})
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(10.0)
            else:
                parameter.add_(0.3 * torch.randn(parameter.shape)).mul_(1.0 if "norm" in name else 0.7)
    return model.eval()
