"""OPT: LayerNorm before or after the sums, learned positions from row 2 on, separate projections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from regress.updates.draft import Architecture, Draft, part
from regress.updates.expressions import Fill, Tensor, ones, zeros
from regress.updates.families.family import Family
from regress.updates.families.folds import with_biases, with_eps, with_scaled_scores
from regress.updates.families.fused import join_rows, split_rows
from regress.updates.families.layer_norm import described, settings
from regress.updates.families.limits import require
from regress.updates.families.tables import BOTH, WEIGHT, Settings, defaults, layer_names

_SETTINGS: Settings = {
    "vocab_size": ("vocabulary", 50272),
    "hidden_size": ("hidden", 768),
    "num_hidden_layers": ("layers", 12),
    "num_attention_heads": ("heads", 12),
    "ffn_dim": ("ffn", 3072),
    "max_position_embeddings": ("context", 2048),
    "activation_function": ("activation", "relu"),
    "do_layer_norm_before": ("norm_first", True),
    "init_std": ("init_std", 0.02),
    "tie_word_embeddings": ("tied", True),
}
_EPS = 1e-5
"""What torch's LayerNorm adds where nothing is said; OPT has no setting for it."""
_PADDING = 2
"""Rows of the table of positions before the first token's."""
_PROJECTIONS = {
    "self_attn.q_proj": "q",
    "self_attn.k_proj": "k",
    "self_attn.v_proj": "v",
    "self_attn.out_proj": "o",
    "fc1": "up",
    "fc2": "down",
}
_NORMS = {"self_attn_layer_norm": "norm1", "final_layer_norm": "norm2"}


def _architecture(config: Mapping[str, Any]) -> Architecture:
    hidden, width = int(config["hidden_size"]), config["word_embed_proj_dim"]
    require(
        width in (None, hidden),
        f"this OPT's embeddings have {width} dimensions, not the {hidden} of its residual stream "
        "(word_embed_proj_dim), and go through two more matrices",
    )
    return described(_SETTINGS, config, eps=_EPS, learned_positions=True)


def _names(architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    top = "model.decoder."
    outside = {
        f"{top}embed_tokens.weight": "embed.weight",
        f"{top}embed_positions.weight": "position_table.weight",
    }
    norms = BOTH if config["layer_norm_elementwise_affine"] else ()
    projections = BOTH if config["enable_bias"] else WEIGHT
    if _ends_with_norm(config):
        outside |= {f"{top}final_layer_norm.{kind}": f"final_norm.{kind}" for kind in norms}
    parts = (_PROJECTIONS, projections), (_NORMS, norms)
    return outside | layer_names(f"{top}layers", architecture.layers, *parts)


def _ends_with_norm(config: Mapping[str, Any]) -> bool:
    return bool(config["do_layer_norm_before"]) and not config["_remove_final_layer_norm"]


def _settings(draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    said = settings(_SETTINGS, shape, "OPT", positions="learned")
    require(
        shape.norm_first or "final_norm.weight" not in draft.tensors,
        "OPT models with norms after the sums have no norm at the end",
    )
    return said | {
        "word_embed_proj_dim": shape.hidden,
        "_remove_final_layer_norm": shape.norm_first and "final_norm.weight" not in draft.tensors,
        "enable_bias": "layers.0.up.bias" in draft.tensors,
        "layer_norm_elementwise_affine": not _plain_norms(draft.tensors),
    }


def _plain_norms(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every norm is without gain and bias, so that OPT need not store them."""
    return all(
        isinstance(tensor, Fill) and tensor.value == float(name.endswith("weight"))
        for name, tensor in tensors.items()
        if _is_norm(name)
    )


def _is_norm(name: str) -> bool:
    return part(name).partition(".")[0] in ("norm1", "norm2", "final_norm")


def _unpack(draft: Draft) -> dict[str, Tensor]:
    shape = draft.shape
    rows = {"position_padding": _PADDING, "positions": shape.context}
    whole = split_rows(draft.tensors, "position_table", rows)
    if draft.config["layer_norm_elementwise_affine"]:
        return whole
    norms = [f"layers.{layer}.{norm}" for layer in range(shape.layers) for norm in ("norm1", "norm2")]
    norms += ["final_norm"] if _ends_with_norm(draft.config) else []
    return whole | {
        f"{norm}.{kind}": make(shape.hidden)
        for norm in norms
        for kind, make in (("weight", ones), ("bias", zeros))
    }


def _pack(draft: Draft) -> dict[str, Tensor]:
    tensors = dict(draft.tensors)
    if _plain_norms(tensors):
        tensors = {name: tensor for name, tensor in tensors.items() if not _is_norm(name)}
    return join_rows(tensors, ("position_padding", "positions"), "position_table")


def _fit(draft: Draft) -> Draft:
    draft = with_biases(with_scaled_scores(draft), _all_or_none)
    tensors = {"position_padding.weight": zeros(_PADDING, draft.shape.hidden), **draft.tensors}
    return with_eps(replace(draft, tensors=tensors), _EPS)


def _all_or_none(present: frozenset[str]) -> frozenset[str]:
    return frozenset(_PROJECTIONS.values()) if present & frozenset(_PROJECTIONS.values()) else frozenset()


FAMILY = Family(
    name="opt",
    title="OPT",
    model_class="OPTForCausalLM",
    defaults={
        **defaults(_SETTINGS),
        "_remove_final_layer_norm": False,
        "word_embed_proj_dim": None,
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "bos_token_id": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
    },
    architecture=_architecture,
    names=_names,
    settings=_settings,
    unpack=_unpack,
    pack=_pack,
    fit=_fit,
    prefix="model.",
    fresh={"dropout": 0.0, "attention_dropout": 0.0, "layerdrop": 0.0},
)
