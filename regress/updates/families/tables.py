"""What families say in tables: what settings and tensors are called, and what they are here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from regress.updates.draft import Architecture

Settings = Mapping[str, tuple[str, Any]]
"""By name in `config.json`: a field of `Architecture`, and what transformers takes where nothing is said."""

_KINDS = {"int": int, "float": float, "bool": bool, "str": str}
_KIND_OF = {
    each.name: _KINDS[kind]
    for each in fields(Architecture)
    if (kind := str(each.type).removesuffix(" | None")) in _KINDS
}

WEIGHT, BOTH = ("weight",), ("weight", "bias")
"""What a part of a layer consists of."""


def defaults(table: Settings) -> dict[str, Any]:
    """What transformers takes for the settings of a table."""
    return {name: default for name, (_, default) in table.items()}


def read_fields(table: Settings, config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an architecture that a completed configuration says; those it says null for are left out."""
    return {
        field: _KIND_OF[field](config[name]) for name, (field, _) in table.items() if config[name] is not None
    }


def written(table: Settings, shape: Architecture) -> dict[str, Any]:
    """The inverse of `read_fields`."""
    return {name: getattr(shape, field) for name, (field, _) in table.items()}


def layer_names(prefix: str, layers: int, *parts: tuple[Mapping[str, str], Sequence[str]]) -> dict[str, str]:
    """Canonical names of all layers' tensors by their names on disk.

    Args:
        prefix: What stands before the number of a layer on disk.
        layers: How many there are.
        parts: What the family calls the parts of a layer and what they are called here, with what each
            consists of (`WEIGHT`, `BOTH`).
    """
    return {
        f"{prefix}.{layer}.{theirs}.{kind}": f"layers.{layer}.{ours}.{kind}"
        for layer in range(layers)
        for table, kinds in parts
        for theirs, ours in table.items()
        for kind in kinds
    }
