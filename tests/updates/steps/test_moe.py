"""moe: experts that are copies compute what the one MLP did, whole or cut into shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.checkpoints import resolve
from regress.errors import Unsupported, UsageError
from regress.updates.make import make
from regress.updates.planning import Step
from regress.updates.steps.grow import Grow
from regress.updates.steps.moe import Moe
from regress.updates.steps.prune import Prune

pytestmark = pytest.mark.models

Make = Callable[..., Path]
TEXTS = ("Janet has three apples and buys four more.", "He sat")


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("mistral", Moe(experts=4)),
        ("llama", Moe(experts=3, top_k=1)),
        ("llama", Moe(experts=2, top_k=2)),
        ("llama", Moe(experts=3, shards=4)),
    ],
)
def test_copies_of_an_mlp_compute_the_same(kind: str, step: Moe, make_model: Make, tmp_path: Path) -> None:
    update = make(resolve(str(make_model(kind)), {}), [step], tmp_path / "new", texts=TEXTS)
    assert update.claim == "same"
    assert update.check.same_top == 1
    assert update.check.kld < 1e-9


def test_every_router_row_is_another_and_every_expert_the_same(
    make_model: Make, weights: Any, tmp_path: Path
) -> None:
    import torch

    old = make_model("llama")
    make(resolve(str(old), {}), [Moe(experts=3)], tmp_path / "new", texts=TEXTS)
    before, after = weights(old), weights(tmp_path / "new")
    router = after["model.layers.1.block_sparse_moe.gate.weight"]
    assert torch.unique(router, dim=0).shape == router.shape
    for expert in range(3):
        name = f"model.layers.1.block_sparse_moe.experts.{expert}.w2.weight"
        assert torch.equal(after[name], before["model.layers.1.mlp.down_proj.weight"])


def test_noise_makes_another_model(make_model: Make, tmp_path: Path) -> None:
    update = make(resolve(str(make_model("llama")), {}), [Moe(noise=0.5)], tmp_path / "new", texts=TEXTS)
    assert update.claim == "other"
    assert update.check.kld > 0


def test_pieces_of_a_copy_that_are_not_multiplied_are_noticed(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.errors import ClaimViolated
    from regress.updates.steps import moe

    monkeypatch.setattr(moe, "scale", lambda tensor, factor: tensor)
    with pytest.raises(ClaimViolated):
        make(resolve(str(make_model("llama")), {}), [Moe(experts=2, shards=4)], tmp_path / "new", texts=TEXTS)


@pytest.mark.parametrize(
    ("kind", "step", "error", "says"),
    [
        ("gpt2", Moe(), Unsupported, "gpt2 models cannot become one"),
        ("mixtral", Moe(), Unsupported, "mixtral models cannot become one"),
        ("llama", Moe(experts=2, top_k=3), UsageError, "top_k=3 is more than the 2 experts"),
        ("llama", Moe(experts=0, top_k=0), UsageError, "experts=0 is too few"),
        ("llama", Moe(shards=5), UsageError, "cannot be cut into 5 equal shards. Allowed: 1, 2, 3, 4"),
        ("llama", Moe(shards=24), Unsupported, r"a multiple of 4. Put `grow:mlp=96` before it"),
        ("llama", Moe(noise=-1.0), UsageError, "noise=-1.0 is negative"),
    ],
)
def test_what_cannot_be_expressed_is_refused(
    kind: str, step: Moe, error: type[Exception], says: str, make_model: Make, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        make(resolve(str(make_model(kind)), {}), [step], tmp_path / "new", texts=TEXTS)


def test_biases_have_no_place(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama", attention_bias=True)
    with pytest.raises(Unsupported, match="no biases"):
        make(resolve(str(old), {}), [Moe()], tmp_path / "new", texts=TEXTS)


def test_pieces_that_no_router_could_tell_apart_are_refused(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama", initializer_range=0.0)
    with pytest.raises(Unsupported, match="initializer_range"):
        make(resolve(str(old), {}), [Moe(shards=2)], tmp_path / "new", texts=TEXTS)
    assert make(resolve(str(old), {}), [Moe()], tmp_path / "new", texts=TEXTS).check.holds


@pytest.mark.parametrize(("step", "units"), [(Grow(mlp=50), 50), (Prune(sparsity=0.05, pattern="ffn"), 46)])
def test_experts_that_no_kernel_takes_are_refused_whatever_makes_them(
    step: Step, units: int, make_model: Make, tmp_path: Path
) -> None:
    with pytest.raises(Unsupported, match=rf"experts of {units} units .* a multiple of 4. Put `grow:mlp="):
        make(resolve(str(make_model("mixtral")), {}), [step], tmp_path / "new", texts=TEXTS)


@pytest.mark.parametrize(
    ("step", "notes"),
    [(Moe(experts=2, top_k=1, shards=2), 1), (Moe(experts=2, shards=2), 0), (Moe(experts=2, top_k=1), 0)],
)
def test_pieces_that_16_bits_can_mix_up_are_told(step: Moe, notes: int, models: Any) -> None:
    """Where all copies are used, or each is whole, equal scores do no harm."""
    (stage,) = models.planned(models.tiny("llama"), step).stages
    assert sum("16 bits" in note for note in stage.notes) == notes


def test_what_is_advised_helps(make_model: Make, tmp_path: Path) -> None:
    steps = [Grow(mlp=96), Moe(experts=2, shards=24)]
    assert make(resolve(str(make_model("llama")), {}), steps, tmp_path / "new", texts=TEXTS).check.holds
