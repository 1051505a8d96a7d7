"""What a case measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number, and what it should be."""

    name: str
    value: float
    unit: str
    target: float | None = None
    samples: Sequence[Any] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def shown(self) -> str:
        """The number with its unit."""
        return f"{self.value:.3f} {self.unit}"

    def target_shown(self) -> str:
        """What it should be at most; empty if there is no target."""
        return "" if self.target is None else f"≤ {self.target:g} {self.unit}"

    def verdict(self) -> str:
        """Whether it is."""
        return "" if self.target is None else "ok" if self.value <= self.target else "above"

    def record(self) -> dict[str, Any]:
        """What is written down."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "target": self.target,
            "samples": list(self.samples),
            "details": dict(self.details),
        }
