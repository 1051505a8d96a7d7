"""`ensemble`: the old model and others that answer together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from regress.composed.ensemble import By, shares
from regress.errors import Unsupported, UsageError
from regress.updates.draft import Change, Draft


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Let the old model and others of its tokenizer answer together; no checkpoint, but regress runs it."""

    verb: ClassVar[str] = "ensemble"

    others: tuple[str, ...]
    """Names or folders of the other models."""
    by: By = "mean"
    """`mean`: the mean of probabilities. `product`: their geometric mean. `vote`: what most of them answer;
    of choices that tie the mean decides, of texts the first model."""
    weights: tuple[float, ...] | None = None
    """What every model counts, the old one first; equal shares if null."""

    @property
    def shares(self) -> tuple[float, ...]:
        """What every model counts; they sum to 1.

        Raises:
            UsageError: If there are not as many as models, or one is not above 0.
        """
        try:
            return shares(self.weights, len(self.others) + 1)
        except ValueError as error:
            raise UsageError(
                f"an ensemble cannot have {error}", allowed="one above 0 for every model, the old one first"
            ) from None

    def plan(self, draft: Draft) -> Change:
        """See `Step`; an ensemble has no tensors of its own.

        Raises:
            Unsupported: Always: where it is the only step, it is not planned as a draft.
        """
        raise Unsupported(
            "an ensemble is several models, which no other step can change or make",
            allowed="ensemble as the only step",
            do="Make the models first, then the ensemble of them.",
        )
