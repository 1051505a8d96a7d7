"""`extend`: longer texts, or a shorter look back; what was inside the old range may stay as it was.

References: rows of a table repeated, Beltagy et al. (2020), "Longformer", arXiv:2004.05150; frequencies
divided, Chen et al. (2023), arXiv:2306.15595; YaRN, Peng et al. (2023), arXiv:2309.00071.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, OTHER, SAME, Claim
from regress.updates.draft import Change, Draft
from regress.updates.families.known import FAMILIES
from regress.updates.steps.fresh import Fresh, Init
from regress.updates.steps.sizes import Size, resized

Rope = Literal["dynamic", "linear", "yarn", "llama3"]
_KINDS = ("dynamic", "linear", "yarn", "llama3")
_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
"""Wavelengths above the old length are stretched, those below a quarter of it are not: Llama 3.1's own."""
_BY_ORIGINAL_LENGTH = ("yarn", "llama3")
"""Kinds that compare wavelengths with the length that the model was first trained for."""


@dataclass(frozen=True, kw_only=True)
class Extend:
    """Change which texts a model is for; what is not named stays."""

    verb: ClassVar[str] = "extend"

    positions: Size | None = None
    """Longest text in tokens; a learned table gets new rows, rotary positions need none."""
    init: Init = "copy"
    """New rows: `copy` of the old ones from the first on, which trains best, or `random` numbers."""
    rope: Rope | None = None
    """How rotary frequencies are changed: `dynamic` beyond the old length alone, the others everywhere."""
    factor: float | None = None
    """How many times longer texts `rope` is for."""
    theta: float | None = None
    """The new base of rotary frequencies."""
    window: int | None = None
    """Tokens that every layer looks back, its own among them."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        self._require()
        claim, context = IDENTICAL, draft.shape.context
        for change in (self._positions, self._rope, self._theta, self._window):
            draft, kept = change(draft, context)
            claim &= kept
        return Change(draft=draft, claim=claim)

    def _require(self) -> None:
        if all(each is None for each in (self.positions, self.rope, self.theta, self.window)):
            raise UsageError("extend names nothing to extend", allowed="positions, rope, theta, window")
        if self.init not in ("random", "copy"):
            raise UsageError(f"init={self.init} is not known", allowed="random, copy")
        if self.rope is not None and self.rope not in _KINDS:
            raise UsageError(f"rope={self.rope} is not known", allowed=", ".join(_KINDS))
        if (self.rope is None) != (self.factor is None):
            raise UsageError("rope and factor go together", allowed="rope=dynamic,factor=2")
        if self.factor is not None and not (math.isfinite(self.factor) and self.factor >= 1):
            raise UsageError(f"factor={self.factor} makes nothing longer", allowed="1 or more")
        if self.theta is not None and not (math.isfinite(self.theta) and self.theta > 1):
            raise UsageError(f"theta={self.theta} is no base of frequencies", allowed="more than 1")
        if self.window is not None and self.window < 1:
            raise UsageError(f"window={self.window} sees no token", allowed="1 or more")

    def _positions(self, draft: Draft, context: int) -> tuple[Draft, Claim]:
        length = resized("positions", self.positions, context)
        if length == context:
            return draft, IDENTICAL
        if draft.shape.learned_positions:
            fresh = Fresh(init=self.init, std=draft.shape.init_std, step=f"extend/{length}")
            table = draft.tensors["positions.weight"]
            longer = fresh.more("positions.weight", table, 0, length - context)
            return (
                draft.but({**draft.tensors, "positions.weight": longer}, context=length),
                replace(IDENTICAL, length=context),
            )
        kind = (draft.shape.rope or {}).get("rope_type", "default")
        if kind == "longrope":
            raise Unsupported(
                "rotary positions of type longrope follow max_position_embeddings, so that a longer one "
                "changes every text"
            )
        claim = replace(IDENTICAL, length=context) if kind == "dynamic" else IDENTICAL
        return draft.but(context=length), claim

    def _rope(self, draft: Draft, context: int) -> tuple[Draft, Claim]:
        if self.rope is None or self.factor is None:
            return draft, IDENTICAL
        old = self._rotary(draft)
        new: dict[str, Any] = {"rope_type": self.rope, "factor": self.factor}
        new |= {key: old[key] for key in ("rope_theta", "partial_rotary_factor") if key in old}
        if self.rope == "dynamic":
            if self.positions is not None:
                raise UsageError(
                    "dynamic frequencies change beyond the declared length, which is therefore not to grow",
                    do="Leave positions out.",
                )
            plain = old.get("rope_type", "default") in ("default", "dynamic")
            return draft.but(rope=new), replace(SAME, length=context) if plain else OTHER
        if self.rope in _BY_ORIGINAL_LENGTH:
            new["original_max_position_embeddings"] = context
        if self.rope == "llama3":
            new |= _LLAMA3
        longer = context if self.positions is not None else round(context * self.factor)
        return draft.but(rope=new, context=max(draft.shape.context, longer)), OTHER

    def _theta(self, draft: Draft, context: int) -> tuple[Draft, Claim]:
        if self.theta is None:
            return draft, IDENTICAL
        old = self._rotary(draft)
        unchanged = float(old["rope_theta"]) == self.theta
        return draft.but(rope={**old, "rope_theta": self.theta}), IDENTICAL if unchanged else OTHER

    def _rotary(self, draft: Draft) -> dict[str, Any]:
        if draft.shape.rope is None:
            raise Unsupported(
                f"{draft.model_type} models have no rotary positions",
                do="A learned table grows by positions=….",
            )
        return dict(draft.shape.rope)

    def _window(self, draft: Draft, context: int) -> tuple[Draft, Claim]:
        """All layers get the window, also where kinds are listed; inside the smaller one all stays."""
        if self.window is None:
            return draft, IDENTICAL
        shape, family = draft.shape, FAMILIES[draft.model_type]
        if not (family.window or family.kinds):
            raise Unsupported(
                f"{family.title} models have no sliding window",
                allowed=", ".join(each.title for each in FAMILIES.values() if each.window or each.kinds),
                do="Put `port:to=mistral` before it, where it is possible.",
            )
        kinds = (family.kinds[1] if family.kinds else None,) * shape.layers
        if shape.window == self.window and kinds == shape.kinds:
            return draft, IDENTICAL
        shorter = min(self.window, shape.window or self.window)
        return draft.but(window=self.window, kinds=kinds), replace(SAME, length=shorter)
