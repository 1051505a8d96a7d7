"""What the user configured: `regress.toml`, `[tool.regress]`, and the settings of one call.

    store = "reports/runs"            # where runs lie
    [aliases]                         # as in regress/aliases.toml
    mine = "./checkpoints/mine"
    [defaults]                        # any field of `Settings`
    tasks = ["gsm8k", "piqa"]
    [gate]                            # what a release is held to (`regress.policy.parse`)
    preset = "strict"

The nearest `regress.toml`, or `pyproject.toml` with a `[tool.regress]` table, upwards from the
current directory counts; paths in it are relative to it.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regress.errors import UnknownName, UsageError

DEFAULT_TASKS = ("gsm8k", "samsum", "piqa", "hellaswag")
CONFIG_NAME, PROJECT_NAME = "regress.toml", "pyproject.toml"
CONFIG_KEYS = ("store", "aliases", "defaults", "gate")
STORE_VARIABLE, DEFAULT_STORE = "REGRESS_STORE", "reports/runs"

_LEAST = {"limit": 1, "sample": 1, "batch_size": 1, "max_gen_toks": 1, "chunk_size": 1}
_LEAST |= {"num_fewshot": 0, "seed": 0}
_KINDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "text",
    tuple: "several names",
    Mapping: "a table of names and values",
}


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A short name for a model."""

    model: str
    """Hub id or local folder."""
    revision: str | None = None
    """Pinned revision; null to resolve the newest when it is fetched."""
    adapter: str | None = None
    """PEFT adapter to put on it: hub id or folder."""
    allow_bin: bool = False
    """Read `.bin` weights (with `weights_only=True`) where there are no safetensors."""
    shown: str | None = None
    """What reports call the source instead of `model`; null to show `model`."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How models are asked: everything a user may set beside their names."""

    tasks: tuple[str, ...] = DEFAULT_TASKS
    """Task names, groups, or paths of task YAML files."""
    data: str | None = None
    """`hub`, `demo` or a folder of `<task>/<split>.jsonl`; null: `demo` for demo models only, else `hub`."""
    limit: int | None = None
    """Only the first this many items of each task."""
    sample: int | None = None
    """This many items of each task, drawn by `seed`."""
    seed: int = 1234
    """Seed of `sample` and of sampled generation."""
    metric: str | None = None
    """Headline metric instead of the task's own."""
    fewshot: str | None = None
    """`fixed` or `lm-eval`; null: as the task says."""
    num_fewshot: int | None = None
    """Worked examples; null: as the task says."""
    max_gen_toks: int | None = None
    """Longest generated answer in tokens; null: as the task says."""
    trust_task_code: bool = False
    """Run Python that a task YAML given by path names."""
    allow_unsafe_code: bool = False
    """Run tasks that execute what a model wrote."""
    engine: str = "local"
    """What runs the models: `local`, `scripted`, `hf`, or any other model type of lm-eval."""
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments for the engine."""
    dtype: str | None = None
    """Weight type of the forward pass; null: the checkpoint's."""
    device: str | None = None
    """Where it runs; null: the first GPU, else the CPU."""
    batch_size: int | None = None
    """Requests that go through the model together; changes answers in the last digits, so it is keyed.
    Null: as the engine has it."""
    chat_template: str = "none"
    """`none`, `auto` (the tokenizer's, if it has one) or the name of one of its templates."""
    system: str | None = None
    """System instruction before each prompt."""
    trust_remote_code: bool = False
    """Run Python that comes with a checkpoint."""
    allow_bin: bool = False
    """Read `.bin` weights (with `weights_only=True`) where there are no safetensors."""
    text: bool = True
    """Store outputs; False stores their hashes only, for private test sets."""
    chunk_size: int = 128
    """Instances a stored part holds."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        if self.limit is not None and self.sample is not None:
            raise UsageError("both a limit and a sample were given", allowed="one of them")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name} is {value!r}", allowed=f"a whole number from {least}")
        if self.fewshot not in (None, "fixed", "lm-eval"):
            raise UsageError(f"fewshot is {self.fewshot!r}", allowed="fixed, lm-eval")
        if not self.tasks or not all(isinstance(task, str) and task for task in self.tasks):
            given = f"tasks is {list(self.tasks)!r}" if self.tasks else "no task was given"
            raise UsageError(given, allowed="at least one name or path")


@dataclass(frozen=True, kw_only=True)
class Config:
    """The configuration in force."""

    store: Path
    """Folder of runs."""
    aliases: Mapping[str, Alias]
    """Short names, the user's over the shipped ones."""
    defaults: Mapping[str, Any]
    """Fields of `Settings` that the user presets."""
    path: Path | None = None
    """The file it was read from; null if there was none."""
    gate: Mapping[str, Any] | None = None
    """What the file says about the gate, as it stands there; null if nothing."""

    def settings(self, **given: Any) -> Settings:
        """Settings with the user's defaults under what was given; null means not given.

        Raises:
            UnknownName: If a setting does not exist.
            UsageError: If a value cannot be meant.
        """
        chosen = {**self.defaults, **{name: value for name, value in given.items() if value is not None}}
        known = {f.name for f in dataclasses.fields(Settings)}
        for name in chosen:
            if name not in known:
                raise UnknownName("setting", name, known)
        tasks = chosen.get("tasks")
        if isinstance(tasks, (str, os.PathLike)):
            tasks = [task.strip() for task in os.fspath(tasks).split(",") if task.strip()]
        if isinstance(tasks, (list, tuple)):
            chosen["tasks"] = tuple(map(_path_as_text, tasks))
        if "data" in chosen:
            chosen["data"] = _path_as_text(chosen["data"])
        return Settings(**chosen)


