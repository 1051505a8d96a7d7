"""Floating-point types that weights are stored in."""

from __future__ import annotations

WIDTHS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
"""Bits of a number's significand, by torch's name of the type."""
BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def holds(wide: str, narrow: str) -> bool:
    """Whether every number of `narrow` is one of `wide`; of the two 16-bit types neither holds the other.

    >>> holds("float32", "bfloat16"), holds("bfloat16", "float16")
    (True, False)
    """
    return wide == narrow or ({wide, narrow} != {"float16", "bfloat16"} and WIDTHS[wide] > WIDTHS[narrow])
