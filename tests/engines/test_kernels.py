"""Layers are exchanged only for others that compute the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.models


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The kernels, on a machine that is faster with oneDNN."""
    import torch

    from regress.engines import kernels

    if not kernels._works(torch.float32):
        pytest.skip("this torch has no oneDNN operators")
    monkeypatch.setattr(kernels, "_measure", lambda dtype: "onednn")
    return kernels


@pytest.fixture
def toy() -> Any:
    import torch
    from transformers.activations import NewGELUActivation
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(0)
    layers = [
        torch.nn.Linear(24, 40),
        NewGELUActivation(),
        Conv1D(16, 40),
        torch.nn.Linear(16, 9, bias=False),
    ]
    return torch.nn.Sequential(*layers)


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-5), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_a_model_computes_the_same_afterwards(
    dtype: str, close: float, rows: int, onednn: Any, toy: Any
) -> None:
    import torch

    kind = getattr(torch, dtype)
    toy = toy.to(kind)
    x = torch.randn(2, rows, 24).to(kind)
    with torch.inference_mode():
        before = toy(x).float()
        path = onednn.use_fastest(toy, kind)
        after = toy(x).float()
    assert path == "onednn"
    assert [type(layer).__name__ for layer in toy] == ["PackedLinear", "GELU", "PackedLinear", "PackedLinear"]
    assert float((after - before).abs().max()) <= close * float(before.abs().max())


def test_a_layer_whose_product_is_off_stays(onednn: Any, toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    product = onednn._product
    monkeypatch.setattr(onednn, "_works", lambda dtype: True)
    monkeypatch.setattr(onednn, "_product", lambda *given: product(*given) * 1.001)
    assert onednn.use_fastest(toy, torch.float32) == "torch"
    assert not any(isinstance(layer, onednn.PackedLinear) for layer in toy)


@pytest.mark.parametrize("activation", ["gelu_new", "gelu", "relu", "silu"])
def test_a_feed_forward_module_computes_the_same_afterwards(onednn: Any, activation: str) -> None:
    import torch
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

    torch.manual_seed(0)
    module = GPT2MLP(40, GPT2Config(n_embd=24, activation_function=activation)).eval()
    x = 3 * torch.randn(7, 24)
    with torch.inference_mode():
        before = module(x)
        onednn.use_fastest(module, torch.float32)
        after = module(x)
    assert isinstance(module.act, torch.nn.Identity) == activation.startswith("gelu")
    assert float((after - before).abs().max()) <= 1e-5 * float(before.abs().max())


def test_an_activation_that_comes_out_otherwise_stays(onednn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

    other = {"tanh": "none", "none": "tanh"}
    product = onednn._product
    monkeypatch.setattr(
        onednn, "_product", lambda x, w, b, gelu=None: product(x, w, b, other.get(gelu)) * 1.0
    )
    module = GPT2MLP(40, GPT2Config(n_embd=24)).eval()
    onednn.use_fastest(module, torch.float32)
    assert isinstance(module.c_fc, onednn.PackedLinear)
    assert module.c_fc.gelu is None
    assert isinstance(module.act, torch.nn.GELU)


def test_without_the_operators_everything_stays(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from regress.engines import kernels

    def missing(weight: Any) -> Any:
        raise AttributeError("no such operator")

    monkeypatch.setattr(kernels, "_pack", missing)
    kernels._works.cache_clear()
    try:
        assert kernels.use_fastest(toy, torch.float32) == "torch"
    finally:
        kernels._works.cache_clear()


@pytest.mark.parametrize(("seconds", "path"), [((2.0, 1.0), "onednn"), ((1.0, 1.0), "torch")])
def test_the_faster_path_is_measured_once_and_remembered(
    seconds: tuple[float, float], path: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from regress.engines import kernels

    if not kernels._works(torch.float32):
        pytest.skip("this torch has no oneDNN operators")
    measured: list[int] = []

    def interleaved(*sides: Callable[[], object]) -> list[float]:
        measured.append(len(sides))
        return list(seconds) * (len(sides) // 2)

    monkeypatch.setattr(kernels, "_interleaved", interleaved)
    assert [kernels.fastest(torch.float32) for _ in range(3)] == [path] * 3
    assert measured == [4]
    assert list(json.loads((own_cache / "regress" / "linear.json").read_text()).values()) == [path]


def test_types_without_such_a_path_are_torchs() -> None:
    import torch

    from regress.engines import kernels

    assert kernels.fastest(torch.float64) == "torch"
