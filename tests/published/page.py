"""The table as it is printed and written down: measured figures, printed ones beside them, a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regress.types import Estimate
from regress.updates.recipe import shown
from regress.views.numbers import percent, score

from .bench import Measured
from .judge import Judged, broken, judge
from .printed import COLUMNS
from .sample import Ids
from .second import figures, readable

_HEADS = ("update", "PPL", "KLD", "same top %", "acc %", "NFR %", "PFR %")
_WIDTHS = (20, 17, 19, 15, 12, 12, 12)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the table, judged."""

    found: Measured
    """What was measured."""
    judged: Sequence[Judged]
    """Beside what is printed; empty where the function is kept, or nothing is printed."""
    broken: Sequence[str]
    """How it does not keep the function that it is to keep."""
    again: dict[str, float] | None
    """Where some figure does not fit: the same figures a second way; null where all fit, or there is none."""

    @property
    def outside(self) -> list[str]:
        """Columns that do not fit."""
        return [each.column for each in self.judged if not each.fits]

    @property
    def holds(self) -> bool:
        """Whether it is as it should be: all fits, or only what is known to have been another recipe's."""
        return not self.broken and (not self.outside or bool(self.found.row.other))

    def verdict(self) -> str:
        """What is to be said of it."""
        if self.broken:
            return f"NOT THE SAME FUNCTION: {'; '.join(self.broken)}"
        if self.found.row.same:
            return "the same function"
        if not self.found.row.figures:
            return "not printed"
        if not self.outside:
            return "within tolerance"
        reason = self.found.row.other or "AND NOBODY KNOWS WHY"
        return f"differs in {', '.join(self.outside)}: {reason}{self._second()}"

    def _second(self) -> str:
        return f" (a second way: KLD {_small(self.again['kld'])})" if self.again else ""

    def text(self) -> str:
        """The line for people: each figure, and in brackets the printed one."""
        cells = [self.found.row.name, *(self._cell(column) for column in COLUMNS)]
        return f"{_aligned(cells)}  {self.verdict()}"

    def _cell(self, column: str) -> str:
        value = self.found.figures[column].value
        text = score(value) if column == "ppl" else _small(value) if column == "kld" else percent(value)
        theirs = self.found.row.figures.get(column)
        return f"{text} ({theirs.shown})" if theirs else text

    def record(self) -> dict[str, Any]:
        """What is written down."""
        row = self.found.row
        return {
            "name": row.name,
            "old": list(row.old),
            "recipe": [step if isinstance(step, str) else shown(step) for step in row.steps],
            "dtype": row.dtype,
            "claim": self.found.claim,
            "changed": self.found.changed,
            "certified": self.found.certified,
            "figures": {name: _numbers(each) for name, each in self.found.figures.items()},
            "printed": {name: each.shown for name, each in row.figures.items()},
            "judged": [{**vars(each), "fits": each.fits} for each in self.judged],
            "again": self.again,
            "verdict": self.verdict(),
            "holds": self.holds,
        }


def heads() -> str:
    """The heads of the columns."""
    return f"{_aligned(_HEADS)}  verdict"


def line(found: Measured, ids: Ids) -> Line:
    """What was measured of a row, judged; and measured again a second way where it does not fit."""
    judged = [] if found.row.same else judge(found)
    fits = all(each.fits for each in judged)
    return Line(
        found=found,
        judged=judged,
        broken=list(broken(found)) if found.row.same else [],
        again=None if fits or not readable(found.new) else figures(found.old, found.new, ids),
    )


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    """An estimate without what is undefined: an interval where nothing varies."""
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: each if math.isfinite(each) else None for name, each in numbers.items()}


def _small(value: float) -> str:
    return f"{value:.3g}" if value < 0.1 else f"{value:.3f}"


def _aligned(cells: Sequence[str]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
