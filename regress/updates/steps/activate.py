"""`activate`: another activation in every MLP; the weights stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from regress.errors import UnknownName, Unsupported
from regress.updates.claims import IDENTICAL, OTHER, SAME, Claim
from regress.updates.draft import Change, Draft, part
from regress.updates.expressions import Tensor, ones, scale, zeros
from regress.updates.steps.port import Port

ACTIVATIONS = (
    "gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh",
    "gelu_pytorch_tanh", "hardswish", "laplace", "leaky_relu", "linear", "mish", "quick_gelu", "relu",
    "relu2", "relu6", "sigmoid", "silu", "swish", "tanh",
)  # fmt: skip
"""transformers' names of activations that have no weights of their own."""

_ONE_FUNCTION: Mapping[str, str] = {
    "swish": "silu",
    "gelu_python": "gelu",
    **dict.fromkeys(("gelu_accurate", "gelu_fast", "gelu_python_tanh", "gelu_pytorch_tanh"), "gelu_new"),
}
"""Names of one function that is computed in another way."""

_GATED = "llama"
"""The family whose MLPs have a gate and biases."""

QUICK = 1.702
"""quick_gelu(x) = x·σ(1.702·x), which also approximates GELU to 0.0203."""


@dataclass(frozen=True, kw_only=True)
class Activate:
    """Swap the activation; another one makes another function, until the model is trained with it."""

    verb: ClassVar[str] = "activate"

    to: str
    """transformers' name of the activation; `swiglu` also gives a plain MLP a gate, in a Llama model."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        shape = draft.shape
        if self.to not in (*ACTIVATIONS, "swiglu"):
            raise UnknownName("activation", self.to, (*ACTIVATIONS, "swiglu"))
        if self.to == "swiglu" and not shape.gated:
            return _gated(draft)
        to = "silu" if self.to == "swiglu" else self.to
        return Change(draft=draft.but(activation=to), claim=_kept(shape.activation, to))


def _kept(old: str, new: str) -> Claim:
    if old == new:
        return IDENTICAL
    return SAME if _ONE_FUNCTION.get(old, old) == _ONE_FUNCTION.get(new, new) else OTHER


def _gated(draft: Draft) -> Change:
    """down(act(up(x))) as down(silu(gate(x)) · up'(x)): gate is the old up, and up' is 1 whatever x is.

    Exact for SiLU. quick_gelu(x) is silu(1.702·x) / 1.702, exactly; GELU is so nearly, and so is
    anything else treated, since it comes nearest to it.

    Raises:
        Unsupported: Where the class with gates and biases lacks something else that the model has.
    """
    if draft.shape.experts:
        raise Unsupported("experts cannot be given gates")
    name = _ONE_FUNCTION.get(draft.shape.activation, draft.shape.activation)
    steep = 1.0 if name == "silu" else QUICK
    ups = ("up.weight", "up.bias")
    tensors = {key: tensor for key, tensor in draft.tensors.items() if part(key) not in ups}
    for layer in range(draft.shape.layers):
        tensors |= _gate(f"layers.{layer}", draft.tensors, steep)
    gated = Port(to=_GATED).plan(draft.but(tensors, gated=True, activation="silu"))
    claim = SAME if name in ("silu", "quick_gelu") else OTHER
    return Change(draft=gated.draft, claim=gated.claim & claim, notes=gated.notes)


def _gate(layer: str, old: Mapping[str, Tensor], steep: float) -> dict[str, Tensor]:
    weight, down = old[f"{layer}.up.weight"], old[f"{layer}.down.weight"]
    units, hidden = weight.shape[0], down.shape[0]
    return {
        f"{layer}.gate.weight": scale(weight, steep),
        f"{layer}.gate.bias": scale(old.get(f"{layer}.up.bias", zeros(units)), steep),
        f"{layer}.up.weight": zeros(*weight.shape),
        f"{layer}.up.bias": scale(ones(units), 1 / steep),
        f"{layer}.down.bias": old.get(f"{layer}.down.bias", zeros(hidden)),
    }
