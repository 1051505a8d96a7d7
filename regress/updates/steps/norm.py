"""`norm`: norms before attention and MLP, or after the sums; the weights are kept, the function is not.

Reference: Xiong et al. (2020), "On Layer Normalization in the Transformer Architecture",
arXiv:2002.04745.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from regress.errors import Unsupported, UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Change, Draft
from regress.updates.steps.port import Port

_SWITCHED = "opt"
"""The family whose configuration says where norms stand."""


@dataclass(frozen=True, kw_only=True)
class Norm:
    """Move the norms; a model with LayerNorm and learned positions becomes an OPT model first."""

    verb: ClassVar[str] = "norm"

    placement: Literal["pre", "post"]
    """`pre`: before attention and MLP, and one at the end; `post`: after each sum."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        shape = draft.shape
        if self.placement not in ("pre", "post"):
            raise UsageError(f"placement={self.placement} is not known", allowed="pre, post")
        if shape.norm_first == (self.placement == "pre"):
            return Change(draft=draft, notes=(f"Norms stand {_WHERE[self.placement]} already.",))
        if shape.norm != "layer":
            raise Unsupported(
                "norms after attention and MLP are known for models with LayerNorm; with RMSNorm only "
                "OLMo 2 has them, which also normalises queries and keys, as no weights can undo",
                allowed="GPT-2, GPT-Neo, OPT",
            )
        ported = Port(to=_SWITCHED).plan(draft)
        moved = _after(ported.draft) if self.placement == "post" else _before(ported.draft)
        return Change(draft=moved, claim=OTHER, notes=ported.notes)


_WHERE = {"pre": "before attention and MLP", "post": "after the sums"}


def _after(draft: Draft) -> Draft:
    """The norm at the end becomes the last layer's second one: both make what the head reads."""
    last = f"layers.{draft.shape.layers - 1}.norm2"
    moved = {name.replace("final_norm", last): t for name, t in draft.tensors.items() if _final(name)}
    kept = {name: tensor for name, tensor in draft.tensors.items() if not _final(name)}
    return draft.but(kept | moved, norm_first=False)


def _before(draft: Draft) -> Draft:
    """The norm at the end is the last layer's second one, which that layer keeps as well."""
    last = f"layers.{draft.shape.layers - 1}.norm2"
    copied = {
        name.replace(last, "final_norm"): tensor
        for name, tensor in draft.tensors.items()
        if name.startswith(f"{last}.")
    }
    return draft.but({**draft.tensors, **copied}, norm_first=True)


def _final(name: str) -> bool:
    return name.startswith("final_norm.")
