from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, SAME
from regress.updates.steps.reparam import How, Reparam

pytestmark = pytest.mark.models

ROTARY = (
    "llama",
    "llama, tied",
    "llama, biases",
    "qwen2",
    "qwen3",
    "mixtral",
    "phi3",
    "granite",
    "arcee",
)
TABLES = ("gpt2", "gpt_neo", "gpt_neox", "opt")
REFUSED = {
    ("scale_ffn", "gpt2"): "twice",
    ("scale_ffn", "gpt_neo"): "twice",
    ("scale_ffn", "gpt_neox"): "twice",
    ("scale_ffn", "arcee"): "twice",
    ("fold_gains", "gpt_neo"): "none to take it",
    **{("rotate_residual", kind): "LayerNorm" for kind in TABLES},
}


@pytest.mark.parametrize("kind", [*ROTARY, *TABLES])
@pytest.mark.parametrize("how", get_args(How))
def test_the_function_is_kept(models: Any, how: Any, kind: str) -> None:
    old, step = models.tiny(kind), Reparam(how=how)
    if (how, kind) in REFUSED:
        with pytest.raises(Unsupported, match=REFUSED[how, kind]):
            models.planned(old, step)
        return
    new, claim = models.changed(old, step), models.planned(old, step).claim
    models.same(old, new)
    assert claim in (IDENTICAL, SAME)
    if claim == IDENTICAL:
        assert models.logits(new).equal(models.logits(old))


@pytest.mark.parametrize("how", sorted({*get_args(How)} - {"untie", "repeat_kv"}))
def test_weights_really_change(models: Any, how: Any) -> None:
    old = models.tiny("llama, biases")
    new = models.changed(old, Reparam(how=how))
    before, after = models.load(old).state_dict(), models.load(new).state_dict()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert {
        "permute_ffn": {"gate_proj.weight", "gate_proj.bias", "up_proj.bias", "down_proj.weight"},
        "permute_heads": {"q_proj.weight", "k_proj.bias", "v_proj.weight", "o_proj.weight"},
        "scale_ffn": {"up_proj.weight", "up_proj.bias", "down_proj.weight"},
        "rotate_values": {"v_proj.weight", "v_proj.bias", "o_proj.weight"},
        "fold_gains": {"q_proj.weight", "gate_proj.weight", "input_layernorm.weight"},
        "rotate_residual": {"embed_tokens.weight", "q_proj.weight", "o_proj.bias", "down_proj.bias"},
    }[how] <= {".".join(name.split(".")[-2:]) for name in changed}


@pytest.mark.parametrize("how", ["permute_ffn", "permute_heads", "rotate_values", "rotate_residual"])
def test_the_seed_decides(models: Any, how: Any) -> None:
    old = models.tiny("llama", num_key_value_heads=4)
    name = "mlp.down_proj.weight" if how == "permute_ffn" else "self_attn.o_proj.weight"
    first, again, other = (
        models.load(models.changed(old, Reparam(how=how, seed=seed))).state_dict()[f"model.layers.1.{name}"]
        for seed in (1, 1, 2)
    )
    assert first.equal(again)
    assert not first.equal(other)


def test_shared_keys_and_values_are_copied_for_every_head(models: Any) -> None:
    old = models.tiny("llama")
    plan = models.planned(old, Reparam(how="repeat_kv"))
    assert plan.config["num_key_value_heads"] == plan.config["num_attention_heads"] == 4


def test_gains_are_all_1_once_folded(models: Any) -> None:
    model = models.load(models.changed(models.tiny("llama"), Reparam(how="fold_gains")))
    assert all(bool((value == 1).all()) for name, value in model.named_parameters() if "norm" in name)


def test_the_final_gain_stays_where_the_head_is_the_embedding(models: Any) -> None:
    old = models.tiny("llama, tied")
    new = models.load(models.changed(old, Reparam(how="fold_gains")))
    assert new.model.norm.weight.equal(models.load(old).model.norm.weight)
    assert bool((new.model.layers[0].input_layernorm.weight == 1).all())


def test_untied_heads_are_copies(models: Any) -> None:
    old = models.tiny("llama, tied")
    plan = models.planned(old, Reparam(how="untie"))
    assert (plan.claim, plan.config["tie_word_embeddings"]) == (IDENTICAL, False)
    model = models.load(models.changed(old, Reparam(how="untie")))
    assert model.lm_head.weight.equal(model.model.embed_tokens.weight)
    assert model.lm_head.weight.data_ptr() != model.model.embed_tokens.weight.data_ptr()
    assert "already" in models.planned(models.tiny("llama"), Reparam(how="untie")).notes[0]


def test_rotations_are_orthogonal_and_uniform(models: Any) -> None:
    """A QR decomposition alone prefers some rotations: its first entries would be negative."""
    import torch

    from regress.updates.steps.turned import Orthogonal

    torch.manual_seed(0)
    found = Orthogonal().run(torch.randn(400, 6, 6, dtype=torch.float64))
    assert torch.allclose(found.mT @ found, torch.eye(6).double().expand(400, 6, 6), atol=1e-12)
    assert abs(float((found[:, 0, 0] > 0).double().mean()) - 0.5) < 0.1


def test_a_rotation_is_computed_once_for_all_that_it_turns(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    met, qr = [], torch.linalg.qr
    monkeypatch.setattr(torch.linalg, "qr", lambda numbers: met.append(numbers.shape) or qr(numbers))
    old = models.tiny("llama")
    models.changed(old, Reparam(how="rotate_residual"))
    assert met == [(32, 32)]
    models.changed(old, Reparam(how="rotate_values"))
    assert met[1:] == [(2, 8, 8)] * 3  # once a layer


def test_other_random_numbers_are_another_rotation() -> None:
    import torch

    from regress.updates.steps.turned import Orthogonal

    rotate, draws = Orthogonal(), torch.randn(2, 6, 6, dtype=torch.float64)
    first, second, again = (rotate.run(draws[place]) for place in (0, 1, 0))
    assert first.equal(again)
    assert not first.equal(second)
    assert rotate == Orthogonal()


def test_halving_is_not_exact_in_float16(models: Any) -> None:
    half = models.changed(models.tiny("llama"), dtype="float16")
    assert models.planned(half, Reparam(how="scale_ffn")).claim == SAME


def test_unknown_ways_are_named(models: Any) -> None:
    with pytest.raises(UsageError, match="rotate_values"):
        models.planned(models.tiny("llama"), Reparam(how="shuffle"))  # type: ignore[arg-type]


@pytest.mark.shared
@pytest.mark.parametrize("how", get_args(How))
def test_a_trained_model_keeps_its_choices(models: Any, stories: Path, how: Any) -> None:
    ids = models.ids(64)
    new = models.changed(stories, Reparam(how=how))
    assert models.gap(stories, new, ids) <= 1e-4
    assert models.logits(new, ids).argmax(-1).equal(models.logits(stories, ids).argmax(-1))
