"""`layers`: any of the old layers, in any order, as often as one likes.

References: depth up-scaling, Kim et al. (2023), "SOLAR 10.7B", arXiv:2312.15166; stacking, Du et al.
(2024), "Stacking Your Transformers", arXiv:2405.15319.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from regress.errors import UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.draft import Change, Draft
from regress.updates.steps.mapped import mapped


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Build a model of layers of the old one; a layer that comes twice is copied."""

    verb: ClassVar[str] = "layers"

    map: tuple[int, ...]
    """For each new layer, the old one that it is, from 0."""
    tied: bool = False
    """Whether copies of one layer share its weights, each with an adapter of its own."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`.

        Tied layers share weights only in a compact form; as an ordinary checkpoint they are copies.
        """
        layers = draft.shape.layers
        if not self.map:
            raise UsageError("a map without layers makes no model", allowed=f"map=[0-{layers - 1}]")
        if missing := [source for source in self.map if not 0 <= source < layers]:
            raise UsageError(
                f"the map names layer {missing[0]}, and the model has {layers}", allowed=f"0 to {layers - 1}"
            )
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
        return (f"Layers that share the weights of others ({copies}) are copies in an ordinary checkpoint.",)
