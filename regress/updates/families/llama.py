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
from regress.updates.families.tables import WEIGHT, defaults, layer_names, read_fields

_ATTENTION = ("q", "k", "v", "o")
_MLP = ("gate", "up", "down")
_NORMS = {"input_layernorm": "norm1", "post_attention_layernorm": "norm2"}
_EXPERT = {"gate": "w1", "up": "w3", "down": "w2"}


def _architecture(kin: Kin, config: Mapping[str, Any]) -> Architecture:
    rope = parameters(config, theta=kin.theta, share=kin.share)
    require(
        kin.share is not None or rope.get("partial_rotary_factor", 1.0) == 1.0,
        f"{kin.title} models rotate whole heads, and here partial_rotary_factor is "
        f"{rope.get('partial_rotary_factor')}",
    )
    said = read_fields(kin.settings, config)
    said.setdefault("kv_heads", said["heads"])
    said.setdefault("head_dim", said["hidden"] // said["heads"])
    if kin.kinds:
        said["window"] = _window(config)
    return Architecture(
        norm="rms",
        gated=kin.gated,
        rope=rope,
        rotary=rotated(rope, said["head_dim"]),
        scaled_scores=not kin.says("score_scale"),
        qk_norm=kin.qk_norm,
        qk_eps=said["eps"] if kin.qk_norm else None,
        kinds=_kinds(kin, config, said["layers"]),
        **said,
    )


def _window(config: Mapping[str, Any]) -> int | None:
    """Qwen's `sliding_window` counts where another setting says so."""
    size = config["sliding_window"] if config["use_sliding_window"] else None
    return None if size is None else int(size)


def _kinds(kin: Kin, config: Mapping[str, Any], layers: int) -> tuple[str | None, ...]:
    """Qwen's configurations list them, or say from which layer on there is a window."""
    if kin.kinds is None:
        return (None,) * layers
    if listed := config["layer_types"]:
        return tuple(listed)
    full, sliding = kin.kinds
    first = layers if _window(config) is None else int(config["max_window_layers"])
    return tuple(sliding if place >= first else full for place in range(layers))


def _names(kin: Kin, architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    outside = {"model.embed_tokens.weight": "embed.weight", "model.norm.weight": "final_norm.weight"}
    parts = _attention(kin) | _mlp(kin, architecture.experts)
    biased = _with_bias(kin, config)
    biases = {theirs: ours for theirs, ours in parts.items() if ours in biased}
    tables = (_NORMS | parts, WEIGHT), (biases, ("bias",))
    return outside | layer_names("model.layers", architecture.layers, *tables)


def _attention(kin: Kin) -> dict[str, str]:
    projections = ("qkv", "o") if kin.fused else _ATTENTION
    norms = ("q_norm", "k_norm") if kin.qk_norm else ()
    return {f"self_attn.{each}_proj": each for each in projections} | {
        f"self_attn.{each}": each for each in norms
    }


def _mlp(kin: Kin, experts: int) -> dict[str, str]:
    if not kin.says("experts"):
        return {
            f"mlp.{each}_proj": each for each in (("gate_up", "down") if kin.fused else _projections(kin))
        }
    return {"block_sparse_moe.gate": "router"} | {
        f"block_sparse_moe.experts.{expert}.{_EXPERT[each]}": f"experts.{expert}.{each}"
        for expert in range(experts)
        for each in _MLP
    }


def _with_bias(kin: Kin, config: Mapping[str, Any]) -> tuple[str, ...]:
    attention = _ATTENTION if kin.attention_bias and config["attention_bias"] else kin.biased
    return (*attention, *(_projections(kin) if kin.mlp_bias and config["mlp_bias"] else ()))


def _projections(kin: Kin) -> tuple[str, ...]:
    return _MLP if kin.gated else _MLP[1:]


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
    if not kin.says("score_scale"):
        draft = without_multipliers(with_scaled_scores(draft))
    draft = with_experts(draft) if kin.says("experts") else without_experts(draft)
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
        defaults={**defaults(kin.settings), **DEFAULTS, **kin.defaults},
        architecture=partial(_architecture, kin),
        names=partial(_names, kin),
        settings=partial(settings, kin),
        unpack=_unpack,
        pack=partial(_pack, kin),
        fit=partial(_fit, kin),
        prefix="model.",
        ignored=(".rotary_emb.inv_freq",),
        aliases={"num_experts": "num_local_experts"} if kin.says("experts") else {},
        kinds=kin.kinds,
        window=kin.says("window"),
        fresh={"attention_dropout": 0.0},
    )


FAMILIES = tuple(map(_family, KIN))
