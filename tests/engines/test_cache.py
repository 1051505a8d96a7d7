"""Bytes that a token adds to the key-value cache: known models by hand, and what is left open."""

from __future__ import annotations

from typing import Any

import pytest

from regress.engines.cache import cache

LLAMA2_7B = {"model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32}
LLAMA3_8B = {**LLAMA2_7B, "num_key_value_heads": 8}
MISTRAL_7B = {**LLAMA3_8B, "model_type": "mistral", "sliding_window": 4096}
QWEN2_7B = {
    "model_type": "qwen2", "hidden_size": 3584, "num_attention_heads": 28, "num_hidden_layers": 28,
    "num_key_value_heads": 4, "max_window_layers": 21, "sliding_window": 131072, "use_sliding_window": False,
}  # fmt: skip
GEMMA_7B = {
    "model_type": "gemma", "hidden_size": 3072, "num_attention_heads": 16, "num_hidden_layers": 28,
    "num_key_value_heads": 16, "head_dim": 256,
}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12}
GPT_NEO = {
    "model_type": "gpt_neo", "hidden_size": 768, "num_heads": 12, "num_layers": 12, "window_size": 256,
    "attention_types": [[["global", "local"], 6]],
}  # fmt: skip
PYTHIA = {"model_type": "gpt_neox", "hidden_size": 2048, "num_attention_heads": 8, "num_hidden_layers": 16}
OPT = {"model_type": "opt", "hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12}


@pytest.mark.parametrize(
    ("config", "token_bytes"),
    [
        (LLAMA2_7B, 524_288),  # 32 layers x 32 heads x 128 x 2 x 2 bytes
        (LLAMA3_8B, 131_072),  # a fourth of the heads
        (MISTRAL_7B, 131_072),
        ({**MISTRAL_7B, "model_type": "mixtral", "sliding_window": None}, 131_072),
        (QWEN2_7B, 57_344),  # 28 x 4 x 128 x 2 x 2
        (GEMMA_7B, 458_752),  # heads of 256, though 3072 / 16 is 192
        (GPT2, 36_864),  # 12 x 12 x 64 x 2 x 2
        (GPT_NEO, 36_864),
        (PYTHIA, 131_072),  # 16 x 8 x 256 x 2 x 2
        (OPT, 36_864),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else "",
)
def test_known_models_in_half_precision_and_in_single_twice_that(
    config: dict[str, Any], token_bytes: int
) -> None:
    assert cache(config, "float16").token_bytes == cache(config, "bfloat16").token_bytes == token_bytes
    assert cache(config, "float32").token_bytes == 2 * token_bytes


@pytest.mark.parametrize(
    ("config", "layers", "window"),
    [
        (LLAMA2_7B, 0, None),
        (MISTRAL_7B, 32, 4096),
        ({**MISTRAL_7B, "sliding_window": None}, 0, None),
        (QWEN2_7B, 0, None),  # a window is declared and not used
        ({**QWEN2_7B, "use_sliding_window": True}, 7, 131072),
        ({**QWEN2_7B, "layer_types": ["full_attention", "sliding_attention"] * 14}, 14, 131072),
        (GPT_NEO, 6, 256),
        ({**GPT_NEO, "attention_layers": ["global"] * 11 + ["local"]}, 1, 256),
        ({**GEMMA_7B, "model_type": "gemma2", "sliding_window": 4096}, 14, 4096),
        ({**GEMMA_7B, "model_type": "gemma3_text", "sliding_window": 512}, 24, 512),
    ],
)
def test_layers_that_keep_only_the_last_tokens(
    config: dict[str, Any], layers: int, window: int | None
) -> None:
    found = cache(config, "float16")
    assert (found.windowed_layers, found.window) == (layers, window)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "mamba", "hidden_size": 768, "num_hidden_layers": 24},
        {**LLAMA2_7B, "model_type": "deepseek_v3", "kv_lora_rank": 512},  # keeps something smaller
        {**QWEN2_7B, "layer_types": ["linear_attention"] * 28},
        {**LLAMA2_7B, "num_hidden_layers": None},
        {**LLAMA2_7B, "num_attention_heads": "many"},
        {**LLAMA2_7B, "num_key_value_heads": True},
        {name: value for name, value in MISTRAL_7B.items() if name != "num_key_value_heads"},
        {name: value for name, value in GEMMA_7B.items() if name != "head_dim"},  # its code says 256
    ],
)
def test_null_where_the_configuration_does_not_tell(config: dict[str, Any]) -> None:
    assert cache(config, "float16") is None


def test_null_where_the_weight_type_has_no_size_known_here() -> None:
    assert cache(GPT2, "int3") is None


def test_a_null_number_of_key_value_heads_means_as_many_as_heads() -> None:
    assert cache({**MISTRAL_7B, "num_key_value_heads": None}, "float16").token_bytes == 524_288
