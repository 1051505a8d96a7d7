"""New layers change no bit of any logit, in every family."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import IDENTICAL
from regress.updates.families.known import FAMILIES
from regress.updates.planning import plan
from regress.updates.steps.insert import Insert
from regress.updates.steps.port import Port
from regress.updates.stored import open_model

pytestmark = pytest.mark.models

Make = Callable[..., Path]
Update = Callable[..., Path]

MODELS: Mapping[str, tuple[str, dict[str, Any]]] = {
    **{kind: (kind, {}) for kind in FAMILIES},
    "llama, biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "qwen2, windows": ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
    "gpt_neox, one after the other": ("gpt_neox", {"use_parallel_residual": False}),
    "opt, bare": ("opt", {"enable_bias": False, "layer_norm_elementwise_affine": False}),
}
STEPS = {
    "after every layer": Insert(every=1),
    "first and last": Insert(layers=(0, 4), source="right"),
    "random": Insert(layers=(1, 2), source="random"),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("model", MODELS)
def test_every_bit_stays(
    model: str, step: str, make_model: Make, update: Update, logits: Callable[..., Any], ids: Any
) -> None:
    import torch

    kind, config = MODELS[model]
    old = make_model(kind, **config)
    assert plan(open_model(old).draft(), [STEPS[step]]).claim == IDENTICAL
    assert torch.equal(logits(old, ids), logits(update(old, STEPS[step]), ids))


@pytest.mark.parametrize("model", MODELS)
def test_texts_stay_with_the_cache_and_without(
    model: str, make_model: Make, update: Update, written: Callable[..., Any], ids: Any
) -> None:
    """Two layers with one number would share a slot of the cache; without it, nobody would notice."""

    kind, config = MODELS[model]
    old = make_model(kind, **config)
    new = update(old, Insert(every=1))
    text = written(old, ids[:1, :9])
    assert written(new, ids[:1, :9]) == text
    assert written(new, ids[:1, :9], cache=False) == text


@pytest.mark.parametrize("kind", FAMILIES)
def test_in_bfloat16_too(
    kind: str, make_model: Make, update: Update, logits: Callable[..., Any], ids: Any
) -> None:
    import torch

    old = make_model(kind, dtype="bfloat16")
    made = plan(open_model(old).draft(), [Insert(every=2)])
    assert (made.dtype, made.claim) == ("bfloat16", IDENTICAL)
    new = update(old, Insert(every=2))
    assert torch.equal(logits(old, ids, "bfloat16"), logits(new, ids, "bfloat16"))


@pytest.mark.parametrize("kind", FAMILIES)
def test_new_layers_can_be_trained(kind: str, make_model: Make, update: Update, load: Any, ids: Any) -> None:
    model = load(update(make_model(kind), Insert(layers=(1,))))
    model(ids, labels=ids).loss.backward()
    silent = [
        (name, weight)
        for name, weight in model.named_parameters()
        if weight.ndim > 1 and not weight.any() and ".1." in name
    ]
    assert len(silent) == 2
    for name, weight in silent:
        assert (weight.grad != 0).double().mean() > 0.9, name


def test_a_layer_that_writes_is_noticed(
    make_model: Make, update: Update, difference: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_model("gpt2")
    monkeypatch.setattr("regress.updates.steps.insert._WRITES", ("o.weight", "down.weight"))
    assert difference(old, update(old, Insert(every=1))) > 1e-3


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def test_kinds_of_layers_come_from_the_layers_copied(make_model: Make, update: Update) -> None:
    neo = make_model("gpt_neo")  # global, local, global
    assert _config(update(neo, Insert(layers=(2,))))["attention_layers"] == [
        "global", "local", "local", "global",
    ]  # fmt: skip
    assert _config(update(neo, Insert(layers=(2,), source="right")))["attention_types"] == [
        [["global"], 1], [["local"], 1], [["global"], 2],
    ]  # fmt: skip
    qwen = make_model("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=1)
    assert _config(update(qwen, Insert(layers=(0, 2))))["layer_types"] == [
        "full_attention", "full_attention", "full_attention", "sliding_attention", "sliding_attention",
    ]  # fmt: skip


def test_copies_are_of_the_neighbour_asked_for(make_model: Make) -> None:
    draft = open_model(make_model("llama")).draft()
    places = {
        source: [
            plan(draft, [Insert(layers=(0, 2), source=source)]).tensors[
                f"model.layers.{place}.self_attn.q_proj.weight"
            ]
            for place in (0, 2)
        ]
        for source in ("left", "right")
    }
    names = {source: [getattr(each, "name", None) for each in found] for source, found in places.items()}
    query = "model.layers.{}.self_attn.q_proj.weight".format
    assert names == {"left": [query(0), query(0)], "right": [query(0), query(1)]}


REFUSED: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "scores by layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    "norms after the sums": ("opt", {"do_layer_norm_before": False}, "no layer passes on what it gets"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_where_no_layer_can_do_nothing_it_is_refused(case: str, make_model: Make) -> None:
    kind, config, reason = REFUSED[case]
    with pytest.raises(Unsupported, match=reason):
        plan(open_model(make_model(kind, **config)).draft(), [Insert(every=1)])


def test_scores_by_layer_can_be_ported_first(
    make_model: Make, update: Update, difference: Callable[..., float]
) -> None:
    old = make_model("gpt2", scale_attn_by_inverse_layer_idx=True)
    assert difference(old, update(old, Port(to="opt"), Insert(every=1))) < 1e-4


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Insert(), "insert takes one of layers and every"),
        (Insert(layers=(1,), every=1), "insert takes one of layers and every"),
        (Insert(every=4), "every=4 puts nothing into 3 layers"),
        (Insert(layers=(5,)), "a model of 4 layers has no place 5"),
        (Insert(layers=(1, 1)), "names no place, or one twice"),
        (Insert(layers=(1,), source="above"), "source=above is not known"),  # type: ignore[arg-type]
    ],
)
def test_places_that_make_no_sense_are_refused(step: Insert, reason: str, make_model: Make) -> None:
    with pytest.raises(UsageError, match=reason):
        plan(open_model(make_model("llama")).draft(), [step])
