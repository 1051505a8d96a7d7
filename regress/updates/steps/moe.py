"""`moe`: every MLP becomes several experts that are copies of it, behind a router.

Experts that are equal, weighted by numbers that sum to 1, compute what the one did. Mixtral makes its
router's weights sum to 1; a model class that does not would change the function.

Reference: Komatsuzaki et al. (2022), "Sparse Upcycling", arXiv:2212.05055; virtual groups: He et al.
(2024), "Upcycling Large Language Models into Mixture of Experts", arXiv:2410.07524.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from regress.errors import Unsupported, UsageError
from regress.updates.claims import OTHER, SAME
from regress.updates.draft import Change, Draft, of_layer
from regress.updates.expressions import Normal, Tensor, join, scale, take, weighted
from regress.updates.families.limits import require_kernel

_SOURCES = ("llama", "mistral")
_TIES = (
    "Computed in 16 bits, the router's scores of two copies can be equal, and a token then gets pieces of "
    "both: load the model in float32, or say shards=1."
)
"""Measured in bfloat16 with two copies in four pieces: one token of two thousand, in every layer."""
_BY_ROWS = ("gate", "up")


@dataclass(frozen=True, kw_only=True)
class Moe:
    """Make a Llama or Mistral model a Mixtral one with equal experts."""

    verb: ClassVar[str] = "moe"

    experts: int = 8
    """Copies of every MLP."""
    top_k: int = 2
    """Copies that a token uses."""
    shards: int = 1
    """Pieces that every copy is cut into, each an expert of its own; a token gets all pieces of a copy."""
    noise: float = 0.0
    """What is added to each expert, as a share of `initializer_range`; 0 keeps the function."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        self._require(draft)
        shape = draft.shape
        tensors: dict[str, Tensor] = {}
        for name, tensor in draft.tensors.items():
            where = of_layer(name)
            if where and where[1] in ("gate.weight", "up.weight", "down.weight"):
                tensors |= self._experts(where[0], where[1].partition(".")[0], tensor, shape.init_std)
            else:
                tensors[name] = tensor
        for layer in range(shape.layers):
            tensors[f"layers.{layer}.router.weight"] = self._router(layer, shape.hidden, shape.init_std)
        changed = draft.but(
            tensors,
            experts=self.experts * self.shards,
            top_k=self.top_k * self.shards,
            ffn=shape.ffn // self.shards,
        )
        return Change(
            draft=replace(changed, model_type="mixtral"),
            claim=OTHER if self.noise else SAME,
            notes=(_TIES,) if self.shards > 1 and self.top_k < self.experts else (),
        )

    def _require(self, draft: Draft) -> None:
        shape = draft.shape
        if draft.model_type not in _SOURCES:
            raise Unsupported(
                f"experts are known for Mixtral models, and {draft.model_type} models cannot become one",
                allowed=", ".join(_SOURCES),
                do="`port:to=mistral` first, where it is possible.",
            )
        if any(name.endswith(".bias") for name in draft.tensors):
            raise Unsupported("Mixtral models have no biases, and this model has")
        for name in ("experts", "top_k", "shards"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}={getattr(self, name)} is too few", allowed="1 or more")
        if self.top_k > self.experts:
            raise UsageError(
                f"top_k={self.top_k} is more than the {self.experts} experts", allowed=f"1 to {self.experts}"
            )
        if shape.ffn % self.shards:
            raise UsageError(
                f"{shape.ffn} units cannot be cut into {self.shards} equal shards",
                allowed=", ".join(str(n) for n in range(1, 17) if shape.ffn % n == 0),
            )
        require_kernel(shape.ffn // self.shards, draft.dtype, shards=self.shards)
        if self.shards > 1 and not shape.init_std:
            raise Unsupported(
                "new numbers would all be 0 here (initializer_range), so that the router could not tell the "
                "pieces of one copy from another's",
                do="Say shards=1, or set initializer_range in config.json.",
            )
        if self.noise < 0:
            raise UsageError(f"noise={self.noise} is negative", allowed="0 or more")

    def _router(self, layer: int, hidden: int, std: float) -> Tensor:
        """Equal rows for the pieces of a copy, so that they are chosen together."""
        rows = Normal((self.experts, hidden), std, f"moe/{layer}/router")
        return join([rows] * self.shards, 0)

    def _experts(self, layer: int, piece: str, tensor: Tensor, std: float) -> dict[str, Tensor]:
        dim = 0 if piece in _BY_ROWS else 1
        width = tensor.shape[dim] // self.shards
        found: dict[str, Tensor] = {}
        for shard in range(self.shards):
            cut = take(tensor, dim, range(shard * width, (shard + 1) * width))
            if piece == "down":  # the weights of a copy's pieces sum to the copy's weight
                cut = scale(cut, float(self.shards))
            for copy in range(self.experts):
                name = f"layers.{layer}.experts.{shard * self.experts + copy}.{piece}.weight"
                found[name] = self._noisy(name, cut, std)
        return found

    def _noisy(self, name: str, tensor: Tensor, std: float) -> Tensor:
        if not self.noise:
            return tensor
        return weighted([tensor, Normal(tensor.shape, std * self.noise, f"moe/{name}")], [1.0, 1.0])
