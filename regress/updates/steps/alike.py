"""Whether two models are built alike, so that their tensors can be combined one by one."""

from __future__ import annotations

import dataclasses

from regress.errors import Unsupported
from regress.updates.draft import Draft

_FREE = ("context", "init_std")
"""In what models may differ, and the old one's counts."""


def require_alike(old: Draft, other: Draft, name: str, *, layers: bool = True) -> None:
    """Refuse a model that is not built like the old one, naming the first difference.

    Args:
        old: The old model.
        other: Another one.
        name: What the user calls it.
        layers: Whether the number of layers counts.

    Raises:
        Unsupported: If they differ.
    """
    if old.model_type != other.model_type:
        raise Unsupported(
            f"{name} is a {other.model_type} model, the old one is {old.model_type}",
            do=f"Port it first: `port:to={old.model_type}`.",
        )
    if old.architecture is not None:
        _require_one_architecture(old, other, name, layers=layers)
    if layers:
        _require_one_set(old, other, name)


def _require_one_architecture(old: Draft, other: Draft, name: str, *, layers: bool) -> None:
    ours, theirs = old.shape, other.shape
    if ours.tied != theirs.tied:
        tied, loose = (name, "the old one") if theirs.tied else ("the old one", name)
        raise Unsupported(
            f"embedding and output projection are one tensor in {tied} and two in {loose}",
            allowed="models that are all tied, or all untied",
        )
    free = _FREE if layers else (*_FREE, "layers", "kinds")
    for each in dataclasses.fields(ours):
        mine, its = getattr(ours, each.name), getattr(theirs, each.name)
        if each.name not in free and mine != its:
            raise Unsupported(
                f"{name} is built otherwise than the old model: {each.name} is {its}, not {mine}",
                do="Merge models of one architecture.",
            )


def _require_one_set(old: Draft, other: Draft, name: str) -> None:
    for each in dict.fromkeys([*old.tensors, *other.tensors]):
        mine, its = old.tensors.get(each), other.tensors.get(each)
        if mine is None or its is None:
            raise Unsupported(f"only {name if mine is None else 'the old model'} has {each}, of the two")
        if mine.shape != its.shape:
            raise Unsupported(f"{each} has shape {list(its.shape)} in {name}, and {list(mine.shape)} here")
