"""What GPT-2, GPT-Neo, GPT-NeoX and OPT share: LayerNorm, plain MLPs, keys and values for every head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.updates.draft import Architecture
from regress.updates.families.limits import require_square, require_traits
from regress.updates.families.tables import Settings, read_fields, written

_TRAITS: Mapping[str, Any] = {
    "norm": "layer",
    "gated": False,
    "experts": False,
    "parallel": False,
    "norm_first": True,
    "qk_norm": False,
}


def described(table: Settings, config: Mapping[str, Any], **others: Any) -> Architecture:
    """The architecture that a completed configuration says.

    Args:
        table: The family's settings.
        config: The configuration.
        others: Fields that no setting of the table says.
    """
    said = read_fields(table, config) | others
    hidden, heads = said["hidden"], said["heads"]
    usual = {
        "norm": "layer",
        "kv_heads": heads,
        "head_dim": hidden // heads,
        "ffn": 4 * hidden,
        "kinds": (None,) * said["layers"],
    }
    return Architecture(**{**usual, **said})


def settings(table: Settings, shape: Architecture, title: str, *, positions: str) -> dict[str, Any]:
    """What `config.json` says about an architecture; a trait that has a setting may be either.

    Raises:
        Unsupported: If such models cannot have it.
    """
    free = {field for field, _ in table.values()}
    fixed = {trait: value for trait, value in _TRAITS.items() if trait not in free}
    require_traits(shape, title, **fixed, positions=positions)
    require_square(shape, title)
    return written(table, shape)
