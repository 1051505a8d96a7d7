"""Wider models of every family compute the same, and what was added can be trained."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.updates.claims import Level
from regress.updates.families.known import FAMILIES
from regress.updates.planning import Plan
from regress.updates.steps.grow import Grow
from regress.updates.steps.insert import Insert

pytestmark = pytest.mark.models

LARGE_EPS: Mapping[str, dict[str, Any]] = {
    **{kind: {"rms_norm_eps": 0.05} for kind in FAMILIES},
    "gpt2": {"layer_norm_epsilon": 0.05},
    "gpt_neo": {"layer_norm_epsilon": 0.05},
    "gpt_neox": {"layer_norm_eps": 0.05},
    "opt": {},
}
"""So large that leaving it as it is shows; OPT has no setting for it."""
SQUARE = ("gpt2", "gpt_neo", "gpt_neox", "opt")
"""Families whose heads are together as wide as the residual stream."""
FREE_WIDTHS: Mapping[str, Grow] = {
    "mlp": Grow(mlp="1.5x"),
    "heads in every group": Grow(heads=8),
    "groups": Grow(kv_heads="+2"),
    "heads twice as wide": Grow(head_dim="2x"),
    "heads half as wide again": Grow(head_dim=12),
    "hidden": Grow(hidden=44),
    "hidden, twice": Grow(hidden="2x"),
    "all": Grow(mlp=60, heads=12, kv_heads=4, head_dim=12, hidden=48),
    "all, copied": Grow(mlp=60, heads=12, kv_heads=4, head_dim=12, hidden=48, init="copy"),
}
SQUARE_WIDTHS: Mapping[str, Grow] = {
    "mlp": Grow(mlp="1.5x"),
    "heads": Grow(heads="+2", hidden=48),
    "wider heads": Grow(head_dim=12, hidden=48),
    "all": Grow(mlp=200, heads=6, head_dim=12, hidden=72),
    "all, copied": Grow(mlp=200, heads=6, head_dim=12, hidden=72, init="copy"),
}
ALIKE = ("mistral", "qwen2", "granite")
"""Families that grow as Llama does; growth in everything at once is tried of them."""
GROWTHS = [
    (kind, name, step)
    for kind in FAMILIES
    for name, step in (SQUARE_WIDTHS if kind in SQUARE else FREE_WIDTHS).items()
    if not (kind == "llama" and name == "hidden")  # 44 is no multiple of its heads
    if kind not in ALIKE or name.startswith("all")
]


Planned = Callable[..., Plan]
Make = Callable[..., Path]
Update = Callable[..., Path]
Difference = Callable[..., float]


@pytest.mark.parametrize(
    ("kind", "step"), [pytest.param(kind, step, id=f"{kind}, {name}") for kind, name, step in GROWTHS]
)
def test_logits_stay(
    kind: str, step: Grow, make_model: Make, update: Update, planned: Planned, difference: Difference
) -> None:
    old = make_model(kind, **LARGE_EPS[kind])
    assert planned(old, step).claim.level == Level.SAME
    new = update(old, step)
    assert difference(old, new) < 1e-4
    assert difference(old, new, dtype="float64") < 1e-5


VARIANTS: Mapping[str, tuple[str, dict[str, Any], Grow]] = {
    "llama, tied": ("llama", {"tie_word_embeddings": True}, Grow(hidden=48)),
    "llama, all biases": (
        "llama", {"attention_bias": True, "mlp_bias": True},
        Grow(mlp=60, heads=8, kv_heads=4, head_dim=12, hidden=48),
    ),
    "llama, stretched positions": (
        "llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
        Grow(head_dim=20),
    ),
    "llama, llama3 positions": (
        "llama",
        {"rope_parameters": {
            "rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
        }},
        Grow(head_dim=12),
    ),
    "llama, one group": ("llama", {"num_key_value_heads": 1}, Grow(heads="2x")),
    "mistral, window": ("mistral", {"sliding_window": 8}, Grow(head_dim=12, heads="+2", hidden=40)),
    "phi3, half a head is rotated": (
        "phi3",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
        Grow(head_dim=13),
    ),
    "gpt2, untied": ("gpt2", {"tie_word_embeddings": False}, Grow(hidden=48, heads=6)),
    "gpt2, scores by layer": (
        "gpt2", {"scale_attn_by_inverse_layer_idx": True}, Grow(hidden=48, head_dim=12),
    ),
    "gpt2, undivided scores": ("gpt2", {"scale_attn_weights": False}, Grow(hidden=48, head_dim=12)),
    "gpt_neox, whole heads are rotated": (
        "gpt_neox",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 1.0}},
        Grow(head_dim=12, hidden=48),
    ),
    "gpt_neox, one after the other, no biases": (
        "gpt_neox", {"use_parallel_residual": False, "attention_bias": False}, Grow(heads=6, hidden=48),
    ),
    "opt, untied": ("opt", {"tie_word_embeddings": False}, Grow(heads=6, hidden=48)),
    "opt, bare": (
        "opt", {"enable_bias": False, "layer_norm_elementwise_affine": False}, Grow(heads=6, hidden=48),
    ),
    "opt, norms after the sums": ("opt", {"do_layer_norm_before": False}, Grow(mlp="2x")),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_stay_in_every_variant(
    variant: str, make_model: Make, update: Update, difference: Difference
) -> None:
    kind, config, step = VARIANTS[variant]
    old = make_model(kind, **config)
    new = update(old, step)
    assert difference(old, new) < 1e-4
    assert difference(old, new, dtype="float64") < 1e-5


def _all_of(kind: str) -> list[Any]:
    """The six expansions, each a step of its own; where heads fill the stream, three go together."""
    if kind in SQUARE:
        together = [Grow(heads=6, hidden=48), Grow(head_dim=12, hidden="1.5x")]
        return [Grow(mlp="+8"), *together, Insert(layers=(1,))]
    return [
        Grow(hidden=48), Grow(heads="2x"), Grow(head_dim=12), Insert(layers=(1,)), Grow(kv_heads="2x"),
        Grow(mlp="+8"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", FAMILIES)
def test_composed_in_two_orders(
    kind: str, make_model: Make, update: Update, difference: Difference, written: Callable[..., Any], ids: Any
) -> None:

    old = make_model(kind, **LARGE_EPS[kind])
    steps = _all_of(kind)
    orders = [steps, [*steps[::-1]]]
    if kind in SQUARE:  # the second width of the stream is a share of the first
        orders[1] = [steps[3], steps[1], steps[2], steps[0]]
    text = written(old, ids[:1, :9])
    configs = []
    for order in orders:
        new = update(old, *order)
        assert difference(old, new) < 1e-4
        assert difference(old, new, dtype="float64") < 1e-5
        assert written(new, ids[:1, :9]) == text
        assert written(new, ids[:1, :9], cache=False) == text
        configs.append(json.loads((new / "config.json").read_text(encoding="utf-8")))
    assert _rounded(configs[0]) == _rounded(configs[1])


def _rounded(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the last digits of what is multiplied in another order."""
    return {name: float(f"{v:.9g}") if isinstance(v, float) else v for name, v in config.items()}


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in SQUARE])
def test_four_times_the_width_is_exact_in_bfloat16_and_twice_is_not(
    kind: str, make_model: Make, update: Update, planned: Planned, difference: Difference
) -> None:
    """Norm gains are multiplied by the square root of 1/4, or of 1/2."""
    old = make_model(kind, dtype="bfloat16")
    four, two = Grow(hidden="4x"), Grow(hidden="2x")
    exact = planned(old, four)
    assert (exact.dtype, exact.claim.level) == ("bfloat16", Level.SAME)
    assert difference(old, update(old, four)) < 1e-4
    wide = planned(old, two)
    assert (wide.dtype, wide.claim.level) == ("float32", Level.SAME)
    assert difference(old, update(old, two)) < 1e-4
    rounded = planned(old, two, dtype="bfloat16")
    assert (rounded.dtype, rounded.claim.level) == ("bfloat16", Level.NEAR)
    assert difference(old, update(old, two, dtype="bfloat16")) > 1e-3


