"""Growing needs each of its corrections, says what it cannot do, and draws its numbers from the seed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.expressions import Tensor, join, zeros
from regress.updates.planning import Plan
from regress.updates.steps import grow
from regress.updates.steps.grow import Grow
from regress.updates.steps.rotation import Rotation

pytestmark = pytest.mark.models

LARGE_EPS: Mapping[str, dict[str, Any]] = {
    "llama": {"rms_norm_eps": 0.05},
    "gpt2": {"layer_norm_epsilon": 0.05},
    "gpt_neo": {"layer_norm_epsilon": 0.05},
    "gpt_neox": {"layer_norm_eps": 0.05},
}
"""So large that leaving it as it is shows."""

Planned = Callable[..., Plan]
Make = Callable[..., Path]
Update = Callable[..., Path]
Difference = Callable[..., float]


# ── each correction is needed ────────────────────────────────────────────────────────────────────


def _eps_forgotten(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    name = next(name for name in ("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps") if name in config)
    config[name] = 0.05
    path.write_text(json.dumps(config), encoding="utf-8")


def _edited(change: Callable[[str, Any], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        for name, tensor in tensors.items():
            change(name, tensor)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return edit


def _gains_forgotten(name: str, tensor: Any) -> None:
    if tensor.ndim == 1 and name.endswith("weight"):
        tensor[:32] *= math.sqrt(48 / 32)


def _keys_free(name: str, tensor: Any) -> None:
    if name.endswith("k_proj.weight"):
        tensor[tensor == 0] = 0.2


AFTER: Mapping[str, tuple[str, Grow, Callable[[Path], None]]] = {
    "eps, RMSNorm": ("llama", Grow(hidden=48), _eps_forgotten),
    "eps, LayerNorm": ("gpt2", Grow(hidden=48, heads=6), _eps_forgotten),
    "eps, GPT-NeoX": ("gpt_neox", Grow(hidden=48, heads=6), _eps_forgotten),
    "gains, RMSNorm": ("llama", Grow(hidden=48), _edited(_gains_forgotten)),
    "gains, LayerNorm": ("gpt_neo", Grow(hidden=48, heads=6), _edited(_gains_forgotten)),
    "new rows of keys": ("llama", Grow(head_dim=16), _edited(_keys_free)),
}


@pytest.mark.parametrize("mistake", AFTER)
def test_a_correction_that_is_undone_shows(
    mistake: str, make_model: Make, update: Update, difference: Difference
) -> None:
    kind, step, undo = AFTER[mistake]
    old = make_model(kind, **LARGE_EPS[kind])
    new = update(old, step)
    assert difference(old, new) < 1e-4
    undo(new)
    assert difference(old, new) > 1e-3


def _appended(shape: Any, width: int) -> Rotation:
    return Rotation(places=tuple(range(shape.head_dim)), parameters=shape.rope, dimensions=width)


def _zeros_appended(tensor: Tensor, dim: int, more: int, _: Any) -> Tensor:
    return join([tensor, zeros(*tensor.shape[:dim], more, *tensor.shape[dim + 1 :])], dim)


FORGOTTEN: Mapping[str, tuple[str, Grow, str, Any]] = {
    "keys make up for sqrt(head_dim)": (
        "llama", Grow(head_dim=16), "_scores_shrink", lambda _: False,
    ),
    "GPT-Neo's do not": ("gpt_neo", Grow(head_dim=16, hidden=64), "_scores_shrink", lambda _: True),
    "old dimensions keep their frequencies": ("llama", Grow(head_dim=16), "rotation", _appended),
    "also at other widths": ("llama", Grow(head_dim=12), "rotation", _appended),
    "LayerNorm takes a mean off": ("gpt2", Grow(hidden=64, heads=8), "_written", _zeros_appended),
}  # fmt: skip


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_a_rule_that_is_forgotten_shows(
    forgotten: str, make_model: Make, update: Update, difference: Difference, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, step, name, mistake = FORGOTTEN[forgotten]
    old = make_model(kind)
    monkeypatch.setattr(grow, name, mistake)
    assert difference(old, update(old, step)) > 1e-2


# ── what is refused ──────────────────────────────────────────────────────────────────────────────

REFUSED: Mapping[str, tuple[str, dict[str, Any], Grow, str]] = {
    "heads of GPT-2 alone": (
        "gpt2", {}, Grow(heads=6), "6 heads of 8 make 48, not 32. Allowed: heads · head_dim = hidden. "
        "Grow them together: with the other widths as they are, hidden=48 or heads=4 fits.",
    ),
    "hidden of GPT-Neo alone": ("gpt_neo", {}, Grow(hidden=64), "hidden=32 or heads=8 or head_dim=16 fits"),
    "head_dim of GPT-NeoX alone": ("gpt_neox", {}, Grow(head_dim=16), "4 heads of 16 make 64, not 32"),
    "heads of OPT alone": ("opt", {}, Grow(heads="2x"), "8 heads of 8 make 64, not 32"),
    "hidden behind LayerNorms on sums": (
        "opt", {"do_layer_norm_before": False}, Grow(hidden=64, heads=8), "cannot be widened exactly",
    ),
    "hidden without a norm at the end": (
        "opt", {"_remove_final_layer_norm": True}, Grow(hidden=64, heads=8),
        "without a norm before everything that reads the residual stream",
    ),
    "heads that do not divide hidden": (
        "llama", {}, Grow(heads=6), "a hidden width that is a multiple of the heads, as 36; or 8 heads",
    ),
    "heads that share no keys": ("llama", {}, Grow(heads=5), "a multiple of 2, as 6"),
    "odd rotated heads": ("llama", {}, Grow(head_dim=9), "need an even head_dim, not 9"),
    "positions that depend on the pair": (
        "llama",
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0,
                             "original_max_position_embeddings": 16}},
        Grow(head_dim=16), "under rotary positions of type yarn",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_family_cannot_express_is_refused(case: str, make_model: Make, planned: Planned) -> None:
    kind, config, step, reason = REFUSED[case]
    with pytest.raises(Unsupported) as refusal:
        planned(make_model(kind, **config), step)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Grow(mlp=40), "mlp=40 is less than the 48 that are there"),
        (Grow(mlp="1.51x"), "makes 72.48 of 48"),
        (Grow(hidden="wide"), "hidden=wide is no width"),
        (Grow(hidden=64, init="zero"), "init=zero is not known"),  # type: ignore[arg-type]
    ],
)
def test_a_width_that_makes_no_sense_is_refused(
    step: Grow, reason: str, make_model: Make, planned: Planned
) -> None:
    with pytest.raises(UsageError) as refusal:
        planned(make_model("llama"), step)
    assert reason in str(refusal.value)


# ── random numbers ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def units(weights: Callable[[Path], dict[str, Any]]) -> Callable[[Path], Any]:
    """A matrix of the MLP of a model, one row a unit."""
    return lambda folder: weights(folder)["model.layers.0.mlp.up_proj.weight"]


def test_the_seed_decides_and_two_growths_draw_different_numbers(
    make_model: Make, update: Update, units: Any
) -> None:
    import torch

    old, steps = make_model("llama"), [Grow(mlp="+8"), Grow(mlp="+8")]
    once, again, other = (units(update(old, *steps, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(once[:48], other[:48])
    assert not torch.equal(once[48:56], once[56:])


def test_new_weights_are_as_large_as_the_models_own(make_model: Make, update: Update, units: Any) -> None:
    grown = units(update(make_model("llama", initializer_range=0.3), Grow(mlp="20x")))
    assert float(grown[48:].std()) == pytest.approx(0.3, rel=0.05)


def test_copies_are_of_the_old_slots_in_turn(make_model: Make, update: Update, units: Any) -> None:
    import torch

    grown = units(update(make_model("llama"), Grow(mlp="2.5x", init="copy")))
    assert torch.equal(grown[48:96], grown[:48])
    assert torch.equal(grown[96:], grown[:24])
