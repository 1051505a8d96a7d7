"""Rounded to few levels: how far weights move, what a second time does, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.errors import Unsupported, UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Draft
from regress.updates.steps.quantize import Levels, Quantize

pytestmark = pytest.mark.models

Update = Callable[..., Path]
Weights = Callable[[Path], dict[str, Any]]
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def matrix(seed: int, rows: int = 7, columns: int = 24) -> Any:
    """Normal weights whose rows differ in size, with a row of zeros."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, columns, generator=generator) * torch.logspace(-3, 1, rows)[:, None]
    weights[3] = 0.0
    return weights.double()


def test_a_row_by_hand() -> None:
    import torch

    row = torch.tensor([[7.0, -3.4, 0.4, 0.6]], dtype=torch.float64)  # s = 7 / 7
    assert Levels(bits=4, group=None, per="row", scheme="symmetric").run(row).tolist() == [[7, -3, 0, 1]]
    row = torch.tensor([[-1.0, 0.9, 2.0, 0.0]], dtype=torch.float64)  # s = 3 / 3, levels -1 … 2
    assert Levels(bits=2, group=None, per="row", scheme="asymmetric").run(row).tolist() == [[-1, 1, 2, 0]]


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize(("group", "per"), [(None, "row"), (8, "row"), (None, "tensor")])
def test_a_weight_moves_by_half_a_level_at_most(bits: int, group: int | None, per: Any) -> None:
    weights = matrix(bits)
    new = Levels(bits=bits, group=group, per=per, scheme="symmetric").run(weights)
    shared = weights.reshape((1, -1) if per == "tensor" else (-1, group or weights.shape[1]))
    half = shared.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1) / 2
    moved = (new.reshape(shared.shape) - shared).abs()
    assert (moved <= half * (1 + 1e-12)).all()
    assert (moved > half * 0.6).any()  # a finer grid would be another quantiser
    assert not new[3].any()
    levels = max(len(row.unique()) for row in new.reshape(shared.shape))
    assert levels <= 2**bits - 1


@pytest.mark.parametrize("bits", range(2, 9))
def test_asymmetric_levels_span_the_range_and_hold_zero(bits: int) -> None:
    weights = matrix(bits)
    weights[5] = weights[5].abs() + 1.0
    new = Levels(bits=bits, group=None, per="row", scheme="asymmetric").run(weights)
    low, high = weights.amin(-1, keepdim=True).clamp(max=0), weights.amax(-1, keepdim=True).clamp(min=0)
    half = (high - low) / (2**bits - 1) / 2
    assert ((new - weights).abs() <= half * (1 + 1 / 64)).all()
    assert not new[3].any()
    assert all(len(row.unique()) <= 2**bits for row in new)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 8),
    st.sampled_from(["symmetric", "asymmetric"]),
    st.lists(
        st.floats(-1e3, 1e3, width=32).filter(lambda x: x == 0 or abs(x) > 1e-30), min_size=2, max_size=9
    ),
)
def test_twice_is_once_in_float32(bits: int, scheme: Any, row: list[float]) -> None:
    import torch

    levels = Levels(bits=bits, group=None, per="row", scheme=scheme)
    once = levels.run(torch.tensor([row], dtype=torch.float64)).float()
    assert torch.equal(levels.run(once.double()).float(), once)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 8),
    st.sampled_from(["bfloat16", "float16"]),
    st.lists(st.floats(-100, 100).filter(lambda x: x == 0 or abs(x) > 0.1), min_size=2, max_size=9),
)
def test_twice_is_once_in_16_bits_with_symmetric_levels(bits: int, dtype: str, row: list[float]) -> None:
    import torch

    levels, kind = Levels(bits=bits, group=None, per="row", scheme="symmetric"), getattr(torch, dtype)
    once = levels.run(torch.tensor([row], dtype=kind).double()).to(kind)
    assert torch.equal(levels.run(once.double()).to(kind), once)


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
@pytest.mark.parametrize(("bits", "group"), [(8, None), (4, 8), (3, None), (2, 16)])
def test_twice_through_the_disk_is_once(
    bits: int, group: int | None, scheme: Any, make_model: Any, update: Update, weights: Weights
) -> None:
    import torch

    step = Quantize(bits=bits, group=group, scheme=scheme, embeddings=True)
    old = make_model("llama", tie_word_embeddings=False)
    once = update(old, step)
    twice = update(once, step)
    before, first, second = weights(old), weights(once), weights(twice)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(
        before["model.layers.0.mlp.up_proj.weight"], first["model.layers.0.mlp.up_proj.weight"]
    )


