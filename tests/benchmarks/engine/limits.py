"""What no engine can beat on this machine: the operations and bytes that the work cannot do without.

Counted from the token ids alone: each different prefix of a chunk's requests is one token that must
go through the layers, and the prefix that all requests share is one for all chunks.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from regress.types import Generation, Loglikelihood, Request

from .works import Shape


@dataclass(frozen=True)
class Machine:
    """Measured best of this machine in one number type."""

    flops: float
    """Floating-point operations a second of a matrix product."""
    product: str
    """Which product that was."""
    bandwidth: float
    """Bytes a second that a large copy reads and writes."""


@dataclass
class Count:
    """What must be computed; sums over the chunks."""

    tokens: int = 0
    """Different prefixes of prompts and continuations."""
    reads: int = 0
    """Positions that they attend to, each its own included."""
    rows: int = 0
    """Positions that are projected onto the vocabulary."""
    decoded: int = 0
    """Tokens fed back while generating."""
    decoded_reads: int = 0
    """Positions that those attend to."""
    kept_reads: int = 0
    """The same, with what all prompts share counted once a step."""
    steps: int = 0
    """Steps of decoding at the least, with `SLOTS` answers at a time."""

    def flops(self, shape: Shape) -> tuple[float, float]:
        """Operations before decoding and while decoding."""
        layers, head = 2 * shape.layer_parameters, 2 * shape.head_parameters
        attention = 4 * shape.layers * shape.width  # scores and values, per position read
        before = self.tokens * layers + self.reads * attention + self.rows * head
        return before, self.decoded * (layers + head) + self.decoded_reads * attention

    def bytes(self, shape: Shape, size: int) -> float:
        """Bytes that decoding reads: all weights once a step, and the keys and values."""
        position = 2 * shape.layers * shape.width * shape.kv_heads // shape.heads
        weights = shape.layer_parameters + shape.head_parameters
        return size * (self.steps * weights + self.kept_reads * position)

    def seconds(self, shape: Shape, machine: Machine, size: int) -> float:
        """Shortest time; `size` is the bytes of a number."""
        before, decoding = self.flops(shape)
        read = self.bytes(shape, size) / machine.bandwidth
        return before / machine.flops + max(decoding / machine.flops, read)

    def record(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)


SLOTS = 64
Encode = Callable[[str], list[int]]


def count(items: Sequence[Sequence[Request]], answers: Sequence[int], encode: Encode, chunk: int) -> Count:
    """Count what `items` cost; `answers` are the tokens written for each request, 0 for log-likelihoods."""
    total, start = Count(), 0
    everything = [_tokens(request, encode) for item in items for request in item]
    shared = _common(ids for ids, _ in everything)
    for first in range(0, len(items), chunk):
        asked = sum(len(item) for item in items[first : first + chunk])
        part = slice(start, start + asked)
        _read(total, everything[part], shared if first else 0)
        if any(isinstance(request, Generation) for request in items[first]):
            _decode(total, [len(ids) for ids, _ in everything[part]], answers[part], shared)
        start += asked
    return total


def _tokens(request: Request, encode: Encode) -> tuple[list[int], int]:
    """Token ids that go in, and how many of the last positions are projected."""
    if isinstance(request, Generation):
        return encode(request.prompt), 1
    assert isinstance(request, Loglikelihood)
    whole = encode(request.context + request.continuation)
    return whole[:-1], len(whole) - len(encode(request.context))


def _common(sequences: Iterator[list[int]]) -> int:
    """Tokens with which all sequences begin."""
    first = next(sequences)
    length = len(first)
    for ids in sequences:
        same = (i for i, (a, b) in enumerate(zip(first[:length], ids, strict=False)) if a != b)
        length = next(same, min(length, len(ids)))
    return length


def _read(total: Count, requests: Sequence[tuple[list[int], int]], known: int) -> None:
    """Add a chunk's prefix tree; its first `known` tokens were read with an earlier chunk."""
    places: dict[tuple[int, int], int] = {}
    projected = set()
    for ids, rows in requests:
        place = 0
        for depth, token in enumerate(ids):
            fresh = (place, token) not in places
            place = places.setdefault((place, token), len(places) + 1)
            if fresh and depth >= known:
                total.tokens += 1
                total.reads += depth + 1
            if depth >= len(ids) - rows:
                projected.add(place)
    total.rows += len(projected)


def _decode(total: Count, prompts: Sequence[int], answers: Sequence[int], shared: int) -> None:
    """Add a chunk's generated tokens; the first of each answer comes from its prompt."""
    steps = max(max(answers) - 1, -(-(sum(answers) - len(answers)) // SLOTS), 0)
    total.steps += steps
    total.kept_reads += steps * shared
    for prompt, answer in zip(prompts, answers, strict=True):
        fed = max(answer - 1, 0)
        reads = fed * prompt + fed * (fed + 1) // 2
        total.decoded += fed
        total.decoded_reads += reads
        total.kept_reads += reads - fed * shared


def measure(dtype: str, device: str, *, tiny: bool) -> Machine:
    """Measure the machine; runs in a process of its own."""
    import torch

    size = getattr(torch, dtype)
    rows, inner, outer = (64, 64, 64) if tiny else (2048, 768, 3072)
    if device.startswith("cuda") and not tiny:
        rows = inner = outer = 8192
    x, weight, bias = (
        torch.randn(*s, device=device).to(size) for s in ((rows, inner), (outer, inner), (outer,))
    )
    best = {
        name: 2 * rows * inner * outer / _shortest(product, device, 3 if tiny else 60)
        for name, product in _products(x, weight, bias)
    }
    name = max(best, key=best.__getitem__)
    large = torch.ones(2**16 if tiny else 2**27, device=device)  # half a gigabyte
    copy = torch.empty_like(large)
    seconds = _shortest(lambda: copy.copy_(large), device, 3 if tiny else 10)
    return Machine(best[name], name, 2 * large.nbytes / seconds)


def _products(x: Any, weight: Any, bias: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every way to multiply that this torch knows."""
    import torch

    if x.is_cuda:
        yield "torch.matmul", lambda: torch.matmul(x, weight.T)
        return
    yield "torch.nn.functional.linear", lambda: torch.nn.functional.linear(x, weight, bias)
    try:  # operators that torch keeps to itself
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, x.shape[0])
        product = torch.ops.mkldnn._linear_pointwise
        product(x, packed, bias, "none", [], "")
    except (AttributeError, RuntimeError):
        return
    yield "oneDNN, prepacked", lambda: product(x, packed, bias, "none", [], "")


def _shortest(call: Callable[[], Any], device: str, times: int) -> float:
    import torch

    def once() -> float:
        began = time.perf_counter()
        call()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - began

    with torch.inference_mode():
        return min(once() for _ in range(times))


def described(device: str) -> dict[str, Any]:
    """What is measured on; runs in a process of its own."""
    import torch

    def version(name: str) -> str | None:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "device": device,
        "gpu": gpu,
        "processor": _processor(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "transformers", "lm_eval", "tokenizers")},
    }


def _processor() -> str:
    """The processor's name, where the system tells it, and its widest instructions."""
    import torch

    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.backends.cpu.get_cpu_capability()}"
