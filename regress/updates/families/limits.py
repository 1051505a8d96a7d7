"""What a family cannot express, said in one way by all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Architecture
from regress.updates.numbers import BYTES

_TRAITS: Mapping[str, Mapping[Any, str]] = {
    "norm": {"rms": "RMSNorm", "layer": "LayerNorm"},
    "gated": {True: "an MLP with a gate", False: "an MLP without a gate"},
    "experts": {True: "experts", False: "one MLP a layer"},
    "parallel": {
        True: "attention and MLP side by side",
        False: "attention and MLP one after the other",
    },
    "norm_first": {True: "norms before attention and MLP", False: "norms after the sums"},
    "qk_norm": {
        True: "norms of queries and keys, which no weights can replace",
        False: "no norms of queries and keys",
    },
    "positions": {
        "rotary": "rotary positions",
        "learned": "a table of learned positions",
        "none": "no positions",
    },
}


def require(holds: bool, what: str, *, allowed: str | None = None, do: str | None = None) -> None:
    """Refuse what a family cannot express.

    Raises:
        Unsupported: Unless `holds`.
    """
    if not holds:
        raise Unsupported(what, allowed=allowed, do=do)


def require_traits(shape: Architecture, title: str, **needed: Any) -> None:
    """Refuse an architecture that differs from the family's in a trait named in `needed`.

    Raises:
        Unsupported: With both in words.
    """
    met = _traits(shape)
    for trait, value in needed.items():
        if met[trait] != value:
            words = _TRAITS[trait]
            raise Unsupported(f"{title} models have {words[value]}, and this one has {words[met[trait]]}")


def _traits(shape: Architecture) -> dict[str, Any]:
    named = ("norm", "gated", "parallel", "norm_first", "qk_norm")
    positions = "rotary" if shape.rope is not None else "learned" if shape.learned_positions else "none"
    return {name: getattr(shape, name) for name in named} | {
        "experts": bool(shape.experts),
        "positions": positions,
    }


def require_kernel(width: int, dtype: str, *, shards: int = 1) -> None:
    """Refuse experts that torch's grouped product, which transformers runs them by, does not take.

    It wants rows of whole 16 bytes.

    Args:
        width: Units of an expert.
        dtype: Type of the weights, by torch's name.
        shards: Experts that an MLP is about to be cut into.

    Raises:
        Unsupported: With the nearest width that fits.
    """
    whole = 16 // BYTES[dtype]
    require(
        width % whole == 0,
        f"experts of {width} units cannot be run in {dtype} by transformers' default kernel",
        allowed=f"a multiple of {whole}",
        do=f"Put `grow:mlp={shards * whole * -(-width // whole)}` before it.",
    )


def require_shared(shape: Architecture) -> None:
    """Refuse query heads that cannot share the heads of keys and values evenly.

    Raises:
        Unsupported: With what would be allowed.
    """
    require(
        shape.heads % shape.kv_heads == 0,
        f"{shape.heads} heads cannot share {shape.kv_heads} heads of keys and values",
        allowed=f"a multiple of {shape.kv_heads}",
    )


def require_square(shape: Architecture, title: str) -> None:
    """Refuse heads that are not together as wide as the residual stream, or that share keys.

    Raises:
        Unsupported: With the nearest widths that fit.
    """
    require(
        shape.kv_heads == shape.heads,
        f"{title} models have keys and values for every head, and here {shape.heads} heads share "
        f"{shape.kv_heads} of them",
    )
    width = shape.heads * shape.head_dim
    if width == shape.hidden:
        return
    fitting = [f"hidden={width}"]
    if shape.hidden % shape.head_dim == 0:
        fitting.append(f"heads={shape.hidden // shape.head_dim}")
    if shape.hidden % shape.heads == 0:
        fitting.append(f"head_dim={shape.hidden // shape.heads}")
    raise Unsupported(
        f"the heads of {title} models are together as wide as the residual stream, and here "
        f"{shape.heads} heads of {shape.head_dim} make {width}, not {shape.hidden}",
        allowed="heads · head_dim = hidden",
        do=f"Grow them together: with the other widths as they are, {' or '.join(fitting)} fits.",
    )
