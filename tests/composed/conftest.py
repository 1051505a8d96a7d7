"""Tiny models in memory of families that differ in how they are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ..models import random_model

FAMILIES = (
    "llama", "qwen2", "qwen3", "gemma3_text", "mixtral", "gpt2", "gpt_neo", "gpt_neox", "opt", "qwen3_moe",
    "falcon",
)  # fmt: skip
WINDOWS: Mapping[str, Any] = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}


def _make(kind: str, **config: Any) -> Any:
    return random_model(kind, **{"vocab_size": 200, **(WINDOWS if kind == "qwen2" else {}), **config})


@pytest.fixture
def ids() -> Any:
    """[2, 30] random tokens, longer than any sliding window."""
    import torch

    return torch.randint(3, 200, (2, 30), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def make() -> Callable[..., Any]:
    """Make a model of a family; further arguments are its configuration."""
    return _make


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Any:
    """A model of each family in turn."""
    return _make(request.param)
