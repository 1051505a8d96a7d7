"""Where lm-eval's tasks get their items from: the hub, or a folder of JSON lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regress.errors import DataError, HubError, TaskError
from regress.tasks.items import mixed_types, read_items, split_file

_REVISION = re.compile(r"[0-9a-f]{40}")


class Sourced:
    """Put before a class of lm-eval's tasks: where the items come from, and no example is loaded unasked.

    lm-eval reads the source of the worked examples even where none are shown, which needs a training
    split that a folder may not have, and takes seconds.
    """

    folder: Path | None = None
    """The folder, or null for what the definition names."""
    python: type | None = None
    """The class that the definition names, or null where it names none."""
    origin: str = "hub"
    """`TaskSpec.data`, once the items are there."""

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Get the data set: lm-eval calls this once, while the task is built."""
        config: Any = self.config  # type: ignore[attr-defined]
        if self.folder is not None:
            self.dataset: Any = {split: self._from_folder(split) for split in needed_splits(self)}
            return
        refuse_shadow(config.dataset_path)
        with hub_errors(config.task, config.dataset_path):
            super().download(dataset_kwargs, **kwargs)  # type: ignore[misc]
        self.origin = origin(config.dataset_path, self.dataset)

    def fewshot_docs(self) -> Any:
        """Where examples are drawn from; null if none are shown."""
        config: Any = self.config  # type: ignore[attr-defined]
        return super().fewshot_docs() if config.num_fewshot else None  # type: ignore[misc]

    def _from_folder(self, split: str) -> Any:
        import datasets
        import pyarrow as pa

        config: Any = self.config  # type: ignore[attr-defined]
        assert self.folder is not None
        names = [config.task, *filter(None, [(config.metadata or {}).get("data")])]
        file = split_file(self.folder, names, split)
        items = read_items(file)
        try:
            return datasets.Dataset.from_list(items)  # in memory: nothing is written to a cache
        except (pa.ArrowException, TypeError) as error:
            raise mixed_types(file, items) from error


def needed_splits(task: Any) -> set[str]:
    """The splits that a task asks about and takes its examples from."""
    config, shots = task.config, task.fewshot_cfg
    asked = config.test_split or config.validation_split
    if asked is None:
        raise TaskError(f"the task {config.task!r} names no test or validation split")
    if not config.num_fewshot or (shots.split is None and shots.samples is not None):
        return {asked}
    return {asked, shots.split or config.training_split or config.validation_split or asked}


def refuse_shadow(dataset_path: str | None) -> None:
    """Refuse a folder here that would be read in place of the hub's data set of that name.

    Raises:
        DataError: If there is one.
    """
    if dataset_path and not _local(dataset_path) and Path(dataset_path).exists():
        raise DataError(
            f"a folder {dataset_path!r} in the current directory would be read in place of the hub's "
            "data set of that name",
            do="Run from another directory, rename the folder, or say where the items are with --data DIR.",
        )


def origin(dataset_path: str | None, dataset: Any) -> str:
    """`hub:REPO@REVISION` where the revision can be told from what was downloaded, else `hub:REPO`.

    The cache of `datasets` keeps each commit in a folder of its name. A local folder or file is `dir`;
    items that code makes are `code`.
    """
    if not dataset_path:
        return "code"
    if _local(dataset_path):
        return "dir"
    splits = list(dataset.values()) if hasattr(dataset, "values") else []
    files = [file["filename"] for split in splits for file in getattr(split, "cache_files", ())]
    revisions = {revision for file in files if _REVISION.fullmatch(revision := Path(file).parent.name)}
    return f"hub:{dataset_path}@{revisions.pop()}" if len(revisions) == 1 else f"hub:{dataset_path}"


def _local(dataset_path: str) -> bool:
    """Whether a data set is named as files here: by a path, or by a reader of files such as `json`."""
    from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

    return dataset_path in _PACKAGED_DATASETS_MODULES or dataset_path.startswith(("/", ".", "~"))


@contextmanager
def hub_errors(task: str, repository: str | None) -> Iterator[None]:
    """Turn what can go wrong between here and the hub into a `HubError` that says what to set."""
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    client_errors = HfHubHTTPError.__bases__  # those of the HTTP client, whichever it is, and OSError
    try:
        yield
    except (DatasetsError, ValueError, *client_errors) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise HubError(
            f"cannot get the data set {repository!r} of the task {task!r}: {reason}",
            do="If it is private or gated, set HF_TOKEN; behind a mirror, HF_ENDPOINT; without a network, "
            "HF_HUB_OFFLINE=1 once it is cached. Or take local items with --data DIR.",
        ) from error
