"""Llama and its kin: RMSNorm, rotary positions, gated MLP; Mistral, Qwen2, Qwen3, Mixtral."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Architecture, Draft
from regress.updates.families.family import Family, require
from regress.updates.families.rotary import parameters, without_old_keys

_ATTENTION = ("q", "k", "v", "o")
_MLP = ("gate", "up", "down")
_EXPERT = {"gate": "w1", "up": "w3", "down": "w2"}


@dataclass(frozen=True, kw_only=True)
class _Kin:
    """In what a member of the family differs from the others."""

    architectures: str
    """Class for `config.json`."""
    attention_bias: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda _: ()
    """Which projections of the attention have a bias."""
    mlp_bias: bool = False
    """Whether `mlp_bias` is a setting."""
    bias_setting: bool = False
    """Whether `attention_bias` is a setting."""
    qk_norm: bool = False
    listed_kinds: bool = False
    """Whether layers' kinds of attention are listed in `layer_types`."""
    experts: bool = False
    divides: bool = False
    """Whether the class insists on hidden being a multiple of heads."""
    theta: float = 10000.0
    window: bool = False
    """Whether `sliding_window` counts for every layer, and where it is left out is not null."""
    head_dim: int | None = None
    """Width of a head where the configuration does not say; null for hidden / heads."""
    kv_heads: int | None = None
    """Key and value heads where the configuration does not say; null for as many as query heads."""
    tied: bool = False


def _declared(config: Mapping[str, Any]) -> tuple[str, ...]:
    return _ATTENTION if config.get("attention_bias") else ()


_KIN: Mapping[str, _Kin] = {
    "llama": _Kin(
        architectures="LlamaForCausalLM",
        attention_bias=_declared,
        bias_setting=True,
        mlp_bias=True,
        divides=True,
    ),
    "mistral": _Kin(architectures="MistralForCausalLM", window=True, kv_heads=8),
    "qwen2": _Kin(
        architectures="Qwen2ForCausalLM",
        attention_bias=lambda _: ("q", "k", "v"),
        listed_kinds=True,
        kv_heads=32,
    ),
    "qwen3": _Kin(
        architectures="Qwen3ForCausalLM",
        attention_bias=_declared,
        bias_setting=True,
        qk_norm=True,
        listed_kinds=True,
        head_dim=128,
        kv_heads=32,
    ),
    "mixtral": _Kin(architectures="MixtralForCausalLM", experts=True, theta=1e6, window=True, kv_heads=8),
}


def _architecture(kin: _Kin, config: Mapping[str, Any]) -> Architecture:
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    layers = int(config["num_hidden_layers"])
    head_dim = int(config.get("head_dim") or kin.head_dim or hidden // heads)
    return Architecture(
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or kin.kv_heads or heads),
        head_dim=head_dim,
        ffn=int(config["intermediate_size"]),
        context=int(config.get("max_position_embeddings") or 2048),
        activation=str(config.get("hidden_act") or "silu"),
        norm="rms",
        eps=float(config.get("rms_norm_eps", 1e-6)),
        gated=True,
        tied=bool(config.get("tie_word_embeddings", kin.tied)),
        rope=parameters(config, theta=kin.theta),
        rotary=head_dim,
        qk_norm=kin.qk_norm,
        qk_eps=float(config.get("rms_norm_eps", 1e-6)) if kin.qk_norm else None,
        experts=int(config.get("num_local_experts", 8)) if kin.experts else 0,
        top_k=int(config.get("num_experts_per_tok", 2)) if kin.experts else 0,
        kinds=_kinds(kin, config, layers),
        window=_window(kin, config),
        init_std=float(config.get("initializer_range", 0.02)),
    )


def _window(kin: _Kin, config: Mapping[str, Any]) -> int | None:
    if kin.window:
        size = config.get("sliding_window", 4096 if kin.architectures.startswith("Mistral") else None)
    else:
        size = config.get("sliding_window") if config.get("use_sliding_window") else None
    return None if size is None else int(size)


def _kinds(kin: _Kin, config: Mapping[str, Any], layers: int) -> tuple[str | None, ...]:
    """Qwen's configurations list them, or say from which layer on there is a window."""
    if not kin.listed_kinds:
        return (None,) * layers
    if listed := config.get("layer_types"):
        return tuple(listed)
    windows = _window(kin, config) is not None
    first = int(config.get("max_window_layers", 28))
    return tuple(
        "sliding_attention" if windows and place >= first else "full_attention" for place in range(layers)
    )


