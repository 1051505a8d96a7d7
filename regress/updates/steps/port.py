"""`port`: the same function in another of transformers' classes, where that class can express it.

What the other class lacks is moved into weights (multipliers, scales of scores, eps); what it has in
addition does nothing (biases of 0, a router of one expert); all else is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from regress.errors import UnknownName, Unsupported
from regress.updates.claims import SAME
from regress.updates.draft import Architecture, Change, Draft
from regress.updates.families.family import Family, completed, write
from regress.updates.families.known import FAMILIES

_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True, kw_only=True)
class Port:
    """Make it a model of another family that computes the same; its configuration starts afresh."""

    verb: ClassVar[str] = "port"

    to: str
    """transformers' `model_type` of the new model: mistral, qwen2, mixtral, opt …"""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        if self.to not in FAMILIES:
            raise UnknownName("family of models", self.to, FAMILIES)
        target = FAMILIES[self.to]
        if draft.architecture is not None and draft.model_type == target.name:
            return Change(draft=draft, notes=(f"This is a {target.title} model already.",))
        try:
            return _ported(draft, target)
        except Unsupported as refusal:
            possible = f"It can become {_possible(draft)}."
            raise Unsupported(refusal.what, allowed=refusal.allowed, do=possible) from None


def _ported(draft: Draft, target: Family) -> Change:
    shape, source = draft.shape, FAMILIES[draft.model_type]
    sliding = _sliding(shape, source)
    keeps = target.kinds is not None or not any(sliding) or (target.window and all(sliding))
    ported = target.fit(
        replace(
            draft,
            model_type=target.name,
            config=_fresh(completed(source, draft.config), target),
            architecture=replace(shape, **_windows(shape, sliding if keeps else (), target)),
        )
    )
    write(target, ported)
    if keeps or shape.window is None or shape.window >= shape.context:
        return Change(draft=ported, claim=SAME)
    note = (
        f"{target.title} cannot limit how far {_which(sliding, target)} look back; here it is "
        f"{shape.window} tokens, and longer texts are read otherwise."
    )
    return Change(draft=ported, claim=replace(SAME, length=shape.window), notes=(note,))


def _possible(draft: Draft) -> str:
    """The families that a model can be ported to, in words."""
    found = []
    for name, family in FAMILIES.items():
        with contextlib.suppress(Unsupported):
            _ported(draft, family)
            found.append(name)
    return ", ".join(name for name in found if name != draft.model_type) or "no model of another family"


def _fresh(old: Mapping[str, Any], target: Family) -> dict[str, Any]:
    """What a new configuration says besides the architecture: special tokens, and no dropout."""
    return {key: old[key] for key in _SPECIAL} | dict(target.fresh)


def _sliding(shape: Architecture, source: Family) -> tuple[bool, ...]:
    """Which layers look back so many tokens only."""
    if shape.window is None:
        return (False,) * shape.layers
    if source.kinds is None:
        return (True,) * shape.layers
    return tuple(kind == source.kinds[1] for kind in shape.kinds)


def _windows(shape: Architecture, sliding: tuple[bool, ...], target: Family) -> dict[str, Any]:
    """The architecture's fields about windows, as the target says them; no window where none slides."""
    places = sliding or (False,) * shape.layers
    return {
        "window": shape.window if any(places) else None,
        "kinds": tuple(target.kinds[each] if target.kinds else None for each in places),
    }


def _which(sliding: tuple[bool, ...], target: Family) -> str:
    """The layers that lose their window, in words."""
    return "some layers" if target.window and not all(sliding) else "layers"
