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
from regress.updates.families.limits import require, require_square, require_traits

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
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    layers = int(config["num_hidden_layers"])
    width = config["word_embed_proj_dim"]
    require(
        width in (None, hidden),
        f"this OPT's embeddings have {width} dimensions, not the {hidden} of its residual stream "
        "(word_embed_proj_dim), and go through two more matrices",
    )
    return Architecture(
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        ffn=int(config["ffn_dim"]),
        context=int(config["max_position_embeddings"]),
        activation=str(config["activation_function"]),
        norm="layer",
        eps=_EPS,
        tied=bool(config["tie_word_embeddings"]),
        learned_positions=True,
        norm_first=bool(config["do_layer_norm_before"]),
        kinds=(None,) * layers,
        init_std=float(config["init_std"]),
    )


def _names(architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    top = "model.decoder."
    names = {
        f"{top}embed_tokens.weight": "embed.weight",
        f"{top}embed_positions.weight": "position_table.weight",
    }
    if not architecture.tied:
        names["lm_head.weight"] = "head.weight"
    norms = ("weight", "bias") if config["layer_norm_elementwise_affine"] else ()
    biased = ("weight", "bias") if config["enable_bias"] else ("weight",)
    if _ends_with_norm(config):
        names |= {f"{top}final_layer_norm.{kind}": f"final_norm.{kind}" for kind in norms}
    for layer in range(architecture.layers):
        for parts, kinds in ((_PROJECTIONS, biased), (_NORMS, norms)):
            names |= {
                f"{top}layers.{layer}.{theirs}.{kind}": f"layers.{layer}.{ours}.{kind}"
                for theirs, ours in parts.items()
                for kind in kinds
            }
    return names


def _ends_with_norm(config: Mapping[str, Any]) -> bool:
    return bool(config["do_layer_norm_before"]) and not config["_remove_final_layer_norm"]


def _settings(draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    require_traits(
        shape,
        "OPT",
        norm="layer",
        gated=False,
        experts=False,
        parallel=False,
        qk_norm=False,
        positions="learned",
    )
    require_square(shape, "OPT")
    require(
        shape.norm_first or "final_norm.weight" not in draft.tensors,
        "OPT models with norms after the sums have no norm at the end",
    )
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "word_embed_proj_dim": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "ffn_dim": shape.ffn,
        "max_position_embeddings": shape.context,
        "activation_function": shape.activation,
        "do_layer_norm_before": shape.norm_first,
        "_remove_final_layer_norm": shape.norm_first and "final_norm.weight" not in draft.tensors,
        "enable_bias": "layers.0.up.bias" in draft.tensors,
        "layer_norm_elementwise_affine": not _plain_norms(draft.tensors),
        "tie_word_embeddings": shape.tied,
        "init_std": shape.init_std,
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
        "vocab_size": 50272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "do_layer_norm_before": True,
        "_remove_final_layer_norm": False,
        "word_embed_proj_dim": None,
        "num_attention_heads": 12,
        "activation_function": "relu",
        "init_std": 0.02,
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "tie_word_embeddings": True,
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
