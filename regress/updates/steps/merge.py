"""`merge`: one model from several of one architecture.

References: Wortsman et al. (2022), "Model soups", arXiv:2203.05482, and McMahan et al. (2017), "FedAvg",
arXiv:1602.05629, for the weighted mean; Shoemake (1985), "Animating Rotation with Quaternion Curves", for
SLERP; Ilharco et al. (2023), "Editing Models with Task Arithmetic", arXiv:2212.04089.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from regress.errors import UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Computed, Shape, Tensor, weighted
from regress.updates.steps.alike import require_alike
from regress.updates.steps.slices import sliced

Method = Literal["linear", "slerp", "task", "passthrough"]


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Weights from several models that are built alike, tensor by tensor or layer by layer.

    Embedding and output projection of tied models are merged once and stay tied. Tokenizer and configuration
    are the old model's.
    """

    verb: ClassVar[str] = "merge"

    others: tuple[str, ...]
    """Folders of the other models."""
    weights: tuple[float, ...] | None = None
    """`linear`: a share for every model, the old one first (equal ones if null), scaled to sum to 1.
    `slerp`: how far to go from the old model (0) to the other (1); half-way if null.
    `task`: a factor for every other model; 1 if null."""
    method: Method = "linear"
    """`linear`: the weighted mean. `slerp`: along the arc from one model to the other. `task`: the old model
    + Σ weight · (other - base). `passthrough`: layers taken from several models."""
    base: str | None = None
    """`task`: folder of the model that the others were trained from; null if that is the old model."""
    slices: tuple[str, ...] | None = None
    """`passthrough`: pieces `MODEL:FIRST-LAST` in order, as [0:0-15,1:8-23]. Model 0 is the old one, 1 the
    first of the others; layers count from 0, both ends are in. What is in no layer is the old model's."""
    _drafts: Mapping[str, Draft] | None = field(default=None, repr=False, compare=False)
    """The other models on paper, by folder."""

    def models(self) -> tuple[str, ...]:
        """Folders of all models that it reads besides the old one, each once."""
        return tuple(dict.fromkeys([*self.others, *([self.base] if self.base else [])]))

    def with_drafts(self, drafts: Mapping[str, Draft]) -> Merge:
        """The step with those models on paper, whose tensors are labelled with their folder."""
        return replace(self, _drafts=drafts)

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        self._require_sense()
        if self._drafts is None:
            raise UsageError("the other models were not opened", do="Call `with_drafts` first.")
        models = [draft, *(self._drafts[name] for name in self.others)]
        for name in self.models():
            require_alike(draft, self._drafts[name], name, layers=self.method != "passthrough")
        if self.method == "passthrough":
            new = sliced(models, self.slices or ())
        else:
            new = draft.but({name: self._merged(models, name) for name in draft.tensors})
        same = new.architecture == draft.architecture and new.tensors == draft.tensors
        return Change(draft=new, claim=IDENTICAL if same else OTHER, notes=self._notes(draft))

    def _merged(self, models: Sequence[Draft], name: str) -> Tensor:
        old, *others = [model.tensors[name] for model in models]
        if self.method == "linear":
            shares = self.weights or (1.0,) * len(models)
            return _sum([old, *others], [share / sum(shares) for share in shares])
        if self.method == "slerp":
            along = self.weights[0] if self.weights else 0.5
            return {0.0: old, 1.0: others[0]}.get(along) or Computed(Slerp(along), (old, others[0]))
        factors = self.weights or (1.0,) * len(others)
        start = (self._drafts or {})[self.base].tensors[name] if self.base else None
        if start is None:
            return _sum([old, *others], [1.0 - sum(factors), *factors])
        return _sum([old, *others, start], [1.0, *factors, -sum(factors)])

    def _require_sense(self) -> None:
        if self.method not in ("linear", "slerp", "task", "passthrough"):
            raise UsageError(f"method={self.method} is not known", allowed="linear, slerp, task, passthrough")
        if not self.others:
            raise UsageError("merge needs other models", allowed="others=[path,path]")
        if (self.slices is not None) != (self.method == "passthrough"):
            raise UsageError("slices go with method=passthrough, and it with them")
        if self.base is not None and self.method != "task":
            raise UsageError(f"method={self.method} has no base", do="Leave it out, or say method=task.")
        if self.method == "slerp" and len(self.others) != 1:
            raise UsageError(f"slerp is between two models, not {len(self.others) + 1}")
        self._require_weights()

    def _require_weights(self) -> None:
        if self.weights is None:
            return
        wanted = {"linear": len(self.others) + 1, "slerp": 1, "task": len(self.others), "passthrough": 0}
        if len(self.weights) != wanted[self.method]:
            raise UsageError(
                f"{len(self.weights)} weights for method={self.method} of {len(self.others) + 1} models",
                allowed=f"{wanted[self.method]}",
            )
        if self.method == "linear" and (min(self.weights) < 0 or not sum(self.weights) > 0):
            raise UsageError("shares of a mean are 0 or more, and one is more", do="Or say method=task.")
        if self.method == "slerp" and not 0 <= self.weights[0] <= 1:
            raise UsageError(f"{self.weights[0]} is not between the two models", allowed="0 to 1")

    def _notes(self, draft: Draft) -> tuple[str, ...]:
        kept = "Tokenizer and configuration are the old model's; the others must mean the same tokens."
        if draft.architecture is not None and draft.shape.tied and self.method != "passthrough":
            return (kept, "Embedding and output projection are one, and are merged as one.")
        return (kept,)


def _sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted sum of what has a weight; a tensor itself where it is alone, with weight 1."""
    there = [(tensor, weight) for tensor, weight in zip(tensors, weights, strict=True) if weight]
    if len(there) == 1 and there[0][1] == 1.0:
        return there[0][0]
    return weighted([tensor for tensor, _ in there], [weight for _, weight in there])


@dataclass(frozen=True)
class Slerp:
    """From tensor a to b along the arc between their directions: (sin((1-t)ω) a + sin(tω) b) / sin ω.

    ω is the angle between them as vectors; where there is none, or no one way (opposite ones, zeros), it is
    the straight line.
    """

    along: float
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        import torch

        a, b = tensors
        lengths = a.norm() * b.norm()
        cosine = (a * b).sum() / lengths.where(lengths > 0, 1.0)
        if lengths == 0 or abs(cosine) > 1 - _STRAIGHT:
            return (1 - self.along) * a + self.along * b
        angle = torch.acos(cosine)
        return (torch.sin((1 - self.along) * angle) * a + torch.sin(self.along * angle) * b) / torch.sin(
            angle
        )


_STRAIGHT = 1e-12
"""Nearer to a line than this, the arc's sines are mostly rounding."""
