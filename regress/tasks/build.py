"""From the name of a task to lm-eval's object: found, permitted, configured, built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import lm_eval.tasks
from jinja2 import TemplateError, UndefinedError
from lm_eval.api.group import Group
from lm_eval.api.registry import metric_registry
from lm_eval.api.task import ConfigurableTask
from lm_eval.api.task import Task as LmEvalTask
from lm_eval.tasks._factory import TaskFactory, _ctor_accepts_config
from lm_eval.tasks._index import Entry, Kind, TaskIndex

from regress.definitions.yaml_files import read, tasks_folder
from regress.errors import TaskError, UnknownName, UsageError
from regress.tasks.sources import Sourced
from regress.tasks.templates import in_a_sandbox

INSTALLED = Path(lm_eval.tasks.__file__).resolve().parent
"""The definitions of the installed lm-eval."""

# What a task can raise when its definition does not fit its items.
MISFITS = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may set about every task of a call."""

    folder: Path | None = None
    label: str = "hub"
    fewshot: str | None = None
    num_fewshot: int | None = None
    fewshot_seed: int = 1234
    metric: str | None = None
    generation: Mapping[str, Any] = field(default_factory=dict)
    trust_task_code: bool = False
    allow_unsafe_code: bool = False


@contextmanager
def fits(task: str, what: str) -> Iterator[None]:
    """Turn what a task raises while it is built or rendered into a `TaskError`."""
    try:
        yield
    except MISFITS as error:
        reason = str(error).strip() or type(error).__name__
        raise TaskError(
            f"the task {task!r} {what}: {type(error).__name__}: {reason}",
            do="Do its items have the fields that the definition reads?" if _about_items(error) else None,
        ) from error


def _about_items(error: Exception) -> bool:
    return isinstance(error, (UndefinedError, LookupError, TypeError, ValueError))


class Builder(TaskFactory):  # type: ignore[misc]
    """lm-eval's factory, with permissions checked before code is imported, and our sources of items."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options

    def _load_full_config(self, entry: Entry, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
        permit(entry, overrides or {}, self.options)
        with fits(entry.name, "cannot be loaded"):
            config: dict[str, Any] = super()._load_full_config(entry, overrides)
        return config

    def _build_task(self, entry: Entry, overrides: dict[str, Any] | None) -> LmEvalTask:
        config = self._load_full_config(entry, overrides)
        for structural in ("tag", "group", "task_list"):
            config.pop(structural, None)
        if config.get("metric_list"):  # those that do not decide are left out, as those without a value are
            config["metric_list"] = [one for one in config["metric_list"] if not _remote(one, config)]
        name, base = config["task"], config.get("class", ConfigurableTask)
        if not (isinstance(base, type) and issubclass(base, ConfigurableTask)):
            raise TaskError(f"the task {name!r} is Python code of a kind that regress cannot ask")
        if base is not ConfigurableTask and self.options.folder is not None:
            raise TaskError(f"the task {name!r} loads its items in Python", do="Use it with --data hub.")
        _set_shots(config, self.options, fixed=entry.yaml_path)
        python = None if base is ConfigurableTask else base
        cls = type(base.__name__, (Sourced, base), {"folder": self.options.folder, "python": python})
        with fits(name, "cannot be built"):
            task = cls(config=config) if _ctor_accepts_config(base) else cls()
        task.config.task = name
        if self.options.folder is not None:
            task.origin = self.options.label
        return task


def _set_shots(config: dict[str, Any], options: Options, *, fixed: Path | None) -> None:
    asked = options.num_fewshot
    if asked is not None and asked != config.get("num_fewshot"):
        if config.get("num_fewshot") == 0 or config.get("output_type") == "loglikelihood_rolling":
            raise UsageError(
                f"the task {config['task']!r} is defined without worked examples, and {asked} were asked for",
                do="Ask for it in a run of its own, without --num-fewshot.",
            )
        config["num_fewshot"] = asked
    if config.get("num_fewshot") is None:
        config["num_fewshot"] = 0
    if options.fewshot is not None:
        sampler = {"fixed": "first_n", "lm-eval": "default"}[options.fewshot]
        config["fewshot_config"] = {**(config.get("fewshot_config") or {}), "sampler": sampler}


def permit(entry: Entry, overrides: Mapping[str, Any], options: Options) -> None:
    """Refuse a definition that may not be run, before any code that it names is imported.

    Raises:
        TaskError: If it runs Python that nobody vouched for, executes what models write, needs a
            metric from the network, or shows images or sound.
    """
    definition = read(entry.yaml_path)
    config, name = {**definition.config, **overrides}, entry.name
    foreign = [code for code in definition.code() if not _vouched(code.file)]
    if foreign and not options.trust_task_code:
        raise TaskError(
            f"the task {name!r} ({entry.yaml_path}) runs Python code: {', '.join(c.name for c in foreign)}",
            do="Read that code, and if you trust it, add --trust-task-code.",
        )
    if config.get("unsafe_code") and not options.allow_unsafe_code:
        raise TaskError(
            f"the task {name!r} executes what the model writes",
            do="In a machine that may be lost, add --allow-unsafe-code.",
        )
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        raise TaskError(f"the task {name!r} shows images or sound", allowed="text")
    _refuse_remote(name, config, options.metric)


def _vouched(file: Path) -> bool:
    return file.is_relative_to(INSTALLED) or file.is_relative_to(tasks_folder().resolve())


def _refuse_remote(task: str, config: Mapping[str, Any], asked: str | None) -> None:
    metrics = config.get("metric_list") or ()
    names = [one.get("metric") for one in metrics]
    headline = asked.partition("/")[0] if asked else next(iter(names), None)
    for one in metrics:
        if one.get("metric") == headline and _remote(one, config):
            raise TaskError(
                f"the metric {headline!r} of the task {task!r} would be fetched as code from the network",
                allowed=", ".join(sorted(metric_registry.keys())),
                do="Choose another of its metrics with --metric, or name a !function beside the YAML.",
            )


def _remote(metric: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether lm-eval would look a metric up in the package evaluate: network, and code from there."""
    if "class" in config or config.get("process_results") is not None:
        return False  # only a name; the task's own code computes it
    name = metric.get("metric")
    return isinstance(name, str) and (name not in metric_registry or bool(metric.get("hf_evaluate")))


