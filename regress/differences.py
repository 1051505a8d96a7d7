"""In which settings two runs differ, and how such a difference is put in an error message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from regress.identity import plain
from regress.types import Difference, Run

_MODEL = ("tokenizer", "chat_template", "system", "dtype", "quantization", "adapter")
_ENGINE = ("name", "version", "batch_size")
_TASK = ("data", "items", "num_fewshot", "fewshot")
_RECORDED = ("device", "versions", "fallback")
_NAMED = 3


def differences(old: Run, new: Run) -> Iterator[Difference]:
    """Settings that differ without changing the question: to be said beside the result.

    Which weights they are is left out, as that is what is being compared; so is what refusals are
    decided by (`regress.comparable`), and what is unknown of either side.
    """
    before, after = _settings(old), _settings(new)
    unknown = _unknown(old) | _unknown(new)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name) and not _is_among(name, unknown):
            yield Difference(field=name, old=before.get(name), new=after.get(name))


def _unknown(run: Run) -> set[str]:
    """Names of settings, or of whole groups of them, that nobody knows of a run."""
    origin, task = run.spec.origin, run.spec.task
    if origin is None:
        return set()
    imported = set() if task.data else {"task.data", "task.items", "task.fewshot"}
    empty = {name for name in ("generation", "num_fewshot") if getattr(task, name) in (None, {})}
    return {*origin.unknown, *imported, "recorded", "chunk_size", *(f"task.{name}" for name in empty)}


def _is_among(name: str, groups: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in groups for length in range(1, len(parts) + 1))


def _settings(run: Run) -> dict[str, Any]:
    spec, task = run.spec, run.spec.task
    settings = {f"model.{name}": getattr(spec.model, name) for name in _MODEL}
    settings |= {f"engine.{name}": getattr(spec.engine, name) for name in _ENGINE}
    settings |= flat("engine.settings", plain(spec.engine.settings))
    settings |= flat("task.generation", plain(task.generation))
    settings |= {f"task.{name}": getattr(task, name) for name in _TASK}
    settings |= {"variation": spec.variation, "replica": spec.replica, "chunk_size": spec.chunk_size}
    for name in _RECORDED:
        settings |= flat(f"recorded.{name}", plain(run.manifest.recorded.get(name)))
    return settings


def flat(prefix: str, value: Any) -> dict[str, Any]:
    """The leaves of nested mappings by their dotted names; what is no mapping is its own leaf.

    >>> flat("a", {"b": 1, "c": {"d": 2}})
    {'a.b': 1, 'a.c.d': 2}
    """
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {name: leaf for key, item in value.items() for name, leaf in flat(f"{prefix}.{key}", item).items()}


def against(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first few keys in which two mappings differ, for error messages; empty if there are none.

    >>> against({"num_fewshot": 0, "fewshot": "fixed"}, {"num_fewshot": 5, "fewshot": "fixed"})
    'num_fewshot 0 against 5'
    """
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    shown = [f"{key} {short(old.get(key))} against {short(new.get(key))}" for key in keys[:_NAMED]]
    return ", ".join(shown) + (", …" if len(keys) > _NAMED else "")


def short(value: Any) -> str:
    """A setting in a few characters, for error messages.

    >>> short(None), short(5), short("3fa9c1d2" * 8)
    ('none', '5', '3fa9c1d23fa9…')
    """
    text = "none" if value in (None, "") else str(value)
    return text if len(text) <= 40 else text[:12] + "…"
