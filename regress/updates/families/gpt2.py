"""GPT-2: LayerNorm, learned positions, matrices stored as [in, out], queries, keys and values in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.updates.draft import Architecture, Draft, part
from regress.updates.expressions import Tensor, turn
from regress.updates.families.family import Family
from regress.updates.families.folds import with_biases, without_experts, without_padding
from regress.updates.families.fused import join_rows, split_rows
from regress.updates.families.limits import require, require_square, require_traits

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
    hidden, heads, layers = int(config["n_embd"]), int(config["n_head"]), int(config["n_layer"])
    require(not config["add_cross_attention"], "this GPT-2 attends to a second text (add_cross_attention)")
    return Architecture(
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        ffn=4 * hidden if config["n_inner"] is None else int(config["n_inner"]),
        context=int(config["n_positions"]),
        activation=str(config["activation_function"]),
        norm="layer",
        eps=float(config["layer_norm_epsilon"]),
        tied=bool(config["tie_word_embeddings"]),
        learned_positions=True,
        scaled_scores=bool(config["scale_attn_weights"]),
        scores_by_layer=bool(config["scale_attn_by_inverse_layer_idx"]),
        kinds=(None,) * layers,
        init_std=float(config["initializer_range"]),
    )


def _names(architecture: Architecture, _: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "transformer.wte.weight": "embed.weight",
        "transformer.wpe.weight": "positions.weight",
        "transformer.ln_f.weight": "final_norm.weight",
        "transformer.ln_f.bias": "final_norm.bias",
    }
    if not architecture.tied:
        names["lm_head.weight"] = "head.weight"
    return names | {
        f"transformer.h.{layer}.{theirs}.{kind}": f"layers.{layer}.{ours}.{kind}"
        for layer in range(architecture.layers)
        for theirs, ours in _PARTS.items()
        for kind in ("weight", "bias")
    }


def _settings(draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    require_traits(
        shape,
        "GPT-2",
        norm="layer",
        gated=False,
        experts=False,
        parallel=False,
        norm_first=True,
        qk_norm=False,
        positions="learned",
    )
    require_square(shape, "GPT-2")
    return {
        "vocab_size": shape.vocabulary,
        "n_embd": shape.hidden,
        "n_layer": shape.layers,
        "n_head": shape.heads,
        "n_inner": shape.ffn,
        "n_positions": shape.context,
        "activation_function": shape.activation,
        "layer_norm_epsilon": shape.eps,
        "tie_word_embeddings": shape.tied,
        "scale_attn_weights": shape.scaled_scores,
        "scale_attn_by_inverse_layer_idx": shape.scores_by_layer,
        "initializer_range": shape.init_std,
    }


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
        "vocab_size": 50257,
        "n_positions": 1024,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "initializer_range": 0.02,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
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
