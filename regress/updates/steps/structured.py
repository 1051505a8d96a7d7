"""Taking whole units of the MLP, or whole heads, out of every layer: an ordinary smaller model.

How many go is known on paper; which ones is decided by their weights, when those are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from regress.errors import UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Computed, Shape, Tensor, join, product, reshape


def without_units(draft: Draft, share: float) -> Change:
    """The model without that share of the units of each MLP, or of each expert.

    The score of unit i is the product of the norms of all that belongs to it, ‖gate_i‖·‖up_i‖·‖down_i‖: up to
    the activation that is how much it can write, and it stays the same when one factor is scaled and another
    takes it back.

    Raises:
        UsageError: If the share takes out no unit, or all.
    """
    shape = draft.shape
    left = shape.ffn - _count("units", share, shape.ffn)
    tensors = dict(draft.tensors)
    for layer in range(shape.layers):
        for block in draft.blocks(layer):
            tensors |= _fewer_units(draft, block, left)
    note = f"The {shape.ffn} units of each MLP become {left}."
    return Change(draft=draft.but(tensors, ffn=left), claim=OTHER, notes=(note,))


def _fewer_units(draft: Draft, block: str, left: int) -> dict[str, Tensor]:
    rows = [name for kind in ("gate", "up") if (name := f"{block}.{kind}") + ".weight" in draft.tensors]
    down = f"{block}.down.weight"
    norms = [_norm(_with_bias(draft, name), 0) for name in rows]
    scores = product(*norms, _norm(draft.tensors[down], 1))
    best = {down: Computed(Best(1, left), (draft.tensors[down], scores))}
    for name in rows:
        for full in (f"{name}.weight", f"{name}.bias"):
            if full in draft.tensors:
                best[full] = Computed(Best(0, left), (draft.tensors[full], scores))
    return dict(best)


def _with_bias(draft: Draft, name: str) -> Tensor:
    """A matrix [out, in], and its bias as one more column."""
    weight, bias = draft.tensors[f"{name}.weight"], draft.tensors.get(f"{name}.bias")
    return weight if bias is None else join([weight, reshape(bias, bias.shape[0], 1)], 1)


def without_heads(draft: Draft, share: float) -> Change:
    """The model without that share of the key and value heads of each layer, and of the query heads on them.

    The score of a group is how much it can write, sqrt(Σ_j ‖O_j V‖²) over its query heads j: whatever is
    turned or scaled between values and output, it stays the same.

    Raises:
        UsageError: If the share takes out no group, or all.
    """
    shape = draft.shape
    groups = shape.kv_heads - _count("heads of keys and values", share, shape.kv_heads)
    tensors = dict(draft.tensors)
    for layer in range(shape.layers):
        tensors |= _fewer_heads(draft, f"layers.{layer}", groups)
    heads = shape.heads // shape.kv_heads * groups
    note = f"Of {shape.heads} heads on {shape.kv_heads} of keys and values, {heads} on {groups} stay."
    return Change(draft=draft.but(tensors, heads=heads, kv_heads=groups), claim=OTHER, notes=(note,))


def _fewer_heads(draft: Draft, layer: str, groups: int) -> dict[str, Tensor]:
    shape = draft.shape
    o, v = draft.tensors[f"{layer}.o.weight"], draft.tensors[f"{layer}.v.weight"]
    scores = Computed(Reach(shape.kv_heads, shape.head_dim), (o, v))
    found: dict[str, Tensor] = {f"{layer}.o.weight": _keep(o, 1, shape.kv_heads, groups, scores)}
    for kind in "qkv":
        for name in (f"{layer}.{kind}.weight", f"{layer}.{kind}.bias"):
            if name in draft.tensors:
                found[name] = _keep(draft.tensors[name], 0, shape.kv_heads, groups, scores)
    return found


def _keep(tensor: Tensor, dim: int, old: int, new: int, scores: Tensor) -> Tensor:
    """The best `new` of `old` equal pieces along `dim`."""
    before, size, after = tensor.shape[:dim], tensor.shape[dim] // old, tensor.shape[dim + 1 :]
    pieces = reshape(tensor, *before, old, size, *after)
    return reshape(Computed(Best(dim, new), (pieces, scores)), *before, new * size, *after)


def _count(what: str, share: float, present: int) -> int:
    count = round(share * present)
    if not 0 < count < present:
        few = sorted({1, present // 4, present // 2, present - 1} - {0})
        raise UsageError(
            f"sparsity={share} takes out {count} of {present} {what}",
            allowed=", ".join(f"{each / present:.4g}" for each in few if each < present) or "0 only",
        )
    return count


def _norm(tensor: Tensor, dim: int) -> Tensor:
    return Computed(Norm(dim), (tensor,))


@dataclass(frozen=True)
class Norm:
    """Euclidean norms of a matrix's slices along `dim`."""

    dim: int
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return (shapes[0][self.dim],)

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0].square().sum(1 - self.dim).sqrt()


@dataclass(frozen=True)
class Reach:
    """sqrt(Σ_j ‖O_j V‖²) of each head of values V [d, h] over its query heads' O_j [h, d].

    From o [h, H·d] and v [KV·d, h], as the trace of OᵀO·VVᵀ, which needs no matrix [h, h].
    """

    groups: int
    width: int
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return (self.groups,)

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        o, v = tensors
        heads = o.T.reshape(self.groups, -1, self.width, o.shape[0])  # KV, r, d, h
        written = (heads @ heads.mT).sum(1)
        values = v.reshape(self.groups, self.width, -1)
        return (written * (values @ values.mT)).sum((1, 2)).clamp(min=0).sqrt()


@dataclass(frozen=True)
class Best:
    """The `count` slices along `dim` of the highest scores [n], in order; of equal ones the first."""

    dim: int
    count: int
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        shape = shapes[0]
        return (*shape[: self.dim], self.count, *shape[self.dim + 1 :])

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        tensor, scores = tensors
        best = scores.argsort(descending=True, stable=True)[: self.count].sort().values
        return tensor.index_select(self.dim, best)
