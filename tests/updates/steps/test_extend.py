from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, Level
from regress.updates.steps.extend import Extend

pytestmark = pytest.mark.models


def test_dynamic_frequencies_change_beyond_the_old_length_alone(models: Any) -> None:
    old = models.tiny("llama")
    step = Extend(rope="dynamic", factor=2.0)
    plan = models.planned(old, step)
    assert (plan.claim.level, plan.claim.length) == (Level.SAME, 64)
    assert plan.config["max_position_embeddings"] == 64
    new = models.changed(old, step)
    assert models.gap(old, new, models.ids(64)) <= 1e-4
    assert models.gap(old, new, models.ids(65)) > 1e-3
    models.same(old, new)


@pytest.mark.parametrize("rope", ["linear", "yarn", "llama3"])
def test_the_other_kinds_change_every_text(models: Any, rope: Any) -> None:
    old = models.tiny("llama", rope_parameters={"rope_type": "default", "rope_theta": 500.0})
    step = Extend(rope=rope, factor=4.0)
    plan = models.planned(old, step)
    assert plan.claim.level == Level.OTHER
    assert plan.config["max_position_embeddings"] == 256
    assert plan.config["rope_parameters"]["rope_theta"] == 500.0
    assert plan.config["rope_parameters"].get("original_max_position_embeddings", 64) == 64
    assert models.gap(old, models.changed(old, step), models.ids(24)) > 1e-3


def test_linear_frequencies_are_divided(models: Any) -> None:
    old = models.tiny("llama")
    one, other = (
        models.load(each).model.rotary_emb.inv_freq
        for each in (old, models.changed(old, Extend(rope="linear", factor=4.0)))
    )
    assert (other * 4).equal(one)


def test_a_kind_that_replaces_a_scaled_one_is_another_function(models: Any) -> None:
    old = models.tiny("llama", rope_parameters={"rope_type": "linear", "rope_theta": 1e4, "factor": 3.0})
    step = Extend(rope="dynamic", factor=2.0)
    assert models.planned(old, step).claim.level == Level.OTHER
    assert models.gap(old, models.changed(old, step)) > 1e-3


def test_positions_of_plain_rotary_models_are_only_declared(models: Any) -> None:
    old = models.tiny("llama")
    step = Extend(positions="2x")
    assert models.planned(old, step).claim == IDENTICAL
    new = models.changed(old, step)
    assert models.load(new).config.max_position_embeddings == 128
    assert models.logits(new, models.ids(100)).equal(models.logits(old, models.ids(100)))


@pytest.mark.parametrize("rope", [
    {"rope_type": "yarn", "factor": 2.0},
    {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
])  # fmt: skip
def test_a_declared_length_does_not_move_what_the_model_was_trained_for(
    models: Any, rope: dict[str, Any]
) -> None:
    """transformers takes the declared length for the trained one where none is stored."""
    import json

    old = models.tiny("llama", rope_parameters={**rope, "rope_theta": 1e4})
    file = old / "config.json"
    config = json.loads(file.read_text())
    config["rope_parameters"].pop("original_max_position_embeddings", None)
    file.write_text(json.dumps(config))
    new = models.changed(old, Extend(positions=256))
    assert models.logits(new, models.ids(100)).equal(models.logits(old, models.ids(100)))


def test_positions_of_dynamic_models_hold_inside_the_old_length(models: Any) -> None:
    old = models.tiny("llama", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0})
    step = Extend(positions=128)
    assert models.planned(old, step).claim.length == 64
    new = models.changed(old, step)
    assert models.logits(new, models.ids(64)).equal(models.logits(old, models.ids(64)))
    assert models.gap(old, new, models.ids(100)) > 1e-3


