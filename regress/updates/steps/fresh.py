"""Values of new slots whose values do not matter to the function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from regress.updates.expressions import Normal, Shape, Tensor, join, take

Init = Literal["random", "copy"]


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """How new slots are filled where any value keeps the function.

    They must not be zero: what meets them on the other side is, and a product of two zeros has no
    gradient on either side, so that the new capacity could never be trained.
    """

    init: Init
    """`random` (normal, of the model's own standard deviation) or `copy` (of the old slots in turn)."""
    std: float
    step: str
    """The step's name, so that two steps draw different numbers."""

    def slots(self, name: str, old: Tensor, dim: int, count: int) -> Tensor:
        """`count` new slots along `dim` of the tensor called `name`."""
        if self.init == "copy":
            return take(old, dim, tuple(place % old.shape[dim] for place in range(count)))
        shape: Shape = (*old.shape[:dim], count, *old.shape[dim + 1 :])
        return Normal(shape, self.std, f"{self.step}/{name}/{dim}")

    def more(self, name: str, old: Tensor, dim: int, count: int) -> Tensor:
        """The tensor with `count` new slots after the old ones."""
        return join([old, self.slots(name, old, dim, count)], dim)
