"""`reparam`: other weights, the same function: what follows from the symmetries of the architecture.

A harness that takes changed weights for a changed model is caught by these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from regress.errors import UsageError
from regress.updates.draft import Change, Draft
from regress.updates.steps.moved import permute_ffn, permute_heads, repeat_kv, scale_ffn, untie
from regress.updates.steps.turned import fold_gains, rotate_residual, rotate_values

How = Literal[
    "permute_ffn",
    "permute_heads",
    "repeat_kv",
    "scale_ffn",
    "untie",
    "rotate_values",
    "fold_gains",
    "rotate_residual",
]
_WAYS: Mapping[str, Callable[[Draft, int], Change]] = {
    "permute_ffn": permute_ffn,
    "permute_heads": permute_heads,
    "repeat_kv": lambda draft, _: repeat_kv(draft),
    "scale_ffn": lambda draft, _: scale_ffn(draft),
    "untie": lambda draft, _: untie(draft),
    "rotate_values": rotate_values,
    "fold_gains": lambda draft, _: fold_gains(draft),
    "rotate_residual": rotate_residual,
}


@dataclass(frozen=True, kw_only=True)
class Reparam:
    """Write the same function with other weights."""

    verb: ClassVar[str] = "reparam"

    how: How
    """`permute_ffn` and `permute_heads`: units of the MLP, groups of heads in another order. `scale_ffn`: up
    doubled and down halved. `repeat_kv`: shared keys and values copied for every head. `untie`: output
    projection and embedding apart. `rotate_values`: values of every head turned, and turned back by what
    reads them. `fold_gains`: gains of norms multiplied into what reads them. `rotate_residual`: the
    residual stream turned, after gains are folded."""
    seed: int = 0
    """Decides orders and rotations, with the recipe's seed."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        if self.how not in _WAYS:
            raise UsageError(f"how={self.how} is not known", allowed=", ".join(get_args(How)))
        return _WAYS[self.how](draft, self.seed)
