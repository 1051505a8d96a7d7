from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import UnknownName, Unsupported
from regress.updates.claims import IDENTICAL, OTHER, SAME
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


@pytest.mark.parametrize("activation", ["silu", "quick_gelu"])
@pytest.mark.parametrize("biased", [True, False])
def test_a_plain_mlp_gets_a_gate_that_changes_nothing(models: Any, activation: str, biased: bool) -> None:
    old, step = models.tiny("arcee", hidden_act=activation, mlp_bias=biased), Activate(to="swiglu")
    plan = models.planned(old, step)
    assert (plan.claim, plan.config["model_type"], plan.config["hidden_act"]) == (SAME, "llama", "silu")
    models.same(old, models.changed(old, step))


def test_gelu_is_nearer_to_its_gate_than_to_silu(models: Any) -> None:
    """A unit of GELU is off by 0.0203 at most; with SiLU in its place, by 0.193."""
    old = models.tiny("arcee", hidden_act="gelu")
    gated, swapped = Activate(to="swiglu"), Activate(to="silu")
    assert models.planned(old, gated).claim == OTHER
    near, far = (models.gap(old, models.changed(old, step)) for step in (gated, swapped))
    assert 1e-3 < near < far / 3


def test_families_without_room_for_the_gate_refuse_it(models: Any) -> None:
    with pytest.raises(Unsupported, match="Llama models have RMSNorm, and this one has LayerNorm"):
        models.planned(models.tiny("gpt2"), Activate(to="swiglu"))


@pytest.mark.shared
def test_gelu_for_silu_breaks_less_than_relu(
    models: Any, stories: Path, story_ids: Callable[[int, int], Any]
) -> None:
    """Perplexities in numpy, on other texts: 3.6, 7.3, 132."""
    ids = story_ids(8, 128)
    loss = {to: models.loss(models.changed(stories, Activate(to=to)), ids) for to in ("silu", "gelu", "relu")}
    assert loss["silu"] + 0.3 < loss["gelu"] < loss["relu"] - 1, loss
