"""Llama and its kin: RMSNorm and rotary positions; how they are read and named."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from regress.updates.draft import Architecture, Draft
from regress.updates.expressions import Tensor
from regress.updates.families.family import Family
from regress.updates.families.folds import (
    with_biases,
    with_eps,
    with_experts,
    with_scaled_scores,
    without_experts,
    without_multipliers,
)
from regress.updates.families.fused import join_rows, split_rows
from regress.updates.families.kin import DEFAULTS, KIN, Kin
from regress.updates.families.limits import require
from regress.updates.families.llama_settings import settings
from regress.updates.families.rotary import parameters, rotated

_ATTENTION = ("q", "k", "v", "o")
_MLP = ("gate", "up", "down")
_EXPERT = {"gate": "w1", "up": "w3", "down": "w2"}


def _architecture(kin: Kin, config: Mapping[str, Any]) -> Architecture:
    heads, layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
    head_dim = int(config["head_dim"] or int(config["hidden_size"]) // heads)
    rope = parameters(config, theta=kin.theta, share=kin.share)
    require(
        kin.share is not None or rope.get("partial_rotary_factor", 1.0) == 1.0,
        f"{kin.title} models rotate whole heads, and here partial_rotary_factor is "
        f"{rope.get('partial_rotary_factor')}",
    )
    return Architecture(
        vocabulary=int(config["vocab_size"]),
        hidden=int(config["hidden_size"]),
        layers=layers,
        heads=heads,
        kv_heads=int(config["num_key_value_heads"] or heads),
        head_dim=head_dim,
        ffn=int(config["intermediate_size"]),
        context=int(config["max_position_embeddings"]),
        activation=str(config["hidden_act"]),
        norm="rms",
        eps=float(config["rms_norm_eps"]),
        gated=kin.gated,
        tied=bool(config["tie_word_embeddings"]),
        rope=rope,
        rotary=rotated(rope, head_dim),
        qk_norm=kin.qk_norm,
        qk_eps=float(config["rms_norm_eps"]) if kin.qk_norm else None,
        experts=int(config["num_local_experts"]) if kin.experts else 0,
        top_k=int(config["num_experts_per_tok"]) if kin.experts else 0,
        kinds=_kinds(kin, config, layers),
        window=_window(kin, config),
        init_std=float(config["initializer_range"]),
        **(_multipliers(config) if kin.multipliers else {}),
    )


def _multipliers(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "scaled_scores": False,
        "score_scale": float(config["attention_multiplier"]),
        "embed_scale": float(config["embedding_multiplier"]),
        "residual_scale": float(config["residual_multiplier"]),
        "logit_divisor": float(config["logits_scaling"]),
    }


def _window(kin: Kin, config: Mapping[str, Any]) -> int | None:
    if not (kin.window or (kin.kinds and config["use_sliding_window"])):
        return None
    size = config["sliding_window"]
    return None if size is None else int(size)


def _kinds(kin: Kin, config: Mapping[str, Any], layers: int) -> tuple[str | None, ...]:
    """Qwen's configurations list them, or say from which layer on there is a window."""
    if kin.kinds is None:
        return (None,) * layers
    if listed := config["layer_types"]:
        return tuple(listed)
    full, sliding = kin.kinds
    first = layers if _window(kin, config) is None else int(config["max_window_layers"])
    return tuple(sliding if place >= first else full for place in range(layers))


