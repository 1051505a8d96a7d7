from __future__ import annotations

from typing import Any

import pytest

from regress.errors import Unsupported
from regress.updates.claims import Level
from regress.updates.expressions import Computed, Old, Round, exact, scale
from regress.updates.steps.cast import Cast
from regress.updates.steps.grow import Grow
from regress.updates.steps.insert import Insert

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("present", "wanted", "level"),
    [
        ("float32", "bfloat16", Level.NEAR),
        ("float32", "float16", Level.NEAR),
        ("float32", "float64", Level.IDENTICAL),
        ("float32", "float32", Level.IDENTICAL),
        ("bfloat16", "float32", Level.IDENTICAL),
        ("bfloat16", "float16", Level.NEAR),
        ("float16", "bfloat16", Level.NEAR),
    ],
)
def test_the_claim_follows_from_the_types(models: Any, present: str, wanted: str, level: Level) -> None:
    old = models.changed(models.tiny("llama"), dtype=present)
    plan = models.planned(old, Cast(dtype=wanted))
    assert (plan.claim.level, plan.dtype, plan.config["dtype"]) == (level, wanted, wanted)


def test_numbers_are_rounded_at_that_step_and_stay_so(models: Any) -> None:
    import torch

    old = models.tiny("llama")
    new = models.changed(old, Cast(dtype="bfloat16"), Cast(dtype="float32"))
    plan = models.planned(old, Cast(dtype="bfloat16"), Cast(dtype="float32"))
    assert (plan.dtype, plan.claim.level) == ("float32", Level.NEAR)
    before, after = models.load(old).state_dict(), models.load(new).state_dict()
    assert all(after[name].equal(value.to(torch.bfloat16).float()) for name, value in before.items())
    assert not models.logits(new).equal(models.logits(old))


def test_steps_after_it_work_on_rounded_numbers(models: Any) -> None:
    """Half of the width's square root: rounded before it, and in float32 after it, unlike rounded last."""
    import torch

    old = models.tiny("llama")
    new = models.changed(old, Cast(dtype="bfloat16"), Grow(hidden=64), dtype="float32")
    gain, grown = (models.load(each).model.norm.weight for each in (old, new))
    assert grown[:32].equal((gain.to(torch.bfloat16).double() * 0.5**0.5).float())


def test_what_was_computed_and_then_rounded_is_stored_without_loss(models: Any) -> None:
    old = models.tiny("llama")
    steps = (Grow(hidden=64), Cast(dtype="bfloat16"), Insert(layers=(1,)))
    assert [stage.claim.level for stage in models.planned(old, *steps).stages] == [
        Level.SAME,
        Level.NEAR,
        Level.IDENTICAL,
    ]
    assert models.planned(old, *steps).dtype == "bfloat16"
    assert models.planned(old, *steps, Cast(dtype="float32")).stages[-1].claim.level == Level.IDENTICAL
    kept = models.logits(models.changed(old, *steps, Cast(dtype="float32")))
    assert models.logits(models.changed(old, *steps)).equal(kept)


def test_a_computed_number_rounded_counts_as_an_old_one() -> None:
    third = scale(Old("a", (2,)), 1 / 3)
    rounded = Computed(Round("bfloat16"), (third,))
    assert [exact(each) for each in (third, rounded, scale(rounded, 2.0), scale(rounded, 3.0))] == [
        False,
        True,
        True,
        False,
    ]


def test_whole_numbers_stay() -> None:
    import torch

    whole, broken = torch.tensor([1, 2**30 + 1]), torch.tensor([1 / 3], dtype=torch.float64)
    assert Round("bfloat16").run(whole) is whole
    assert Round("bfloat16").run(broken).dtype == torch.float64
    assert float(Round("bfloat16").run(broken)) == 0.333984375


def test_a_family_that_nobody_described_is_cast_too(models: Any) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("bloom", vocab_size=64, hidden_size=32, n_layer=2, n_head=4)
    old = models.saved(AutoModelForCausalLM.from_config(config))
    plan = models.planned(old, Cast(dtype="float16"))
    assert (plan.dtype, plan.claim.level) == ("float16", Level.NEAR)
    assert 0 < models.gap(old, models.changed(old, Cast(dtype="float16"))) < 1e-2


def test_a_type_that_weights_are_not_stored_in_is_refused(models: Any) -> None:
    with pytest.raises(Unsupported, match="int8"):
        models.planned(models.tiny("llama"), Cast(dtype="int8"))  # type: ignore[arg-type]