@dataclass(frozen=True)
class Built:
    """What one name stands for."""

    tasks: tuple[Any, ...]
    """lm-eval's tasks, configured."""
    groups: Mapping[str, tuple[str, ...]]
    """Names of the tasks under each group and tag."""


class Index:
    """Names to definitions: ours first, then a YAML by path, then the installed lm-eval's."""

    @cached_property
    def ours(self) -> Mapping[str, Entry]:
        """What comes with regress: 6 ms."""
        index: Mapping[str, Entry] = TaskIndex.build([tasks_folder()])
        return index

    @cached_property
    def installed(self) -> Mapping[str, Entry]:
        """What comes with lm-eval, some 14,000 files: seconds."""
        index: Mapping[str, Entry] = TaskIndex.build([INSTALLED])
        return index

    def find(self, name: str) -> tuple[Entry, Callable[[], Mapping[str, Entry]]]:
        """The definition, and the names that it may refer to.

        Raises:
            UnknownName: If nobody has heard of it.
            TaskError: If it is a path without a task definition.
        """
        if name in self.ours:
            return self.ours[name], lambda: self.ours
        if name.endswith((".yaml", ".yml")):
            path = Path(name).expanduser().resolve()
            config = read(path).config
            if not isinstance(called := config.get("group") or config.get("task"), str):
                raise TaskError(f"{path} names no task", allowed="a `task:` with a name")
            kind = Kind.GROUP if "group" in config else Kind.TASK
            return Entry(name=called, kind=kind, yaml_path=path), lambda: self._beside(
                path, config.get("task")
            )
        if name not in self.installed:
            raise UnknownName("task", name, {*self.ours, *self.installed}, do="See `regress tasks --all`.")
        return self.installed[name], lambda: self.installed

    def _beside(self, path: Path, members: Any) -> Mapping[str, Entry]:
        """What a group by path may refer to; lm-eval's own names are read only where it does."""
        near = {**self.ours, **TaskIndex.build([path.parent])}
        names = [
            one.get("task") or one.get("group") if isinstance(one, dict) else one for one in members or ()
        ]
        return near if all(name in near for name in names) else {**self.installed, **near}


def build(name: str, index: Index, options: Options) -> Built:
    """Everything that one name stands for.

    Raises:
        UnknownName, TaskError, DataError, HubError: See there.
    """
    in_a_sandbox()
    entry, registry = index.find(name)
    needs_registry = entry.kind in (Kind.GROUP, Kind.TAG)
    built = Builder(options).build(entry, overrides=None, registry=dict(registry()) if needs_registry else {})
    if isinstance(built, list):
        tasks, groups = built, {entry.name: tuple(task.config.task for task in built)}
    elif isinstance(built, Group):
        tasks = built.get_all_tasks()
        groups = {
            group.name: tuple(task.config.task for task in group.get_all_tasks())
            for group in (built, *built.get_all_groups())
        }
    else:
        tasks, groups = [built], {}
    if inline := [task.config.task for task in tasks if not isinstance(task, Sourced)]:
        raise TaskError(
            f"{entry.name!r} defines {', '.join(inline)} inside the group",
            allowed="a YAML file for each task",
        )
    if not tasks:
        raise TaskError(f"{entry.name!r} stands for no task")
    return Built(tuple(tasks), groups)
