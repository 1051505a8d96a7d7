"""Task YAML read without running anything that it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import TaskError

HERE = Path(__file__).resolve()


def tasks_folder() -> Path:
    """The folder of the task definitions that come with regress, as an absolute path.

    In an installed wheel it lies inside the package, in a checkout at its top; the current directory
    is never looked at.

    Raises:
        TaskError: If neither is there.
    """
    for folder in (HERE.parent / "tasks", HERE.parents[2] / "tasks"):
        if any(folder.glob("*/*.yaml")):
            return folder
    raise TaskError("the task definitions that come with regress are missing", do="Reinstall it.")


@dataclass(frozen=True)
class Code:
    """A `!function` tag that was not followed."""

    name: str
    """As written: `module.function`."""
    file: Path
    """The YAML file that names it."""


@dataclass(frozen=True)
class Definition:
    """One YAML file with its includes merged, as lm-eval merges them: local keys win."""

    path: Path
    """The file."""
    config: dict[str, Any]
    """What it says; functions are `Code`."""
    files: tuple[Path, ...]
    """The file and all that it includes."""

    def code(self) -> Iterator[Code]:
        """Every function that the file or its includes name, overwritten or not."""
        for file in self.files:
            yield from _code_in(_parse(file))


def read(path: Path) -> Definition:
    """Read a task YAML and its includes.

    Raises:
        TaskError: If a file is missing, is no YAML mapping, or includes itself.
    """
    files: list[Path] = []
    config = _merged(path.expanduser().resolve(), files, above=())
    return Definition(path=files[0], config=config, files=tuple(files))


def _merged(path: Path, files: list[Path], above: tuple[Path, ...]) -> dict[str, Any]:
    if path in above:
        raise TaskError(f"{path} includes itself")
    files.append(path)
    own = _parse(path)
    includes = own.pop("include", [])
    merged: dict[str, Any] = {}
    for name in includes if isinstance(includes, list) else [includes]:
        if not isinstance(name, str):
            raise TaskError(f"{path} includes {name!r}", allowed="the path of a YAML file")
        included = _merged((path.parent / name).resolve(), files, (*above, path))
        included.pop("task_list", None)
        merged.update(included)
    return {**merged, **own}


def _parse(path: Path) -> dict[str, Any]:
    import yaml  # takes 20 ms, and few commands read definitions

    class Loader(yaml.SafeLoader):
        """Knows `!function`, and refuses every other tag."""

    def function(loader: yaml.SafeLoader, node: yaml.Node) -> Code:
        return Code(str(node.value), path)

    Loader.add_constructor("!function", function)
    try:
        parsed = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except OSError as error:
        raise TaskError(f"cannot read the task definition {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TaskError(f"{path} is not a task definition: {error}") from error
    if not isinstance(parsed, dict):
        raise TaskError(f"{path} is not a task definition", allowed="a YAML mapping")
    return parsed


def _code_in(value: Any) -> Iterator[Code]:
    if isinstance(value, Code):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _code_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _code_in(item)
