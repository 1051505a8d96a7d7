"""Tiny models of every family with weights in which every mistake shows, and ways to compare two models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.demo.pair import model_folder

SHARED = Path(__file__).parents[3] / "shared"

_LLAMA = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 64,
}  # fmt: skip
_GROUPED = {**_LLAMA, "num_key_value_heads": 2}
_LOCAL = [[["global", "local"], 1], [["global"], 1]]
SIZES: Mapping[str, Mapping[str, Any]] = {
    "llama": _GROUPED,
    "mistral": {**_GROUPED, "sliding_window": None},
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 8},
    "mixtral": {**_GROUPED, "num_local_experts": 3},
    "phi3": _GROUPED,
    "granite": {**_GROUPED, "attention_multiplier": 0.3, "residual_multiplier": 0.4,
                "embedding_multiplier": 3.0, "logits_scaling": 5.0},
    "arcee": _GROUPED,
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "gpt_neo": {"hidden_size": 32, "num_layers": 3, "attention_types": _LOCAL, "num_heads": 4,
                "max_position_embeddings": 64, "window_size": 8},
    "gpt_neox": _LLAMA,
    "opt": {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 64},
}  # fmt: skip
"""What a test may ask for, and its sizes where it says nothing else."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Same numbers in every process, and no fight over cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stories() -> Path:
    """A trained Llama of 260 thousand parameters."""
    folder = SHARED / "models" / "stories260k"
    if not folder.is_dir():
        pytest.skip("the folder of real models beside the checkout is missing")
    return folder


Make = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> Make:
    """Save a model of the family `kind` with random weights, and the demo models' tokenizer.

    Weights are large, and norms and biases are no ones and zeros, so that whatever is left out shows.
    Further arguments are the folder's `name`, `seed`, `dtype`, and its configuration.
    """
    numbers = iter(range(1000))

    def make(
        kind: str, *, name: str | None = None, seed: int = 0, dtype: str = "float32", **config: Any
    ) -> Path:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        folder = tmp_path / (name or f"{kind}-{next(numbers)}")
        tokenizer = AutoTokenizer.from_pretrained(str(model_folder("demo-v2")))
        special = {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        settings = {"vocab_size": len(tokenizer), **special, **SIZES[kind], **config}
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings))
        _enliven(model)
        model.to(getattr(torch, dtype)).save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
        return folder

    return make


def _enliven(model: Any) -> None:
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(10.0)
            else:
                parameter.add_(0.3 * torch.randn(parameter.shape)).mul_(1.0 if "norm" in name else 0.7)


Load = Callable[..., Any]


@pytest.fixture
def load() -> Load:
    """The model in a folder as anybody loads it; every tensor must be asked for, there, and of its shape."""

    def loaded(folder: Path, dtype: str = "float32") -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        # grouped products of experts know no float64
        experts = {"experts_implementation": "eager"} if dtype == "float64" else {}
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=getattr(torch, dtype), output_loading_info=True, **experts
        )
        assert not any(info.values()), info
        for weight in model.parameters():  # where they lie in a mapped file decides how products are rounded
            weight.data = weight.data.clone()
        return model.eval()

    return loaded


@pytest.fixture
def logits(load: Load) -> Callable[..., Any]:
    """Next-token logits [B, T, V] of the model in a folder, for token ids [B, T]."""

    def of(folder: Path, ids: Any, dtype: str = "float32") -> Any:
        import torch

        with torch.no_grad():
            return load(folder, dtype)(ids).logits

    return of


@pytest.fixture
def ids() -> Any:
    """Two texts of 40 random tokens."""
    import torch

    return torch.randint(3, 500, (2, 40), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def update(tmp_path: Path) -> Callable[..., Path]:
    """Apply steps to the model in a folder and write the new one; it is not verified."""
    numbers = iter(range(1000))

    def updated(old: Path, *steps: Any, dtype: str | None = None, seed: int = 0) -> Path:
        from regress.updates.build import new_folder, write_model
        from regress.updates.planning import plan
        from regress.updates.stored import open_model

        model, out = open_model(old), tmp_path / f"new-{next(numbers)}"
        made = plan(model.draft(), steps, dtype=dtype)
        with new_folder(out) as folder:
            write_model(made, {"old": model}, folder, seed)
        return out

    return updated


@pytest.fixture
def planned() -> Callable[..., Any]:
    """The plan of steps on the model in a folder."""

    def of(folder: Path, *steps: Any, dtype: str | None = None) -> Any:
        from regress.updates.planning import plan
        from regress.updates.stored import open_model

        return plan(open_model(folder).draft(), steps, dtype=dtype)

    return of


@pytest.fixture
def written(load: Load) -> Callable[..., Any]:
    """The 16 tokens [1, 16] that a model writes greedily after token ids [1, T]."""

    def of(folder: Path, ids: Any, *, cache: bool) -> Any:
        model = load(folder)
        text = model.generate(
            ids, max_new_tokens=16, min_new_tokens=16, do_sample=False, use_cache=cache, pad_token_id=0
        )
        return text[:, ids.shape[1] :]

    return of


@pytest.fixture
def difference(logits: Callable[..., Any], ids: Any) -> Callable[..., float]:
    """Largest difference between the logits of two models, in standard deviations of the first one's."""

    def between(old: Path, new: Path, dtype: str = "float32") -> float:
        a, b = logits(old, ids, dtype).double(), logits(new, ids, dtype).double()
        return float((a - b).abs().max() / a.std())

    return between
