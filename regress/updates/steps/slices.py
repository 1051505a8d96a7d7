"""A model whose layers are taken from several, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Sequence

from regress.errors import Unsupported, UsageError
from regress.updates.draft import Draft, of_layer
from regress.updates.expressions import Tensor

_SLICE = re.compile(r"(\d+):(\d+)(?:-(\d+))?")


def sliced(models: Sequence[Draft], slices: Sequence[str]) -> Draft:
    """The first of `models` with the layers that `slices` name, in that order.

    Args:
        models: Models that are alike but for the number of their layers.
        slices: `MODEL:FIRST-LAST`, or `MODEL:LAYER`; all count from 0, and both ends are in.

    Raises:
        UsageError: If a slice cannot be read, or names a model or layer that is not there.
        Unsupported: If the layers do not have the same tensors.
    """
    places = [place for each in slices for place in _places(each, models)]
    parts = {key: _parts(models[key[0]], key[1]) for key in dict.fromkeys(places)}
    first = parts[places[0]]
    tensors = {name: tensor for name, tensor in models[0].tensors.items() if of_layer(name) is None}
    for number, key in enumerate(places):
        if set(parts[key]) != set(first):
            strange = min(set(parts[key]) ^ set(first))
            raise Unsupported(f"of the layers that are joined only some have {strange}")
        tensors |= {f"layers.{number}.{name}": tensor for name, tensor in parts[key].items()}
    kinds = (
        tuple(models[model].shape.kinds[layer] for model, layer in places) if models[0].shape.kinds else ()
    )
    return models[0].but(tensors, layers=len(places), kinds=kinds)


def _places(text: str, models: Sequence[Draft]) -> list[tuple[int, int]]:
    """Model and layer of each layer in a slice.

    >>> _places("nonsense", [])
    Traceback (most recent call last):
    regress.errors.UsageError: nonsense names no layers. Allowed: MODEL:FIRST-LAST, as 0:0-15 or 1:8-23.
    """
    found = _SLICE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text} names no layers", allowed="MODEL:FIRST-LAST, as 0:0-15 or 1:8-23")
    model, first, last = int(found[1]), int(found[2]), int(found[3] or found[2])
    if model >= len(models):
        raise UsageError(f"{text} names model {model}", allowed=f"0 (the old one) to {len(models) - 1}")
    layers = models[model].shape.layers
    if not first <= last < layers:
        raise UsageError(f"{text} names no layers of model {model}", allowed=f"{model}:0-{layers - 1}")
    return [(model, layer) for layer in range(first, last + 1)]


def _parts(draft: Draft, layer: int) -> dict[str, Tensor]:
    """A layer's tensors by their names in it."""
    places = {name: of_layer(name) for name in draft.tensors}
    return {at[1]: draft.tensors[name] for name, at in places.items() if at is not None and at[0] == layer}
