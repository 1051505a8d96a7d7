"""Tiny models of many families, in which every mistake shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

_LLAMA = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64,
}  # fmt: skip
_GROUPED = {**_LLAMA, "num_key_value_heads": 2}
SIZES: Mapping[str, Mapping[str, Any]] = {
    "llama": _GROUPED,
    "qwen2": {**_GROUPED, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "qwen3": {**_GROUPED, "head_dim": 8},
    "gemma3_text": {**_GROUPED, "head_dim": 8, "sliding_window": 8,
                    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    "mixtral": {**_GROUPED, "num_local_experts": 3},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "gpt_neo": {"hidden_size": 32, "num_layers": 3, "num_heads": 4, "window_size": 8,
                "attention_types": [[["global", "local"], 1], [["global"], 1]],
                "max_position_embeddings": 64},
    "gpt_neox": _LLAMA,
    "opt": {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 64},
    "qwen3_moe": {**_GROUPED, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2,
                  "moe_intermediate_size": 16},
    "falcon": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4},
}  # fmt: skip
FAMILIES = list(SIZES)


def _make(kind: str, **config: Any) -> Any:
    """A model with random weights, three layers that differ, in eval mode."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {"vocab_size": 200, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, **SIZES[kind]}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**settings, **config}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(6.0)
            else:
                parameter.add_(0.3 * torch.randn(parameter.shape)).mul_(1.0 if "norm" in name else 0.7)
    return model.eval()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Same numbers in every process, and no fight over cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def ids() -> Any:
    """[2, 30] random tokens, longer than any sliding window."""
    import torch

    return torch.randint(3, 200, (2, 30), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def make() -> Callable[..., Any]:
    """Make a model of a family; further arguments are its configuration."""
    return _make


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    """A model of each family in turn."""
    return _make(request.param)
