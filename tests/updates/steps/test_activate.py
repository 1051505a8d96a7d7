from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import UnknownName, Unsupported
from regress.updates.claims import IDENTICAL, OTHER, SAME, Claim
from regress.updates.steps.activate import ACTIVATIONS, Activate

pytestmark = pytest.mark.models


def test_known_are_transformers_activations_without_weights() -> None:
    from transformers.activations import ACT2FN

    weighted = {name for name in ACT2FN if name in ("prelu", "xielu")}
    assert not {name for name in ACTIVATIONS if name not in ACT2FN}
    assert not any(list(ACT2FN[name].parameters()) for name in ACTIVATIONS)
    assert all(list(ACT2FN[name].parameters()) for name in weighted - {"xielu"})


@pytest.mark.parametrize("one", ACTIVATIONS)
def test_a_claim_of_one_function_holds_on_numbers(models: Any, one: str) -> None:
    import torch
    from transformers.activations import ACT2FN

    old, x = models.tiny("llama", hidden_act=one), torch.linspace(-8, 12, 2001)
    for other in ACTIVATIONS:
        claim = models.planned(old, Activate(to=other)).claim
        gap = float((ACT2FN[one](x) - ACT2FN[other](x)).abs().max())
        assert (claim in (SAME, IDENTICAL)) == (gap < 2e-6), (one, other, gap)
        assert (claim == IDENTICAL) == (one == other)


def test_only_the_activation_changes_and_swapping_back_brings_every_bit_back(models: Any) -> None:
    old = models.tiny("llama")
    new = models.changed(old, Activate(to="gelu"))
    assert models.load(new).config.hidden_act == "gelu"
    assert models.gap(old, new) > 1e-2
    assert models.logits(models.changed(new, Activate(to="silu"))).equal(models.logits(old))


def test_a_gated_mlp_becomes_swiglu_with_silu(models: Any) -> None:
    gelu = models.tiny("llama", hidden_act="gelu")
    assert models.planned(gelu, Activate(to="swiglu")).config["hidden_act"] == "silu"
    assert models.planned(models.tiny("llama"), Activate(to="swiglu")).claim == IDENTICAL


def test_names_are_guessed() -> None:
    from regress.updates.draft import Architecture, Draft

    shape = Architecture(
        vocabulary=4, hidden=2, layers=0, heads=1, kv_heads=1, head_dim=2, ffn=2, context=4,
        activation="silu", norm="rms", eps=1e-5, gated=True,
    )  # fmt: skip
    draft = Draft(model_type="llama", config={}, tensors={}, architecture=shape, dtype="float32")
    with pytest.raises(UnknownName, match="did you mean 'silu'"):
        Activate(to="silo").plan(draft)
    with pytest.raises(UnknownName, match="xielu"):
        Activate(to="xielu").plan(draft)


@pytest.mark.parametrize(
    ("activation", "claim", "worst"),
    [
        ("silu", SAME, 1e-12),
        ("quick_gelu", SAME, 1e-12),
        ("gelu", OTHER, 0.0204),
        ("relu", OTHER, math.inf),
    ],
)
@pytest.mark.parametrize("biased", [True, False])
def test_a_plain_mlp_with_a_gate_that_is_1(activation: str, claim: Claim, worst: float, biased: bool) -> None:
    """down(silu(gate(x)) · up(x)) of the new tensors against down(act(up(x))) of the old ones."""
    import torch
    from transformers.activations import ACT2FN

    from regress.updates.draft import Architecture, Draft
    from regress.updates.evaluate import evaluate
    from regress.updates.expressions import Old

    shape = Architecture(
        vocabulary=4, hidden=3, layers=1, heads=1, kv_heads=1, head_dim=3, ffn=5, context=4,
        activation=activation, norm="layer", eps=1e-5,
    )  # fmt: skip
    sizes = {"layers.0.up.weight": (5, 3), "layers.0.down.weight": (3, 5)}
    sizes |= {"layers.0.up.bias": (5,), "layers.0.down.bias": (3,)} if biased else {}
    torch.manual_seed(0)
    values = {name: torch.randn(size, dtype=torch.float64) for name, size in sizes.items()}
    old = Draft(
        model_type="any", config={}, tensors={n: Old(n, s) for n, s in sizes.items()}, architecture=shape,
        dtype="float32",
    )  # fmt: skip
    change = Activate(to="swiglu").plan(old)
    new = {n: evaluate(t, lambda each: values[each.name], 0) for n, t in change.draft.tensors.items()}
    assert (change.claim, change.draft.shape.gated, change.draft.shape.activation) == (claim, True, "silu")

    x = torch.randn(400, 3, dtype=torch.float64) * 3
    up = x @ values["layers.0.up.weight"].T + values.get("layers.0.up.bias", 0.0)
    gate = torch.nn.functional.silu(x @ new["layers.0.gate.weight"].T + new["layers.0.gate.bias"])
    units = gate * (x @ new["layers.0.up.weight"].T + new["layers.0.up.bias"])
    gap = float((units - ACT2FN[activation](up)).abs().max())
    assert gap <= worst
    if claim == OTHER:
        assert gap > 1e-3
    assert new["layers.0.down.bias"].equal(values.get("layers.0.down.bias", torch.zeros(3).double()))


def test_families_without_room_for_the_gate_refuse_it(models: Any) -> None:
    with pytest.raises(Unsupported, match="GPT-2"):
        models.planned(models.tiny("gpt2"), Activate(to="swiglu"))


@pytest.mark.shared
def test_gelu_for_silu_breaks_less_than_relu(
    models: Any, stories: Path, story_ids: Callable[[int, int], Any]
) -> None:
    """Perplexities in numpy, on other texts: 3.6, 7.3, 132."""
    ids = story_ids(8, 128)
    loss = {to: models.loss(models.changed(stories, Activate(to=to)), ids) for to in ("silu", "gelu", "relu")}
    assert loss["silu"] + 0.3 < loss["gelu"] < loss["relu"] - 1, loss
