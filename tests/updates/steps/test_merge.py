"""Several models as one: against sums by hand, at both ends, tied, and of models that do not fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.draft import Draft
from regress.updates.planning import Plan
from regress.updates.steps.merge import Merge, Slerp

pytestmark = pytest.mark.models

Weights = Callable[[Path], dict[str, Any]]
Merged = Callable[..., tuple[Path, Plan]]


@pytest.fixture
def merged(tmp_path: Path) -> Merged:
    """Merge a model with others and save the new one; further arguments are the step's."""
    from regress.updates.build import new_folder, write_model
    from regress.updates.planning import plan
    from regress.updates.stored import open_model

    numbers = itertools.count()

    def made(old: Path, *others: Path, base: Path | None = None, **arguments: Any) -> tuple[Path, Plan]:
        step = Merge(others=tuple(map(str, others)), base=str(base) if base else None, **arguments)
        models = {"old": open_model(old)} | {name: open_model(Path(name)) for name in step.models()}
        step = step.with_drafts({name: models[name].draft(name) for name in step.models()})
        planned = plan(models["old"].draft(), [step])
        with new_folder(tmp_path / f"merged{next(numbers)}") as folder:
            write_model(planned, models, folder, 0)
        return tmp_path / f"merged{next(numbers) - 1}", planned

    return made


@pytest.fixture
def three(make_model: Any) -> list[Path]:
    return [make_model("llama", name=f"model-{seed}", seed=seed) for seed in range(3)]


def expect(weights: Weights, new: Path, old: list[Path], value: Callable[..., Any]) -> None:
    """Every tensor of the new model is `value` of the old ones, computed in float64."""
    tensors, after = [weights(each) for each in old], weights(new)
    assert set(after) == set(tensors[0])
    for name in after:
        assert after[name].equal(value(*(each[name].double() for each in tensors)).float()), name


def test_a_weighted_mean(three: list[Path], merged: Merged, weights: Weights) -> None:
    new, planned = merged(*three, weights=(1.0, 2.0, 1.0))
    expect(weights, new, three, lambda a, b, c: a * 0.25 + b * 0.5 + c * 0.25)
    assert planned.claim == OTHER
    equal, _ = merged(*three[:2])
    expect(weights, equal, three[:2], lambda a, b: (a + b) / 2)


def test_clients_of_one_mind_keep_every_bit(three: list[Path], merged: Merged, weights: Weights) -> None:
    """FedAvg of equal clients, for numbers of them that no fraction of float32 is."""
    old = weights(three[0])
    for clients in (1, 2, 6):
        new = weights(merged(three[0], *[three[0]] * clients)[0])
        assert all(old[name].equal(new[name]) for name in old)


@pytest.mark.parametrize(
    "arguments",
    [
        {"weights": (1.0, 0.0)},
        {"weights": (0.0,), "method": "slerp"},
        {"weights": (0.0,), "method": "task"},
        {"method": "passthrough", "slices": ("0:0-2",)},
    ],
)
def test_nothing_of_the_other_is_the_old_model(
    arguments: Any, three: list[Path], merged: Merged, weights: Weights
) -> None:
    new, planned = merged(three[0], three[1], **arguments)
    assert planned.claim == IDENTICAL
    expect(weights, new, three[:1], lambda a: a)


@pytest.mark.parametrize(
    "arguments",
    [
        {"weights": (0.0, 1.0)},
        {"weights": (1.0,), "method": "slerp"},
        {"weights": (1.0,), "method": "task"},
    ],
)
def test_all_of_the_other_is_the_other(
    arguments: Any, three: list[Path], merged: Merged, weights: Weights
) -> None:
    new, planned = merged(three[0], three[1], **arguments)
    assert planned.claim == OTHER
    expect(weights, new, three[1:2], lambda a: a)


def test_task_arithmetic(three: list[Path], merged: Merged, weights: Weights) -> None:
    new, _ = merged(*three, weights=(0.5, -0.25), method="task")
    expect(weights, new, three, lambda a, b, c: a * 0.75 + b * 0.5 + c * -0.25)
    new, _ = merged(three[0], three[1], base=three[2], weights=(0.5,), method="task")
    expect(weights, new, three, lambda a, b, c: a + b * 0.5 + c * -0.5)


