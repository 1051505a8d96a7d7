"""Names of tasks in, tasks out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from regress.definitions.yaml_files import read, tasks_folder
from regress.errors import MissingExtra, TaskError, UsageError
from regress.tasks.task import TaskListing, TaskSet

if TYPE_CHECKING:
    from regress.tasks.task import Task

__all__ = ["list_tasks", "load_tasks", "tasks_folder"]

FEWSHOT = ("fixed", "lm-eval")
"""Values of `fewshot`: the same first examples for every item, or lm-eval's random sampler."""


def load_tasks(
    names: Sequence[str],
    *,
    data: str | Path = "hub",
    data_label: str = "dir",
    fewshot: str | None = None,
    num_fewshot: int | None = None,
    fewshot_seed: int = 1234,
    metric: str | None = None,
    max_gen_toks: int | None = None,
    generation: Mapping[str, Any] | None = None,
    trust_task_code: bool = False,
    allow_unsafe_code: bool = False,
) -> TaskSet:
    """Load tasks with all their items, every prompt rendered once.

    Args:
        names: Our tasks, YAML files, or tasks, groups and tags of the installed lm-eval, in this order
            of precedence.
        data: `hub`, or a folder with `<task>/<split>.jsonl`.
        data_label: What `TaskSpec.data` says of a folder: `dir`, or `demo`.
        fewshot: `fixed`, `lm-eval`, or null for what each task says.
        num_fewshot: Worked examples, or null for what each task says.
        fewshot_seed: Seed of lm-eval's sampler.
        metric: The metric that decides, or null for what each task says.
        max_gen_toks: Longest answer in tokens, or null for what each task says.
        generation: Further generation settings; they win over the task's.
        trust_task_code: Run Python code that a YAML given by path names.
        allow_unsafe_code: Take tasks that execute what the model writes.

    Raises:
        UnknownName: If nobody has heard of a task or metric.
        UsageError: If a task is asked for twice, or a setting makes no sense.
        TaskError: If a definition cannot be run or judged, or may not be.
        DataError: If items are missing or malformed.
        HubError: If the hub does not hand out the data set.
        MissingExtra: If the weights wing is not installed.
    """
    if fewshot is not None and fewshot not in FEWSHOT:
        raise UsageError(f"--fewshot is {fewshot!r}", allowed=" or ".join(FEWSHOT))
    for what, number, least in (("--num-fewshot", num_fewshot, 0), ("--max-gen-toks", max_gen_toks, 1)):
        if number is not None and number < least:
            raise UsageError(f"{what} is {number}", allowed=f"{least} or more")
    if not names:
        raise UsageError("no task is named", allowed="names as `regress tasks` lists them, or YAML files")
    try:
        from regress.tasks.build import Index, Options, build
        from regress.tasks.harness import HarnessTask
    except ModuleNotFoundError as error:
        raise MissingExtra("running a task", "models", error.name or "lm-eval") from error

    length = {"max_gen_toks": max_gen_toks} if max_gen_toks is not None else {}
    options = Options(
        folder=None if data == "hub" else Path(data).expanduser().resolve(),
        label=data_label,
        fewshot=fewshot,
        num_fewshot=num_fewshot,
        fewshot_seed=fewshot_seed,
        metric=metric,
        generation={**(generation or {}), **length},
        trust_task_code=trust_task_code,
        allow_unsafe_code=allow_unsafe_code,
    )
    index = Index()
    tasks: dict[str, Task] = {}
    groups: dict[str, tuple[str, ...]] = {}
    asked_by: dict[str, str] = {}
    for name in names:
        built = build(name, index, options)
        for theirs in built.tasks:
            called = theirs.config.task
            if called in asked_by:
                raise UsageError(
                    f"the task {called!r} is asked for twice: by {asked_by[called]!r} and {name!r}",
                    do="Name it once.",
                )
            asked_by[called] = name
            tasks[called] = HarnessTask(theirs, options)
        groups |= built.groups
    return TaskSet(tuple(tasks.values()), groups)


def list_tasks(*, everything: bool = False) -> list[TaskListing]:
    """What can be asked for, by name: ours, and with `everything` the installed lm-eval's too.

    Ours are read without lm-eval.
    """
    ours = [_listing(path, ours=True) for path in sorted(tasks_folder().glob("*/*.yaml"))]
    known = {listing.name for listing in ours}
    theirs = [listing for listing in _installed() if listing.name not in known] if everything else []
    return sorted(ours, key=lambda listing: listing.name) + theirs


def _listing(path: Path, *, ours: bool) -> TaskListing:
    config = read(path).config
    kind: Literal["task", "group"] = "group" if "group" in config else "task"
    name = config.get("group") or config.get("task")
    if not isinstance(name, str):
        raise TaskError(f"{path} names no task")
    about = (config.get("metadata") or {}).get("about", "")
    return TaskListing(name=name, kind=kind, description=about, ours=ours, path=str(path))


def _installed() -> list[TaskListing]:
    try:
        from lm_eval.tasks import TaskManager
        from lm_eval.tasks._index import Kind
    except ModuleNotFoundError as error:
        raise MissingExtra("listing the tasks of lm-eval", "models", error.name or "lm-eval") from error
    kinds: dict[Any, Literal["task", "group", "tag"]] = {Kind.GROUP: "group", Kind.TAG: "tag"}
    return [
        TaskListing(
            name=name,
            kind=kinds.get(entry.kind, "task"),
            description="",
            ours=False,
            path=str(entry.yaml_path) if entry.yaml_path else None,
        )
        for name, entry in sorted(TaskManager().task_index.items())
    ]
