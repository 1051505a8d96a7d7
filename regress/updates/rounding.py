"""What storing weights in a floating-point type leaves of the function."""

from __future__ import annotations

from regress.errors import Unsupported
from regress.updates.claims import IDENTICAL, NEAR, SAME, Claim
from regress.updates.numbers import WIDTHS, holds


def stored_as(dtype: str, present: str, lossless: bool) -> Claim:
    """What is kept of a claim when weights are stored as `dtype`.

    Args:
        dtype: The type to store, by torch's name.
        present: The type that the old weights are numbers of.
        lossless: Whether the new weights are numbers of it too, not results of sums and square roots.

    Raises:
        Unsupported: If weights cannot be stored so.
    """
    if dtype not in WIDTHS:
        raise Unsupported(f"weights cannot be stored as {dtype}", allowed=", ".join(WIDTHS))
    if lossless and holds(dtype, present):
        return IDENTICAL
    return SAME if holds(dtype, "float32") else NEAR
