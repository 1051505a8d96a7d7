"""A model whose layers are layers of another, in any order and number."""

from __future__ import annotations

from collections.abc import Sequence

from regress.updates.draft import Draft, of_layer
from regress.updates.expressions import Tensor


def mapped(draft: Draft, sources: Sequence[int]) -> Draft:
    """The model whose layer i is layer `sources[i]` of `draft`, with that layer's kind of attention."""
    parts: dict[int, dict[str, Tensor]] = {}
    tensors: dict[str, Tensor] = {}
    for name, tensor in draft.tensors.items():
        if (where := of_layer(name)) is None:
            tensors[name] = tensor
        else:
            parts.setdefault(where[0], {})[where[1]] = tensor
    for place, source in enumerate(sources):
        tensors |= {f"layers.{place}.{name}": tensor for name, tensor in parts[source].items()}
    kinds = draft.shape.kinds
    return draft.but(
        tensors, layers=len(sources), kinds=tuple(kinds[source] for source in sources) if kinds else ()
    )
