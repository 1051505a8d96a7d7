"""Units and heads taken out: a smaller ordinary model, without the ones that write least."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.steps.prune import Prune
from regress.updates.steps.structured import Best, Reach

pytestmark = pytest.mark.models

Update = Callable[..., Path]
Weights = Callable[[Path], dict[str, Any]]


def test_the_best_in_order_and_the_first_of_equals() -> None:
    import torch

    rows = torch.arange(5.0)[:, None]
    assert Best(0, 3).run(rows, torch.tensor([3.0, 1.0, 9.0, 3.0, 3.0])).flatten().tolist() == [0, 2, 3]


def test_what_a_head_writes_does_not_change_by_turning_its_values() -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    o, v = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((10, 12), (6, 10)))
    found = Reach(groups=2, width=3).run(o, v)  # 4 query heads on 2
    whole = [o[:, j * 3 : j * 3 + 3] @ v[j // 2 * 3 : j // 2 * 3 + 3] for j in range(4)]
    expected = torch.stack([torch.stack(whole[:2]).norm(), torch.stack(whole[2:]).norm()])
    torch.testing.assert_close(found, expected)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q * 5
    turned = (
        torch.cat([turn @ v[:3], v[3:]]),
        torch.cat([o[:, :6].reshape(10, 2, 3) @ turn.inverse(), o[:, 6:].reshape(10, 2, 3)], 1).reshape(
            10, 12
        ),
    )
    torch.testing.assert_close(Reach(groups=2, width=3).run(turned[1], turned[0]), expected)


@pytest.mark.parametrize(
    ("kind", "down", "transposed"),
    [
        ("llama", "model.layers.{}.mlp.down_proj.weight", False),
        ("gpt2", "transformer.h.{}.mlp.c_proj.weight", True),
        ("opt", "model.decoder.layers.{}.fc2.weight", False),
    ],
)
def test_units_that_write_nothing_go_first_and_nobody_notices(
    kind: str,
    down: str,
    transposed: bool,
    make_model: Any,
    edit_weights: Any,
    update: Update,
    difference: Any,
    config_of: Any,
) -> None:
    import torch

    old = make_model(kind)
    units = 128 if kind == "gpt2" else 48

    def edit(tensors: dict[str, Any]) -> None:
        for layer in range(3):
            silent = torch.randperm(units, generator=torch.Generator().manual_seed(layer))[: units // 4]
            matrix = tensors[down.format(layer)]
            (matrix.T if transposed else matrix)[:, silent] = 0.0

    edit_weights(old, edit)
    new = update(old, Prune(sparsity=0.25, pattern="ffn"))
    key = {"llama": "intermediate_size", "gpt2": "n_inner", "opt": "ffn_dim"}[kind]
    assert config_of(new)[key] == units * 3 // 4
    assert difference(old, new) < 1e-4
    fewer = update(old, Prune(sparsity=0.5, pattern="ffn"))
    assert difference(old, fewer) > 1e-2


def test_experts_lose_units_each_its_own(make_model: Any, update: Update, logits: Any, ids: Any) -> None:
    new = update(make_model("mixtral"), Prune(sparsity=0.25, pattern="ffn"))
    assert logits(new, ids).isfinite().all()


@pytest.mark.parametrize("changes", [{"num_key_value_heads": 2}, {"num_key_value_heads": 4}])
def test_silent_heads_go_first_and_nobody_notices(
    changes: Any, make_model: Any, edit_weights: Any, update: Update, difference: Any, config_of: Any
) -> None:
    old = make_model("llama", **changes, attention_bias=True)
    groups = changes["num_key_value_heads"]
    width = 32 // groups

    def edit(tensors: dict[str, Any]) -> None:
        for layer in range(3):
            out = layer % groups
            tensors[f"model.layers.{layer}.self_attn.o_proj.weight"][:, out * width : (out + 1) * width] = 0
            if groups == 4:
                out = (layer + 1) % groups
                tensors[f"model.layers.{layer}.self_attn.o_proj.weight"][
                    :, out * width : (out + 1) * width
                ] = 0

    edit_weights(old, edit)
    new = update(old, Prune(sparsity=0.5, pattern="heads"))
    config = config_of(new)
    assert (config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]) == (
        2,
        groups // 2,
        8,
    )
    assert difference(old, new) < 1e-4


def test_the_model_is_smaller(make_model: Any, draft_of: Any) -> None:
    from regress.updates.planning import plan

    draft = draft_of(make_model("llama"))
    whole, ffn, heads = (
        plan(draft, steps)
        for steps in (
            [],
            [Prune(sparsity=0.5, pattern="ffn")],
            [Prune(sparsity=0.5, pattern="heads")],
        )
    )
    assert whole.parameters - ffn.parameters == 3 * 3 * 24 * 32
    assert whole.parameters - heads.parameters == 3 * (2 * 16 * 32 + 2 * 8 * 32)
    assert (ffn.claim, heads.claim) == (OTHER, OTHER)
    assert plan(draft, [Prune(sparsity=0.0, pattern="ffn")]).claim == IDENTICAL
    assert heads.notes == ("Of 4 heads on 2 of keys and values, 2 on 1 stay.",)


def test_what_takes_out_nothing_or_all_is_refused(make_model: Any, draft_of: Any) -> None:
    draft = draft_of(make_model("llama"))
    with pytest.raises(UsageError, match=r"takes out 0 of 2 heads of keys and values\. Allowed: 0\.5\."):
        Prune(sparsity=0.1, pattern="heads").plan(draft)
    with pytest.raises(UsageError, match=r"takes out 48 of 48 units"):
        Prune(sparsity=0.999, pattern="ffn").plan(draft)
    with pytest.raises(UsageError, match=r"1 of 1 heads of keys and values\. Allowed: 0 only"):
        Prune(sparsity=0.6, pattern="heads").plan(draft_of(make_model("llama", num_key_value_heads=1)))


def test_a_family_that_cannot_have_fewer_heads_says_so(make_model: Any, update: Update) -> None:
    with pytest.raises(Unsupported):
        update(make_model("gpt2"), Prune(sparsity=0.5, pattern="heads"))
