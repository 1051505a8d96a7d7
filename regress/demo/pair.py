"""Where the built-in model pair and its items lie: names and folders, nothing that needs torch."""

from __future__ import annotations

from pathlib import Path

from regress.errors import UnknownName

MODELS: tuple[str, ...] = ("demo-v1", "demo-v2")
"""The pair, old before new."""

_HERE = Path(__file__).resolve().parent


def is_demo(name: str) -> bool:
    """Whether `name` is one of the two built-in models.

    >>> is_demo("demo-v1"), is_demo("gpt2")
    (True, False)
    """
    return name in MODELS


def model_folder(name: str) -> Path:
    """Folder of a built-in model: config, weights, tokenizer and model card.

    Raises:
        UnknownName: If `name` is not one of `MODELS`.

    >>> model_folder("demo-v2").name
    'demo-v2'
    """
    if not is_demo(name):
        raise UnknownName("demo model", name, MODELS)
    return _HERE / "models" / name


def items_folder() -> Path:
    """Folder of the demo items, `<task>/<split>.jsonl`: made from templates, not the benchmarks.

    >>> (items_folder() / "piqa" / "validation.jsonl").is_file()
    True
    """
    return _HERE / "items"
