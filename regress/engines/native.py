"""A transformers model run over packed tokens: hidden states by a layout, log-probabilities by rows.

The model's own modules compute; only what it attends to is ours (`regress.engines.attention`).

Shapes: T tokens of a pack, R rows whose logits are wanted, V vocabulary.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from regress.engines import attention
from regress.engines.attention import KeyValue, Layout, Unsupported
from regress.engines.kernels import use_fastest
from regress.engines.layouts import Prefix, Trees
from regress.engines.schedule import Ids, Pack, Window, separate

HEAD_ELEMENTS = {"cpu": 2**22, "cuda": 2**26}
"""Logits held at once: on a CPU they should stay in its cache."""
_GLOBAL_ROPE = {"dynamic", "longrope"}
"""Position encodings that change with the longest sequence beside, as lm-eval's batches do too."""
_PLAIN_LAYERS = {"full_attention", "sliding_attention"}


class NativeModel:
    """A loaded model, its attention exchanged while it is called.

    Args:
        model: What transformers (or PEFT around it) loaded.

    Raises:
        Unsupported: If it cannot be run so, with the reason.
    """

    def __init__(self, model: Any) -> None:
        self._whole = model.get_base_model() if hasattr(model, "get_base_model") else model
        config = self._whole.config
        _refuse_unknown(self._whole, config)
        self._body = self._whole.base_model
        self._configs = list(
            {id(c): c for m in self._whole.modules() if (c := getattr(m, "config", None))}.values()
        )
        self._softcap = getattr(config.get_text_config(), "final_logit_softcapping", None)
        self.device, self.dtype = self._whole.device, self._whole.dtype
        self.linear = use_fastest(self._whole, self.dtype)
        self._head = self._whole.get_output_embeddings()
        self._prefix: tuple[bytes, Prefix] | None = None

    @torch.inference_mode()
    def hidden(self, tokens: Ids, positions: Ids, layout: Layout) -> torch.Tensor:
        """Last hidden states [T, width] of tokens [T], attending as `layout` says."""
        ids, places = (torch.from_numpy(each).to(self.device)[None] for each in (tokens, positions))
        with self._attending(), attention.in_force(layout):
            out = self._body(input_ids=ids, position_ids=places, use_cache=False)
        states: torch.Tensor = out.last_hidden_state[0]
        return states

    def packed(self, pack: Pack, prefix: Prefix | None) -> torch.Tensor:
        """Hidden states [R, width] of the rows of a pack that are wanted."""
        layout = Trees(pack, prefix if pack.prefixed else None, self.device, self.dtype)
        states = self.hidden(pack.tokens, pack.positions, layout)
        return states.index_select(0, torch.from_numpy(pack.rows).to(self.device))

    def prefix(self, tokens: Ids) -> Prefix | None:
        """Keys and values of a prefix, computed once as long as the next one asked for is the same."""
        if not len(tokens):
            return None
        key = tokens.tobytes()
        if self._prefix is None or self._prefix[0] != key:
            self._prefix = None  # two would not fit
            layout = self._kept([Window(tokens, tokens[:1])], None)[0]
            self._prefix = key, Prefix(len(tokens), layout)
        return self._prefix[1]

    def prefill(self, prompts: list[Ids], prefix: Prefix | None) -> tuple[torch.Tensor, dict[int, KeyValue]]:
        """Compute prompts beyond their prefix: last hidden states [prompts, width], keys and values."""
        kept, states, rows = self._kept([Window(tokens, tokens[:1]) for tokens in prompts], prefix)
        return states[rows], kept

    def _kept(
        self, windows: list[Window], prefix: Prefix | None
    ) -> tuple[dict[int, KeyValue], torch.Tensor, torch.Tensor]:
        pack = separate(windows, prefix.length if prefix else 0)
        layout = Trees(pack, prefix, self.device, self.dtype, keep=True)
        states = self.hidden(pack.tokens, pack.positions, layout)
        return layout.kept or {}, states, torch.from_numpy(pack.rows).to(self.device)

    @torch.inference_mode()
    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Logits [R, V] of hidden states [R, width], in float32 whatever the model computes in."""
        logits: torch.Tensor = self._head(states)
        if self._softcap is not None:
            logits = torch.tanh(logits / self._softcap) * self._softcap
        return logits.float()

    def in_blocks(self, rows: int) -> Iterator[slice]:
        """Slices of `rows` whose logits fit beside each other."""
        vocabulary = int(self._head.out_features)
        step = max(1, HEAD_ELEMENTS.get(self.device.type, 2**24) // vocabulary)
        for start in range(0, rows, step):
            yield slice(start, start + step)

    def forget(self) -> None:
        """Give back what is only kept to save time."""
        self._prefix = None

    @contextlib.contextmanager
    def _attending(self) -> Iterator[None]:
        """Exchange the attention of every layer; its own comes back, since lm-eval may run the model too."""
        before = [(config, config._attn_implementation) for config in self._configs]
        try:
            for config, _ in before:
                config._attn_implementation = attention.NAME
            yield
        finally:
            for config, name in before:
                config._attn_implementation = name


def _refuse_unknown(model: Any, config: Any) -> None:
    """Refuse what a short check at load would not show.

    Raises:
        Unsupported: With the reason.
    """
    text = config.get_text_config()
    if config.is_encoder_decoder:
        raise Unsupported("it is an encoder-decoder")
    if not getattr(model, "_supports_attention_backend", False):
        raise Unsupported(f"{type(model).__name__} does not use transformers' attention interface")
    if kinds := set(getattr(text, "layer_types", None) or ()) - _PLAIN_LAYERS:
        raise Unsupported(f"it has {', '.join(sorted(kinds))} layers")
    if rope := _rope_types(getattr(text, "rope_parameters", None)) & _GLOBAL_ROPE:
        raise Unsupported(f"its {min(rope)} position encoding depends on the longest sequence beside")


def _rope_types(parameters: Any) -> set[str]:
    if not isinstance(parameters, dict):
        return set()
    nested = [value for value in parameters.values() if isinstance(value, dict)]
    kinds = {parameters["rope_type"]} if isinstance(parameters.get("rope_type"), str) else set()
    return kinds.union(*map(_rope_types, nested)) if nested else kinds
