"""Recipes with a bug put in, of the kinds that published code has: the verifier must refuse each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from regress.updates.draft import Change, Draft
from regress.updates.expressions import Tensor, scale
from regress.updates.planning import Step
from regress.updates.steps.grow import Grow
from regress.updates.steps.moe import Moe


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """A right step whose result is spoiled afterwards; it still claims what the right one claims."""

    verb: ClassVar[str] = "spoiled"

    right: Step
    """The step."""
    spoil: Callable[[Draft], Draft]
    """What is done to its result."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        change = self.right.plan(draft)
        return replace(change, draft=self.spoil(change.draft))


def _scaled(factor: float, *names: str) -> Callable[[Draft], Draft]:
    """All tensors whose names end so, times a factor."""

    def spoil(draft: Draft) -> Draft:
        def louder(name: str, tensor: Tensor) -> Tensor:
            return scale(tensor, factor) if name.endswith(names) else tensor

        return draft.but(draft.map(louder))

    return spoil


BUGS: Mapping[str, Spoiled] = {
    "eps left as it was": Spoiled(
        right=Grow(hidden=192), spoil=lambda draft: draft.but(eps=draft.shape.eps * 192 / 128)
    ),
    "norm gains not scaled": Spoiled(right=Grow(hidden=192), spoil=_scaled(1.5**0.5, "norm1.weight")),
    "keys not scaled": Spoiled(right=Grow(head_dim=48), spoil=_scaled(1.5**-0.5, "k.weight")),
    "rotary base left as it was": Spoiled(
        right=Grow(head_dim=48),
        spoil=lambda draft: draft.but(rope={**(draft.shape.rope or {}), "rope_theta": 10000.0}),
    ),
    "experts whose weights do not sum to 1": Spoiled(
        right=Moe(experts=3, top_k=2), spoil=_scaled(0.999, "down.weight")
    ),
}
"""By what is wrong."""
