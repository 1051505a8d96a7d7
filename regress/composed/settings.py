"""What a configuration says once the layers are mapped; pure, from its settings alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from regress.errors import Unsupported, UsageError

_COUNTS = ("num_hidden_layers", "n_layer", "num_layers")
_BY_PLACE = (
    "mlp_only_layers",
    "attn_layer_indices",
    "full_attn_idxs",
    "first_k_dense_replace",
    "scale_attn_by_inverse_layer_idx",
)
"""Settings that tell layers apart by their numbers, where they say anything."""


def mapped_settings(config: Mapping[str, Any], layers: Sequence[int]) -> dict[str, Any]:
    """The settings that differ in a model whose layer i is layer `layers[i]` of one with these.

    Args:
        config: All settings, defaults included.
        layers: The map.

    Raises:
        UsageError: If the map is empty, or names a layer that is not there.
        Unsupported: If layers are told apart by their places.

    >>> mapped_settings({"n_layer": 2, "layer_types": ["full", "sliding"]}, [0, 1, 1])
    {'n_layer': 3, 'layer_types': ['full', 'sliding', 'sliding']}
    """
    name = next(each for each in (*_COUNTS, None) if each is None or each in config)
    if name is None:
        raise Unsupported("this model's configuration does not say how many layers it has")
    count = int(config[name])
    require_map(layers, count)
    if tuple(layers) == tuple(range(count)):
        return {}
    for setting in _BY_PLACE:
        if value := config.get(setting):
            raise Unsupported(
                f"layers of this {config.get('model_type')} are told apart by their places "
                f"({setting} = {value})",
                allowed="a model whose layers can stand anywhere",
            )
    changed: dict[str, Any] = {name: len(layers)}
    for setting, value in config.items():
        if "layer" in setting and isinstance(value, list | tuple) and len(value) == count:
            changed[setting] = [value[source] for source in layers]
    if kinds := config.get("attention_types"):  # GPT-Neo's, in groups
        flat = [kind for group, times in kinds for _ in range(times) for kind in group]
        changed["attention_types"] = [[[flat[source]], 1] for source in layers]
    return changed


def require_map(layers: Sequence[int], count: int) -> None:
    """Refuse a map that is none of a model with `count` layers.

    Raises:
        UsageError: If it is empty, or names a layer that is not there.
    """
    if not layers:
        raise UsageError("a map without layers makes no model", allowed=f"map=[0-{count - 1}]")
    if missing := [source for source in layers if not 0 <= source < count]:
        raise UsageError(
            f"the map names layer {missing[0]}, and the model has {count}", allowed=f"0 to {count - 1}"
        )
