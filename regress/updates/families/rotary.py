"""Rotary position settings, in the older and the newer form of transformers' configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OLD_KEYS = ("rope_theta", "rope_scaling", "rotary_pct", "rotary_emb_base", "partial_rotary_factor")


def parameters(config: Mapping[str, Any], *, theta: float = 10000.0) -> dict[str, Any]:
    """`rope_parameters`, whichever way the configuration says them."""
    if isinstance(given := config.get("rope_parameters"), Mapping):
        return {"rope_type": "default", "rope_theta": theta, **given}
    scaling = dict(config.get("rope_scaling") or {})
    kind = scaling.pop("type", None) or scaling.get("rope_type") or "default"
    base = config.get("rope_theta") or config.get("rotary_emb_base") or theta
    share = config.get("rotary_pct") or config.get("partial_rotary_factor")
    partial = {} if share is None else {"partial_rotary_factor": share}
    return {**scaling, **partial, "rope_type": kind, "rope_theta": base}


def without_old_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what `rope_parameters` says now."""
    return {key: value for key, value in config.items() if key not in OLD_KEYS}