def test_slerp_by_hand() -> None:
    import torch

    a, b = torch.tensor([2.0, 0.0], dtype=torch.float64), torch.tensor([0.0, 3.0], dtype=torch.float64)
    third = Slerp(1 / 3).run(a, b)  # 30 of 90 degrees
    torch.testing.assert_close(third, torch.tensor([2 * 0.75**0.5, 1.5], dtype=torch.float64))
    unit = b / 3 * 2
    assert float(Slerp(0.37).run(a, unit).norm()) == pytest.approx(2.0)  # the straight line is shorter
    assert Slerp(0.25).run(a, -a).tolist() == [1.0, 0.0]
    assert Slerp(0.25).run(a, a).tolist() == [2.0, 0.0]
    assert Slerp(0.25).run(a, 0 * a).tolist() == [1.5, 0.0]


def test_slerp_of_models(three: list[Path], merged: Merged, weights: Weights) -> None:
    """Both ends are about as long, and so is what lies between them on the arc; on the line it is shorter."""
    name = "model.layers.0.mlp.up_proj.weight"
    arc, line = (
        float(weights(merged(three[0], three[1], **arguments)[0])[name].norm())
        for arguments in ({"weights": (0.3,), "method": "slerp"}, {"weights": (0.7, 0.3)})
    )
    assert float(weights(three[0])[name].norm()) == pytest.approx(arc, rel=0.1)
    assert line < 0.9 * arc


def test_tied_models_are_merged_once_and_stay_tied(
    make_model: Any, merged: Merged, weights: Weights, config_of: Any, logits: Any, ids: Any
) -> None:
    models = [make_model("llama", seed=seed, tie_word_embeddings=True) for seed in range(2)]
    new, planned = merged(*models)
    assert config_of(new)["tie_word_embeddings"]
    assert "lm_head.weight" not in weights(new)
    assert any("merged as one" in note for note in planned.notes)
    assert logits(new, ids).isfinite().all()


def test_one_tied_and_one_untied_model_are_refused(make_model: Any, merged: Merged) -> None:
    tied, loose = (make_model("llama", tie_word_embeddings=each) for each in (True, False))
    with pytest.raises(Unsupported, match=r"one tensor in the old one and two in .*all tied, or all untied"):
        merged(tied, loose)
    with pytest.raises(Unsupported, match=r"one tensor in .* and two in the old one"):
        merged(loose, tied)


@pytest.mark.parametrize("slices", [("0:0-1", "1:1-2"), ("1:2", "0:0-2", "1:0")])
def test_layers_of_two_models(
    slices: tuple[str, ...], three: list[Path], merged: Merged, weights: Weights, config_of: Any, logits: Any,
    ids: Any,
) -> None:  # fmt: skip
    new, planned = merged(three[0], three[1], method="passthrough", slices=slices)
    before, after = [weights(each) for each in three[:2]], weights(new)
    order = {("0:0-1", "1:1-2"): [(0, 0), (0, 1), (1, 1), (1, 2)]}.get(
        slices, [(1, 2), (0, 0), (0, 1), (0, 2), (1, 0)]
    )
    assert config_of(new)["num_hidden_layers"] == len(order)
    for place, (model, layer) in enumerate(order):
        for part in ("mlp.up_proj", "self_attn.q_proj", "input_layernorm"):
            expected = before[model][f"model.layers.{layer}.{part}.weight"]
            assert after[f"model.layers.{place}.{part}.weight"].equal(expected)
    for name in ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"):
        assert after[name].equal(before[0][name])
    assert planned.claim == OTHER
    assert logits(new, ids).isfinite().all()


