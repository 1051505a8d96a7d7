"""Tiny checkpoints, and new ones made from them through a plan and the disk."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regress.updates.draft import Draft
from regress.updates.planning import Plan, Step, plan


@pytest.fixture
def weights() -> Callable[[Path], dict[str, Any]]:
    """All tensors of a checkpoint as they lie on disk."""
    from safetensors.torch import load_file

    return lambda folder: load_file(folder / "model.safetensors")


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


SMALL: Mapping[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "llama": ("llama", SMALL),
    "llama, tied": ("llama", {**SMALL, "tie_word_embeddings": True}),
    "llama, biases": ("llama", {**SMALL, "attention_bias": True, "mlp_bias": True}),
    "mistral": ("mistral", {**SMALL, "sliding_window": None}),
    "qwen2": ("qwen2", SMALL),
    "qwen3": ("qwen3", {**SMALL, "head_dim": 16}),
    "mixtral": ("mixtral", {**SMALL, "num_local_experts": 4}),
    "arcee": ("arcee", SMALL),
    "phi3": ("phi3", SMALL),
    "granite": (
        "granite",
        {
            **SMALL, "attention_multiplier": 0.3, "residual_multiplier": 0.4, "embedding_multiplier": 3.0,
            "logits_scaling": 5.0,
        },
    ),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "gpt_neo": (
        "gpt_neo",
        {
            "hidden_size": 32, "num_layers": 3, "attention_types": [[["global", "local", "global"], 1]],
            "num_heads": 4, "max_position_embeddings": 64, "window_size": 24,
        },
    ),
    "gpt_neox": (
        "gpt_neox",
        {
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 64,
        },
    ),
    "opt": (
        "opt",
        {
            "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 64, "word_embed_proj_dim": 32,
        },
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Models:
    """Makes, changes and asks models in one temporary folder."""

    folder: Path
    numbers: Iterator[int]

    def tiny(self, kind: str, **changes: Any) -> Path:
        """A model of random weights, biases and gains, large ones, so that a mistake changes much."""
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        model_type, settings = KINDS[kind]
        special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
        config = {"vocab_size": 64, **special, **settings, **changes}
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **config))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(6.0)
                else:
                    parameter.add_(torch.randn_like(parameter) * 0.3)
        return self.saved(model)

    def saved(self, model: Any) -> Path:
        """A model of transformers on disk."""
        out = self.folder / f"model{next(self.numbers)}"
        model.save_pretrained(str(out))
        return out

    def planned(self, old: Path, *steps: Step, dtype: str | None = None) -> Plan:
        """What steps make of a stored model, on paper."""
        from regress.updates.stored import open_model

        return plan(open_model(old).draft(), steps, dtype=dtype)

    def changed(self, old: Path, *steps: Step, dtype: str | None = None, seed: int = 0) -> Path:
        """The stored result of steps."""
        from regress.updates.build import new_folder, write_model
        from regress.updates.stored import open_model

        out = self.folder / f"model{next(self.numbers)}"
        with new_folder(out) as folder:
            write_model(self.planned(old, *steps, dtype=dtype), {"old": open_model(old)}, folder, seed)
        return out

    def load(self, folder: Path) -> Any:
        """A model by transformers alone, in float32; every tensor is asked for and of the right shape."""
        import torch
        from transformers import AutoModelForCausalLM

        model, report = AutoModelForCausalLM.from_pretrained(
            str(folder), output_loading_info=True, dtype=torch.float32
        )
        assert not any(report.values()), report
        return model.eval()

    def ids(self, length: int = 24) -> Any:
        """Two random texts."""
        import torch

        return torch.randint(3, 64, (2, length), generator=torch.Generator().manual_seed(1))

    def logits(self, folder: Path, ids: Any | None = None) -> Any:
        """A stored model's logits."""
        import torch

        with torch.no_grad():
            return self.load(folder)(self.ids() if ids is None else ids).logits

    def loss(self, folder: Path, ids: Any) -> float:
        """Mean negative log-likelihood of a token of `ids`, in nats."""
        import torch

        with torch.no_grad():
            return float(self.load(folder)(ids, labels=ids).loss)

    def gap(self, one: Path, other: Path, ids: Any | None = None) -> float:
        """Largest difference of two models' logits, in standard deviations of the first one's."""
        a, b = self.logits(one, ids), self.logits(other, ids)
        return float((a - b).abs().max() / a.std())

    def written(self, folder: Path, cache: bool = True) -> list[int]:
        """16 greedy tokens after three."""
        found = self.load(folder).generate(
            self.ids(3)[:1], max_new_tokens=16, do_sample=False, use_cache=cache, eos_token_id=None
        )
        return [int(token) for token in found[0, 3:]]

    def same(self, one: Path, other: Path) -> None:
        """Both compute one function: logits, and texts with and without a cache."""
        assert self.gap(one, other) <= 1e-4
        assert self.written(one) == self.written(other) == self.written(other, cache=False)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Makes, changes and asks models."""
    return Models(folder=tmp_path, numbers=itertools.count())


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
