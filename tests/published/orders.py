"""What must hold whatever the sample: which update does more damage than which.

Numbers in brackets are those of the oracles of class III that the table was printed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from .bench import Measured


@dataclass(frozen=True)
class Order:
    """Rows of the table in rising order of one figure."""

    title: str
    """What it says."""
    column: str
    """The figure."""
    rows: tuple[str, ...]
    """From the least on; strictly rising."""


ORDERS = (
    Order("fewer bits, more divergence (III-1)", "kld", ("int8", "int6", "int5", "int4", "int3", "int2")),
    Order("groups lose less than rows", "kld", ("int4-group-32", "int4")),
    Order(
        "more zeros, more divergence (III-2)",
        "kld",
        ("magnitude-10", "magnitude-20", "magnitude-30", "magnitude-50", "2:4"),
    ),
    Order("Wanda loses less than magnitude by row, 30 % (III-2)", "kld", ("wanda-30", "rows-30")),
    Order("Wanda loses less than magnitude by row, 50 % (III-2)", "kld", ("wanda-50", "rows-50")),
    Order("the middle repeated < the stack twice < every layer twice (III-3)", "ppl",
          ("identity", "solar", "stacked", "each-doubled")),
    Order("only what bfloat16 cannot hold costs anything (III-4)", "kld", ("hidden-x2", "bf16-hidden-x2")),
    Order("the same, against hidden x4 in bfloat16 (III-4)", "kld", ("bf16-hidden-x4", "bf16-hidden-x2")),
    Order("more noise, more divergence (III-5)", "kld", ("noise-1", "noise-3", "noise-10")),
    Order("more noise, more other choices (III-5)", "different", ("noise-1", "noise-3", "noise-10")),
    Order("the first layer is missed most, the third least", "kld", ("drop-2", "drop-4", "drop-1", "drop-0")),
    Order("fewer bits of a number format, more divergence", "kld", ("identity", "fp16", "bf16", "int8")),
    Order("another activation of the same shape costs less", "kld", ("theta-2e4", "gelu", "relu")),
)  # fmt: skip


def out_of_order(order: Order, found: Mapping[str, Measured]) -> bool | None:
    """Whether some row does not lie above the one before it; null if one of them was not measured."""
    if not all(name in found for name in order.rows):
        return None
    values = [_value(found[name], order.column) for name in order.rows]
    return any(not low < high for low, high in pairwise(values))


def _value(found: Measured, column: str) -> float:
    """A figure, or the share of places with another first token."""
    if column == "different":
        return 1 - found.figures["same_top"].value
    return found.figures[column].value
