"""Which policy holds: a preset, a file, what the configuration says, or `balanced` for want of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regress.config import Config, read_toml
from regress.errors import UnknownName, UsageError
from regress.policy.parse import parse, preset
from regress.policy.presets import DEFAULT_PRESET, PRESETS
from regress.verdicts import Policy


def policy_of(chosen: str | Path | None, config: Config) -> tuple[Policy, bool]:
    """The policy that holds, and whether it was assumed because nobody named one.

    A file is a policy as a whole, or has a `[gate]` table; of a `pyproject.toml`, `[tool.regress.gate]`.
    `must_not_flip` may name a file of ids, one a line, beside it.

    Args:
        chosen: A preset, a file, or null for the configuration's.
        config: The configuration in force.

    Raises:
        UnknownName: If there is neither a preset nor a file of that name.
        UsageError: If the file cannot be read or meant.
    """
    if chosen is None and config.gate is None:
        return preset(DEFAULT_PRESET), True
    if chosen is None:
        assert config.path is not None  # a gate table stands in a file
        return parse(_with_ids(config.gate or {}, config.path), name=str(config.path)), False
    if str(chosen) in PRESETS:
        return preset(str(chosen)), False
    path = Path(chosen).expanduser()
    if not path.is_file():
        raise UnknownName("policy", str(chosen), PRESETS, do="Name a preset or a TOML file that exists.")
    table = read_toml(path)
    table = table.get("gate", table)
    if not isinstance(table, Mapping):
        raise UsageError(f"{path}: gate is {table!r}", allowed="a table")
    return parse(_with_ids(table, path), name=str(chosen)), False


def _with_ids(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The table with the ids of files that `must_not_flip` names."""
    tasks = table.get("tasks")
    if not isinstance(tasks, Mapping):
        return dict(table)
    return {**table, "tasks": {name: _terms(terms, path) for name, terms in tasks.items()}}


def _terms(terms: Any, path: Path) -> Any:
    named = terms.get("must_not_flip") if isinstance(terms, Mapping) else None
    return {**terms, "must_not_flip": _ids(path.parent / named)} if isinstance(named, str) else terms


def _ids(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"must_not_flip names {path}, which cannot be read ({error})", allowed="a file of ids, one a line"
        ) from None
    ids = [line.partition("#")[0].strip() for line in lines]
    return [one for one in ids if one]
