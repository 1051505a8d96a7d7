"""Rotary position settings, in the older and the newer form of transformers' configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLD_KEYS = ("rope_theta", "rope_scaling", "rotary_pct", "rotary_emb_base", "partial_rotary_factor")
_OF_A_LENGTH = ("llama3", "yarn", "longrope")
"""Kinds that say for which length they were trained."""


def parameters(
    config: Mapping[str, Any],
    *,
    theta: float = 10000.0,
    share: float | None = None,
    keys: tuple[str, str] = ("rope_theta", "partial_rotary_factor"),
) -> dict[str, Any]:
    """`rope_parameters`, whichever way the configuration says them.

    Args:
        config: The configuration.
        theta: The base where it says none.
        share: The share of a head that is rotated where it says none; null for all of it.
        keys: What base and share are called outside `rope_parameters`.
    """
    given = {key: value for key, value in _given(config).items() if value is not None}
    kind = given.pop("type", None)
    given.setdefault("rope_type", kind or "default")
    given.setdefault("rope_theta", config.get(keys[0]) or theta)
    share = config.get(keys[1]) or share
    if share is not None:
        given.setdefault("partial_rotary_factor", share)
    if given["rope_type"] in _OF_A_LENGTH:
        trained = config.get("original_max_position_embeddings")
        if trained is not None:
            given["original_max_position_embeddings"] = trained
        given.setdefault("original_max_position_embeddings", config["max_position_embeddings"])
    return given


def _given(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("rope_scaling") or config.get("rope_parameters") or {}


def rotated(rope: Mapping[str, Any], head_dim: int) -> int:
    """Leading dimensions of a head that are rotated."""
    return int(head_dim * rope.get("partial_rotary_factor", 1.0))


def without_old_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what `rope_parameters` says now."""
    return {key: value for key, value in config.items() if key not in OLD_KEYS}