def _names(kin: Kin, architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    names = {"model.embed_tokens.weight": "embed.weight", "model.norm.weight": "final_norm.weight"}
    if not architecture.tied:
        names["lm_head.weight"] = "head.weight"
    for layer in range(architecture.layers):
        theirs, ours = f"model.layers.{layer}.", f"layers.{layer}."
        names |= {
            f"{theirs}input_layernorm.weight": f"{ours}norm1.weight",
            f"{theirs}post_attention_layernorm.weight": f"{ours}norm2.weight",
        }
        names |= _attention(kin, config, f"{theirs}self_attn.", ours)
        names |= (
            _experts(architecture, f"{theirs}block_sparse_moe.", ours)
            if kin.experts
            else _mlp(kin, config, f"{theirs}mlp.", ours)
        )
    return names


def _attention(kin: Kin, config: Mapping[str, Any], theirs: str, ours: str) -> dict[str, str]:
    names = {
        f"{theirs}{each}_proj.weight": f"{ours}{each}.weight"
        for each in (("qkv", "o") if kin.fused else _ATTENTION)
    }
    biased = _ATTENTION if kin.attention_bias and config["attention_bias"] else kin.biased
    names |= {f"{theirs}{each}_proj.bias": f"{ours}{each}.bias" for each in biased}
    if kin.qk_norm:
        names |= {f"{theirs}{each}_norm.weight": f"{ours}{each}_norm.weight" for each in "qk"}
    return names


def _mlp(kin: Kin, config: Mapping[str, Any], theirs: str, ours: str) -> dict[str, str]:
    kinds = ("weight", "bias") if kin.mlp_bias and config["mlp_bias"] else ("weight",)
    return {
        f"{theirs}{each}_proj.{kind}": f"{ours}{each}.{kind}"
        for each in (("gate_up", "down") if kin.fused else _projections(kin))
        for kind in kinds
    }


def _projections(kin: Kin) -> tuple[str, ...]:
    return _MLP if kin.gated else _MLP[1:]


def _experts(architecture: Architecture, theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}gate.weight": f"{ours}router.weight"} | {
        f"{theirs}experts.{expert}.{_EXPERT[each]}.weight": f"{ours}experts.{expert}.{each}.weight"
        for expert in range(architecture.experts)
        for each in _MLP
    }


def _unpack(draft: Draft) -> dict[str, Tensor]:
    shape = draft.shape
    shared = shape.kv_heads * shape.head_dim
    attention = split_rows(
        draft.tensors, "qkv", {"q": shape.heads * shape.head_dim, "k": shared, "v": shared}
    )
    return split_rows(attention, "gate_up", {"gate": shape.ffn, "up": shape.ffn})


def _pack(kin: Kin, draft: Draft) -> dict[str, Tensor]:
    if not kin.fused:
        return dict(draft.tensors)
    return join_rows(join_rows(draft.tensors, ("q", "k", "v"), "qkv"), ("gate", "up"), "gate_up")


def _fit(kin: Kin, draft: Draft) -> Draft:
    if not kin.multipliers:
        draft = without_multipliers(with_scaled_scores(draft))
    draft = with_experts(draft) if kin.experts else without_experts(draft)
    if draft.shape.qk_eps is not None:  # one number in the configuration serves all norms
        draft = with_eps(draft, draft.shape.qk_eps)
    return with_biases(draft, partial(_biased, kin))


def _biased(kin: Kin, present: frozenset[str]) -> frozenset[str]:
    """All of the attention's or the MLP's projections, where a setting decides for all of them."""
    needed = frozenset(kin.biased)
    if kin.attention_bias and not present.isdisjoint(_ATTENTION):
        needed |= frozenset(_ATTENTION)
    if kin.mlp_bias and not present.isdisjoint(_MLP):
        needed |= frozenset(_projections(kin))
    return needed


def _family(kin: Kin) -> Family:
    return Family(
        name=kin.name,
        title=kin.title,
        model_class=kin.model_class,
        defaults={**DEFAULTS, **kin.defaults},
        architecture=partial(_architecture, kin),
        names=partial(_names, kin),
        settings=partial(settings, kin),
        unpack=_unpack,
        pack=partial(_pack, kin),
        fit=partial(_fit, kin),
        prefix="model.",
        ignored=(".rotary_emb.inv_freq",),
        aliases={"num_experts": "num_local_experts"} if kin.experts else {},
        kinds=kin.kinds,
        window=kin.window,
        fresh={"attention_dropout": 0.0},
    )


FAMILIES = tuple(map(_family, KIN))
