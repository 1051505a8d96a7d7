from __future__ import annotations

from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.steps.norm import Norm

pytestmark = pytest.mark.models


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neo", "opt"])
def test_norms_after_the_sums_in_an_opt_model(models: Any, kind: str) -> None:
    old, step = models.tiny(kind), Norm(placement="post")
    plan = models.planned(old, step)
    assert plan.claim.level == OTHER.level
    assert (plan.config["model_type"], plan.config["do_layer_norm_before"]) == ("opt", False)
    new = models.changed(old, step)
    assert models.gap(old, new) > 1e-2
    assert models.written(new) == models.written(new, cache=False)


def test_the_norm_at_the_end_becomes_the_last_layers_second_one(models: Any) -> None:
    old = models.tiny("gpt2")
    before, after = models.load(old).transformer, models.load(models.changed(old, Norm(placement="post")))
    layers = after.model.decoder.layers
    assert layers[2].final_layer_norm.weight.equal(before.ln_f.weight)
    assert layers[2].final_layer_norm.bias.equal(before.ln_f.bias)
    assert layers[1].final_layer_norm.weight.equal(before.h[1].ln_2.weight)
    assert layers[2].self_attn_layer_norm.weight.equal(before.h[2].ln_1.weight)
    assert after.model.decoder.final_layer_norm is None


def test_the_stream_is_normalised_after_each_sum(models: Any) -> None:
    """Whatever its layers do, what the head reads has the mean and the variance of its last norm."""
    import torch

    old = models.tiny("gpt2")
    new = models.load(models.changed(old, Norm(placement="post")))
    seen: list[Any] = []
    new.model.decoder.layers[1].register_forward_hook(lambda _, args, output: seen.append(output))
    with torch.no_grad():
        new(models.ids())
    output = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    norm = new.model.decoder.layers[1].final_layer_norm
    plain = ((output - norm.bias) / norm.weight).detach()
    assert torch.allclose(plain.mean(-1), torch.zeros(()), atol=1e-3)
    assert torch.allclose(plain.var(-1, correction=0), torch.ones(()), atol=1e-2)


def test_back_before_them_with_the_last_norm_at_the_end(models: Any) -> None:
    old = models.tiny("opt", do_layer_norm_before=False)
    step = Norm(placement="pre")
    plan = models.planned(old, step)
    assert (plan.claim, plan.config["do_layer_norm_before"]) == (OTHER, True)
    before, after = models.load(old).model.decoder, models.load(models.changed(old, step)).model.decoder
    assert after.final_layer_norm.weight.equal(before.layers[2].final_layer_norm.weight)
    assert after.layers[2].final_layer_norm.weight.equal(before.layers[2].final_layer_norm.weight)


@pytest.mark.parametrize(("kind", "placement"), [("llama", "pre"), ("opt", "pre"), ("gpt2", "pre")])
def test_norms_that_stand_there_stay(models: Any, kind: str, placement: Any) -> None:
    plan = models.planned(models.tiny(kind), Norm(placement=placement))
    assert (plan.claim, plan.config["model_type"]) == (IDENTICAL, kind)
    assert "already" in plan.notes[0]


@pytest.mark.parametrize(("kind", "reason"), [("llama", "OLMo 2"), ("gpt_neox", "OPT models have")])
def test_families_without_such_a_class_say_so(models: Any, kind: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        models.planned(models.tiny(kind), Norm(placement="post"))


def test_other_places_are_refused(models: Any) -> None:
    with pytest.raises(UsageError, match="pre, post"):
        models.planned(models.tiny("opt"), Norm(placement="middle"))  # type: ignore[arg-type]
