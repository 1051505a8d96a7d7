"""What the calibration finds: tables to read, and the guarantees that they are held to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ALPHA = 0.05
"""Level of every one-sided test of the gate, as the presets have it."""

APPROXIMATE = 0.01
"""What Tango's test, the bootstrap and Student's t may err by beyond it: they are not exact."""

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One guarantee in one cell."""

    name: str
    """Which guarantee, and where."""
    rate: float
    """What came of it."""
    bound: float
    """The most that it may be; where `at_least`, the least."""
    draws: int | None = None
    """Simulated data sets; null where the rate is exact."""
    at_least: bool = False
    """Whether the bound is one from below."""

    @property
    def slack(self) -> float:
        """Three standard errors of the simulation, if it is one; else what rounding may do."""
        return 3 * math.sqrt(self.bound * (1 - self.bound) / self.draws) if self.draws else 1e-9

    @property
    def holds(self) -> bool:
        """Whether the rate keeps to the bound."""
        beyond = self.bound - self.rate if self.at_least else self.rate - self.bound
        return beyond <= self.slack

    def record(self) -> dict[str, Any]:
        """What is written down."""
        return {**vars(self), "slack": self.slack, "holds": self.holds}


@dataclass(frozen=True, kw_only=True)
class Table:
    """One printed table and its checks."""

    title: str
    """What it shows."""
    how: str
    """Exact enumeration, or simulation of how many data sets."""
    columns: Sequence[str]
    """Their heads."""
    rows: Sequence[Sequence[Cell]]
    """Texts, counts, and rates as fractions."""
    checks: Sequence[Check] = ()
    """The guarantees that the rows are held to; none where they only describe."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is written down."""

    def text(self) -> str:
        """The table for people: rates in percent."""
        cells = [[str(head) for head in self.columns], *([_shown(one) for one in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numeric = [all(not isinstance(row[j], str) for row in self.rows) for j in range(len(widths))]
        lines = ["  ".join(_aligned(row, widths, numeric)).rstrip() for row in cells]
        return "\n".join([self.title, f"({self.how})", "", *lines, "", self.verdict()])

    def verdict(self) -> str:
        """Whether the guarantees hold, and which do not."""
        broken = [one for one in self.checks if not one.holds]
        if not self.checks:
            return "descriptive: nothing here is a guarantee"
        if not broken:
            return f"all {len(self.checks)} guarantees hold"
        return "\n".join(
            [f"{len(broken)} of {len(self.checks)} guarantees DO NOT hold:"]
            + [
                f"  {one.name}: {100 * one.rate:.2f} %, "
                f"{'at least' if one.at_least else 'at most'} {100 * one.bound:.2f} ± {100 * one.slack:.2f} %"
                for one in broken
            ]
        )

    def record(self) -> dict[str, Any]:
        """What is written down."""
        return {
            "title": self.title,
            "how": self.how,
            "columns": list(self.columns),
            "rows": [[_plain(one) for one in row] for row in self.rows],
            "checks": [one.record() for one in self.checks],
            **self.details,
        }


def _shown(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    return f"{100 * cell:.2f}" if isinstance(cell, float) else str(cell)


def _plain(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _aligned(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    return [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(row, widths, numeric, strict=True)
    ]