def test_slices_of_models_of_unequal_depth(make_model: Any, merged: Merged, config_of: Any) -> None:
    old, deep = make_model("llama"), make_model("llama", num_hidden_layers=5)
    new, _ = merged(old, deep, method="passthrough", slices=("0:0-2", "1:4"))
    assert config_of(new)["num_hidden_layers"] == 4
    with pytest.raises(Unsupported, match="layers is 5, not 3"):
        merged(old, deep)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"intermediate_size": 64}, "ffn is 64, not 48"),
        ({"num_key_value_heads": 4}, "kv_heads is 4, not 2"),
        ({"vocab_size": 700}, "vocabulary is 700"),
        ({"rms_norm_eps": 1e-3}, "eps is 0.001"),
        ({"attention_bias": True}, r"only .*layers\.0\..*\.bias"),
    ],
)
def test_the_first_difference_is_named(changes: Any, message: str, make_model: Any, merged: Merged) -> None:
    with pytest.raises(Unsupported, match=message):
        merged(make_model("llama"), make_model("llama", **changes))


def test_another_family_is_to_be_ported_first(make_model: Any, merged: Merged) -> None:
    with pytest.raises(Unsupported, match=r"is a mistral model.*`port:to=llama`"):
        merged(make_model("llama"), make_model("mistral"))


def test_unknown_families_are_merged_tensor_by_tensor(unknown_draft: Draft) -> None:
    import dataclasses

    from regress.updates.expressions import Old

    other = dataclasses.replace(
        unknown_draft, tensors={n: Old(n, t.shape, "other") for n, t in unknown_draft.tensors.items()}
    )
    step = Merge(others=("other",)).with_drafts({"other": other})
    new = step.plan(unknown_draft).draft.tensors
    assert {n: t.shape for n, t in new.items()} == {n: t.shape for n, t in unknown_draft.tensors.items()}
    wide = dataclasses.replace(
        other, tensors={**other.tensors, "lm_head.weight": Old("lm_head.weight", (41, 16))}
    )
    with pytest.raises(
        Unsupported, match=r"lm_head\.weight has shape \[41, 16\] in other, and \[40, 16\] here"
    ):
        Merge(others=("other",)).with_drafts({"other": wide}).plan(unknown_draft)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": (1.0,)}, r"1 weights for method=linear of 2 models\. Allowed: 2"),
        ({"weights": (0.0, 0.0)}, "shares of a mean"),
        ({"weights": (2.0, -1.0)}, "shares of a mean"),
        ({"weights": (1.5,), "method": "slerp"}, "1.5 is not between"),
        ({"method": "ties"}, "method=ties is not known"),
        ({"method": "passthrough"}, "slices go with"),
        ({"slices": ("0:0",)}, "slices go with"),
        ({"base": "x"}, "method=linear has no base"),
        ({"method": "passthrough", "slices": ("0-3",)}, "0-3 names no layers"),
        ({"method": "passthrough", "slices": ("2:0",)}, r"names model 2\. Allowed: 0 \(the old one\) to 1"),
        ({"method": "passthrough", "slices": ("0:1-3",)}, r"names no layers of model 0\. Allowed: 0:0-2"),
        ({"method": "passthrough", "slices": ("0:2-1",)}, "names no layers of model 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: Any, message: str, make_model: Any, draft_of: Any
) -> None:
    draft = draft_of(make_model("llama"))
    with pytest.raises(UsageError, match=message):
        Merge(others=("x",), **arguments).with_drafts({"x": draft}).plan(draft)


def test_others_are_needed_and_opened(make_model: Any, draft_of: Any) -> None:
    draft = draft_of(make_model("llama"))
    with pytest.raises(UsageError, match="needs other models"):
        Merge(others=()).plan(draft)
    with pytest.raises(UsageError, match="slerp is between two models, not 3"):
        Merge(others=("x", "y"), method="slerp").plan(draft)
    with pytest.raises(UsageError, match="were not opened"):
        Merge(others=("x",)).plan(draft)
    assert Merge(others=("x", "y", "x"), base="z", method="task").models() == ("x", "y", "z")


def test_it_is_shown_as_it_is_typed() -> None:
    from regress.updates.recipe import shown

    step = Merge(others=("a", "b"), method="passthrough", slices=("0:0-3", "1:2-5")).with_drafts({})
    assert shown(step).endswith("method=passthrough,slices=[0:0-3,1:2-5]")
    assert "draft" not in shown(step)
