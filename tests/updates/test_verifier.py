"""The verifier refuses what is wrong by little: each correction left out, each slot of the cache shared."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from regress.checkpoints import resolve
from regress.errors import ClaimViolated, UpdateError
from regress.updates.claims import ARGMAX, IDENTICAL, NEAR, OTHER, SAME, Claim
from regress.updates.draft import Change, Draft, part
from regress.updates.expressions import Tensor, scale
from regress.updates.make import make
from regress.updates.planning import Step
from regress.updates.steps.drop import Drop
from regress.updates.steps.grow import Grow
from regress.updates.steps.insert import Insert
from regress.updates.steps.moe import Moe
from regress.updates.steps.prune import Prune
from regress.updates.verifier import verify

from .conftest import Models

pytestmark = pytest.mark.models

TEXTS = ("Janet has three apples and buys four more. How many has she?", "To open the jar, hold it", "He sat")
Make = Callable[..., Path]


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A right step, spoiled."""

    verb: ClassVar[str] = "wrong"
    right: Step
    spoil: Callable[[Draft], Draft]

    def plan(self, draft: Draft) -> Change:
        change = self.right.plan(draft)
        return replace(change, draft=self.spoil(change.draft))


def rescaled(*parts: str, by: float) -> Callable[[Draft], Draft]:
    def spoil(draft: Draft) -> Draft:
        def change(name: str, tensor: Tensor) -> Tensor:
            return scale(tensor, by) if part(name) in parts else tensor

        return draft.but(draft.map(change))

    return spoil


