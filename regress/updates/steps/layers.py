"""`layers`: any of the old layers, in any order, as often as one likes.

References: depth up-scaling, Kim et al. (2023), "SOLAR 10.7B", arXiv:2312.15166; stacking, Du et al.
(2024), "Stacking Your Transformers", arXiv:2405.15319.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from regress.composed.settings import require_map
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.draft import Change, Draft
from regress.updates.steps.mapped import mapped


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Build a model of layers of the old one; a layer that comes twice is copied, or shared."""

    verb: ClassVar[str] = "layers"

    map: tuple[int, ...]
    """For each new layer, the old one that it is, from 0."""
    tied: bool = False
    """Whether a layer that comes twice is in memory and on disk once, as transformers cannot have it: regress
    loads such a model. `adapt` after it gives each place an adapter of its own."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`. On paper, layers that share weights are copies."""
        layers = draft.shape.layers
        require_map(self.map, layers)
        unchanged = self.map == tuple(range(layers))
        return Change(
            draft=mapped(draft, self.map),
            claim=IDENTICAL if unchanged else OTHER,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        copies = len(self.map) - len(set(self.map))
        if not (self.tied and copies):
            return ()
        return (
            f"Layers that share the weights of others: {copies}. regress loads such a model; "
            "`regress update` makes a checkpoint for others of it, in which they are copies.",
        )
