"""Every family's checkpoints are read and written back as they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.updates.families.known import FAMILIES

pytestmark = pytest.mark.models

OTHERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "llama, biases, tied": (
        "llama",
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
    ),
    "llama, wide heads": ("llama", {"head_dim": 12}),
    "llama, llama3 positions": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
            }
        },
    ),
    "mistral, window": ("mistral", {"sliding_window": 8}),
    "qwen2, windows": ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
    "qwen3, biases": ("qwen3", {"attention_bias": True}),
    "phi3, partly rotated, window": (
        "phi3",
        {
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5
            },
            "sliding_window": 8,
        },
    ),
    "granite, biases": ("granite", {"attention_bias": True, "mlp_bias": True}),
    "gpt2, untied, inner, by layer": (
        "gpt2",
        {"n_inner": 40, "tie_word_embeddings": False, "scale_attn_by_inverse_layer_idx": True},
    ),
    "gpt2, undivided scores": ("gpt2", {"scale_attn_weights": False}),
    "gpt_neo, inner": ("gpt_neo", {"intermediate_size": 40, "window_size": 4}),
    "gpt_neox, one after the other, no biases": (
        "gpt_neox",
        {"use_parallel_residual": False, "attention_bias": False},
    ),
    "gpt_neox, tied": ("gpt_neox", {"tie_word_embeddings": True}),
    "opt, norms after the sums": ("opt", {"do_layer_norm_before": False}),
    "opt, bare": (
        "opt",
        {
            "enable_bias": False, "layer_norm_elementwise_affine": False,
            "_remove_final_layer_norm": True, "tie_word_embeddings": False,
        },
    ),
    "opt, norms without gains": ("opt", {"layer_norm_elementwise_affine": False}),
}  # fmt: skip
MODELS = {**{name: (name, {}) for name in FAMILIES}, **OTHERS}

SAID_OTHERWISE = {
    "_name_or_path",
    # what null, or an index, stood for
    "n_inner",
    "intermediate_size",
    "head_dim",
    "max_window_layers",
    # the same list of layers in other words
    "attention_types",
    # of no effect beside use_sliding_window, layer_types or do_layer_norm_before
    "sliding_window",
    "_remove_final_layer_norm",
}
"""Settings that may be written in another way; that the model is the same, the logits show."""

Tensors = Callable[[Path], dict[str, Any]]


def effective(folder: Path) -> dict[str, Any]:
    """What transformers makes of a configuration."""
    from transformers import AutoConfig

    config: dict[str, Any] = AutoConfig.from_pretrained(str(folder)).to_dict()
    return config


def assert_equal(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    import torch

    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_lost(
    model: str, make_model: Callable[..., Path], update: Callable[..., Path], weights: Tensors
) -> None:
    kind, config = MODELS[model]
    old = make_model(kind, **config)
    new = update(old)
    assert_equal(weights(new), weights(old))
    before, after = effective(old), effective(new)
    for name in after:
        if name not in SAID_OTHERWISE:
            assert after[name] == before[name], name
    assert set(before) <= set(after)


@pytest.mark.parametrize("model", MODELS)
def test_logits_are_the_same_to_the_last_bit(
    model: str,
    make_model: Callable[..., Path],
    update: Callable[..., Path],
    logits: Callable[..., Any],
    ids: Any,
) -> None:
    import torch

    kind, config = MODELS[model]
    old = make_model(kind, **config)
    assert torch.equal(logits(update(old), ids), logits(old, ids))


@pytest.mark.parametrize("kind", FAMILIES)
def test_bfloat16_stays_bfloat16(
    kind: str, make_model: Callable[..., Path], update: Callable[..., Path], weights: Tensors
) -> None:
    old = make_model(kind, dtype="bfloat16")
    new = update(old)
    assert_equal(weights(new), weights(old))
    assert json.loads((new / "config.json").read_text())["dtype"] == "bfloat16"
