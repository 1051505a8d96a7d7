"""How a width is given: `640`, `+2` or `1.5x`."""

from __future__ import annotations

import re

from regress.errors import UsageError

Size = int | str
SIZES = "640 (so many), +2 (so many more) or 1.5x"
"""How one is typed."""

_FACTOR = re.compile(r"(\d+(?:\.\d+)?)x")
_MORE = re.compile(r"\+(\d+)")


def resized(name: str, size: Size | None, present: int) -> int:
    """The new width: absolute, so many more, or a factor; the present one where nothing is said.

    >>> resized("mlp", "1.5x", 172), resized("heads", "+2", 8), resized("hidden", 640, 512)
    (258, 10, 640)

    Raises:
        UsageError: If it is none of these, is no whole number, or is smaller than what is there.
    """
    if size is None:
        return present
    new = _read(name, size, present)
    if new < present:
        raise UsageError(
            f"{name}={size} is less than the {present} that are there",
            allowed=f"{present} or more",
            do="Something smaller is made by `prune` or `drop`.",
        )
    return new


def _read(name: str, size: Size, present: int) -> int:
    text = str(size).strip()
    if text.isdecimal():
        return int(text)
    if more := _MORE.fullmatch(text):
        return present + int(more[1])
    if factor := _FACTOR.fullmatch(text):
        new = present * float(factor[1])
        if new != round(new):
            raise UsageError(f"{name}={size} makes {new:g} of {present}", allowed="a whole number")
        return round(new)
    raise UsageError(f"{name}={size} is no width", allowed=SIZES)
