"""`drop`: fewer layers; chosen ones, or those that turn the residual stream least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from regress.errors import Unsupported, UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Change, Draft
from regress.updates.steps.mapped import mapped


@dataclass(frozen=True, kw_only=True)
class Drop:
    """Take layers out; those behind move up."""

    verb: ClassVar[str] = "drop"

    layers: tuple[int, ...] | None = None
    """Which, from 0."""
    n: int | None = None
    """How many, instead of `layers`: those that matter least."""
    by: Literal["influence"] = "influence"
    """How `n` layers are chosen: least Block Influence, 1 − E[cos] of what enters and leaves a layer."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`; of `n` layers that no model has been asked about yet, only the number is right."""
        total = draft.shape.layers
        dropped = self._chosen(total)
        kept = [place for place in range(total) if place not in dropped]
        note = f"Which {self.n} of {total} layers go is measured when the model is made."
        return Change(draft=mapped(draft, kept), claim=OTHER, notes=(note,) if self.n is not None else ())

    @property
    def measures(self) -> bool:
        """Whether it must see the model run."""
        return self.n is not None

    def settle(self, model: Any, batches: Sequence[Any]) -> Drop:
        """This step with its layers chosen, by running `model` over `batches` of token ids.

        Of layers of one influence the first goes.

        Raises:
            UsageError: If there are no batches to measure with.
        """
        from regress.updates.steps.influence import influences

        if not batches:
            raise UsageError("layers cannot be measured without text", do="Name them: drop:layers=3+4.")
        self._chosen(model.config.num_hidden_layers)
        found = influences(model, batches)
        least = sorted(range(len(found)), key=lambda layer: found[layer])[: self.n]
        return Drop(layers=tuple(sorted(least)), by=self.by)

    def _chosen(self, total: int) -> frozenset[int]:
        if (self.layers is None) == (self.n is None):
            raise UsageError("drop takes one of layers and n", allowed="layers=3+4, or n=2")
        if self.n is not None:
            if total == 1:
                raise Unsupported("the model's only layer cannot be dropped")
            if not 1 <= self.n < total:
                raise UsageError(
                    f"n={self.n} of {total} layers cannot be dropped", allowed=f"1 to {total - 1}"
                )
            return frozenset(range(total - self.n, total))
        layers = self.layers or ()
        if wrong := [place for place in layers if not 0 <= place < total]:
            raise UsageError(
                f"a model of {total} layers has no layer {wrong[0]}", allowed=f"0 to {total - 1}"
            )
        if not layers or len(set(layers)) < len(layers):
            raise UsageError(f"layers={'+'.join(map(str, layers))} names no layer, or one twice")
        if len(layers) == total:
            raise UsageError(f"all {total} layers dropped leave no model", allowed=f"up to {total - 1}")
        return frozenset(layers)
