"""GPT-Neo: LayerNorm, learned positions, undivided scores, every other layer with a window."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from regress.updates.draft import Architecture, Draft
from regress.updates.families.family import Family
from regress.updates.families.folds import with_biases, with_unscaled_scores, without_padding
from regress.updates.families.gpt2 import OUTSIDE_LAYERS
from regress.updates.families.layer_norm import described, settings
from regress.updates.families.limits import require
from regress.updates.families.tables import BOTH, WEIGHT, Settings, defaults, layer_names

_WINDOW = 256
_SETTINGS: Settings = {
    "vocab_size": ("vocabulary", 50257),
    "max_position_embeddings": ("context", 2048),
    "hidden_size": ("hidden", 2048),
    "num_layers": ("layers", 24),
    "num_heads": ("heads", 16),
    "intermediate_size": ("ffn", None),
    "window_size": ("window", _WINDOW),
    "activation_function": ("activation", "gelu_new"),
    "layer_norm_epsilon": ("eps", 1e-5),
    "initializer_range": ("init_std", 0.02),
    "tie_word_embeddings": ("tied", True),
}
_KINDS = ("global", "local")
_TYPES: Any = [[["global", "local"], 12]]
"""`attention_types` where nothing is said."""
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
    layers, kinds = int(config["num_layers"]), _expanded(config["attention_types"] or _TYPES)
    require(
        len(kinds) == layers,
        f"this GPT-Neo lists {len(kinds)} layers in attention_types and has {layers}",
    )
    return described(_SETTINGS, config, learned_positions=True, scaled_scores=False, kinds=kinds)


def _expanded(types: Sequence[tuple[Sequence[str], int]]) -> tuple[str, ...]:
    return tuple(kind for kinds, times in types for _ in range(times) for kind in kinds)


def _grouped(kinds: Sequence[str]) -> list[list[Any]]:
    """The inverse of `_expanded`: equal neighbours together."""
    return [[[kind], len(list(same))] for kind, same in itertools.groupby(kinds)]


def _names(architecture: Architecture, _: Mapping[str, Any]) -> dict[str, str]:
    layers = layer_names("transformer.h", architecture.layers, (_BARE, WEIGHT), (_BIASED, BOTH))
    return OUTSIDE_LAYERS | layers


def _settings(draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    said = settings(_SETTINGS, shape, "GPT-Neo", positions="learned")
    kinds = [kind or "global" for kind in shape.kinds]
    require(
        set(kinds) <= set(_KINDS),
        f"GPT-Neo layers cannot be of kind {', '.join(sorted(set(kinds) - set(_KINDS)))}",
        allowed=", ".join(_KINDS),
    )
    return said | {
        "attention_types": _grouped(kinds),
        "attention_layers": kinds,
        "window_size": shape.window or _WINDOW,
    }


def _fit(draft: Draft) -> Draft:
    return with_biases(without_padding(with_unscaled_scores(draft)), lambda _: _PROJECTIONS)


FAMILY = Family(
    name="gpt_neo",
    title="GPT-Neo",
    model_class="GPTNeoForCausalLM",
    defaults={
        **defaults(_SETTINGS),
        "attention_types": _TYPES,
        "bos_token_id": 50256,
        "eos_token_id": 50256,
        "pad_token_id": None,
    },
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
