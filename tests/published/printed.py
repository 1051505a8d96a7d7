"""The published figures, as they are printed: each is known to half a unit of its last digit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

COLUMNS = ("ppl", "kld", "same_top", "acc", "nfr", "pfr")
"""Perplexity, mean divergence in nats, and four rates, which are printed in percent."""
_RATES = COLUMNS[2:]


@dataclass(frozen=True)
class Bounds:
    """Between which numbers a printed figure lies."""

    low: float
    high: float
    shown: str
    """As it is printed."""

    @classmethod
    def read(cls, word: str, *, percent: bool = False) -> Self:
        """`4.219`, or the range `2.1..4.6` of several rows that are printed as one.

        >>> Bounds.read("80.26", percent=True)
        Bounds(low=0.80255, high=0.80265, shown='80.26')
        """
        ends = [Decimal(end) for end in word.split("..")]
        halves = [Decimal(5).scaleb(int(end.as_tuple().exponent) - 1) for end in ends]
        unit = Decimal(100 if percent else 1)
        low, high = (ends[0] - halves[0]) / unit, (ends[-1] + halves[-1]) / unit
        return cls(low=float(low), high=float(high), shown=word)


def printed(line: str) -> dict[str, Bounds]:
    """A line of the table: six figures in the order of `COLUMNS`, `-` where there is none.

    >>> sorted(printed("4.153 0.142 - - - -"))
    ['kld', 'ppl']
    """
    words = zip(COLUMNS, line.split(), strict=True)
    return {name: Bounds.read(word, percent=name in _RATES) for name, word in words if word != "-"}