def _names(kin: _Kin, architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    names = {"model.embed_tokens.weight": "embed.weight", "model.norm.weight": "final_norm.weight"}
    if not architecture.tied:
        names["lm_head.weight"] = "head.weight"
    for layer in range(architecture.layers):
        names |= _layer(kin, architecture, config, f"model.layers.{layer}.", f"layers.{layer}.")
    return names


def _layer(
    kin: _Kin, architecture: Architecture, config: Mapping[str, Any], theirs: str, ours: str
) -> dict[str, str]:
    names = {
        f"{theirs}input_layernorm.weight": f"{ours}norm1.weight",
        f"{theirs}post_attention_layernorm.weight": f"{ours}norm2.weight",
    }
    names |= {f"{theirs}self_attn.{each}_proj.weight": f"{ours}{each}.weight" for each in _ATTENTION}
    biased = kin.attention_bias(config)
    names |= {f"{theirs}self_attn.{each}_proj.bias": f"{ours}{each}.bias" for each in biased}
    if kin.qk_norm:
        names |= {f"{theirs}self_attn.{each}_norm.weight": f"{ours}{each}_norm.weight" for each in "qk"}
    if kin.experts:
        moe = f"{theirs}block_sparse_moe."
        names[f"{moe}gate.weight"] = f"{ours}router.weight"
        return names | {
            f"{moe}experts.{expert}.{_EXPERT[each]}.weight": f"{ours}experts.{expert}.{each}.weight"
            for expert in range(architecture.experts)
            for each in _MLP
        }
    kinds = ("weight", "bias") if kin.mlp_bias and config.get("mlp_bias") else ("weight",)
    return names | {
        f"{theirs}mlp.{each}_proj.{kind}": f"{ours}{each}.{kind}" for each in _MLP for kind in kinds
    }


def _config(kin: _Kin, name: str, draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    _expressible(kin, name, draft)
    config = without_old_keys(draft.config)
    config |= {
        "model_type": name,
        "architectures": [kin.architectures],
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": shape.context,
        "hidden_act": shape.activation,
        "rms_norm_eps": shape.eps,
        "tie_word_embeddings": shape.tied,
        "rope_parameters": dict(shape.rope or {}),
        "initializer_range": shape.init_std,
    }
    return config | _own_settings(kin, draft)


def _own_settings(kin: _Kin, draft: Draft) -> dict[str, Any]:
    """What only some of the kin have."""
    shape, settings = draft.shape, dict[str, Any]()
    if kin.bias_setting:
        settings["attention_bias"] = "layers.0.q.bias" in draft.tensors
    if kin.mlp_bias:
        settings["mlp_bias"] = "layers.0.up.bias" in draft.tensors
    if kin.experts:
        settings |= {"num_local_experts": shape.experts, "num_experts_per_tok": shape.top_k}
    if kin.window:
        settings["sliding_window"] = shape.window
    if kin.listed_kinds:
        settings |= {
            "layer_types": [kind or "full_attention" for kind in shape.kinds],
            "sliding_window": shape.window,
            "use_sliding_window": shape.window is not None,
            "max_window_layers": shape.layers,
        }
    return settings


def _expressible(kin: _Kin, name: str, draft: Draft) -> None:
    shape, title = draft.shape, TITLES[name]
    for field, needed in (("norm", "rms"), ("gated", True), ("parallel", False), ("norm_first", True)):
        if (value := getattr(shape, field)) != needed:
            raise Unsupported(f"{title} models cannot have {field} = {value!r}", allowed=repr(needed))
    require(shape.rope is not None, f"{title} models have rotary positions, and this one has none")
    require(
        shape.rotary == shape.head_dim,
        f"{title} rotates all {shape.head_dim} dimensions of a head, and here {shape.rotary} are rotated",
    )
    require(
        shape.qk_norm == kin.qk_norm,
        f"{title} models {'normalise' if kin.qk_norm else 'do not normalise'} queries and keys",
    )
    require(shape.scaled_scores, f"{title} divides scores by sqrt(head_dim)")
    require(
        bool(shape.experts) == kin.experts,
        f"{title} models have {'experts' if kin.experts else 'one MLP a layer'}",
        do=None if kin.experts else "`port:to=mixtral` makes room for experts.",
    )
    _require_widths(kin, title, shape)
    if shape.window is not None and not (kin.window or kin.listed_kinds):
        raise Unsupported(f"{title} models have no sliding window, and here it is {shape.window} tokens")


def _require_widths(kin: _Kin, title: str, shape: Architecture) -> None:
    require(
        shape.heads % shape.kv_heads == 0,
        f"{shape.heads} heads cannot share {shape.kv_heads} heads of keys and values",
        allowed=f"a multiple of {shape.kv_heads}",
    )
    if kin.divides and shape.hidden % shape.heads:
        larger = shape.heads * -(-shape.hidden // shape.heads)
        fitting = next(n for n in range(shape.heads, shape.hidden + 1) if shape.hidden % n == 0)
        raise Unsupported(
            f"a {title} model of hidden width {shape.hidden} cannot have {shape.heads} heads",
            allowed=f"a hidden width that is a multiple of the heads, as {larger}; or {fitting} heads",
            do=f"Grow both (heads={shape.heads},hidden={larger}), or put `port:to=mistral` before it.",
        )


TITLES = {
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "mixtral": "Mixtral",
}
FAMILIES = tuple(
    Family(
        name=name,
        title=TITLES[name],
        architecture=partial(_architecture, kin),
        names=partial(_names, kin),
        config=partial(_config, kin, name),
        head="lm_head.weight",
        prefix="model.",
        ignored=(".rotary_emb.inv_freq",),
    )
    for name, kin in _KIN.items()
)
