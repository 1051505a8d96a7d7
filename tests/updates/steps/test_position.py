from __future__ import annotations

from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, Level
from regress.updates.steps.position import Position

pytestmark = pytest.mark.models


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neo", "opt"])
def test_a_table_gives_way_to_rotations_in_a_gpt_neox_model(models: Any, kind: str) -> None:
    old, step = models.tiny(kind), Position(to="rope", theta=500.0)
    plan = models.planned(old, step)
    assert plan.claim.level == Level.OTHER
    assert (plan.config["model_type"], plan.config["use_parallel_residual"]) == ("gpt_neox", False)
    assert plan.config["rope_parameters"]["rope_theta"] == 500.0
    new = models.changed(old, step)
    assert models.gap(old, new) > 1e-2
    assert models.written(new) == models.written(new, cache=False)


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neo", "opt"])
def test_all_but_the_positions_is_kept(models: Any, kind: str) -> None:
    """Both without positions compute the same: the table zeroed, and no rotation."""
    old = models.tiny(kind, **({"window_size": 64} if kind == "gpt_neo" else {}))
    models.same(
        models.changed(old, Position(to="none")),
        models.changed(old, Position(to="rope"), Position(to="none")),
    )


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("llama", "num_hidden_layers"),
        ("qwen3", "num_hidden_layers"),
        ("gpt_neox", "num_hidden_layers"),
        ("gpt2", "n_layer"),
        ("opt", "num_hidden_layers"),
    ],
)
def test_without_positions_one_layer_sees_a_bag_of_tokens(models: Any, kind: str, layers: str) -> None:
    import torch

    old = models.tiny(kind, **{layers: 1})
    ids = models.ids()
    mixed = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], 1)
    new = models.changed(old, Position(to="none"))
    one, other = (models.logits(new, each)[:, -1] for each in (ids, mixed))
    assert float((one - other).abs().max() / one.std()) < 1e-4
    was, is_ = (models.logits(old, each)[:, -1] for each in (ids, mixed))
    assert float((was - is_).abs().max() / was.std()) > 1e-3


def test_rotations_give_way_to_a_table_in_a_gpt2_model(models: Any) -> None:
    old = models.tiny("gpt_neox", use_parallel_residual=False)
    step = Position(to="learned")
    plan = models.planned(old, step)
    assert (plan.claim.level, plan.config["model_type"]) == (Level.OTHER, "gpt2")
    new = models.changed(old, step)
    assert float(models.load(new).transformer.wpe.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    models.same(models.changed(old, Position(to="none")), models.changed(old, step, Position(to="none")))


@pytest.mark.parametrize(("kind", "to"), [("llama", "rope"), ("gpt_neox", "rope"), ("gpt2", "learned")])
def test_positions_of_that_kind_stay(models: Any, kind: str, to: Any) -> None:
    plan = models.planned(models.tiny(kind), Position(to=to))
    assert (plan.claim, plan.config["model_type"]) == (IDENTICAL, kind)
    assert "already" in plan.notes[0]


@pytest.mark.parametrize(("kind", "reason"), [("llama", "RMSNorm"), ("gpt_neox", "side by side")])
def test_no_class_has_a_table_with_these(models: Any, kind: str, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason):
        models.planned(models.tiny(kind), Position(to="learned"))


@pytest.mark.parametrize("step", [Position(to="alibi"), Position(to="rope", theta=1.0)])  # type: ignore[arg-type]
def test_what_makes_no_sense_is_refused(models: Any, step: Position) -> None:
    with pytest.raises(UsageError):
        models.planned(models.tiny("gpt2"), step)
