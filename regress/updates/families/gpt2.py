"""GPT-2: LayerNorm, learned positions, matrices stored as [in, out], queries, keys and values in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.updates.draft import Architecture, Draft, part
from regress.updates.expressions import Tensor, turn
from regress.updates.families.family import Family
from regress.updates.families.folds import with_biases, without_experts, without_padding
from regress.updates.families.fused import join_rows, split_rows
from regress.updates.families.layer_norm import described, settings
from regress.updates.families.limits import require
from regress.updates.families.tables import BOTH, Settings, defaults, layer_names

_SETTINGS: Settings = {
    "vocab_size": ("vocabulary", 50257),
    "n_positions": ("context", 1024),
    "n_embd": ("hidden", 768),
    "n_layer": ("layers", 12),
    "n_head": ("heads", 12),
    "n_inner": ("ffn", None),
    "activation_function": ("activation", "gelu_new"),
    "layer_norm_epsilon": ("eps", 1e-5),
    "initializer_range": ("init_std", 0.02),
    "scale_attn_weights": ("scaled_scores", True),
    "scale_attn_by_inverse_layer_idx": ("scores_by_layer", False),
    "tie_word_embeddings": ("tied", True),
}
OUTSIDE_LAYERS = {
    "transformer.wte.weight": "embed.weight",
    "transformer.wpe.weight": "positions.weight",
    "transformer.ln_f.weight": "final_norm.weight",
    "transformer.ln_f.bias": "final_norm.bias",
}
_PARTS = {
    "ln_1": "norm1",
    "ln_2": "norm2",
    "attn.c_attn": "qkv",
    "attn.c_proj": "o",
    "mlp.c_fc": "up",
    "mlp.c_proj": "down",
}
_TURNED = ("qkv.weight", "o.weight", "up.weight", "down.weight")
_PROJECTIONS = frozenset(("q", "k", "v", "o", "up", "down"))


def _architecture(config: Mapping[str, Any]) -> Architecture:
    require(not config["add_cross_attention"], "this GPT-2 attends to a second text (add_cross_attention)")
    return described(_SETTINGS, config, learned_positions=True)


def _names(architecture: Architecture, _: Mapping[str, Any]) -> dict[str, str]:
    layers = layer_names("transformer.h", architecture.layers, (_PARTS, BOTH))
    return OUTSIDE_LAYERS | layers


def _settings(draft: Draft) -> dict[str, Any]:
    return settings(_SETTINGS, draft.shape, "GPT-2", positions="learned")


def _unpack(draft: Draft) -> dict[str, Tensor]:
    return split_rows(_turned(draft.tensors), "qkv", dict.fromkeys("qkv", draft.shape.hidden))


def _pack(draft: Draft) -> dict[str, Tensor]:
    return _turned(join_rows(draft.tensors, "qkv", "qkv"))


def _turned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: turn(tensor) if part(name) in _TURNED else tensor for name, tensor in tensors.items()}


def _fit(draft: Draft) -> Draft:
    return with_biases(without_padding(without_experts(draft)), lambda _: _PROJECTIONS)


FAMILY = Family(
    name="gpt2",
    title="GPT-2",
    model_class="GPT2LMHeadModel",
    defaults={
        **defaults(_SETTINGS),
        "add_cross_attention": False,
        "bos_token_id": 50256,
        "eos_token_id": 50256,
        "pad_token_id": None,
    },
    architecture=_architecture,
    names=_names,
    settings=_settings,
    unpack=_unpack,
    pack=_pack,
    fit=_fit,
    prefix="transformer.",
    ignored=(".attn.bias", ".attn.masked_bias"),
    aliases={
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
    fresh={"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
)
