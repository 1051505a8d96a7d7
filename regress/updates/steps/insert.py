"""`insert`: new layers that pass on what they get, until they are trained.

Reference: Wu et al. (2024), "LLaMA Pro: Progressive LLaMA with Block Expansion", arXiv:2401.02415.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL
from regress.updates.draft import Change, Draft, of_layer, part
from regress.updates.expressions import Fill, Normal, Tensor, zeros
from regress.updates.steps.mapped import mapped

_WRITES = ("o.weight", "o.bias", "down.weight", "down.bias")


@dataclass(frozen=True, kw_only=True)
class Insert:
    """Put layers in whose attention and MLP add nothing: every bit of every logit stays."""

    verb: ClassVar[str] = "insert"

    layers: tuple[int, ...] | None = None
    """Places that the new layers have in the new model, from 0."""
    every: int | None = None
    """One new layer after every so many old ones, instead of `layers`."""
    source: Literal["left", "right", "random"] = "left"
    """What else is in a new layer: a copy of the neighbour on that side, or random numbers."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        shape = draft.shape
        if shape.scores_by_layer:
            raise Unsupported(
                "scores are divided by each layer's number (scale_attn_by_inverse_layer_idx), "
                "so that a layer put in would change all behind it"
            )
        if not shape.norm_first:
            raise Unsupported("behind norms on the sum (post-norm) no layer passes on what it gets")
        if self.source not in ("left", "right", "random"):
            raise UsageError(f"source={self.source} is not known", allowed="left, right, random")
        new = self._places(shape.layers)
        total = shape.layers + len(new)
        olds = iter(range(shape.layers))
        kept = [None if place in new else next(olds) for place in range(total)]
        sources = [self._source(kept, place) if old is None else old for place, old in enumerate(kept)]
        deeper = mapped(draft, sources)
        return Change(
            draft=deeper.but(
                {name: self._silent(name, t, new, shape.init_std) for name, t in deeper.tensors.items()}
            ),
            claim=IDENTICAL,
        )

    def _places(self, layers: int) -> frozenset[int]:
        if (self.layers is None) == (self.every is None):
            raise UsageError("insert takes one of layers and every", allowed="layers=3+6, or every=4")
        if self.every is not None:
            if not 1 <= self.every <= layers:
                raise UsageError(
                    f"every={self.every} puts nothing into {layers} layers", allowed=f"1 to {layers}"
                )
            return frozenset(block * (self.every + 1) + self.every for block in range(layers // self.every))
        places = self.layers or ()
        total = layers + len(places)
        if wrong := [place for place in places if not 0 <= place < total]:
            raise UsageError(
                f"a model of {total} layers has no place {wrong[0]}", allowed=f"0 to {total - 1}"
            )
        if not places or len(set(places)) < len(places):
            raise UsageError(f"layers={'+'.join(map(str, places))} names no place, or one twice")
        return frozenset(places)

    def _source(self, kept: list[int | None], place: int) -> int:
        """The nearest old layer on the side asked for, or on the other where there is none."""
        left = [old for old in kept[:place] if old is not None]
        right = [old for old in kept[place:] if old is not None]
        sides = (right[:1], left[-1:]) if self.source == "right" else (left[-1:], right[:1])
        return (sides[0] or sides[1])[0]

    def _silent(self, name: str, tensor: Tensor, new: frozenset[int], std: float) -> Tensor:
        where = of_layer(name)
        if where is None or where[0] not in new:
            return tensor
        if part(name) in _WRITES:
            return zeros(*tensor.shape)
        if self.source != "random":
            return tensor
        if "norm" in part(name):
            return Fill(tensor.shape, 1.0 if name.endswith("weight") else 0.0)
        return zeros(*tensor.shape) if name.endswith("bias") else Normal(tensor.shape, std, f"insert/{name}")
