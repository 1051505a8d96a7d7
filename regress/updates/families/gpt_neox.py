"""GPT-NeoX and Pythia: LayerNorm, partly rotated heads, attention and MLP side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from regress.updates.draft import Architecture, Draft, part
from regress.updates.expressions import Tensor, take
from regress.updates.families.family import Family
from regress.updates.families.folds import with_biases, with_scaled_scores
from regress.updates.families.fused import join_rows, split_rows
from regress.updates.families.layer_norm import described, settings
from regress.updates.families.rotary import parameters, rotated
from regress.updates.families.tables import BOTH, WEIGHT, Settings, defaults, layer_names

_SETTINGS: Settings = {
    "vocab_size": ("vocabulary", 50432),
    "hidden_size": ("hidden", 6144),
    "num_hidden_layers": ("layers", 44),
    "num_attention_heads": ("heads", 64),
    "intermediate_size": ("ffn", 24576),
    "hidden_act": ("activation", "gelu"),
    "max_position_embeddings": ("context", 2048),
    "initializer_range": ("init_std", 0.02),
    "layer_norm_eps": ("eps", 1e-5),
    "use_parallel_residual": ("parallel", True),
    "tie_word_embeddings": ("tied", False),
}
_ATTENTION = {"attention.query_key_value": "qkv", "attention.dense": "o"}
_PROJECTIONS = frozenset("qkvo")
_FUSED = ("qkv.weight", "qkv.bias")
_OTHERS = {
    "input_layernorm": "norm1",
    "post_attention_layernorm": "norm2",
    "mlp.dense_h_to_4h": "up",
    "mlp.dense_4h_to_h": "down",
}


def _architecture(config: Mapping[str, Any]) -> Architecture:
    shape = described(_SETTINGS, config)
    rope = parameters(config, share=0.25, keys=("rotary_emb_base", "rotary_pct"))
    return replace(shape, rope=rope, rotary=rotated(rope, shape.head_dim))


def _names(architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    outside = {
        "gpt_neox.embed_in.weight": "embed.weight",
        "gpt_neox.final_layer_norm.weight": "final_norm.weight",
        "gpt_neox.final_layer_norm.bias": "final_norm.bias",
    }
    attention = BOTH if config["attention_bias"] else WEIGHT
    parts = (_ATTENTION, attention), (_OTHERS, BOTH)
    return outside | layer_names("gpt_neox.layers", architecture.layers, *parts)


def _settings(draft: Draft) -> dict[str, Any]:
    shape = draft.shape
    return settings(_SETTINGS, shape, "GPT-NeoX", positions="rotary") | {
        "attention_bias": "layers.0.q.bias" in draft.tensors,
        "rope_parameters": {"partial_rotary_factor": 1.0, **(shape.rope or {})},
    }


def _unpack(draft: Draft) -> dict[str, Tensor]:
    ordered = _moved(draft.tensors, _places(draft.shape))
    return split_rows(ordered, "qkv", dict.fromkeys("qkv", draft.shape.hidden))


def _pack(draft: Draft) -> dict[str, Tensor]:
    places = _places(draft.shape)
    back = sorted(range(len(places)), key=places.__getitem__)
    return _moved(join_rows(draft.tensors, "qkv", "qkv"), back)


def _places(shape: Architecture) -> list[int]:
    """Where on disk the rows of all queries, all keys and all values lie: there they are [H, 3, d]."""
    width = shape.head_dim
    return [
        (head * 3 + piece) * width + place
        for piece in range(3)
        for head in range(shape.heads)
        for place in range(width)
    ]


def _moved(tensors: Mapping[str, Tensor], places: Sequence[int]) -> dict[str, Tensor]:
    return {
        name: take(tensor, 0, places) if part(name) in _FUSED else tensor for name, tensor in tensors.items()
    }


def _fit(draft: Draft) -> Draft:
    return with_biases(with_scaled_scores(draft), _biased)


def _biased(present: frozenset[str]) -> frozenset[str]:
    return frozenset(("up", "down")) | (_PROJECTIONS if present & _PROJECTIONS else frozenset())


FAMILY = Family(
    name="gpt_neox",
    title="GPT-NeoX",
    model_class="GPTNeoXForCausalLM",
    defaults={
        **defaults(_SETTINGS),
        "attention_bias": True,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": None,
    },
    architecture=_architecture,
    names=_names,
    settings=_settings,
    unpack=_unpack,
    pack=_pack,
    fit=_fit,
    head="embed_out.weight",
    prefix="gpt_neox.",
    ignored=(".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"),
    fresh={"attention_dropout": 0.0, "hidden_dropout": 0.0},
)
