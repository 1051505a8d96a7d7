"""Which tensors of a model are weight matrices that compression applies to, in any family."""

from __future__ import annotations

import re

from regress.errors import Unsupported
from regress.updates.draft import Draft, of_layer, part

_LINEAR = ("q.weight", "k.weight", "v.weight", "o.weight", "gate.weight", "up.weight", "down.weight")
_TABLES = ("embed.weight", "head.weight")
_TABLE_WORDS = re.compile(
    r"(^|[._])(embed|emb|wte|wpe|lm_head|shared|positions?|embed\w*|\w*embeddings?)([._]|$)"
)
"""What raw names of embeddings and output projections hold, in families that nobody has described."""
_ROUTER_WORDS = re.compile(r"(^|[._])(router|gate)\.")
"""What those of routers hold; `gate_proj` and its like are no routers."""


def matrices(draft: Draft, *, embeddings: bool = False) -> tuple[str, ...]:
    """Names of the matrices [out, in] that are multiplied with activations.

    They are those of attention and MLP, of every expert too; routers stay out, which are small and decide
    much. Of an unknown family they are all weights of two dimensions whose names are not an embedding's or a
    router's.

    Args:
        draft: The model.
        embeddings: Whether the embedding and the output projection count too.

    Raises:
        Unsupported: If there are none.
    """
    if draft.architecture is None:
        flat = [name for name, tensor in draft.tensors.items() if len(tensor.shape) == 2]
        weights = [name for name in flat if name.endswith(".weight") and not _ROUTER_WORDS.search(name)]
        found = [name for name in weights if embeddings or not _TABLE_WORDS.search(name)]
    else:
        found = [name for name in draft.tensors if of_layer(name) and part(name) in _LINEAR]
        if embeddings:
            found += [name for name in draft.tensors if name in _TABLES]
    if not found:
        raise Unsupported(f"this {draft.model_type} model has no matrix of two dimensions to compress")
    return tuple(found)
