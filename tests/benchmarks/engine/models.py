"""Models of a wanted shape with random weights, whose answers end after a random number of tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .words import save_tokenizer
from .works import Shape

SHARPER = 4.0
"""Queries, keys and feed-forward layers beyond the usual initialisation: the next word follows from the last
one and from what was read, and no answer runs in a circle."""
PROBES, PROMPT, WRITTEN = 16, 128, 128


def save_model(folder: Path, shape: Shape, device: str) -> None:
    """Save such a model and its tokenizer; runs in a process of its own."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    save_tokenizer(folder, shape.vocabulary, shape.family)
    with torch.device(device), torch.no_grad():
        model: Any = AutoModelForCausalLM.from_config(_config(shape)).eval()
        _sharpen(model, shape)
        _stop_now_and_then(model, shape)
    model.to(getattr(torch, shape.saved_as)).save_pretrained(str(folder))


def _config(shape: Shape) -> Any:
    from transformers import GPT2Config, LlamaConfig

    if shape.family == "gpt2":
        return GPT2Config(
            vocab_size=shape.vocabulary, n_positions=shape.positions, n_embd=shape.width,
            n_layer=shape.layers, n_head=shape.heads, n_inner=shape.inner,
            bos_token_id=0, eos_token_id=0,
        )  # fmt: skip
    return LlamaConfig(
        vocab_size=shape.vocabulary, max_position_embeddings=shape.positions, hidden_size=shape.width,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads, intermediate_size=shape.inner, tie_word_embeddings=True,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


def _sharpen(model: Any, shape: Shape) -> None:
    for name, weight in model.named_parameters():
        if name.endswith(("q_proj.weight", "k_proj.weight", "down_proj.weight")):
            weight *= SHARPER
        elif name.endswith("c_attn.weight"):
            weight[:, : 2 * shape.width] *= SHARPER


def _stop_now_and_then(model: Any, shape: Shape) -> None:
    """Give the end of text the row of the head that wins once in `stops_after` tokens written.

    The row's direction is random but for the part that all positions have in common; its length is
    where that share of the positions prefers it to every other token.
    """
    import torch

    end = model.config.eos_token_id
    head = model.get_output_embeddings().weight
    head[end] = 0  # never written
    seen = _written(model, shape)  # [positions, width]
    mean, pull = seen.mean(0), torch.randn(shape.width)
    pull -= mean * (pull @ mean) / (mean @ mean)
    rivals = torch.cat([(part @ head.T).amax(-1) for part in seen.split(512)])  # [positions]
    needed = rivals / (seen @ pull)  # how long the row must be to win there
    needed[needed <= 0] = float("inf")
    head[end] = pull * torch.quantile(needed, 1 / shape.stops_after)


def _written(model: Any, shape: Shape) -> Any:
    """Hidden states before the head where the model goes on with random text by itself."""
    import torch

    tokens = torch.randint(300, shape.vocabulary, (PROBES, PROMPT))
    settings = {"max_new_tokens": WRITTEN, "do_sample": False, "pad_token_id": 0}
    tokens = model.generate(tokens, attention_mask=torch.ones_like(tokens), **settings)
    return torch.cat([model.base_model(row[None]).last_hidden_state[0, PROMPT:] for row in tokens])
