"""GPT-Neo: LayerNorm, learned positions, undivided scores, every other layer with a window."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from regress.updates.draft import Architecture, Draft
from regress.updates.families.family import Family
from regress.updates.families.folds import with_biases, with_unscaled_scores, without_padding
from regress.updates.families.limits import require, require_square, require_traits

_KINDS = ("global", "local")
_PROJECTIONS = frozenset(("o", "up", "down"))
_BARE = {f"attn.attention.{each}_proj": each for each in "qkv"}
_BIASED = {
    "ln_1": "norm1",
    "ln_2": "norm2",
    "attn.attention.out_proj": "o",
    "mlp.c_fc": "up",
    "mlp.c_proj": "down",
}


def _architecture(config: Mapping[str, Any]) -> Architecture:
    hidden, heads, layers = int(config["hidden_size"]), int(config["num_heads"]), int(config["num_layers"])
    kinds = _expanded(config["attention_types"] or _DEFAULTS["attention_types"])
    require(
        len(kinds) == layers,
        f"this GPT-Neo lists {len(kinds)} layers in attention_types and has {layers}",
    )
    return Architecture(
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        ffn=4 * hidden if config["intermediate_size"] is None else int(config["intermediate_size"]),
        context=int(config["max_position_embeddings"]),
        activation=str(config["activation_function"]),
        norm="layer",
        eps=float(config["layer_norm_epsilon"]),
        tied=bool(config["tie_word_embeddings"]),
        learned_positions=True,
        scaled_scores=False,
        kinds=kinds,
        window=int(config["window_size"]),
        init_std=float(config["initializer_range"]),
    )


def _expanded(types: Sequence[tuple[Sequence[str], int]]) -> tuple[str, ...]:
    return tuple(kind for kinds, times in types for _ in range(times) for kind in kinds)


def _grouped(kinds: Sequence[str]) -> list[list[Any]]:
    """The inverse of `_expanded`: equal neighbours together."""
    return [[[kind], len(list(same))] for kind, same in itertools.groupby(kinds)]


def _names(architecture: Architecture, _: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "transformer.wte.weight": "embed.weight",
        "transformer.wpe.weight": "positions.weight",
        "transformer.ln_f.weight": "final_norm.weight",
        "transformer.ln_f.bias": "final_norm.bias",
    }
    if not architecture.tied:
        names["lm_head.weight"] = "head.weight"
    for layer in range(architecture.layers):
        for parts, kinds in ((_BARE, ("weight",)), (_BIASED, ("weight", "bias"))):
            names |= {
                f"transformer.h.{layer}.{theirs}.{kind}": f"layers.{layer}.{ours}.{kind}"
                for theirs, ours in parts.items()
                for kind in kinds
            }
    return names


def _settings(draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    require_traits(
        shape,
        "GPT-Neo",
        norm="layer",
        gated=False,
        experts=False,
        parallel=False,
        norm_first=True,
        qk_norm=False,
        positions="learned",
    )
    require_square(shape, "GPT-Neo")
    kinds = [kind or "global" for kind in shape.kinds]
    require(
        set(kinds) <= set(_KINDS),
        f"GPT-Neo layers cannot be of kind {', '.join(sorted(set(kinds) - set(_KINDS)))}",
        allowed=", ".join(_KINDS),
    )
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": shape.context,
        "activation_function": shape.activation,
        "layer_norm_epsilon": shape.eps,
        "attention_types": _grouped(kinds),
        "attention_layers": kinds,
        "window_size": shape.window or _DEFAULTS["window_size"],
        "tie_word_embeddings": shape.tied,
        "initializer_range": shape.init_std,
    }


def _fit(draft: Draft) -> Draft:
    return with_biases(without_padding(with_unscaled_scores(draft)), lambda _: _PROJECTIONS)


_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 50257,
    "max_position_embeddings": 2048,
    "hidden_size": 2048,
    "num_layers": 24,
    "attention_types": [[["global", "local"], 12]],
    "num_heads": 16,
    "intermediate_size": None,
    "window_size": 256,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
    "pad_token_id": None,
}
FAMILY = Family(
    name="gpt_neo",
    title="GPT-Neo",
    model_class="GPTNeoForCausalLM",
    defaults=_DEFAULTS,
    architecture=_architecture,
    names=_names,
    settings=_settings,
    fit=_fit,
    prefix="transformer.",
    ignored=(".attn.attention.bias", ".attn.attention.masked_bias"),
    aliases={"num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"},
    kinds=_KINDS,
    fresh={"resid_dropout": 0.0, "embed_dropout": 0.0, "attention_dropout": 0.0},
)
