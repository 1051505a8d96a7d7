"""A cheap proof that a stored run is still about the same bytes, without loading anything heavy.

The true key of a run needs the tasks built and the model described, seconds of imports. Where
model, items and definitions all lie in local files, their sizes and times together with the
settings and the versions decide the same question in milliseconds. Where this cannot be said, or
says no, the true key is computed.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path

from regress.checkpoints import local_files
from regress.config import Alias, Settings
from regress.definitions.yaml_files import tasks_folder
from regress.demo import pair as demo
from regress.identity import fingerprint, plain

_DISTRIBUTIONS = ("regress-harness", "lm_eval", "transformers", "torch", "datasets")


def signature(model: str, settings: Settings, aliases: Mapping[str, Alias], task: str) -> str | None:
    """Hash of everything that decides a run's key, read from names, sizes and times only.

    Null where it cannot be said: models or items on the hub, other engines, tasks that are not ours.
    """
    if settings.engine not in ("local", "hf") or settings.data in (None, "hub"):
        return None
    weights = local_files(model, aliases)
    definition = tasks_folder() / task
    if weights is None or not definition.is_dir():
        return None
    items = demo.items_folder() if settings.data == "demo" else Path(str(settings.data)).expanduser()
    plainly = plain(dataclasses.replace(settings, tasks=(task,)))
    return fingerprint(
        {
            "model": model,
            "settings": plainly,
            "files": [*_stats(weights), *_stats(definition.rglob("*")), *_stats(items.glob("*/*.jsonl"))],
            "versions": [_version(name) for name in _DISTRIBUTIONS],
        }
    )


def _stats(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    found = []
    for file in sorted(files):
        if file.is_file() and "__pycache__" not in file.parts:
            stat = file.stat()
            found.append((str(file.resolve()), stat.st_size, stat.st_mtime_ns))
    return found


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
