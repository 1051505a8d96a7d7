"""`position`: another way of telling a model where its tokens stand; it must be trained to use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from regress.errors import Unsupported, UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Normal, zeros
from regress.updates.steps.port import Port

_TABLES = ("positions.weight", "position_padding.weight")
_STILL = 1e30
"""Frequencies divided by this turn no head by anything that a number could show."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """Swap the encoding of positions; everything else is kept."""

    verb: ClassVar[str] = "position"

    to: Literal["rope", "learned", "none"]
    """`rope`: queries and keys are rotated, in a GPT-NeoX model. `learned`: rows of a table that starts with
    random numbers, in a GPT-2 model. `none`: a table of zeros, or rotary frequencies of 0."""
    theta: float = 10000.0
    """Base of the new rotary frequencies."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        shape = draft.shape
        if self.to not in ("rope", "learned", "none"):
            raise UsageError(f"to={self.to} is not known", allowed="rope, learned, none")
        if self.theta <= 1:
            raise UsageError(f"theta={self.theta} is no base of frequencies", allowed="more than 1")
        if self.to == "none":
            return Change(draft=_without(draft), claim=OTHER)
        present = "rope" if shape.rope is not None else "learned"
        if self.to == present:
            return Change(draft=draft, notes=(f"Positions are {_WORDS[present]} already.",))
        return self._rotary(draft) if self.to == "rope" else _learned(draft)

    def _rotary(self, draft: Draft) -> Change:
        kept = {name: tensor for name, tensor in draft.tensors.items() if name not in _TABLES}
        turned = draft.but(
            kept,
            learned_positions=False,
            rope={"rope_type": "default", "rope_theta": self.theta, "partial_rotary_factor": 1.0},
            rotary=draft.shape.head_dim,
        )
        ported = Port(to="gpt_neox").plan(turned)
        return Change(draft=ported.draft, claim=OTHER, notes=ported.notes)


_WORDS = {"rope": "rotary", "learned": "learned"}


def _learned(draft: Draft) -> Change:
    shape = draft.shape
    if shape.norm != "layer":
        raise Unsupported(
            "models with learned positions have LayerNorm, and this one has RMSNorm",
            allowed="GPT-NeoX models with attention and MLP one after the other",
        )
    table = Normal((shape.context, shape.hidden), shape.init_std, "position/table")
    placed = draft.but(
        {**draft.tensors, "positions.weight": table}, learned_positions=True, rope=None, rotary=0
    )
    ported = Port(to="gpt2").plan(placed)
    return Change(draft=ported.draft, claim=OTHER, notes=ported.notes)


def _without(draft: Draft) -> Draft:
    if (rope := draft.shape.rope) is not None:
        return draft.but(rope={**_plain(rope), "rope_type": "linear", "factor": _STILL})
    return draft.but(draft.map(lambda name, tensor: zeros(*tensor.shape) if name in _TABLES else tensor))


def _plain(rope: Mapping[str, Any]) -> dict[str, Any]:
    """Base and share of rotary positions, without what only some kinds have."""
    return {key: rope[key] for key in ("rope_theta", "partial_rotary_factor") if key in rope}
