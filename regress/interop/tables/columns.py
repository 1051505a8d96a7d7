"""Which column means what: as the user says it, on the command line or in a TOML file.

    task = "gsm8k"                      # optional: a task's name, or the path of its YAML
    marker = "A: "                      # optional: what stands before the answer
    [columns]                           # role = column; dots reach into objects
    prediction = "6b_finetuning.solution"
    target = "ground_truth"
    choices = ["option_a", "option_b"]  # some roles take several columns

On the command line several columns are joined by `+`. A role without a column (`id=`) is not read,
whatever a column is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from regress.config import check_keys, read_toml
from regress.errors import UnknownName, UsageError
from regress.interop.tables import cells
from regress.interop.tables.files import TableFile, required
from regress.interop.tables.paths import dotted

ROLES: Mapping[str, str] = {
    "id": "what the item is called",
    "index": "its position in the data set, from 0",
    "repeat": "which of several answers it is, from 0",
    "question": "what is asked",
    "prompt": "the whole prompt",
    "choices": "the texts of the choices",
    "target": "what is right",
    "prediction": "what the model wrote, or which choice it chose",
    "answer": "what was read from it",
    "correct": "whether it is right",
    "score": "what it scored",
    "logprobs": "log-probabilities of the choices: the highest is chosen",
    "nll": "negative log-likelihoods of the choices: the lowest is chosen",
    "lengths": "characters of the choices",
    "finish": "why the model stopped",
    "prompt_tokens": "tokens of the prompt",
    "output_tokens": "tokens written",
    "cluster": "what it was sampled together with",
    "tags": "strata of the items",
    "error": "why there is no answer",
}
"""What a column can mean; `tag.NAME` is a stratum of that name."""

_ROLES_TOLD = "`regress import --help` lists them."

SEVERAL = frozenset({"choices", "score", "logprobs", "nll", "lengths", "tags"})
"""Roles that may take several columns."""

_TEXTS = frozenset({"question", "prompt", "target", "prediction", "answer", "correct", "id", "finish"})
"""Roles that an object cannot have."""

TAG = "tag."

Columns = dict[str, tuple[str, ...]]
"""The columns of each role; none where the user wants none to be read."""


class TableMapping(NamedTuple):
    """What a mapping file says."""

    columns: dict[str, str]
    marker: str | None
    task: str | None
    metric: str | None


def read_mapping(path: Path) -> TableMapping:
    """Read a mapping file; a task given by a relative path is taken from the file's folder.

    Raises:
        UsageError: If it cannot be read, is not TOML, or says what cannot be meant.
        UnknownName: If it holds a key or a role that is none.
    """
    try:
        content = read_toml(path, named=True)
    except OSError as error:
        raise UsageError(f"cannot read the mapping {path}: {error.strerror}") from None
    check_keys(content, ("columns", "marker", "task", "metric"), str(path))
    columns = content.get("columns", {})
    if not isinstance(columns, dict):
        raise UsageError(f"{path}: columns is {columns!r}", allowed="a table of roles and columns")
    for role in _flat(columns):
        _check_role(role, str(path))
    task = _word(content, "task", path)
    if task is not None and task.endswith((".yaml", ".yml")):
        task = str(path.parent / Path(task).expanduser())
    return TableMapping(
        columns={role: _joined(role, value, path) for role, value in _flat(columns).items()},
        marker=_word(content, "marker", path),
        task=task,
        metric=_word(content, "metric", path),
    )


def declared(given: Mapping[str, str], table: TableFile) -> Columns:
    """The columns that the user names, looked up in the table.

    Raises:
        UnknownName: If a role or column is none.
        UsageError: If a role is given several columns and takes one.
    """
    columns: Columns = {}
    for role, said in given.items():
        _check_role(role, "--map")
        names = _split(said, table) if said else ()
        if len(names) > 1 and role not in SEVERAL:
            raise UsageError(
                f"{len(names)} columns are given for {role!r}: {', '.join(names)}", allowed="one column"
            )
        columns[role] = tuple(_readable(role, required(table, name), table) for name in names)
    return columns


def _readable(role: str, column: str, table: TableFile) -> str:
    """`column`, unless it holds objects where a text is wanted."""
    inside = [name for name in dotted(table.tree) if name.startswith(f"{column}.")]
    if inside and role in _TEXTS and column not in dotted(table.tree):
        raise UsageError(
            f"{column!r} is to be the {role}, and holds objects",
            allowed=", ".join(inside[:12]),
            do=f"Say which of their fields is meant: --map {role}={inside[0]}.",
        )
    return column


def written(columns: Columns) -> dict[str, str]:
    """The mapping as one would type it."""
    return {role: "+".join(names) for role, names in sorted(columns.items()) if names}


@dataclass(frozen=True)
class Layout:
    """Which cell of a row has which role."""

    columns: tuple[str, ...]
    """The columns that are read, in order."""
    places: Mapping[str, tuple[int, ...]]
    """By role, where in `columns`; a column that no role names can be asked for by its own name."""

    @classmethod
    def of(cls, columns: Columns, more: Sequence[str] = ()) -> Layout:
        """The layout of these columns, and of `more` that have no role."""
        names = tuple(dict.fromkeys([*(one for several in columns.values() for one in several), *more]))
        place = {name: number for number, name in enumerate(names)}
        places = {role: tuple(place[one] for one in several) for role, several in columns.items() if several}
        return cls(columns=names, places=places)

    def has(self, role: str) -> bool:
        """Whether there is a column for it."""
        return role in self.places


@dataclass(slots=True)
class Row:
    """The cells of one row, by role; null where there is none."""

    where: str
    cells: tuple[Any, ...]
    layout: Layout

    def cell(self, role: str) -> Any:
        """What stands there."""
        place = self.layout.places.get(role)
        return None if place is None else self.cells[place[0]]

    def column(self, role: str) -> str:
        """The column's name, for messages."""
        return " + ".join(self.layout.columns[place] for place in self.layout.places[role])

    def text(self, role: str) -> str | None:
        """As text."""
        return cells.text(self.cell(role))

    def name(self, role: str) -> str | None:
        """As a text that names something: null where it is blank."""
        found = cells.text(self.cell(role))
        return None if found is None or not found.strip() else found

    def whole(self, role: str) -> int | None:
        """As a whole number.

        Raises:
            DataError: If it is none.
        """
        value = self.cell(role)
        return None if value is None else cells.whole(value, self.where, self.column(role))

    def truth(self, role: str) -> bool:
        """As a truth value.

        Raises:
            DataError: If it is none, or empty.
        """
        return cells.truth(self.cell(role), self.where, self.column(role))

    def each(self, role: str) -> list[tuple[str, Any]]:
        """Every column of the role, with its cell."""
        return [(self.layout.columns[place], self.cells[place]) for place in self.layout.places.get(role, ())]

    def numbers(self, role: str) -> tuple[float, ...]:
        """As numbers: one a column, or the list in the only one.

        Raises:
            DataError: If one of them is none.
        """
        several = self.each(role)
        if len(several) == 1:
            return cells.numbers(several[0][1], self.where, several[0][0])
        return tuple([cells.number(value, self.where, name) for name, value in several])

    def texts(self, role: str) -> tuple[str, ...]:
        """As texts: one a column, those after the last one left out, or the list in the only one.

        Raises:
            DataError: If it is no list, or one before the last is empty.
        """
        several = self.each(role)
        if len(several) == 1:
            return cells.texts(several[0][1], self.where, several[0][0])
        told = [(name, cells.text(value)) for name, value in several]
        while told and told[-1][1] is None:
            told.pop()
        for name, value in told or [(several[0][0], None)]:
            if value is None:
                raise cells.refused(None, self.where, name, "the text of a choice")
        return tuple(str(value) for _, value in told)


def _check_role(role: str, where: str) -> None:
    if role not in ROLES and not (role.startswith(TAG) and role != TAG):
        raise UnknownName("role", role, [*ROLES, f"{TAG}NAME"], where=where, do=_ROLES_TOLD)


def _split(said: str, table: TableFile) -> list[str]:
    """Columns joined by `+`; one whose name has a `+` wins."""
    return [said] if table.find(said) else said.split("+")


def _flat(columns: Mapping[str, Any]) -> dict[str, Any]:
    """TOML reads `tag.subject` as a table in a table."""
    tags = columns.get("tag")
    if not isinstance(tags, dict):
        return dict(columns)
    return {**{k: v for k, v in columns.items() if k != "tag"}, **{f"{TAG}{k}": v for k, v in tags.items()}}


def _joined(role: str, value: Any, path: Path) -> str:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise UsageError(
            f"{path}: {role} is {value!r}", allowed="the name of a column, or a list of such names"
        )
    return "+".join(names)


def _word(content: Mapping[str, Any], key: str, path: Path) -> str | None:
    value = content.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise UsageError(f"{path}: {key} is {value!r}", allowed="text")
    return value
