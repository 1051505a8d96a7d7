"""Models and settings in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regress.identity import canonical_json, strict
from regress.types import Difference, ModelSpec
from regress.views.numbers import UNKNOWN
from regress.views.untrusted import head, tail

NAME = 60
"""Characters of a name that are shown."""

_VALUE = 40
NAMES = {
    "model.adapter": "adapter",
    "model.chat_template": "chat template",
    "model.dtype": "weight type",
    "model.quantization": "quantisation",
    "model.system": "system instruction",
    "model.tokenizer": "tokenizer",
    "engine.batch_size": "batch size",
    "engine.name": "engine",
    "engine.version": "engine version",
    "task.definition": "task definition",
    "task.num_fewshot": "worked examples",
    "task.prompts": "prompts",
    "task.scorer": "scorer",
    "task.version": "task version",
    "recorded.device": "device",
    "recorded.fallback.everything": "left to lm-eval",
    "recorded.fallback.generation": "generation left to lm-eval",
    "recorded.fallback.log-likelihoods": "log-likelihoods left to lm-eval",
    "recorded.fallback.rolling log-likelihoods": "likelihoods of whole texts left to lm-eval",
    "model.fingerprint": "weights",
    "model.revision": "revision",
    "engine.settings": "engine settings",
    "finish": "why answers ended",
    "output": "outputs",
    "output_tokens": "tokens written",
    "prompt_tokens": "tokens of prompt",
    "shown": "tokens shown",
}
"""What settings and columns are called, by their dotted names."""


def model(spec: ModelSpec) -> str:
    """A model with where it comes from, its revision (or the hash of its weights) and weight type.

    >>> model(ModelSpec(name="demo-v1", source="built in", dtype="float32", fingerprint="3fa9c1d2" * 8))
    'demo-v1 · built in · weights 3fa9c1d2 · float32'
    """
    if spec.revision:
        version = f"revision {value(spec.revision)}"
    elif spec.fingerprint:
        version = f"weights {value(spec.fingerprint)}"
    else:
        version = f"revision {UNKNOWN}"
    parts = [
        spec.name,
        "" if spec.source == spec.name else spec.source,
        f"adapter {spec.adapter}" if spec.adapter else "",
        version,
        spec.dtype or f"weight type {UNKNOWN}",
        spec.quantization or "",
    ]
    return " · ".join(tail(part, NAME) for part in parts if part)


def difference(setting: Difference) -> str:
    """One setting before and after.

    >>> difference(Difference(field="task.num_fewshot", old=0, new=5))
    'worked examples 0 → 5'
    >>> difference(Difference(field="task.prompts", old="a" * 63 + "b", new="a" * 63 + "c"))
    'prompts …aaaaaaaaaaaaaaaaaaaab → …aaaaaaaaaaaaaaaaaaaac'
    """
    return f"{NAMES.get(setting.field, name(setting.field))} {_contrast(setting.old, setting.new)}"


def name(text: str) -> str:
    """What somebody called something, at a length that fits into a sentence."""
    return head(text, NAME)


def value(setting: Any) -> str:
    """What something is set to, at a length that fits into a sentence.

    >>> value(None), value({"until": ["a"]}), value("01c7f73d771dfac7d292323805ebc428287df4f9")
    ('none', '{"until":["a"]}', '01c7f73d')
    """
    return head(_plain(setting), _VALUE)


def _contrast(old: Any, new: Any) -> str:
    """Two values of a setting, of long ones the part where they part; or that they only look the same."""
    texts = [_plain(setting) for setting in (old, new)]
    if texts[0] == texts[1]:  # hashes that begin alike
        texts = [str(setting) for setting in (old, new)]
    if max(map(len, texts)) > _VALUE:
        equal = min(map(len, texts))
        parting = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), equal)
        start = max(0, parting - _VALUE // 2)
        texts = [("…" if start else "") + text[start:] for text in texts]
    before, after = (head(text, _VALUE) for text in texts)
    return f"{before} → {after}" if before != after else "not the same"


def _plain(setting: Any) -> str:
    """A setting as text: a hash by its first eight digits, a structure as JSON."""
    if setting is None:
        return "none"
    if isinstance(setting, str):
        hashed = len(setting) >= 16 and all(digit in "0123456789abcdef" for digit in setting)
        return setting[:8] if hashed else setting
    if isinstance(setting, (Mapping, list, tuple)):
        return canonical_json(strict(setting))
    return str(setting)
