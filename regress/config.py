"""What the user configured: `regress.toml`, `[tool.regress]`, and the settings of one call.

    store = "reports/runs"            # where runs lie
    [aliases]                         # as in regress/aliases.toml
    mine = "./checkpoints/mine"
    [defaults]                        # any field of `Settings`
    tasks = ["gsm8k", "piqa"]

The nearest `regress.toml`, or `pyproject.toml` with a `[tool.regress]` table, upwards from the
current directory counts; paths in it are relative to it.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regress.errors import UnknownName, UsageError

DEFAULT_TASKS = ("gsm8k", "samsum", "piqa", "hellaswag")
CONFIG_NAME, STORE_VARIABLE, DEFAULT_STORE = "regress.toml", "REGRESS_STORE", "reports/runs"


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
    engine: str = "hf"
    """What runs the models: `scripted`, `hf`, or any other model type of lm-eval."""
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments for the engine."""
    dtype: str | None = None
    """Weight type of the forward pass; null: the checkpoint's."""
    device: str | None = None
    """Where it runs; null: the first GPU, else the CPU."""
    batch_size: int = 8
    """Requests that go through the model together; changes answers in the last digits, so it is keyed."""
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
        if self.limit is not None and self.sample is not None:
            raise UsageError("both a limit and a sample were given", allowed="one of them")
        for name in ("limit", "sample", "batch_size", "max_gen_toks", "chunk_size"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise UsageError(f"{name} is {value!r}", allowed="a whole number from 1")
        if self.num_fewshot is not None and self.num_fewshot < 0:
            raise UsageError(f"num_fewshot is {self.num_fewshot}", allowed="a whole number from 0")
        if self.fewshot not in (None, "fixed", "lm-eval"):
            raise UsageError(f"fewshot is {self.fewshot!r}", allowed="fixed, lm-eval")
        if not self.tasks:
            raise UsageError("no task was given", allowed="at least one")


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

    def settings(self, **given: Any) -> Settings:
        """Settings with the user's defaults under what was given; null means not given.

        Raises:
            UnknownName: If a setting does not exist.
        """
        chosen = {**self.defaults, **{name: value for name, value in given.items() if value is not None}}
        known = {f.name for f in dataclasses.fields(Settings)}
        for name in chosen:
            if name not in known:
                raise UnknownName("setting", name, known)
        if isinstance(chosen.get("tasks"), (str, list)):
            tasks = chosen["tasks"]
            chosen["tasks"] = tuple(tasks.split(",") if isinstance(tasks, str) else tasks)
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
    table = _read(path) if path else {}
    _check_keys(table, {"store", "aliases", "defaults", "gate"}, path)
    base = path.parent if path else Path()
    aliases = dict(_aliases(_shipped_aliases(), Path(__file__).parent))
    aliases.update(_aliases(table.get("aliases", {}), base))
    defaults = table.get("defaults", {})
    _check_keys(defaults, {f.name for f in dataclasses.fields(Settings)}, path)
    chosen = store or os.environ.get(STORE_VARIABLE)
    folder = Path(chosen) if chosen else base / table.get("store", DEFAULT_STORE)
    return Config(store=folder, aliases=aliases, defaults=defaults, path=path)


def _find(start: Path) -> Path | None:
    for folder in (start.resolve(), *start.resolve().parents):
        if (own := folder / CONFIG_NAME).is_file():
            return own
        if (shared := folder / "pyproject.toml").is_file() and _read(shared):
            return shared
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if path.name != CONFIG_NAME:
            return {}  # somebody else's broken pyproject.toml is not ours to judge
        raise UsageError(f"{path} is not valid TOML ({error})", do="Mend it or remove it.") from None
    table = document if path.name == CONFIG_NAME else document.get("tool", {}).get("regress", {})
    return dict(table)


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
        _check_keys(fields, known, None)
        if fields["model"].startswith(("./", "../")):
            fields = {**fields, "model": str(base / fields["model"])}
        found[name] = Alias(**fields)
    return found


def _check_keys(table: Any, known: set[str], path: Path | None) -> None:
    if not isinstance(table, dict):
        raise UsageError(f"{path or 'an alias'}: {table!r} is not a table")
    for key in table:
        if key not in known:
            raise UnknownName(f"key in {path}" if path else "key of an alias", key, known)
