"""`cast`: weights rounded to another floating-point type, at this place in the recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from regress.updates.draft import Change, Draft
from regress.updates.expressions import Computed, Round, exact
from regress.updates.numbers import holds
from regress.updates.rounding import stored_as


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Round every weight; a wider type later on does not bring the digits back.

    A type that holds every present weight keeps the function bit for bit. What a wider type of weights
    means for the type of activations is up to whoever loads the model.
    """

    verb: ClassVar[str] = "cast"

    dtype: Literal["float64", "float32", "float16", "bfloat16"]
    """The type, by torch's name."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        lossless = all(map(exact, draft.tensors.values()))
        claim = stored_as(self.dtype, draft.dtype, lossless)
        if lossless and holds(self.dtype, draft.dtype):
            return Change(draft=replace(draft, dtype=self.dtype), claim=claim)
        rounded = draft.map(lambda _, tensor: Computed(Round(self.dtype), (tensor,)))
        return Change(draft=replace(draft, tensors=rounded, dtype=self.dtype), claim=claim)