def test_bfloat16_stays_bfloat16_and_twice_is_once(make_model: Any, update: Update, weights: Weights) -> None:
    import torch

    once = update(make_model("llama", dtype="bfloat16"), Quantize(bits=8))
    first, second = weights(once), weights(update(once, Quantize(bits=8)))
    assert {tensor.dtype for tensor in first.values()} == {torch.bfloat16}
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_only_linear_layers_are_touched(
    make_model: Any, update: Update, weights: Weights, logits: Any, ids: Any
) -> None:
    import torch

    old = make_model("llama", tie_word_embeddings=False)
    new = update(old, Quantize(bits=3))
    before, after = weights(old), weights(new)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if any(linear in name for linear in LINEARS)}
    assert not torch.equal(logits(old, ids), logits(new, ids))


def test_embeddings_on_request_and_tied_ones_stay_one(
    make_model: Any, update: Update, weights: Weights
) -> None:
    import torch

    for tied, name in ((True, "tied"), (False, "untied")):
        old = make_model("llama", name=name, tie_word_embeddings=tied)
        new = update(old, Quantize(bits=3, embeddings=True))
        before, after = weights(old), weights(new)
        assert set(before) == set(after)
        assert ("lm_head.weight" in after) is not tied
        tables = {"model.embed_tokens.weight"} | (set() if tied else {"lm_head.weight"})
        assert all(not torch.equal(before[table], after[table]) for table in tables)


def test_experts_are_quantised_and_routers_are_not(make_model: Any, update: Update, weights: Weights) -> None:
    import torch

    old = make_model("mixtral")
    before, after = weights(old), weights(update(old, Quantize(bits=4)))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in changed if "experts" in name} == {name for name in before if "experts" in name}
    assert not any(name.endswith("block_sparse_moe.gate.weight") for name in changed)


def test_the_result_is_an_ordinary_checkpoint(
    make_model: Any, update: Update, config_of: Any, logits: Any, ids: Any
) -> None:
    old = make_model("llama")
    new = update(old, Quantize())
    assert "quantization_config" not in config_of(new)
    assert config_of(new)["intermediate_size"] == config_of(old)["intermediate_size"]
    assert logits(new, ids).isfinite().all()  # and loads without missing or unexpected keys


def test_unknown_families_have_their_matrices_rounded(unknown_draft: Draft) -> None:
    change = Quantize(bits=4).plan(unknown_draft)
    moved = {n for n, t in change.draft.tensors.items() if t is not unknown_draft.tensors[n]}
    assert moved == {"backbone.layers.0.mixer.in_proj.weight"}
    assert change.claim == OTHER
    both = Quantize(bits=4, embeddings=True).plan(unknown_draft).draft.tensors
    assert {n for n, t in both.items() if t is not unknown_draft.tensors[n]} == moved | {
        "backbone.embeddings.weight",
        "lm_head.weight",
    }


def test_nothing_to_compress_is_refused(unknown_draft: Draft) -> None:
    import dataclasses

    bare = dataclasses.replace(
        unknown_draft,
        tensors={k: v for k, v in unknown_draft.tensors.items() if "in_proj" not in k},
    )
    with pytest.raises(Unsupported, match="no matrix of two dimensions"):
        Quantize().plan(bare)


def test_a_group_that_does_not_divide_names_those_that_do(make_model: Any, draft_of: Any) -> None:
    with pytest.raises(
        UsageError,
        match=r"group=5 does not divide the 48 inputs of layers.0.down.weight. Allowed: 2, 4, 8, 16\.",
    ):
        Quantize(group=5).plan(draft_of(make_model("llama")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 9}, "bits=9 is not known. Allowed: 2, 3, 4, 5, 6, 7, 8"),
        ({"bits": 1}, "bits=1"),
        ({"scheme": "log"}, "scheme=log"),
        ({"per": "column"}, "per=column"),
        ({"group": 8, "per": "tensor"}, "one scale"),
        ({"group": 0}, "group=0 is no number"),
        ({"backend": "rumour"}, "backend=rumour is not known"),
        ({"backend": "bitsandbytes"}, "a format of its own"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: Any, message: str, make_model: Any, draft_of: Any
) -> None:
    draft = draft_of(make_model("llama"))
    with pytest.raises(UsageError, match=message):
        Quantize(**arguments).plan(draft)


def test_notes_say_that_nothing_gets_smaller_and_what_bfloat16_does(make_model: Any, draft_of: Any) -> None:
    draft = draft_of(make_model("llama", dtype="bfloat16"))
    assert "no smaller" in Quantize(bits=4).plan(draft).notes[0]
    assert len(Quantize(bits=4).plan(draft).notes) == 1
    assert "quantising a second time" in Quantize(bits=4, scheme="asymmetric").plan(draft).notes[1]
    assert "a quarter of a step" in Quantize(bits=8).plan(draft).notes[1]


def test_int8_in_bfloat16_is_off_by_up_to_a_quarter_of_a_step() -> None:
    import torch

    weights = torch.linspace(-1, 1, 999, dtype=torch.float64)[None]
    levels = Levels(bits=8, group=None, per="row", scheme="symmetric").run(weights)
    again = (levels.to(torch.bfloat16).double() - levels).abs().max() * 127
    assert 0.2 < float(again) <= 0.25
