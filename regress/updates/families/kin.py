"""Llama's kin: in what models with RMSNorm and rotary positions differ from each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from regress.updates.families.tables import Settings


@dataclass(frozen=True, kw_only=True)
class Kin:
    """In what a member of the family differs from the others."""

    name: str
    title: str
    model_class: str
    biased: tuple[str, ...] = ()
    """Projections of the attention that always have a bias."""
    attention_bias: bool = False
    """Whether `attention_bias` is a setting."""
    mlp_bias: bool = False
    """Whether `mlp_bias` is a setting."""
    gated: bool = True
    """Whether the MLP has a gate."""
    qk_norm: bool = False
    """Whether queries and keys are normalised."""
    fused: bool = False
    """Whether queries, keys and values are one matrix, and gate and up another."""
    kinds: tuple[str, str] | None = None
    """What it calls layers without and with a sliding window, where it lists them."""
    divides: bool = False
    """Whether the class insists on hidden being a multiple of heads."""
    theta: float = 10000.0
    share: float | None = None
    """The share of a head that is rotated where the configuration does not say; null where it cannot."""
    rope_types: tuple[str, ...] = ()
    """Kinds of rotary positions that the class accepts, where it does not accept all."""
    own: Settings = field(default_factory=dict)
    """Settings that Llama does not have."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Where transformers' defaults are not Llama's."""

    @property
    def settings(self) -> Settings:
        """All settings that say a field of the architecture."""
        return {**_SETTINGS, **self.own}

    def says(self, name: str) -> bool:
        """Whether a setting says that field of the architecture."""
        return any(name == said for said, _ in self.settings.values())


_SETTINGS: Settings = {
    "vocab_size": ("vocabulary", 32000),
    "hidden_size": ("hidden", 4096),
    "intermediate_size": ("ffn", 11008),
    "num_hidden_layers": ("layers", 32),
    "num_attention_heads": ("heads", 32),
    "num_key_value_heads": ("kv_heads", None),
    "head_dim": ("head_dim", None),
    "hidden_act": ("activation", "silu"),
    "max_position_embeddings": ("context", 2048),
    "initializer_range": ("init_std", 0.02),
    "rms_norm_eps": ("eps", 1e-6),
    "tie_word_embeddings": ("tied", False),
}
DEFAULTS: Mapping[str, Any] = {
    "attention_bias": False,
    "mlp_bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
"""Where nothing is said about what is no field."""
_QWEN: Mapping[str, Any] = {
    "vocab_size": 151936,
    "intermediate_size": 22016,
    "num_key_value_heads": 32,
    "max_position_embeddings": 32768,
    "use_sliding_window": False,
    "sliding_window": 4096,
    "max_window_layers": 28,
    "layer_types": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
_KINDS = ("full_attention", "sliding_attention")
KIN = (
    Kin(
        name="llama",
        title="Llama",
        model_class="LlamaForCausalLM",
        attention_bias=True,
        mlp_bias=True,
        divides=True,
    ),
    Kin(
        name="mistral",
        title="Mistral",
        model_class="MistralForCausalLM",
        own={"sliding_window": ("window", 4096)},
        defaults={
            "intermediate_size": 14336,
            "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
        },
    ),
    Kin(
        name="qwen2",
        title="Qwen2",
        model_class="Qwen2ForCausalLM",
        biased=("q", "k", "v"),
        kinds=_KINDS,
        defaults=_QWEN,
    ),
    Kin(
        name="qwen3",
        title="Qwen3",
        model_class="Qwen3ForCausalLM",
        attention_bias=True,
        qk_norm=True,
        kinds=_KINDS,
        defaults={**_QWEN, "head_dim": 128},
    ),
    Kin(
        name="mixtral",
        title="Mixtral",
        model_class="MixtralForCausalLM",
        theta=1e6,
        own={
            "sliding_window": ("window", None),
            "num_local_experts": ("experts", 8),
            "num_experts_per_tok": ("top_k", 2),
        },
        defaults={
            "intermediate_size": 14336,
            "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
            "rms_norm_eps": 1e-5,
        },
    ),
    Kin(
        name="phi3",
        title="Phi-3",
        model_class="Phi3ForCausalLM",
        fused=True,
        share=1.0,
        rope_types=("default", "longrope", "su", "yarn"),
        own={"sliding_window": ("window", None)},
        defaults={
            "vocab_size": 32064,
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "max_position_embeddings": 4096,
            "original_max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5,
            "eos_token_id": 32000,
            "pad_token_id": 32000,
        },
    ),
    Kin(
        name="granite",
        title="Granite",
        model_class="GraniteForCausalLM",
        attention_bias=True,
        mlp_bias=True,
        own={
            "attention_multiplier": ("score_scale", 1.0),
            "embedding_multiplier": ("embed_scale", 1.0),
            "residual_multiplier": ("residual_scale", 1.0),
            "logits_scaling": ("logit_divisor", 1.0),
        },
    ),
    Kin(
        name="arcee",
        title="Arcee",
        model_class="ArceeForCausalLM",
        attention_bias=True,
        mlp_bias=True,
        gated=False,
        divides=True,
        defaults={
            "hidden_size": 2560,
            "intermediate_size": 18432,
            "hidden_act": "relu2",
            "max_position_embeddings": 4096,
            "rms_norm_eps": 1e-5,
            "bos_token_id": 128000,
            "eos_token_id": 128001,
        },
    ),
)
