"""What one more token adds to a model's key-value cache, from its configuration alone.

Every layer keeps a key and a value of each of its key-value heads:
layers × key-value heads × head size × 2 × bytes of the weight type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regress.engines.machine import DTYPE_BYTES


@dataclass(frozen=True, kw_only=True)
class Cache:
    """The key-value cache of a model."""

    token_bytes: int
    """Bytes that one more token adds, as long as no layer's window is full."""
    windowed_layers: int
    """Layers that keep only the last `window` tokens."""
    window: int | None
    """Tokens that such a layer keeps; null where there is none."""


@dataclass(frozen=True, kw_only=True)
class _Keys:
    """Where a family's configuration says what, and what it may leave out."""

    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    width: str = "hidden_size"
    grouped: bool = True
    """Whether several heads may share a key and a value (`num_key_value_heads`)."""
    may_lack: tuple[str, ...] = ("head_dim",)
    """Keys that follow from the others where they are missing; another family has defaults of its own."""


_GROUPED = _Keys()
_FAMILIES: Mapping[str, _Keys] = {
    "llama": _Keys(may_lack=("head_dim", "num_key_value_heads")),
    "mistral": _GROUPED,
    "mixtral": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": _Keys(may_lack=()),
    "gemma": _Keys(may_lack=()),
    "gemma2": _Keys(may_lack=()),
    "gemma3_text": _Keys(may_lack=()),
    "gpt2": _Keys(layers="n_layer", heads="n_head", width="n_embd", grouped=False),
    "gpt_neo": _Keys(layers="num_layers", heads="num_heads", grouped=False),
    "gpt_neox": _Keys(grouped=False),
    "opt": _Keys(grouped=False),
}
_KNOWN_LAYERS = {"full_attention", "sliding_attention"}


def cache(config: Mapping[str, Any], dtype: str) -> Cache | None:
    """The cache of a model with this `config.json`, kept in the weight type `dtype`.

    Null where the architecture is not known here, keeps something else than keys and values, or
    leaves to its code what it keeps.

    >>> gpt2 = {"model_type": "gpt2", "n_layer": 12, "n_head": 12, "n_embd": 768}
    >>> cache(gpt2, "float16").token_bytes
    36864
    """
    keys, size = _FAMILIES.get(str(config.get("model_type"))), DTYPE_BYTES.get(dtype)
    if keys is None or size is None:
        return None
    layers, heads, width = (_count(config.get(name)) for name in (keys.layers, keys.heads, keys.width))
    shared = _of(config, "num_key_value_heads", heads, keys)
    each = _of(config, "head_dim", width // heads if heads else 0, keys)
    windowed = _windowed_layers(config, layers)
    if not layers * shared * each or windowed is None:
        return None
    window = config.get("window_size") or config.get("sliding_window")
    return Cache(
        token_bytes=layers * shared * each * 2 * size,
        windowed_layers=windowed if window else 0,
        window=window if windowed else None,
    )


def _of(config: Mapping[str, Any], name: str, derived: int, keys: _Keys) -> int:
    """What the configuration says, else what follows from the rest; 0 where neither is known."""
    if not keys.grouped:
        return derived
    if (said := config.get(name)) is not None:
        return _count(said)
    as_many_as_heads = name == "num_key_value_heads" and name in config  # an explicit null means that
    return derived if as_many_as_heads or name in keys.may_lack else 0


def _count(said: Any) -> int:
    """A number of things that a configuration says; 0 where it says none."""
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 0


def _windowed_layers(config: Mapping[str, Any], layers: int) -> int | None:
    """Layers that see only the last tokens; null where some layer is of a kind not known here."""
    if isinstance(kinds := config.get("layer_types"), list):
        return kinds.count("sliding_attention") if set(kinds) <= _KNOWN_LAYERS else None
    if not (config.get("sliding_window") or config.get("window_size")):
        return 0
    match config["model_type"]:
        case "gpt_neo":
            return _neo_layers(config).count("local")
        case "mistral" | "mixtral":
            return layers
        case "qwen2" | "qwen3" if config.get("use_sliding_window"):
            return max(0, layers - _count(config.get("max_window_layers")))
        case "gemma2":
            return (layers + 1) // 2  # every other one, from the first on
        case "gemma3_text":
            return layers - layers // (_count(config.get("sliding_window_pattern")) or 6)
        case _:
            return 0


def _neo_layers(config: Mapping[str, Any]) -> list[str]:
    """The kinds of GPT-Neo's layers, from either way of saying so."""
    if isinstance(said := config.get("attention_layers"), list):
        return said
    groups = config.get("attention_types") or ()
    return [kind for kinds, times in groups for _ in range(times) for kind in kinds]
