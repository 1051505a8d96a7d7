"""Updates of the table that no verb makes: steps as users write their own, and a router that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from regress.errors import UsageError
from regress.updates.claims import NEAR, OTHER
from regress.updates.draft import Change, Draft, part
from regress.updates.expressions import Computed, Normal, Round, Tensor, mean, reshape
from regress.updates.steps.edit import Disturb
from regress.updates.steps.matrices import matrices


@dataclass(frozen=True, kw_only=True)
class PoolHeads:
    """Fewer heads of keys and values: neighbours become their mean, and all queries stay.

    Reference: Ainslie et al. (2023), "GQA", arXiv:2305.13245, section 2.1.
    """

    verb: ClassVar[str] = "pool_heads"

    kv_heads: int
    """Heads of keys and values that are left."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        shape = draft.shape
        if shape.kv_heads % self.kv_heads:
            raise UsageError(f"{shape.kv_heads} heads cannot be pooled to {self.kv_heads}")
        together = shape.kv_heads // self.kv_heads

        def pooled(name: str, tensor: Tensor) -> Tensor:
            if part(name) not in ("k.weight", "v.weight"):
                return tensor
            apart = reshape(tensor, self.kv_heads, together, shape.head_dim, shape.hidden)
            return reshape(mean(apart, 1), self.kv_heads * shape.head_dim, shape.hidden)

        return Change(draft=draft.but(draft.map(pooled), kv_heads=self.kv_heads), claim=OTHER)


@dataclass(frozen=True, kw_only=True)
class RoundMatrices:
    """`cast` for matrices alone: gains of norms keep all their digits."""

    verb: ClassVar[str] = "round_matrices"

    dtype: str
    """The type, by torch's name."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        names = matrices(draft, embeddings=True)
        rounded = {name: Computed(Round(self.dtype), (draft.tensors[name],)) for name in names}
        return Change(draft=draft.but({**draft.tensors, **rounded}), claim=NEAR)


@dataclass(frozen=True, kw_only=True)
class DisturbLayers:
    """`edit:noise` for matrices of layers alone: the embedding, which is the output projection too, stays."""

    verb: ClassVar[str] = "disturb_layers"

    noise: float
    """Standard deviation of the noise, as a share of the matrix's own."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        disturbed = {name: self._disturbed(name, draft.tensors[name]) for name in matrices(draft)}
        return Change(draft=draft.but({**draft.tensors, **disturbed}), claim=OTHER)

    def _disturbed(self, name: str, tensor: Tensor) -> Tensor:
        return Computed(Disturb(self.noise), (tensor, Normal(tensor.shape, 1.0, f"disturb/{name}")))


@contextmanager
def unweighted_experts() -> Iterator[None]:
    """Within it, Mixtral's experts are weighted by the softmax over all, as OLMoE's are: below 1 in sum."""
    from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter

    forward = MixtralTopKRouter.forward

    def unweighted(self: Any, hidden: Any) -> Any:
        logits, weights, chosen = forward(self, hidden)
        return logits, logits.softmax(-1).gather(-1, chosen).to(weights.dtype), chosen

    MixtralTopKRouter.forward = unweighted
    try:
        yield
    finally:
        MixtralTopKRouter.forward = forward
