"""A model on paper: its architecture in one vocabulary for all families, and what its tensors are made of.

Canonical names of tensors, matrices as [out, in]:

    embed.weight [V, h]   positions.weight [P, h]   final_norm.weight|bias [h]   head.weight [V, h]
    position_padding.weight [n, h]: rows of the table that no token of a text uses
    layers.L.norm1.weight|bias   layers.L.norm2.weight|bias [h]
    layers.L.q.weight [H·d, h]   k, v [KV·d, h]   o [h, H·d]   .bias   q_norm.weight, k_norm.weight [d]
    layers.L.gate.weight, up.weight [p, h]   down.weight [h, p]   .bias; without gate: up and down alone
    layers.L.router.weight [E, h]   layers.L.experts.E.gate|up|down.weight

H heads of width d, KV heads of keys and values, hidden width h, p units in the MLP, E experts, V tokens.
Of a family that nobody has described only the raw tensors are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from regress.errors import Unsupported
from regress.updates.claims import IDENTICAL, Claim
from regress.updates.expressions import Tensor


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What the parts of a causal language model are, whatever its family calls them."""

    vocabulary: int
    """Rows of the embedding."""
    hidden: int
    """Width of the residual stream."""
    layers: int
    """Number of layers."""
    heads: int
    """Query heads a layer."""
    kv_heads: int
    """Key and value heads a layer; query head j uses number j // (heads / kv_heads)."""
    head_dim: int
    """Width of a head."""
    ffn: int
    """Units of the MLP, or of one expert."""
    context: int
    """Longest text in tokens that the configuration declares."""
    activation: str
    """The MLP's activation by transformers' name."""
    norm: Literal["rms", "layer"]
    """RMSNorm (a gain) or LayerNorm (mean taken off, gain and bias)."""
    eps: float
    """What norms over the residual stream add to the variance."""
    gated: bool = False
    """Whether the MLP is down(act(gate(x)) · up(x))."""
    tied: bool = False
    """Whether the output projection is the embedding."""
    learned_positions: bool = False
    """Whether positions are rows of a table, added to the embedding."""
    rope: Mapping[str, Any] | None = None
    """transformers' `rope_parameters`; null without rotary positions."""
    rotary: int = 0
    """Leading dimensions of a head that are rotated."""
    scaled_scores: bool = True
    """Whether scores are divided by sqrt(head_dim); otherwise by something fixed."""
    score_scale: float = 1.0
    """What scores are multiplied by where they are not divided by sqrt(head_dim)."""
    scores_by_layer: bool = False
    """Whether scores are also divided by the layer's number, so that no layer can be put before another."""
    qk_norm: bool = False
    """Whether queries and keys are normalised over a head."""
    qk_eps: float | None = None
    """What those norms must add for the function to be kept; the configuration holds one number for all."""
    parallel: bool = False
    """Whether attention and MLP read the same input."""
    norm_first: bool = True
    """Whether norms stand before attention and MLP (pre-norm) or after the sum (post-norm)."""
    experts: int = 0
    """Experts a layer; 0 for a plain MLP."""
    top_k: int = 0
    """Experts that a token uses."""
    kinds: tuple[str | None, ...] = ()
    """Each layer's kind of attention, as its configuration lists it; nulls where it lists none."""
    window: int | None = None
    """Tokens that layers with a sliding window look back; null without one."""
    embed_scale: float = 1.0
    """What embeddings are multiplied by."""
    residual_scale: float = 1.0
    """What attention and MLP are multiplied by before they are added to the residual stream."""
    logit_divisor: float = 1.0
    """What logits are divided by."""
    init_std: float = 0.02
    """Standard deviation of new random weights."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A model on paper; steps turn one into another."""

    model_type: str
    """transformers' `model_type`."""
    config: Mapping[str, Any]
    """`config.json`; where it and the architecture differ, the architecture holds."""
    tensors: Mapping[str, Tensor]
    """What its tensors are made of: by canonical name, or as on disk where the family is unknown."""
    architecture: Architecture | None
    """Null for a family that nobody has described."""
    dtype: str
    """Type that the weights are numbers of, by torch's name, unless steps have computed others."""
    unknown: str | None = None
    """Why there is no architecture."""

    @property
    def shape(self) -> Architecture:
        """The architecture.

        Raises:
            Unsupported: If the family is unknown.
        """
        if self.architecture is None:
            raise Unsupported(
                f"this step needs to know how {self.model_type} models are built, and "
                f"{self.unknown or 'nobody has described them'}",
                allowed="steps that take any model: cast, quantize, prune by magnitude, merge, adapt",
            )
        return self.architecture

    def but(self, tensors: Mapping[str, Tensor] | None = None, **changes: Any) -> Draft:
        """The same model with other tensors and other fields of its architecture."""
        architecture = replace(self.shape, **changes) if changes else self.architecture
        return replace(self, tensors=self.tensors if tensors is None else tensors, architecture=architecture)

    def map(self, change: Callable[[str, Tensor], Tensor]) -> dict[str, Tensor]:
        """All tensors, each through `change(name, tensor)`."""
        return {name: change(name, tensor) for name, tensor in self.tensors.items()}

    def blocks(self, layer: int) -> Iterable[str]:
        """Prefixes of a layer's MLPs: the one, or its experts."""
        experts = self.shape.experts
        return [f"layers.{layer}.experts.{e}" for e in range(experts)] if experts else [f"layers.{layer}"]


_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


def of_layer(name: str) -> tuple[int, str] | None:
    """The layer's number and the part's name in it; null for what belongs to no layer.

    >>> of_layer("layers.3.q.weight")
    (3, 'q.weight')
    """
    found = _LAYER.fullmatch(name)
    return (int(found[1]), found[2]) if found else None


def part(name: str) -> str:
    """A canonical name without its layer and expert: `q.weight`, `embed.weight`.

    >>> part("layers.3.experts.0.up.weight")
    'up.weight'
    """
    return name.rsplit(".", 2)[-2] + "." + name.rsplit(".", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a step makes of a draft."""

    draft: Draft
    """The new model."""
    claim: Claim = IDENTICAL
    """What it promises about the function, before weights are rounded to what they are stored as."""
    notes: tuple[str, ...] = field(default=())
    """What the user should know, in sentences."""
