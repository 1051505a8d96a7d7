"""What two models are shown to see how far they lie apart: a file of text, or the prompts of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from regress.comparison.compared import Compared
from regress.config import Settings
from regress.errors import DataError, UsageError
from regress.tasks.task import TaskSet
from regress.workflows.evaluate import choose


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Texts that are measured together."""

    name: str
    """Path of the file, or name of the task."""
    kind: Literal["window", "instance", "cluster"]
    """What the units are."""
    texts: tuple[str, ...]
    """The texts."""
    units: tuple[int, ...] | None = None
    """Codes of what each text was sampled in; null where every window of the one text is a unit."""


def of_file(path: str | Path) -> Reading:
    """A file of text.

    Raises:
        UsageError: If there is no such file.
        DataError: If it is empty, or not text in UTF-8.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text (byte {error.start} is not UTF-8)", allowed="UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror})", allowed="a file of text") from None
    if "\0" in text:
        raise DataError(f"{path} is not text (character {text.index(chr(0))} is NUL)", allowed="UTF-8")
    if not text.strip():
        raise DataError(f"{path} holds no text")
    return Reading(name=str(path), kind="window", texts=(text,))


def of_tasks(tasks: TaskSet, settings: Settings) -> list[Reading]:
    """The prompts of the instances that the settings choose, of each task.

    Raises:
        DataError: If a task's prompts are not known.
    """
    readings = []
    for task in tasks.tasks:
        chosen = [task.instances[index] for index in choose(len(task.instances), settings)[1]]
        prompts = ((one.prompt, one.cluster) for one in chosen)
        readings.append(_of_prompts(task.spec.name, prompts))
    return readings


def of_comparison(compared: Compared) -> list[Reading]:
    """The prompts of the instances that were compared, of each task.

    Raises:
        DataError: If a task's prompts are not stored.
    """
    return list(_prompts(compared))


def _prompts(compared: Compared) -> Iterator[Reading]:
    for task, pairs in compared.pairs.items():
        table = compared.instances.get(task)
        if table is None or not pairs.old_spec.text:
            raise DataError(
                f"the prompts of {task} are not stored",
                do="Name a text instead: --divergence FILE.",
            )
        asked = table.filter(pc.is_in(table["instance_id"], pc.unique(pairs.old["instance_id"])))
        columns = (asked[name].to_pylist() for name in ("prompt", "cluster"))
        yield _of_prompts(task, zip(*columns, strict=True))


def _of_prompts(task: str, prompts: Iterable[tuple[str | None, str | None]]) -> Reading:
    """Distinct prompts, those of one cluster (or the same prompt) as one unit."""
    found: dict[str, str | None] = {}
    for prompt, cluster in prompts:
        if prompt:
            found.setdefault(prompt, cluster)
    if not found:
        raise DataError(f"the prompts of {task} are not known", do="Name a text instead.")
    # what has no cluster was sampled alone
    names = [cluster if cluster is not None else f"\0{place}" for place, cluster in enumerate(found.values())]
    codes = np.unique(names, return_inverse=True)[1]
    kind: Literal["instance", "cluster"] = (
        "cluster" if any(c is not None for c in found.values()) else "instance"
    )
    return Reading(name=task, kind=kind, texts=tuple(found), units=tuple(map(int, codes)))
