"""The same function with a setting of the configuration moved into the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from regress.errors import Unsupported
from regress.updates.draft import Draft, of_layer, part
from regress.updates.expressions import Tensor, scale

_TABLES = ("embed.weight", "positions.weight", "position_padding.weight")
_BRANCHES = ("o.weight", "o.bias", "down.weight", "down.bias")
_FINAL = ("final_norm.weight", "final_norm.bias")


def with_eps(draft: Draft, eps: float) -> Draft:
    """What norms add to the variance becomes `eps`: the residual stream is multiplied by sqrt(eps'/eps).

    A norm of c·x that adds c²·eps gives what the norm of x gave, so that behind every norm all is as
    it was.

    Raises:
        Unsupported: If something else than a norm before attention, MLP or output reads the stream.
    """
    shape = draft.shape
    if math.isclose(shape.eps, eps, rel_tol=1e-9):
        return draft if shape.eps == eps else draft.but(eps=eps)
    if not shape.norm_first or "final_norm.weight" not in draft.tensors:
        raise Unsupported(
            f"norms add {shape.eps:g} to the variance here, the new model's add {eps:g}, and without a norm "
            "before everything that reads the residual stream weights cannot make up for that",
            allowed=f"eps = {eps:g}",
        )
    louder = _tidy(math.sqrt(eps / shape.eps))
    factors = dict.fromkeys((*_TABLES, *_BRANCHES), louder)
    if shape.tied:
        factors |= dict.fromkeys(_FINAL, 1 / louder)
    return _times(draft, factors).but(eps=eps)


def without_multipliers(draft: Draft) -> Draft:
    """Multipliers of embeddings, of what is added to the residual stream and of logits become 1."""
    shape = draft.shape
    if shape.residual_scale == shape.embed_scale == shape.logit_divisor == 1.0:
        return draft
    factors = dict.fromkeys(_BRANCHES, shape.residual_scale) | {"embed.weight": shape.embed_scale}
    louder_head = shape.embed_scale if shape.tied else 1.0
    factors |= dict.fromkeys(_FINAL, 1 / (louder_head * shape.logit_divisor))
    return _times(draft, factors).but(embed_scale=1.0, residual_scale=1.0, logit_divisor=1.0)


def with_scaled_scores(draft: Draft) -> Draft:
    """Scores are divided by sqrt(head_dim) in every layer, and queries make up for what they were before."""
    shape = draft.shape
    if shape.scaled_scores and not shape.scores_by_layer:
        return draft
    louder = 1.0 if shape.scaled_scores else shape.score_scale * math.sqrt(shape.head_dim)

    def scaled(name: str, tensor: Tensor) -> Tensor:
        where = of_layer(name)
        if where is None or part(name) not in ("q.weight", "q.bias"):
            return tensor
        return scale(tensor, louder / (where[0] + 1 if shape.scores_by_layer else 1))

    return replace(draft, tensors=draft.map(scaled)).but(
        scaled_scores=True, score_scale=1.0, scores_by_layer=False
    )


def with_unscaled_scores(draft: Draft) -> Draft:
    """Scores are what queries and keys make, and queries make up for what they were divided by."""
    shape = draft.shape
    if not shape.scaled_scores and shape.score_scale == 1.0 and not shape.scores_by_layer:
        return draft
    divided = with_scaled_scores(draft)
    quieter = 1 / math.sqrt(shape.head_dim)
    return _times(divided, {"q.weight": quieter, "q.bias": quieter}).but(scaled_scores=False)


def _times(draft: Draft, factors: Mapping[str, float]) -> Draft:
    return replace(draft, tensors=draft.map(lambda name, tensor: scale(tensor, factors.get(part(name), 1.0))))


def _tidy(factor: float) -> float:
    """The power of two that a factor is but for rounding; powers of two change no digit of a weight."""
    power = 2.0 ** round(math.log2(factor))
    return power if math.isclose(factor, power, rel_tol=1e-12) else factor
