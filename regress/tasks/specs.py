"""The spec of a task: every setting that changes a prompt, a target or a judgement, hashed."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from regress.definitions.headline import Headline
from regress.definitions.known import KINDS
from regress.identity import file_hash, fingerprint, sequence_hash, source_json, task_fingerprint
from regress.tasks.rendering import rows
from regress.types import Instance, TaskSpec

# Said elsewhere in the spec (items, examples, generation), or no part of what is asked.
_NOT_DEFINING = frozenset(
    {
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "generation_kwargs",
        "num_fewshot",
        "tag",
        "task_alias",
    }
)


def definition_hash(task: Any) -> str:
    """Hash of the resolved definition; functions count by the bytes of the file they are written in."""
    config = {
        item.name: getattr(task.config, item.name)
        for item in dataclasses.fields(task.config)
        if item.name not in _NOT_DEFINING
    }
    shots = config.pop("fewshot_config")
    config["fewshot"] = {
        item.name: getattr(shots, item.name) for item in dataclasses.fields(shots) if item.name != "sampler"
    }
    metadata = {
        name: value
        for name, value in (config.pop("metadata") or {}).items()
        if name not in ("config_source", "about", "version")
    }
    return fingerprint(_data({**config, "metadata": metadata, "class": task.python}))


def _data(value: Any) -> Any:
    if callable(value):
        name = getattr(value, "__qualname__", type(value).__qualname__)
        try:
            file = inspect.getsourcefile(value)
        except TypeError:
            file = None
        return {"function": name, "file": file_hash(file) if file else None}
    if isinstance(value, Mapping):
        return {str(key): _data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_data(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def task_spec(
    task: Any,
    items: Sequence[Instance],
    prompts: Sequence[str],
    *,
    headline: Headline,
    scorer: Mapping[str, Any],
    fixed: bool,
) -> TaskSpec:
    """The spec of a task with its items.

    Args:
        task: lm-eval's.
        items: All of them.
        prompts: Every text shown, continuations included, in order.
        headline: What decides.
        scorer: How, as data.
        fixed: Whether all items share their worked examples.
    """
    config = task.config
    shots = rows(task.fewshot_docs() or ()) if config.num_fewshot else ()
    metadata = config.metadata or {}
    spec = TaskSpec(
        name=config.task,
        version=str(task.VERSION),
        kind=KINDS[task.OUTPUT_TYPE],
        scale=headline.scale,
        metric=headline.key,
        higher_is_better=headline.metric.higher_is_better,
        num_fewshot=config.num_fewshot,
        fewshot="fixed" if fixed or not config.num_fewshot else "lm-eval",
        scorer=scorer,
        generation=config.generation_kwargs if task.OUTPUT_TYPE == "generate_until" else {},
        data=task.origin,
        definition=definition_hash(task),
        items=sequence_hash([*(one.source or "" for one in items), *map(source_json, shots)]),
        targets=sequence_hash(f"{one.golds}{one.target}" for one in items),
        prompts=sequence_hash(prompts),
        n=len(items),
        description=metadata.get("about") or f"{config.task} as lm-eval defines it",
    )
    return dataclasses.replace(spec, fingerprint=task_fingerprint(spec))