@pytest.mark.parametrize("kind", ["gpt2", "opt", "gpt_neo"])
@pytest.mark.parametrize("init", ["copy", "random"])
def test_a_learned_table_gets_new_rows(models: Any, kind: str, init: Any) -> None:
    old = models.tiny(kind)
    step = Extend(positions=80, init=init)
    plan = models.planned(old, step)
    assert (plan.claim.level, plan.claim.length) == (Level.IDENTICAL, 64)
    new = models.changed(old, step)
    ids = models.ids(64)
    assert models.logits(new, ids).equal(models.logits(old, ids))
    longer = models.logits(new, models.ids(80))
    assert longer.isfinite().all()
    assert models.written(new) == models.written(old)
    if init == "copy":
        table = next(value for name, value in models.load(new).state_dict().items()
                     if name.endswith(("wpe.weight", "embed_positions.weight")))  # fmt: skip
        padding = len(table) - 80
        assert table[padding + 64 :].equal(table[padding : padding + 16])


@pytest.mark.parametrize("kind", ["mistral", "qwen2", "qwen3", "mixtral", "gpt_neo"])
def test_a_window_changes_longer_texts_alone(models: Any, kind: str) -> None:
    old = models.tiny(kind, **({"window_size": 24} if kind == "gpt_neo" else {}))
    step = Extend(window=16)
    plan = models.planned(old, step)
    assert (plan.claim.level, plan.claim.length) == (Level.SAME, 16)
    new = models.changed(old, step)
    assert models.gap(old, new, models.ids(16)) <= 1e-4
    late = models.logits(new, models.ids(40))[:, 16:] - models.logits(old, models.ids(40))[:, 16:]
    assert float(late.abs().amax(-1).min()) > 1e-3
    assert models.written(new, cache=True) == models.written(new, cache=False)


def test_a_wider_window_holds_inside_the_smaller_one(models: Any) -> None:
    old = models.tiny("mistral", sliding_window=16)
    assert models.planned(old, Extend(window=32)).claim.length == 16
    assert models.planned(old, Extend(window=16)).claim == IDENTICAL
    new = models.changed(old, Extend(window=32))
    assert models.gap(old, new, models.ids(16)) <= 1e-4
    assert models.gap(old, new, models.ids(24)) > 1e-3


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neox", "opt"])
def test_families_without_a_window_name_those_with_one(models: Any, kind: str) -> None:
    with pytest.raises(Unsupported, match=r"no sliding window\. Allowed: Mistral"):
        models.planned(models.tiny(kind), Extend(window=16))


@pytest.mark.parametrize(
    "step",
    [
        Extend(),
        Extend(rope="dynamic"),
        Extend(factor=2.0),
        Extend(rope="linear", factor=0.5),
        Extend(rope="ntk", factor=2.0),  # type: ignore[arg-type]
        Extend(rope="dynamic", factor=2.0, positions=128),
        Extend(theta=0.0),
        Extend(theta=float("nan")),
        Extend(window=0),
        Extend(positions=32),
        Extend(positions=128, init="zero"),  # type: ignore[arg-type]
    ],
)
def test_what_extends_nothing_is_refused(models: Any, step: Extend) -> None:
    with pytest.raises(UsageError):
        models.planned(models.tiny("llama"), step)


def test_models_without_rotary_positions_have_no_base(models: Any) -> None:
    with pytest.raises(Unsupported, match="no rotary positions"):
        models.planned(models.tiny("gpt2"), Extend(theta=2e4))


@pytest.mark.shared
def test_another_base_moves_a_trained_model_a_little(
    models: Any, stories: Path, story_ids: Callable[[int, int], Any]
) -> None:
    """In numpy, over other texts: perplexity 3.60 to 3.67, and the right token is first in 92.6%."""
    ids = story_ids(8, 256)
    old, new = stories, models.changed(stories, Extend(theta=2e4))
    assert models.planned(stories, Extend(theta=2e4)).claim.level == Level.OTHER
    assert 0.003 < models.loss(new, ids) - models.loss(old, ids) < 0.05
    share = (models.logits(new, ids).argmax(-1) == models.logits(old, ids).argmax(-1)).float().mean()
    assert 0.9 < float(share) < 0.96
    assert models.planned(stories, Extend(theta=1e4)).claim == IDENTICAL