GAINS = ("norm1.weight", "norm2.weight", "final_norm.weight")
BUGS: Mapping[str, Wrong] = {
    "eps": Wrong(right=Grow(hidden=64), spoil=lambda draft: draft.but(eps=draft.shape.eps * 2)),
    "sqrt of gains": Wrong(right=Grow(hidden=64), spoil=rescaled(*GAINS, by=2**0.5)),
    "sqrt of keys": Wrong(right=Grow(head_dim=16), spoil=rescaled("k.weight", by=0.5**0.5)),
    "rotary frequencies": Wrong(
        right=Grow(head_dim=12),
        spoil=lambda draft: draft.but(rope={**(draft.shape.rope or {}), "rope_theta": 10000.0}),
    ),
    "an expert that is no copy": Wrong(
        right=Moe(experts=3, top_k=2),
        spoil=lambda draft: draft.but(
            {
                name: scale(tensor, 1.001) if ".experts.1.down" in name else tensor
                for name, tensor in draft.tensors.items()
            }
        ),
    ),
    "a layer that is not silent": Wrong(
        right=Insert(layers=(1,)),
        spoil=lambda draft: draft.but(
            {
                name: draft.tensors["layers.0.o.weight"] if name == "layers.1.o.weight" else tensor
                for name, tensor in draft.tensors.items()
            }
        ),
    ),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_step_with_a_bug_makes_nothing(bug: str, make_model: Make, tmp_path: Path) -> None:
    old, out = make_model("llama"), tmp_path / "new"
    make(resolve(str(old), {}), [BUGS[bug].right], tmp_path / "right", texts=TEXTS)
    with pytest.raises(ClaimViolated, match="logits differ by") as refused:
        make(resolve(str(old), {}), [BUGS[bug]], out, texts=TEXTS)
    assert refused.value.exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [old.name, "right"]


def test_the_bug_of_eps_hides_in_float32_and_shows_in_float64(stories: Path, tmp_path: Path) -> None:
    make(resolve(str(stories), {}), [Grow(hidden=128)], tmp_path / "new", texts=TEXTS)
    right = verify(stories, tmp_path / "new", SAME, texts=TEXTS)
    edit(tmp_path / "new", lambda config: config.update(rms_norm_eps=1e-5))
    wrong = verify(stories, tmp_path / "new", SAME, texts=TEXTS)
    assert right.holds
    assert right.certified == wrong.same_top == 1.0
    assert wrong.violated is not None
    assert "in float64" in wrong.violated
    assert wrong.max_error_float64 is not None
    assert right.max_error_float64 is not None
    assert wrong.max_error_float64 > 10 * right.max_error_float64


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_experts_that_are_not_weighted_to_one_are_noticed(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers.models.mixtral import modeling_mixtral

    old = make_model("llama")
    make(resolve(str(old), {}), [Moe(experts=3, top_k=2)], tmp_path / "new", texts=TEXTS)
    forward = modeling_mixtral.MixtralTopKRouter.forward

    def unweighted(self: Any, hidden: torch.Tensor) -> Any:
        logits, scores, chosen = forward(self, hidden)
        return logits, logits.softmax(-1).gather(-1, chosen).to(scores.dtype), chosen

    monkeypatch.setattr(modeling_mixtral.MixtralTopKRouter, "forward", unweighted)
    check = verify(old, tmp_path / "new", SAME, texts=TEXTS)
    assert check.violated is not None
    assert check.same_top < 1


def test_layers_that_share_a_slot_of_the_cache_are_noticed(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every logit of a text read at once is right, and what is written is not."""
    from regress.updates import verifier as module

    old = make_model("llama")
    make(resolve(str(old), {}), [Insert(layers=(1,))], tmp_path / "new", texts=TEXTS)
    loaded = module.load

    def with_shared_slot(folder: Path, dtype: str) -> Any:
        model = loaded(folder, dtype)
        if folder.name == "new":
            model.model.layers[2].self_attn.layer_idx = 0
        return model

    monkeypatch.setattr(module, "load", with_shared_slot)
    check = verify(old, tmp_path / "new", IDENTICAL, texts=TEXTS)
    assert check.violated is not None
    assert "written on, with cache" in check.violated


@pytest.mark.parametrize("claim", [IDENTICAL, SAME, NEAR, ARGMAX, OTHER])
def test_a_model_is_itself(claim: Claim, make_model: Make) -> None:
    old = make_model("llama")
    check = verify(old, old, claim, texts=TEXTS)
    assert check.holds
    assert (check.max_error, check.kld, check.same_top, check.certified) == (0, 0, 1, 1)
    assert check.identical
    assert check.generation


def test_another_model_is_not_the_same_and_may_be_another(make_model: Make) -> None:
    old, new = make_model("llama"), make_model("llama", seed=1)
    for claim in (IDENTICAL, SAME, NEAR, ARGMAX):
        assert not verify(old, new, claim, texts=TEXTS).holds
    assert verify(old, new, OTHER, texts=TEXTS).holds


def test_a_louder_final_norm_keeps_every_choice(make_model: Make, tmp_path: Path) -> None:
    """Probabilities change, and nothing that is chosen greedily."""
    old = make_model("llama")
    louder = Wrong(right=Grow(), spoil=rescaled("final_norm.weight", by=2.0))
    with pytest.raises(ClaimViolated):
        make(resolve(str(old), {}), [louder], tmp_path / "new", texts=TEXTS)
    made = make_by_hand(old, louder, tmp_path / "new")
    check = verify(old, made, ARGMAX, texts=TEXTS)
    assert check.holds
    assert check.kld > 1e-3


def make_by_hand(old: Path, step: Step, out: Path) -> Path:
    from regress.updates.build import write_model
    from regress.updates.planning import plan
    from regress.updates.stored import open_model

    model = open_model(old)
    out.mkdir()
    write_model(plan(model.draft(), [step]), {"old": model}, out, 0)
    return out


def test_logits_that_are_no_numbers_violate_every_claim(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    broken = make_by_hand(
        old, Wrong(right=Grow(), spoil=rescaled("final_norm.weight", by=1e300)), tmp_path / "new"
    )
    check = verify(old, broken, OTHER, texts=TEXTS)
    assert check.violated is not None
    assert "no numbers" in check.violated


def test_weights_that_are_not_there_are_not_made_up(make_model: Make) -> None:
    old, new = make_model("llama"), make_model("llama", seed=1)
    edit(new, lambda config: config.update(num_hidden_layers=4))
    with pytest.raises(
        UpdateError, match="lacks weights that transformers looks for: 9, the first of them model"
    ):
        verify(old, new, OTHER)
    edit(new, lambda config: config.update(num_hidden_layers=2))
    with pytest.raises(UpdateError, match="transformers has no use for: 9, the first of them model"):
        verify(old, new, OTHER)


def test_weights_of_another_shape_are_named(make_model: Make, edit_weights: Any) -> None:
    old, new = make_model("llama"), make_model("llama")
    edit_weights(new, lambda tensors: tensors.update({"model.norm.weight": tensors["model.norm.weight"][1:]}))
    with pytest.raises(UpdateError, match=r"another shape .*: 1, the first of them model\.norm\.weight"):
        verify(old, new, OTHER)


def not_a_number(tensors: dict[str, Any]) -> None:
    tensors["model.layers.1.mlp.down_proj.weight"][0, 0] = float("nan")


@pytest.mark.parametrize("claim", [IDENTICAL, SAME, NEAR, ARGMAX, OTHER])
def test_nothing_is_said_of_a_change_of_what_is_no_number(
    claim: Claim, make_model: Make, edit_weights: Any
) -> None:
    old = make_model("llama")
    edit_weights(old, not_a_number)
    with pytest.raises(UpdateError, match=r"the old model's logits are no numbers \(random ids, length 1\)"):
        verify(old, old, claim, texts=TEXTS)


def test_a_broken_layer_can_be_dropped(make_model: Make, edit_weights: Any, tmp_path: Path) -> None:
    old = make_model("llama")
    edit_weights(old, not_a_number)
    assert make(resolve(str(old), {}), [Drop(layers=(1,))], tmp_path / "new", texts=TEXTS).check.holds


def constant(tensors: dict[str, Any]) -> None:
    tensors["lm_head.weight"].zero_()


def test_logits_that_are_all_alike_have_no_spread_to_measure_by(make_model: Make, edit_weights: Any) -> None:
    old, new = make_model("llama"), make_model("llama")
    edit_weights(old, constant)
    assert verify(old, old, SAME, texts=TEXTS).holds
    check = verify(old, new, SAME, texts=TEXTS)
    assert check.violated is not None
    assert "inf of their standard deviation" in check.violated


def test_a_vocabulary_of_one_token_is_no_obstacle(models: Models) -> None:
    old = models.tiny("llama", vocab_size=1, bos_token_id=0, eos_token_id=0)
    assert verify(old, old, IDENTICAL).holds


def test_what_another_model_writes_is_not_the_same(make_model: Make) -> None:
    """Whatever is claimed: a lead that rounding cannot make up for is lost."""
    check = verify(make_model("llama"), make_model("llama", seed=1), OTHER, texts=TEXTS)
    assert check.holds
    assert not check.generation


def test_a_model_that_cannot_run_is_refused(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("strides should be a multiple")

    old = make_model("llama")
    monkeypatch.setattr(LlamaForCausalLM, "forward", failing)
    with pytest.raises(UpdateError, match="strides should be a multiple"):
        make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)


@pytest.mark.parametrize("context", [1, 2, 5])
def test_a_short_context_is_enough(context: int, make_model: Make, tmp_path: Path) -> None:
    """A table of positions has no rows beyond it."""
    old = make_model("gpt2", n_positions=context)
    update = make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert update.check.holds
    assert update.check.length == context


def test_nor_is_a_model_measured_on_longer_texts(make_model: Make, tmp_path: Path) -> None:
    old = make_model("gpt2", n_positions=8)
    steps = [Prune(sparsity=0.5, by="wanda"), Drop(n=1)]
    assert make(resolve(str(old), {}), steps, tmp_path / "new", texts=TEXTS).check.holds


@pytest.mark.parametrize(
    ("step", "dtype", "says"),
    [
        (Grow(), "bfloat16", "say --dtype float32"),
        (
            Wrong(right=Drop(layers=(0,)), spoil=rescaled("final_norm.weight", by=1e300)),
            None,
            "A gentler step",
        ),
        (BUGS["eps"], None, "please report"),
    ],
)
def test_what_to_do_about_a_violated_claim(
    step: Step,
    dtype: str | None,
    says: str,
    make_model: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That bfloat16 costs a model too much is no defect of a recipe."""
    from regress.updates import verifier

    monkeypatch.setattr(verifier, "NEAR_KLD", 1e-12)
    with pytest.raises(ClaimViolated, match=says):
        make(resolve(str(make_model("llama")), {}), [step], tmp_path / "new", dtype=dtype, texts=TEXTS)


def test_of_many_texts_few_are_padded_to_one_batch() -> None:
    from regress.updates.probes import probes

    texts = [[1] * length for length in range(1, 21)]
    *_, last = probes(60, 64, texts)
    assert last.ids.shape == (8, 8)
    assert len([probe for probe in probes(60, 64, texts) if probe.name == "a prompt"]) == 20


def test_logits_of_other_tokens_are_not_compared(make_model: Make) -> None:
    old = make_model("llama")
    new = make_model("llama", vocab_size=77)
    with pytest.raises(UpdateError, match="their logits cannot be compared"):
        verify(old, new, SAME)
    assert verify(old, new, OTHER).holds


def test_a_claim_that_ends_early_is_not_tried_beyond(make_model: Make, tmp_path: Path) -> None:
    """GPT-Neo looks back eight tokens in some layers, and OPT at all."""
    from regress.updates.steps.port import Port

    old = make_model("gpt_neo")
    update = make(resolve(str(old), {}), [Port(to="opt")], tmp_path / "new", texts=TEXTS)
    assert update.claim == "same"
    assert update.check.length == 8
    assert not verify(old, tmp_path / "new", SAME, texts=TEXTS).holds


def test_a_model_that_keeps_no_keys_is_written_on_all_the_same(tmp_path: Path) -> None:
    import torch
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    config = MambaConfig(vocab_size=40, hidden_size=16, num_hidden_layers=1, state_size=4)
    MambaForCausalLM(config).save_pretrained(tmp_path / "old")
    check = verify(tmp_path / "old", tmp_path / "old", SAME)
    assert check.holds
    assert check.generation
