"""Old weights in a new configuration: every tensor is told where it went, and none is filled in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import UpdateError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.partial import asked_for
from regress.updates.steps.load_partial import LoadPartial

pytestmark = pytest.mark.models

Weights = Callable[[Path], dict[str, Any]]


@pytest.fixture
def changed_config(tmp_path: Path, config_of: Any) -> Callable[..., str]:
    """The path of a model's configuration with some settings changed; null takes one out."""

    def changed(old: Path, **changes: Any) -> str:
        config = {**config_of(old), **changes}
        path = tmp_path / "changed.json"
        path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
        return str(path)

    return changed


KINDS = ["llama", "mixtral", "gpt2", "gpt_neo", "gpt_neox", "opt", "phi3", "qwen3"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_class_asks_for_is_what_it_stores(
    kind: str, make_model: Any, config_of: Any, weights: Weights
) -> None:
    """By the names and shapes on disk: experts apart, where memory has them in one tensor."""
    old = make_model(kind)
    stored = {name: tuple(tensor.shape) for name, tensor in weights(old).items()}
    assert asked_for(config_of(old)) == stored


@pytest.mark.parametrize("kind", ["llama", "mixtral", "gpt_neox"])
def test_its_own_configuration_loads_everything_and_every_bit(
    kind: str, make_model: Any, update: Any, weights: Weights, draft_of: Any
) -> None:
    old = make_model(kind)
    step = LoadPartial(config=str(old))
    report = step.report(draft_of(old))
    assert report.complete
    assert report.loaded == {name: tuple(tensor.shape) for name, tensor in weights(old).items()}
    assert step.plan(draft_of(old)).claim == IDENTICAL
    before, after = weights(old), weights(update(old, step))
    assert all(before[name].equal(after[name]) for name in before)


def test_another_activation_loads_everything_and_is_another_model(
    make_model: Any, draft_of: Any, changed_config: Any
) -> None:
    old = make_model("llama")
    change = LoadPartial(config=changed_config(old, hidden_act="relu")).plan(draft_of(old))
    assert change.claim == OTHER
    assert change.notes == (f"{len(change.draft.tensors)} tensors are loaded.",)


def test_every_tensor_is_told_where_it_went(
    make_model: Any, draft_of: Any, changed_config: Any, update: Any, weights: Weights, logits: Any, ids: Any
) -> None:
    old = make_model("llama", tie_word_embeddings=True)
    path = changed_config(
        old, num_hidden_layers=4, intermediate_size=64, attention_bias=True, tie_word_embeddings=False
    )
    step = LoadPartial(config=path, seed=3)
    report = step.report(draft_of(old))
    before = weights(old)
    assert {*report.loaded, *report.mismatched} == set(before)
    assert not report.unexpected
    assert report.mismatched["model.layers.2.mlp.down_proj.weight"] == ((32, 48), (32, 64))
    assert len(report.mismatched) == 3 * 3
    fourth = {name for name in report.missing if name.startswith("model.layers.3.")}
    biases = {name for name in report.missing if name.endswith("_proj.bias")}
    assert set(report.missing) == fourth | biases | {"lm_head.weight"}
    notes = step.plan(draft_of(old)).notes
    assert "model.layers.{0,1,2}.mlp.up_proj.weight [48, 32] → [64, 32]" in " ".join(notes)
    assert "lm_head.weight" in notes[1]
    new = update(old, step)
    after = weights(new)
    assert all(before[name].equal(after[name]) for name in report.loaded)
    assert set(after) == {*report.loaded, *report.mismatched, *report.missing}
    assert logits(new, ids).isfinite().all()


def test_fewer_layers_leave_tensors_over(make_model: Any, draft_of: Any, changed_config: Any) -> None:
    old = make_model("llama")
    step = LoadPartial(config=changed_config(old, num_hidden_layers=2))
    report = step.report(draft_of(old))
    assert report.unexpected
    assert all(name.startswith("model.layers.2.") for name in report.unexpected)
    assert not report.missing
    assert "have no place in the new model" in step.plan(draft_of(old)).notes[1]


def test_new_tensors_start_as_the_class_starts_them(
    make_model: Any, changed_config: Any, update: Any, weights: Weights
) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    old = make_model("llama")
    path = changed_config(old, num_hidden_layers=4)
    torch.manual_seed(7)
    own = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(path)).state_dict()
    here = torch.random.get_rng_state()
    one, other = (weights(update(old, LoadPartial(config=path, seed=seed))) for seed in (7, 8))
    assert torch.random.get_rng_state().equal(here)
    name = "model.layers.3.mlp.up_proj.weight"
    assert one[name].equal(own[name])
    assert not other[name].equal(own[name])
    assert one["model.layers.3.input_layernorm.weight"].equal(torch.ones(32))


def test_experts_go_by_their_names_on_disk(
    make_model: Any, changed_config: Any, draft_of: Any, update: Any, logits: Any, ids: Any
) -> None:
    old = make_model("mixtral")
    step = LoadPartial(config=changed_config(old, num_local_experts=4))
    report = step.report(draft_of(old))
    assert {name.split(".experts.")[1][:2] for name in report.missing} == {"3."}
    assert set(report.mismatched) == {f"model.layers.{i}.block_sparse_moe.gate.weight" for i in range(3)}
    assert logits(update(old, step), ids).isfinite().all()


def test_weights_of_another_family_go_by_name(make_model: Any, draft_of: Any, tmp_path: Path) -> None:
    llama, qwen = make_model("llama", name="a"), make_model("qwen2", name="b")
    report = LoadPartial(config=str(qwen)).report(draft_of(llama))
    assert set(report.missing) == {
        f"model.layers.{layer}.self_attn.{each}_proj.bias" for layer in range(3) for each in "qkv"
    }
    assert not report.mismatched
    assert LoadPartial(config=str(qwen)).plan(draft_of(llama)).draft.model_type == "qwen2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as a configuration"),
        ("[]", "names no model_type"),
        ('{"hidden_size": 3}', "names no model_type"),
        ('{"model_type": "rumour"}', "transformers makes no causal language model"),
        ('{"model_type": "vit"}', "transformers makes no causal language model"),
    ],
)
def test_what_is_no_configuration_is_refused(
    text: str, message: str, make_model: Any, draft_of: Any, tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UpdateError, match=message):
        LoadPartial(config=str(tmp_path / "bad.json")).plan(draft_of(make_model("llama")))
    with pytest.raises(UpdateError, match="cannot be read"):
        LoadPartial(config=str(tmp_path / "none.json")).plan(draft_of(make_model("llama")))
