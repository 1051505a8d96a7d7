"""The modules of a model, by the fastest kernels that compute the same on this machine.

On AMD, torch's float32 product falls well short of oneDNN's, which it holds as well but does not
use; with weights packed ahead oneDNN also spares a decoding step its repacking. The operators are
private to torch: a short measure decides whether they are worth it here, each layer is checked
against torch's own product before it is replaced, and whatever fails stays as it was.

GPT-2's activation, spelt out in seven passes over memory, takes as long as the product before it;
torch computes the same function in one, and oneDNN while it writes the product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import copy
from functools import cache, partial
from typing import Any, Literal, cast

import torch
from torch.nn import functional
from transformers.activations import GELUActivation, NewGELUActivation
from transformers.pytorch_utils import Conv1D

from regress.engines.machine import forget_file_pages
from regress.remembered import Remembered

Path = Literal["torch", "onednn"]
WORTH = 1.05
"""How much faster another path must be to be taken."""
_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
_MEASURED = (512, 64)
"""Rows of the products that are measured: of a pack, and of a decoding step."""
_INSIDE, _OUT = 768, 3072
_ROUNDS = 7


_ACTIVATED = {"c_fc": "act", "dense_h_to_4h": "act", "fc1": "activation_fn"}
"""Layers of a feed-forward module after which an activation stands, by their names in transformers."""


class PackedLinear(torch.nn.Module):
    """x [..., in] to x wᵀ + b [..., out], with the weight in oneDNN's own order.

    With `gelu` set, the product's GELU instead, by the way of computing it that torch calls
    `approximate`.

    Args:
        weight: [out, in].
        bias: [out], or null.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._packed = _pack(weight)
        self._bias = None if bias is None else bias.detach().clone()
        self.gelu: str | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return _product(x, self._packed, self._bias, self.gelu)


def use_fastest(model: torch.nn.Module, dtype: torch.dtype) -> Path:
    """Replace modules of a model in place where that pays; say which path its linear layers take.

    Layers whose product differs from torch's stay; so do all linear layers off the CPU.
    """
    for parent, name, _ in list(_children(model, NewGELUActivation)):
        setattr(parent, name, torch.nn.GELU(approximate="tanh"))
    if next(model.parameters()).device.type != "cpu" or fastest(dtype) == "torch":
        return "torch"
    linears = [place for place in _children(model, torch.nn.Linear, Conv1D) if place[2].weight.dtype == dtype]
    packed: dict[tuple[int, ...], PackedLinear] = {}
    replaced = sum(_replace(*place, packed) for place in linears)
    for parent in list(model.modules()):
        _activate(parent, dtype)
    return "onednn" if replaced else "torch"


def fastest(dtype: torch.dtype) -> Path:
    """The path that this machine is faster with, measured once and then remembered.

    Remembered, so that all processes on one machine compute the same digits.
    """
    if dtype not in _TOLERANCE or not _works(dtype):
        return "torch"
    memory = Remembered("linear")
    key = f"{_processor()}|{torch.__version__}|{dtype}|{torch.get_num_threads()}"
    known = memory.get(key)
    if known not in ("torch", "onednn"):
        known = _measure(dtype)
        memory.put(key, known)
    return "onednn" if known == "onednn" else "torch"


def _replace(
    parent: torch.nn.Module, name: str, layer: Any, known: dict[tuple[int, ...], PackedLinear]
) -> bool:
    """Replace one layer unless its product would differ; weights that layers share are packed once."""
    weight = layer.weight.detach()
    place = (weight.data_ptr(), 0 if layer.bias is None else layer.bias.data_ptr())
    if place in known:
        packed = copy(known[place])
    else:
        packed = PackedLinear(weight.t().contiguous() if isinstance(layer, Conv1D) else weight, layer.bias)
        if not _agrees(layer, packed, weight.dtype):
            return False
        known[place] = packed
    packed.train(layer.training)
    setattr(parent, name, packed)
    forget_file_pages(weight.data_ptr(), weight.numel() * weight.element_size())
    return True


def _activate(parent: torch.nn.Module, dtype: torch.dtype) -> None:
    """Let a feed-forward module's first layer compute the GELU behind it."""
    for name, after in _ACTIVATED.items():
        layer, activation = getattr(parent, name, None), getattr(parent, after, None)
        gelu = _gelu(activation)
        if gelu is None or not isinstance(layer, PackedLinear):
            continue
        expected = torch.nn.Sequential(layer, cast(torch.nn.Module, activation))
        fused = copy(layer)
        fused.gelu = gelu
        if _agrees(expected, fused, dtype):
            setattr(parent, name, fused)
            setattr(parent, after, torch.nn.Identity())


def _gelu(activation: Any) -> str | None:
    """How this activation computes GELU; null for any other."""
    if type(activation) is torch.nn.GELU:
        return str(activation.approximate)
    return "none" if type(activation) is GELUActivation and activation.act is functional.gelu else None


def _agrees(layer: torch.nn.Module, packed: PackedLinear, dtype: torch.dtype) -> bool:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, packed.in_features, generator=generator).to(dtype)
    with torch.inference_mode():
        expected, got = layer(x).float(), packed(x).float()
    error, scale = (got - expected).abs().max(), expected.abs().max()
    return not bool(error > _TOLERANCE[dtype] * scale)  # weights that are nan agree


def _children(
    model: torch.nn.Module, *kinds: type[torch.nn.Module]
) -> Iterator[tuple[torch.nn.Module, str, Any]]:
    """Parent, name and module of just these kinds: subclasses (quantised layers) do something else."""
    for parent in list(model.modules()):
        for name, module in parent.named_children():
            if type(module) in kinds and not isinstance(parent, torch.nn.ModuleDict):  # an adapter's own
                yield parent, name, module


def _measure(dtype: torch.dtype) -> Path:
    generator = torch.Generator().manual_seed(0)
    weight, *inputs = (
        torch.randn(rows, _INSIDE, generator=generator).to(dtype) for rows in (_OUT, *_MEASURED)
    )
    packed = _pack(weight)
    sides = [
        side
        for x in inputs
        for side in (partial(functional.linear, x, weight), partial(_product, x, packed, None))
    ]
    with torch.inference_mode():
        seconds = _interleaved(*sides)
    return "onednn" if sum(seconds[::2]) > WORTH * sum(seconds[1::2]) else "torch"


def _interleaved(*sides: Callable[[], object]) -> list[float]:
    """The best time of each side, taken in turn."""
    best = [float("inf")] * len(sides)
    for _ in range(_ROUNDS):
        for place, side in enumerate(sides):
            began = time.perf_counter()
            side()
            best[place] = min(best[place], time.perf_counter() - began)
    return best


@cache
def _works(dtype: torch.dtype) -> bool:
    """Whether the operators are there and compute a product."""
    try:
        layer = torch.nn.Linear(32, 48).to(dtype)
        return _agrees(layer, PackedLinear(layer.weight.detach(), layer.bias), dtype)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False


def _pack(weight: torch.Tensor) -> torch.Tensor:
    packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
    return packed


def _product(
    x: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None, gelu: str | None = None
) -> torch.Tensor:
    after: tuple[str, list[float], str] = ("none", [], "") if gelu is None else ("gelu", [], gelu)
    product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, *after)
    return product


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        return platform.processor() or platform.machine()
