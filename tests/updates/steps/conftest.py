"""Checkpoints on paper, and texts that a trained model writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.updates.draft import Draft


@pytest.fixture
def draft_of() -> Callable[[Path], Draft]:
    """A checkpoint on paper."""
    from regress.updates.stored import open_model

    return lambda folder: open_model(folder).draft()


@pytest.fixture
def config_of() -> Callable[[Path], dict[str, Any]]:
    """A checkpoint's config.json."""
    return lambda folder: json.loads((folder / "config.json").read_text(encoding="utf-8"))


@pytest.fixture
def unknown_draft() -> Draft:
    """A model of a family that nobody has described."""
    from regress.updates.expressions import Old

    shapes = {
        "backbone.embeddings.weight": (40, 16),
        "backbone.layers.0.mixer.in_proj.weight": (24, 16),
        "backbone.layers.0.mixer.conv1d.weight": (24, 1, 4),
        "backbone.layers.0.mixer.A_log": (24, 4),
        "backbone.layers.0.mlp.gate.weight": (4, 16),
        "backbone.layers.0.norm.weight": (16,),
        "lm_head.weight": (40, 16),
    }
    return Draft(
        model_type="mamba",
        config={"model_type": "mamba"},
        tensors={name: Old(name, shape) for name, shape in shapes.items()},
        architecture=None,
        dtype="float32",
    )


@pytest.fixture
def story_ids(stories: Path) -> Callable[[int, int], Any]:
    """`(texts, tokens)` of what the trained model writes by itself."""
    import torch
    from transformers import AutoModelForCausalLM

    def drawn(texts: int, tokens: int) -> Any:
        model = AutoModelForCausalLM.from_pretrained(str(stories)).eval()
        torch.manual_seed(0)
        start = torch.full((texts, 1), 1)
        new = {"max_new_tokens": tokens - 1, "min_new_tokens": tokens - 1}
        return model.generate(start, attention_mask=torch.ones_like(start), do_sample=True, top_k=0, **new)

    return drawn
