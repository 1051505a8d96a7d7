"""The same function in another form: settings moved into weights, and parts that do nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from regress.errors import Unsupported
from regress.updates.draft import Draft, of_layer, part
from regress.updates.expressions import Tensor, scale, zeros

_TABLES = ("embed.weight", "positions.weight", "position_padding.weight")
_MLP = ("gate.weight", "up.weight", "down.weight")
_BRANCHES = ("o.weight", "o.bias", "down.weight", "down.bias")
_FINAL = ("final_norm.weight", "final_norm.bias")


def with_eps(draft: Draft, eps: float) -> Draft:
    """What norms add to the variance becomes `eps`: the residual stream is multiplied by sqrt(eps'/eps).

    A norm of c·x that adds c²·eps gives what the norm of x gave, so that behind every norm all is as
    it was.

    Raises:
        Unsupported: If something else than a norm before attention, MLP or output reads the stream, or if
            one of the two is 0.
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
    if not (shape.eps and eps):
        raise Unsupported(
            f"norms add {shape.eps:g} to the variance here, the new model's add {eps:g}, and no factor makes "
            "one of the other",
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


def with_biases(draft: Draft, needed: Callable[[frozenset[str]], frozenset[str]]) -> Draft:
    """Biases of 0 beside the projections of a layer that must have one.

    Args:
        draft: The model.
        needed: From the projections of a layer that have a bias to those that must have one.
    """
    present: dict[str, set[str]] = {}
    for name in draft.tensors:
        stem, piece, kind = _split(name)
        if kind == "bias" and of_layer(name):
            present.setdefault(stem, set()).add(piece)
    added: dict[str, Tensor] = {}
    for name, tensor in draft.tensors.items():
        stem, piece, kind = _split(name)
        if kind == "weight" and of_layer(name) and piece in needed(frozenset(present.get(stem, ()))):
            added[f"{stem}.{piece}.bias"] = zeros(tensor.shape[0])
    return replace(draft, tensors={**added, **draft.tensors}) if added else draft


def with_experts(draft: Draft) -> Draft:
    """Every MLP becomes the one expert of a router, which gives it the weight 1."""
    shape = draft.shape
    if shape.experts:
        return draft
    tensors = {_moved(name, "", "experts.0."): tensor for name, tensor in draft.tensors.items()}
    routers = {f"layers.{layer}.router.weight": zeros(1, shape.hidden) for layer in range(shape.layers)}
    return draft.but({**tensors, **routers}, experts=1, top_k=1)


def without_experts(draft: Draft) -> Draft:
    """Where there is one expert, it is the MLP; more than one stay."""
    if draft.shape.experts != 1:
        return draft
    tensors = {
        _moved(name, "experts.0.", ""): tensor
        for name, tensor in draft.tensors.items()
        if part(name) != "router.weight"
    }
    return draft.but(tensors, experts=0, top_k=0)


def without_padding(draft: Draft) -> Draft:
    """A table of positions begins with the first token's."""
    kept = {name: tensor for name, tensor in draft.tensors.items() if name != "position_padding.weight"}
    return replace(draft, tensors=kept)


def _moved(name: str, old: str, new: str) -> str:
    """The name of an MLP's matrix with another word between layer and matrix."""
    where = of_layer(name)
    if where is None or part(name) not in _MLP or where[1] != old + part(name):
        return name
    return f"layers.{where[0]}.{new}{part(name)}"


def _split(name: str) -> tuple[str, str, str]:
    """What it belongs to, which part of it, and weight or bias.

    >>> _split("layers.3.q.weight"), _split("embed.weight")
    (('layers.3', 'q', 'weight'), ('', 'embed', 'weight'))
    """
    *stem, piece, kind = name.split(".")
    return ".".join(stem), piece, kind


def _times(draft: Draft, factors: Mapping[str, float]) -> Draft:
    return replace(draft, tensors=draft.map(lambda name, tensor: scale(tensor, factors.get(part(name), 1.0))))


def _tidy(factor: float) -> float:
    """The power of two that a factor is but for rounding; powers of two change no digit of a weight."""
    power = 2.0 ** round(math.log2(factor))
    return power if math.isclose(factor, power, rel_tol=1e-12) else factor
