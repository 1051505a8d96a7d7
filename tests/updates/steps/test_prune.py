"""Single weights as zeros: which ones, against torch's own pruning and by hand, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UpdateError, UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.draft import Draft
from regress.updates.recipe import shown
from regress.updates.steps.prune import Prune, ZeroLeast

pytestmark = pytest.mark.models

Update = Callable[..., Path]
Weights = Callable[[Path], dict[str, Any]]
GATE, EXPERT = "model.layers.1.mlp.gate_proj.weight", "model.layers.0.block_sparse_moe.experts.0.w1.weight"


def pruned(rows: list[list[float]], share: float, among: Any, inputs: list[float] | None = None) -> Any:
    import torch

    given = [torch.tensor(rows, dtype=torch.float64)]
    if inputs is not None:
        given.append(torch.tensor(inputs, dtype=torch.float64))
    return ZeroLeast(share=share, among=among).run(*given).tolist()


def test_by_hand() -> None:
    rows = [[1.0, -2.0, 3.0, -4.0], [0.5, 0.6, 0.7, -0.8]]
    assert pruned(rows, 0.5, "tensor") == [[1.0, -2.0, 3.0, -4.0], [0.0] * 4]
    assert pruned(rows, 0.5, "row") == [[0.0, 0.0, 3.0, -4.0], [0.0, 0.0, 0.7, -0.8]]
    assert pruned(rows, 0.5, "row", [9.0, 1.0, 1.0, 1.0]) == [[1.0, 0.0, 0.0, -4.0], [0.5, 0.0, 0.0, -0.8]]
    assert pruned([[5.0, 6.0, 7.0, 8.0, 1.0, 4.0, 2.0, 3.0]], 0.5, "four") == [[0, 0, 7, 8, 0, 4, 0, 3]]


def test_of_equal_weights_the_first_go() -> None:
    assert pruned([[1.0, -1.0, 1.0, 1.0]], 0.5, "row") == [[0.0, 0.0, 1.0, 1.0]]
    assert pruned([[1.0] * 6] * 2, 0.25, "tensor") == [[0.0] * 3 + [1.0] * 3, [1.0] * 6]


@pytest.mark.parametrize("sparsity", [0.1, 0.3, 0.77])
def test_magnitude_over_a_tensor_is_what_torch_prunes(
    sparsity: float, make_model: Any, update: Update, weights: Weights
) -> None:
    import torch
    from torch.nn.utils import prune

    old = make_model("llama")
    before, after = weights(old), weights(update(old, Prune(sparsity=sparsity)))
    for name in before:
        expected = before[name]
        if "_proj" in name:
            module = torch.nn.Linear(expected.shape[1], expected.shape[0], bias=False)
            module.weight.data = expected.clone()
            prune.l1_unstructured(module, "weight", amount=sparsity)
            prune.remove(module, "weight")
            expected = module.weight.data
        assert torch.equal(after[name], expected)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mixtral"])
def test_each_row_loses_its_share_and_the_rest_stays_to_the_bit(
    kind: str, make_model: Any, draft_of: Any, update: Update
) -> None:
    from regress.updates.build import reader
    from regress.updates.evaluate import evaluate
    from regress.updates.stored import open_model

    old = make_model(kind)
    new = update(old, Prune(sparsity=0.25, per="row"))
    read = {folder: reader({"old": open_model(folder)}) for folder in (old, new)}
    before, after = draft_of(old).tensors, draft_of(new).tensors
    for name in before:
        was, now = evaluate(before[name], read[old], 0), evaluate(after[name], read[new], 0)
        kept = now != 0
        assert was[kept].equal(now[kept])
        part = name.split(".")[-2]
        if part in ("q", "k", "v", "o", "gate", "up", "down") and name.endswith("weight"):
            assert ((~kept).sum(-1) == round(0.25 * was.shape[-1])).all()
        else:
            assert was.equal(now)


def test_two_of_four(make_model: Any, update: Update, weights: Weights, logits: Any, ids: Any) -> None:
    old = make_model("llama")
    new = update(old, Prune(pattern="2:4"))
    before, after = weights(old), weights(new)
    fours, were = after[GATE].reshape(-1, 4), before[GATE].reshape(-1, 4)
    assert ((fours != 0).sum(-1) == 2).all()
    assert (were.abs().sort().values[:, 2:].sum() - fours.abs().sum()).abs() < 1e-3
    assert not logits(old, ids).equal(logits(new, ids))


def test_no_sparsity_changes_nothing(
    make_model: Any, update: Update, draft_of: Any, weights: Weights
) -> None:
    old = make_model("llama")
    before, after = weights(old), weights(update(old, Prune(sparsity=0.0)))
    assert all(before[name].equal(after[name]) for name in before)
    assert Prune(sparsity=0.0, by="wanda").plan(draft_of(old)).claim == IDENTICAL
    assert Prune(sparsity=0.1).plan(draft_of(old)).claim == OTHER


def test_pruning_again_takes_nothing_more(make_model: Any, update: Update, weights: Weights) -> None:
    once = update(make_model("llama"), Prune(sparsity=0.4))
    first, second = weights(once), weights(update(once, Prune(sparsity=0.4)))
    assert all(first[name].equal(second[name]) for name in first)


def test_unknown_families_have_their_matrices_pruned(unknown_draft: Draft) -> None:
    tensors = Prune(sparsity=0.5).plan(unknown_draft).draft.tensors
    moved = {name for name in tensors if tensors[name] is not unknown_draft.tensors[name]}
    assert moved == {"backbone.layers.0.mixer.in_proj.weight"}
    with pytest.raises(Unsupported, match="needs to know how mamba models are built"):
        Prune(sparsity=0.5, pattern="ffn").plan(unknown_draft)


# ── Wanda ────────────────────────────────────────────────────────────────────────────────────────


def calibration() -> list[Any]:
    import torch

    generator = torch.Generator().manual_seed(3)
    return [torch.randint(3, 500, (1, length), generator=generator) for length in (30, 17)]


def read_by(model: Any, path: str) -> Any:
    """‖X_j‖ of what a module reads, from its inputs kept whole."""
    import torch

    kept = []
    handle = model.get_submodule(path).register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    with torch.no_grad():
        for ids in calibration():
            model(ids)
    handle.remove()
    return torch.cat([each.flatten(0, -2) for each in kept]).double().norm(dim=0)


@pytest.mark.parametrize(
    ("kind", "path", "stored", "inputs_first"),
    [
        ("llama", "model.layers.1.self_attn.o_proj", "model.layers.1.self_attn.o_proj.weight", False),
        ("gpt2", "transformer.h.1.attn.c_attn", "transformer.h.1.attn.c_attn.weight", True),
        ("gpt_neox", "gpt_neox.layers.1.attention.query_key_value", None, False),
        ("phi3", "model.layers.2.mlp.gate_up_proj", None, False),
    ],
)
def test_wanda_keeps_the_highest_scores_of_every_row(
    kind: str, path: str, stored: str | None, inputs_first: bool, make_model: Any, load: Any, update: Any,
    weights: Weights,
) -> None:  # fmt: skip
    import torch

    old = make_model(kind)
    model = load(old)
    after = weights(update(old, Prune(sparsity=0.25, by="wanda").settle(model, calibration())))
    before, name = weights(old), stored or f"{path}.weight"
    was, now = (each[name].double() for each in (before, after))
    was, now = (was.T, now.T) if inputs_first else (was, now)
    scores = was.abs() * read_by(model, path)
    lowest = torch.zeros_like(scores).scatter(-1, scores.argsort(-1)[:, : round(0.25 * was.shape[1])], 1.0)
    assert now.equal(was.masked_fill(lowest.bool(), 0.0))
    by_weight = torch.zeros_like(scores).scatter(-1, was.abs().argsort(-1)[:, : lowest[0].sum().int()], 1.0)
    assert not lowest.equal(by_weight)


def test_wanda_in_two_of_four(make_model: Any, load: Any, update: Update, weights: Weights) -> None:
    old = make_model("llama")
    step = Prune(by="wanda", pattern="2:4").settle(load(old), calibration())
    assert not step.measures
    assert shown(step) == "prune:by=wanda,pattern=2:4"
    assert ((weights(update(old, step))[GATE].reshape(-1, 4) != 0).sum(-1) == 2).all()


def test_an_unmeasured_wanda_has_its_shapes_and_is_not_written(
    make_model: Any, draft_of: Any, update: Update
) -> None:
    old = make_model("llama")
    change = Prune(sparsity=0.3, by="wanda").plan(draft_of(old))
    assert {n: t.shape for n, t in change.draft.tensors.items()} == {
        n: t.shape for n, t in draft_of(old).tensors.items()
    }
    assert change.notes[-1] == "What each matrix reads is measured when the model is made."
    with pytest.raises(UpdateError, match="inputs were not measured"):
        update(old, Prune(sparsity=0.3, by="wanda"))


def test_magnitude_needs_no_texts(make_model: Any, load: Any) -> None:
    step = Prune(sparsity=0.3)
    assert not step.measures
    assert step.settle(load(make_model("llama")), []) is step


def test_wanda_needs_texts(make_model: Any, load: Any) -> None:
    with pytest.raises(UpdateError, match="no calibration texts"):
        Prune(sparsity=0.3, by="wanda").settle(load(make_model("llama")), [])


def test_wanda_cannot_see_experts(make_model: Any, load: Any) -> None:
    with pytest.raises(Unsupported, match="all experts of a layer as one"):
        Prune(sparsity=0.3, by="wanda").settle(load(make_model("mixtral")), calibration())


def test_wanda_cannot_see_what_passes_a_layer_by(make_model: Any, load: Any) -> None:
    """As in Mamba, whose code multiplies with a layer's weight without running the layer."""
    from torch.nn.functional import linear

    model = load(make_model("llama"))
    layer = model.model.layers[1].mlp.gate_proj
    model.model.layers[1].mlp.forward = lambda x: linear(x, layer.weight)[..., :32]
    with pytest.raises(Unsupported, match=r"layers\.1\..* is read by other code than its linear layer"):
        Prune(sparsity=0.3, by="wanda").settle(model, calibration())


