"""What a checkpoint takes up, from its files, against the loaded model and the cache that it really fills."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regress.checkpoints import resolve
from regress.demo.pair import model_folder
from regress.engines.footprint import footprint
from regress.types import Footprint

pytestmark = pytest.mark.models

_LLAMA = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_GROUPED = {**_LLAMA, "num_key_value_heads": 2}
_NEO = {"vocab_size": 50, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "max_position_embeddings": 16}
_OPT = {
    "vocab_size": 50,
    "hidden_size": 32,
    "word_embed_proj_dim": 32,
    "ffn_dim": 48,
    "max_position_embeddings": 16,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": _LLAMA,
    "Mistral": _GROUPED,
    "Mixtral": _GROUPED,
    "Qwen2": {**_GROUPED, "tie_word_embeddings": True},
    "Qwen3": _GROUPED,
    "Gemma": {**_GROUPED, "head_dim": 16},
    "Gemma2": {**_GROUPED, "head_dim": 16},
    "GPT2": {"vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 16},
    "GPTNeo": {**_NEO, "attention_types": [[["global", "local"], 1]]},
    "GPTNeoX": _LLAMA,
    "OPT": {**_OPT, "num_hidden_layers": 2, "num_attention_heads": 4},
}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Save a model with random weights, beside the built-in pair's tokenizer."""

    def save(model: Any, name: str = "model") -> Path:
        folder = tmp_path / name
        model.save_pretrained(str(folder))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(model_folder("demo-v1") / file, folder)
        return folder

    return save


def made(family: str, **changes: Any) -> Any:
    import torch
    import transformers

    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    config = getattr(transformers, f"{family}Config")(**{**FAMILIES[family], **special, **changes})
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config)


def loaded(folder: Path, dtype: str = "float32") -> Any:
    import torch
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(str(folder), dtype=getattr(torch, dtype))


def of(folder: Path, dtype: str = "float32") -> Footprint:
    return footprint(resolve(str(folder), {}), dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_files_tell_what_the_loaded_model_takes_up_and_keeps_of_a_token(
    saved: Callable[..., Path], family: str, dtype: str
) -> None:
    import torch

    from regress.engines.storage import weighed

    folder = saved(made(family))
    files, model = of(folder, dtype), loaded(folder, dtype)
    assert weighed(model, files) == replace(files, loaded=True)
    with torch.inference_mode():
        layers = model(torch.tensor([[3, 4, 5, 6]]), use_cache=True).past_key_values.layers
    held = sum(one.numel() * one.element_size() for layer in layers for one in (layer.keys, layer.values))
    assert held == 4 * files.cache_bytes


def test_a_head_shared_with_the_embedding_counts_once_and_a_copy_of_it_when_materialised(
    saved: Callable[..., Path],
) -> None:
    tied = of(saved(made("Llama", tie_word_embeddings=True), "tied"))
    apart = of(saved(made("Llama", tie_word_embeddings=False), "apart"))
    assert (tied.parameters, tied.materialised) == (apart.parameters - 50 * 32, apart.parameters)
    assert apart.materialised == apart.parameters
    assert tied.memory_bytes == {"float32": 4 * tied.parameters}


def test_a_file_may_hold_a_copy_of_what_the_model_shares(
    saved: Callable[..., Path], edit_weights: Callable[..., None]
) -> None:
    from regress.engines.storage import weighed

    folder = saved(made("Llama", tie_word_embeddings=True))
    before = of(folder)
    edit_weights(
        folder, lambda each: each.update({"lm_head.weight": each["model.embed_tokens.weight"].clone()})
    )
    after = of(folder)
    assert (after.parameters, after.materialised) == (before.parameters, before.materialised)
    assert after.disk_bytes >= before.disk_bytes + 4 * 50 * 32
    assert weighed(loaded(folder), after) == replace(after, loaded=True)


def test_masks_of_older_checkpoints_are_no_weights(
    saved: Callable[..., Path], edit_weights: Callable[..., None]
) -> None:
    import torch

    folder = saved(made("GPT2"))
    before = of(folder)
    masks = {f"transformer.h.{layer}.attn.bias": torch.ones(1, 1, 16, 16) for layer in range(2)}
    edit_weights(folder, lambda tensors: tensors.update(masks))
    assert of(folder).parameters == before.parameters


def test_tied_layers_are_as_many_bytes_as_one_and_copied_ones_as_all() -> None:
    """UPDATES: tied virtual layers compute what copied ones do, in less memory."""
    import copy

    import torch

    from regress.engines.storage import weighed

    model = made("Llama", num_hidden_layers=1)
    one = weighed(model)
    layer = model.model.layers[0]
    model.model.layers = torch.nn.ModuleList([layer, layer, layer])
    tied = weighed(model)
    model.model.layers = torch.nn.ModuleList([layer, copy.deepcopy(layer), copy.deepcopy(layer)])
    copied = weighed(model)
    assert (tied.parameters, tied.memory_bytes) == (one.parameters, one.memory_bytes)
    assert tied.materialised == copied.materialised == copied.parameters > tied.parameters
    assert sum(copied.memory_bytes.values()) == 4 * copied.parameters


def test_whole_numbers_stay_what_they_are_and_fractions_take_the_type_asked_for(
    saved: Callable[..., Path], edit_weights: Callable[..., None]
) -> None:
    import torch

    folder = saved(made("Llama"))
    packed = {"model.layers.0.mlp.up_proj.weight": torch.zeros(48, 32, dtype=torch.int8)}
    edit_weights(folder, lambda tensors: tensors.update(packed))
    found = of(folder, "bfloat16")
    assert found.memory_bytes == {"int8": 48 * 32, "bfloat16": 2 * (found.parameters - 48 * 32)}


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # PEFT asks transformers for it
def test_an_adapter_comes_on_top(saved: Callable[..., Path], tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    folder = saved(made("Llama"))
    before = of(folder)
    adapter = tmp_path / "adapter"
    get_peft_model(loaded(folder), LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(str(adapter))
    found = footprint(resolve(f"{folder}+{adapter}", {}), "float32")
    assert found.parameters == before.parameters + 2 * (2 * 32 + 32 * 2)  # two layers, two matrices of rank 2
    assert found.disk_bytes == before.disk_bytes + (adapter / "adapter_model.safetensors").stat().st_size


def test_of_pickled_weights_only_what_their_size_and_configuration_tell(saved: Callable[..., Path]) -> None:
    import torch

    model = made("Llama")
    folder = saved(model)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    found = footprint(resolve(str(folder), {}, allow_bin=True), "float32")
    assert (found.parameters, found.materialised, found.memory_bytes) == (None, None, {})
    assert found.disk_bytes == (folder / "pytorch_model.bin").stat().st_size
    assert found.cache_bytes == 2 * 32 * 2 * 4


def test_the_real_small_model(stories: Path) -> None:
    found = of(stories)
    config = json.loads((stories / "config.json").read_text())
    assert found.parameters == 260_032
    assert found.materialised == 260_032 + config["vocab_size"] * config["hidden_size"] == 292_800
    assert found.memory_bytes == {"float32": 1_040_128}
    assert found.cache_bytes == 5 * 4 * 8 * 2 * 4