@pytest.mark.parametrize("kind", SQUARE)
def test_means_of_rows_are_rounded_in_bfloat16(kind: str, make_model: Make, planned: Planned) -> None:
    made = planned(make_model(kind, dtype="bfloat16"), Grow(hidden="4x", heads="4x"))
    assert (made.dtype, made.claim.level) == ("float32", Level.SAME)


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        pytest.param(kind, step, id=f"{kind}, {name}")
        for kind, name, step in GROWTHS
        if not name.startswith("all")
        and not (kind == "qwen3" and name.startswith("heads ") and "wide" in name)
    ],
)
def test_what_is_zero_can_be_trained(
    kind: str, step: Grow, make_model: Make, update: Update, load: Any, ids: Any
) -> None:
    """Where both sides of a product were zero, neither would ever have a gradient."""
    smooth = {"activation_function": "gelu"} if kind == "opt" else {}
    old = make_model(kind, pad_token_id=None, **smooth)
    _assert_trainable(load(update(old, step)), ids)


def _assert_trainable(model: Any, ids: Any) -> None:
    model(ids, labels=ids).loss.backward()
    met = 0
    for name, weight in model.named_parameters():
        new = weight == 0
        if "embed" not in name and new.any():  # a row of the embedding waits for its token
            met += 1
            assert (weight.grad[new] != 0).double().mean() > 0.9, name
    assert met


def test_wider_heads_behind_norms_stay_silent(make_model: Make, update: Update, load: Any, ids: Any) -> None:
    """Qwen3's norms would notice anything but zeros in queries and in keys, so that both wait for ever."""
    model = load(update(make_model("qwen3"), Grow(head_dim=12)))
    model(ids, labels=ids).loss.backward()
    weight = model.model.layers[0].self_attn.k_proj.weight
    assert (weight == 0).any()
    assert (weight.grad[weight == 0] == 0).all()


@pytest.mark.shared
@pytest.mark.parametrize(
    "step",
    [Grow(mlp=200), Grow(heads=16), Grow(kv_heads=8), Grow(head_dim=16), Grow(head_dim=12), Grow(hidden=96)],
    ids=str,
)
def test_a_trained_llama(step: Grow, stories: Path, update: Update, difference: Difference) -> None:
    assert difference(stories, update(stories, step)) < 1e-4
