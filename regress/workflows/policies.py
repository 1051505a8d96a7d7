"""Which policy holds: a preset, a file, what the configuration says, or `balanced` for want of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regress.config import CONFIG_KEYS, PROJECT_NAME, Config, check_keys, read_toml
from regress.errors import UnknownName, UsageError
from regress.policy.parse import parse, preset
from regress.policy.presets import DEFAULT_PRESET, PRESETS
from regress.verdicts import Policy


def policy_of(chosen: str | Path | Policy | Mapping[str, Any] | None, config: Config) -> tuple[Policy, bool]:
    """The policy that holds, and whether it was assumed because nobody named one.

    A file is a policy as a whole, or has a `[gate]` table; of a `pyproject.toml`, `[tool.regress.gate]`.
    `must_not_flip` may name a file beside it: one id a line, comments on lines that begin with `#`.

    Args:
        chosen: A preset, a file, a table as a file holds it, a policy, or null for the configuration's.
        config: The configuration in force.

    Raises:
        UnknownName: If there is neither a preset nor a file of that name.
        UsageError: If the file cannot be read or meant.
    """
    if isinstance(chosen, Policy):
        return chosen, False
    if isinstance(chosen, Mapping):
        return parse(_with_ids(chosen, Path("the table")), name="the table given"), False
    if chosen is None and config.gate is None:
        return preset(DEFAULT_PRESET), True
    if chosen is None:
        assert config.path is not None  # a gate table stands in a file
        return parse(_with_ids(config.gate or {}, config.path), name=config.path.name), False
    if str(chosen) in PRESETS:
        return preset(str(chosen)), False
    path = Path(chosen).expanduser()
    if not path.is_file():
        raise UnknownName("policy", str(chosen), PRESETS, do="Name a preset or a TOML file that exists.")
    return parse(_with_ids(_gate_of(path), path), name=str(chosen)), False


def _gate_of(path: Path) -> Mapping[str, Any]:
    """The policy in a file: its `gate` table, or all of it."""
    table = read_toml(path, named=True)
    if "gate" not in table and path.name == PROJECT_NAME:
        raise UsageError(f"{path} says nothing about the gate", allowed="a table [tool.regress.gate]")
    if "gate" not in table:
        return table
    check_keys(table, CONFIG_KEYS, str(path))
    if not isinstance(table["gate"], Mapping):
        raise UsageError(f"{path}: gate is {table['gate']!r}", allowed="a table")
    return table["gate"]


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
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"must_not_flip names {path}, which cannot be read ({error})", allowed="a file of ids, one a line"
        ) from None
    ids = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not ids:
        raise UsageError(f"must_not_flip names {path}, which lists no id", allowed="one id a line")
    return ids
