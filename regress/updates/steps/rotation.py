"""Where the dimensions of a head go when it is widened under rotary positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Architecture

_BY_FREQUENCY = ("default", "linear", "llama3", "dynamic")
"""Kinds that change frequencies one by one, by their own value alone."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What wider heads need so that every old dimension turns as fast as before."""

    places: tuple[int, ...]
    """Where each old dimension of a head goes."""
    parameters: Mapping[str, Any] | None
    """transformers' `rope_parameters` of the wider model."""
    dimensions: int
    """Leading dimensions that are rotated."""


def rotation(shape: Architecture, width: int) -> Rotation:
    """The rotation of heads of `width`.

    Pair i of a head is (i, i + d/2) and turns by theta^(-2i/d). To m·d dimensions pair i becomes pair
    m·i, with the same number to the last bit. To any other even width, pairs keep their numbers and
    theta becomes theta^(d'/d): equal in exact arithmetic. Where only part of a head is rotated, the
    other part grows.

    Raises:
        Unsupported: If the width is odd, or frequencies depend on the pair's number in another way.
    """
    old = shape.head_dim
    if shape.rope is None:
        return Rotation(places=tuple(range(old)), parameters=None, dimensions=0)
    if shape.rotary < old:
        return _unrotated_part(shape, width)
    if width % 2:
        raise Unsupported(f"rotary positions need an even head_dim, not {width}")
    if (kind := shape.rope.get("rope_type", "default")) not in _BY_FREQUENCY:
        raise Unsupported(
            f"heads cannot be widened exactly under rotary positions of type {kind}",
            allowed=", ".join(_BY_FREQUENCY),
        )
    half = old // 2
    if width % old == 0:
        pairs = [pair * (width // old) for pair in range(half)]
        parameters = dict(shape.rope)
    else:
        pairs = list(range(half))
        parameters = {**shape.rope, "rope_theta": float(shape.rope["rope_theta"]) ** (width / old)}
    places = (*pairs, *(pair + width // 2 for pair in pairs))
    return Rotation(places=places, parameters=parameters, dimensions=width)


def _unrotated_part(shape: Architecture, width: int) -> Rotation:
    """The share is chosen so that the same number of dimensions is rotated."""
    share = shape.rotary / width
    if int(width * share) != shape.rotary:
        share = (shape.rotary + 0.5) / width
    parameters = {**(shape.rope or {}), "partial_rotary_factor": share}
    return Rotation(places=tuple(range(shape.head_dim)), parameters=parameters, dimensions=shape.rotary)