def test_inputs_that_were_not_seen_are_named(make_model: Any, draft_of: Any) -> None:
    step = Prune(sparsity=0.3, by="wanda", _inputs={})
    with pytest.raises(Unsupported, match=r"what layers\.0\..* reads was not seen"):
        step.plan(draft_of(make_model("llama")))


def test_hooks_are_taken_off(make_model: Any, load: Any) -> None:
    model = load(make_model("llama"))
    Prune(sparsity=0.3, by="wanda").settle(model, calibration())
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "prune needs a sparsity"),
        ({"sparsity": 1.0}, "sparsity=1.0 is no share"),
        ({"sparsity": -0.1}, "sparsity=-0.1 is no share"),
        ({"sparsity": float("nan")}, "sparsity=nan is no share"),
        ({"sparsity": 0.5, "pattern": "2:4"}, "no other sparsity"),
        ({"sparsity": 0.5, "by": "luck"}, "by=luck is not known. Allowed: magnitude, wanda"),
        ({"sparsity": 0.5, "per": "column"}, "per=column is not known. Allowed: tensor, row"),
        ({"sparsity": 0.5, "pattern": "4:8"}, "pattern=4:8 is not known"),
        ({"sparsity": 0.5, "pattern": "ffn", "by": "wanda"}, "its own norms"),
        ({"pattern": "2:4", "per": "row"}, "Leave out per"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: Any, message: str, make_model: Any, draft_of: Any
) -> None:
    draft = draft_of(make_model("llama"))
    with pytest.raises(UsageError, match=message):
        Prune(**arguments).plan(draft)


def test_fours_must_fit(make_model: Any, draft_of: Any) -> None:
    with pytest.raises(Unsupported, match=r"the 50 inputs of layers\.0\.down\.weight are no multiple of 4"):
        Prune(pattern="2:4").plan(draft_of(make_model("llama", intermediate_size=50)))
