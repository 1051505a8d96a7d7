"""The same figures a second way: a Llama's forward pass in numpy, float64, read from the stored files.

It shares nothing with torch, transformers or the harness but the files; where it finds what the harness
finds on the same stories, a figure that differs from the printed one differs by sample or by recipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .sample import Ids

Floats = npt.NDArray[np.float64]

START = 1
"""Token that every story begins after."""
ACTIVATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
}

READ: Mapping[str, Callable[[bytes], Floats]] = {
    "F32": lambda data: np.frombuffer(data, "<f4").astype(np.float64),
    "F16": lambda data: np.frombuffer(data, "<f2").astype(np.float64),
    # the upper half of a float32
    "BF16": lambda data: (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64),
}


def readable(folder: Path) -> bool:
    """Whether a model is one that is computed here."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config["model_type"] == "llama" and config["hidden_act"] in ACTIVATIONS


def figures(old: Path, new: Path, ids: Ids) -> dict[str, float]:
    """Perplexity of the new model, its divergence from the old one in nats, and how often they agree.

    Args:
        old: Folder of a Llama.
        new: Folder of another one.
        ids: [stories, tokens] ids, without the start token.
    """
    before, after = (np.stack([logprobs(folder, row) for row in ids]) for folder in (old, new))
    right = np.take_along_axis(after, ids[..., None], axis=-1)
    return {
        "ppl": float(np.exp(-right.mean())),
        "kld": float((np.exp(before) * (before - after)).sum(-1).mean()),
        "same_top": float((before.argmax(-1) == after.argmax(-1)).mean()),
    }


def logprobs(folder: Path, ids: npt.NDArray[np.int64]) -> Floats:
    """[T, V] log-probabilities of each of T tokens, given the start token and those before it."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = tensors(folder / "model.safetensors")
    x = weights["model.embed_tokens.weight"][[START, *ids[:-1]]]
    for layer in range(config["num_hidden_layers"]):
        own = {
            name.removeprefix(prefix): each
            for name, each in weights.items()
            if name.startswith(prefix := f"model.layers.{layer}.")
        }
        x = x + _attention(_norm(x, own["input_layernorm.weight"], config), own, config)
        x = x + _mlp(_norm(x, own["post_attention_layernorm.weight"], config), own, config)
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    logits = _norm(x, weights["model.norm.weight"], config) @ head.T
    total: Floats = np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return logits - total


def tensors(file: Path) -> dict[str, Floats]:
    """All tensors of a safetensors file: a length in 8 bytes, so much JSON, and the numbers in a row."""
    data = file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, each in header.items():
        first, last = each["data_offsets"]
        found[name] = READ[each["dtype"]](data[start + first : start + last]).reshape(each["shape"])
    return found


def _norm(x: Floats, gain: Floats, config: Mapping[str, Any]) -> Floats:
    square: Floats = (x**2).mean(-1, keepdims=True)
    normed: Floats = x / np.sqrt(square + config["rms_norm_eps"]) * gain
    return normed


def _mlp(x: Floats, own: Mapping[str, Floats], config: Mapping[str, Any]) -> Floats:
    gate, up, down = (own[f"mlp.{name}_proj.weight"].T for name in ("gate", "up", "down"))
    return ACTIVATIONS[config["hidden_act"]](x @ gate) * (x @ up) @ down


def _attention(x: Floats, own: Mapping[str, Floats], config: Mapping[str, Any]) -> Floats:
    """Heads of queries share those of keys and values, neighbours one of them."""
    width = config["head_dim"]
    query, key, value = (
        (x @ own[f"self_attn.{name}_proj.weight"].T).reshape(len(x), -1, width).swapaxes(0, 1)
        for name in "qkv"
    )
    query, key = (_rotated(each, config["rope_parameters"]["rope_theta"]) for each in (query, key))
    key, value = (np.repeat(each, len(query) // len(each), axis=0) for each in (key, value))
    scores = query @ key.swapaxes(1, 2) / np.sqrt(width)
    scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    heads: Floats = shares @ value
    return heads.swapaxes(0, 1).reshape(len(x), -1) @ own["self_attn.o_proj.weight"].T


def _rotated(x: Floats, theta: float) -> Floats:
    """[heads, T, d]: pair i, dimensions i and i + d/2, turned by position · theta^(-2i/d)."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[1])[:, None] * theta ** (-np.arange(half) / half)
    first, second = x[..., :half], x[..., half:]
    return np.concatenate(
        [first * np.cos(angle) - second * np.sin(angle), second * np.cos(angle) + first * np.sin(angle)], -1
    )