def load_config(*, store: str | Path | None = None, start: Path | None = None) -> Config:
    """Read the configuration in force.

    Args:
        store: Folder of runs; else the `REGRESS_STORE` variable, else the file's, else `reports/runs`.
        start: Where to look for the file; the current directory by default.

    Raises:
        UsageError: If the file is not TOML or holds a value that cannot be meant.
        UnknownName: If it holds a key that regress does not know.
    """
    path = _find(start or Path.cwd())
    table = read_toml(path) if path else {}
    check_keys(table, CONFIG_KEYS, str(path))
    base = path.parent if path else Path()
    aliases = dict(_aliases(_shipped_aliases(), Path(__file__).parent))
    aliases.update(_aliases(_table(table, "aliases", path), base))
    defaults = _defaults(_table(table, "defaults", path), base, path)
    own = table.get("store", DEFAULT_STORE)
    if not isinstance(own, str):
        raise UsageError(f"{path}: store is {own!r}", allowed="a path, as text")
    chosen = store or os.environ.get(STORE_VARIABLE)
    folder = Path(chosen).expanduser() if chosen else base / Path(own).expanduser()
    gate = _table(table, "gate", path) if "gate" in table else None
    return Config(store=folder, aliases=aliases, defaults=defaults, path=path, gate=gate)


def _find(start: Path) -> Path | None:
    for folder in (start.resolve(), *start.resolve().parents):
        if (own := folder / CONFIG_NAME).is_file():
            return own
        if (shared := folder / PROJECT_NAME).is_file() and read_toml(shared):
            return shared
    return None


def read_toml(path: Path, *, named: bool = False) -> dict[str, Any]:
    """What a TOML file says to regress: all of it, or of a `pyproject.toml` its `[tool.regress]`.

    Args:
        path: The file.
        named: Whether the user named it, so that it must be readable.

    Raises:
        UsageError: If it is not TOML.
    """
    content = path.read_bytes()
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if path.name == PROJECT_NAME and not named and b"[tool.regress" not in content:
            return {}  # somebody else's broken pyproject.toml is not ours to judge
        raise UsageError(f"{path} is not valid TOML ({error})", do="Mend it or remove it.") from None
    if path.name != PROJECT_NAME:
        return document
    tools = document.get("tool")
    return _table(tools, "regress", path) if isinstance(tools, dict) else {}


def _shipped_aliases() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "aliases.toml").read_text(encoding="utf-8"))


def _aliases(table: Mapping[str, Any], base: Path) -> Mapping[str, Alias]:
    known = {f.name for f in dataclasses.fields(Alias)}
    found = {}
    for name, value in table.items():
        fields = {"model": value} if isinstance(value, str) else value
        if not isinstance(fields, dict) or not isinstance(fields.get("model"), str):
            raise UsageError(
                f"alias {name!r} is {value!r}", allowed="a hub id, a path, or a table with `model`"
            )
        check_keys(fields, known, f"alias {name!r}")
        alias = Alias(**{key: _from(base, item) if key in _PATHS else item for key, item in fields.items()})
        _check_kinds(alias, f"alias {name!r}: ")
        found[name] = alias
    return found


def _defaults(table: Mapping[str, Any], base: Path, path: Path | None) -> Mapping[str, Any]:
    check_keys(table, {f.name for f in dataclasses.fields(Settings)}, str(path))
    rebased = {name: _from(base, value) if name in _PATHS else value for name, value in table.items()}
    if isinstance(data := table.get("data"), str) and data not in ("hub", "demo"):
        rebased["data"] = str(base / Path(data).expanduser())
    if isinstance(tasks := table.get("tasks"), list):
        rebased["tasks"] = [_from(base, task) for task in tasks]
    return rebased


_PATHS = ("model", "adapter", "tasks")


def _from(base: Path, value: Any) -> Any:
    """A path that says that it is one, taken from the folder of the file it stands in."""
    if isinstance(value, str) and (value in (".", "..") or value.startswith(("./", "../"))):
        return str(base / value)
    return value


def _path_as_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _table(document: Mapping[str, Any], name: str, path: Path | None) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {name} is {table!r}", allowed="a table")
    return table


def check_keys(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse keys that nobody reads.

    Raises:
        UnknownName: Naming the first.
    """
    for key in table:
        if key not in known:
            raise UnknownName("key", key, known, where=where)


def _check_kinds(record: Any, where: str = "") -> None:
    """Refuse values of another type than their field's: in TOML and in Python one can write anything.

    Raises:
        UsageError: Naming the first.
    """
    for name, hint in typing.get_type_hints(type(record)).items():
        several = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        kinds = [typing.get_origin(kind) or kind for kind in several]
        value = getattr(record, name)
        if not isinstance(value, tuple(kinds)) or (isinstance(value, bool) and bool not in kinds):
            allowed = " or ".join(_KINDS[kind] for kind in kinds if kind in _KINDS)
            raise UsageError(f"{where}{name} is {value!r}", allowed=allowed)
