"""Which column means what, where the user does not say: by exact names, and only where one could be meant.

Names count without regard to case, spaces, `_` and `-`. Two columns that could be the same thing are
refused, with what to type; nothing is guessed from what rows hold, except whether numbers or texts
stand in columns such as `choice_0 … choice_3`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from regress.errors import UsageError
from regress.identity import ID_FIELDS
from regress.interop.tables import cells
from regress.interop.tables.columns import Columns
from regress.interop.tables.heads import Head
from regress.interop.tables.items import Fields
from regress.interop.tables.synonyms import (
    DIRECTIONS,
    ELSEWHERE,
    LISTS,
    NAMES,
    NEUTRAL,
    TAGS,
    UNCLEAR,
    folded,
)

_NUMBERED = re.compile(r"(.*?)[\s_\-]*(\d{1,3})|(.*?[\s_\-])([A-Za-z])|()([A-Z])")


def guess(head: Head, columns: Columns, fields: Fields | None, metric: str | None) -> tuple[str, ...]:
    """Add guessed columns to those that the user declared.

    Args:
        head: The first rows.
        columns: What is known of roles already; guesses are added to it.
        fields: What a known task's definition reads; null without one.
        metric: The metric that the user wants to decide, which may be a column.

    Returns:
        Columns that may be the data set's own id (`regress.identity.ID_FIELDS`).

    Raises:
        UsageError: If several columns could have one role, listing them.
    """
    taken = {name for several in columns.values() for name in several} | {*(fields.columns if fields else ())}
    settled = {*fields.by_part} - {"target"} if fields else set()
    if writes := fields is not None and fields.known.kind != "choice":
        settled |= {"choices", "lengths"}
    guesser = _Guesser(head, columns, fields, taken, settled, writes)
    own = guesser.ids()
    guesser.choices()
    for role in ("correct", "question", "prompt"):
        guesser.one(role)
    guesser.texts()
    guesser.rest(metric)
    return own


@dataclass
class _Guesser:
    """The columns of a table that are still free, and those that have a role."""

    head: Head
    columns: Columns
    fields: Fields | None
    taken: set[str]
    settled: set[str]
    """Roles that the task's own fields have already."""
    writes: bool
    """The task is known, and its answers are written texts."""

    def ids(self) -> tuple[str, ...]:
        """The id, and the columns that may be the data set's own."""
        if "id" in self.columns:
            return ()
        spelled = {folded(name) for name in ID_FIELDS}
        own = tuple(name for name in self._free() if folded(name) in spelled)
        self.taken |= {*own}
        if not own:
            self.one("id")
        return own

    def _has_evidence(self) -> bool:
        told = {role for role, names in self.columns.items() if names}
        return bool(told & {"correct", "logprobs", "nll", "score"}) or {"prediction", "target"} <= told

    def _tells(self) -> bool:
        return self._has_evidence() or bool(self._named("score"))

    def texts(self) -> None:
        """Prediction, target and answer: a column called `answer` may be what is right or what was said."""
        words = [name for name in self._free() if folded(name) in UNCLEAR]
        targets, predictions = self._named("target"), self._named("prediction")
        if not predictions and not self._has_evidence():
            predictions = self._named("answer")
        field = self.fields.target if self.fields else None
        if field is not None and "target" not in self.columns:
            words = [field, *words]
        right = bool(targets or self.columns.get("target"))
        said = bool(predictions or self.columns.get("prediction"))
        chosen = bool(self.columns.get("logprobs") or self.columns.get("nll"))
        if words and not right and (said or chosen):
            targets = words
        elif words and right and not said and not chosen:
            predictions = words
        elif field in words and right:
            targets = [*words[:1], *targets]
        elif len(words) == 1 and not right and not said and not self._tells():
            raise UsageError(
                f"{self.head.name}: `{words[0]}` may be what is right or what the model said",
                do=f"Say which: --map target={words[0]},prediction=COLUMN or "
                f"--map prediction={words[0]},target=COLUMN.",
            )
        self.one("target", targets)
        self.one("prediction", predictions)
        self.one("answer")

    def choices(self) -> None:
        """Columns, or a column of lists, with what belongs to each choice."""
        scored = self._several(DIRECTIONS)
        neutral = self._several(dict.fromkeys(NEUTRAL, "choices"))
        asked = "logprobs" in self.columns or "nll" in self.columns
        asked = asked or (self.writes and bool(self._named("prediction")))
        found: dict[str, list[Sequence[str]]] = {"logprobs": [], "nll": [], "choices": [], "lengths": []}
        for role, names in scored:
            found[role].append(names)
        alone = not (self._has_evidence() or self._named("prediction") or self._named("correct"))
        for _, names in neutral:
            numeric = None if asked or scored else self.head.scores(names, alone=alone)
            found[numeric or "choices"].append(names)
        if not asked:
            self._one_of(["logprobs", "nll"], found)
        self._one_of(["choices"], found)
        self._one_of(["lengths"], found)

    def rest(self, metric: str | None) -> None:
        """Scores, if there is nothing else, and roles without which a table can be read."""
        if not self._has_evidence():
            self.one("score", [metric] if metric in self._free() else None)
        for role in ELSEWHERE:
            if len(self._named(role)) == 1:
                self.one(role)
        if tags := [name for name in self._free() if folded(name) in TAGS]:
            self._take("tags", tags)

    def _one_of(self, roles: Sequence[str], found: dict[str, list[Sequence[str]]]) -> None:
        candidates = [(role, names) for role in roles for names in found[role]]
        if self.settled & {*roles} or any(role in self.columns for role in roles):
            return
        if len(candidates) > 1:
            shown = " and ".join(f"`{'`, `'.join(names)}`" for _, names in candidates)
            typed = " or ".join(f"--map {role}={'+'.join(names)}" for role, names in candidates)
            raise UsageError(f"{self.head.name}: {shown} could be the {roles[0]}", do=f"Say which: {typed}.")
        for role, names in candidates:
            self._take(role, names)

    def _several(self, roles: dict[str, str]) -> list[tuple[str, Sequence[str]]]:
        """Families of columns, and columns of lists, whose name says what they are."""
        families = [(roles[name], columns) for name, columns in _families(self._free()) if name in roles]
        listed = [
            (roles[LISTS[folded(name)]], (name,))
            for name in self._free()
            if LISTS.get(folded(name)) in roles and self.head.lists(name)
        ]
        return [*families, *listed]

    def _free(self) -> list[str]:
        return [name for name in self.head.names if name not in self.taken]

    def _named(self, role: str) -> list[str]:
        """Columns whose name says that they have a role; those of the first group that has any."""
        for group in NAMES[role]:
            if found := [name for name in self._free() if folded(name) in group]:
                return found
        return []

    def one(self, role: str, names: Sequence[str] | None = None) -> None:
        """The only column that a role can have: the one that is named for it, or of `names`."""
        names = self._named(role) if names is None else names
        if role in self.columns or role in self.settled or not names:
            return
        if len(names) > 1:
            shown = ", ".join(f"`{name}`" for name in names[:-1]) + f" and `{names[-1]}`"
            typed = " or ".join(f"--map {role}={name}" for name in names)
            raise UsageError(f"{self.head.name}: {shown} could be the {role}", do=f"Say which: {typed}.")
        self._take(role, names)

    def _take(self, role: str, names: Sequence[str]) -> None:
        if role not in self.columns:
            self.columns[role] = tuple(names)
            self.taken |= set(names)


def _families(names: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Columns that are counted: `lp_0, lp_1, …` from 0 or 1, or `lp_A, lp_B, …`; by the folded `lp`.

    >>> [*_families(["lp_0", "lp_1", "A", "B", "nll"])]
    [('lp', ('lp_0', 'lp_1')), ('', ('A', 'B'))]
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            stem, count = [part for part in match.groups() if part is not None]
            found.setdefault(folded(stem), {})[count.upper()] = name
    for stem, members in found.items():
        counts = [*members]
        orders = [
            [str(i) for i in range(len(counts))],
            [str(i + 1) for i in range(len(counts))],
            [chr(ord("A") + i) for i in range(min(len(counts), 26))],
        ]
        for order in orders:
            if len(counts) > 1 and set(counts) == set(order):
                yield stem, tuple(members[count] for count in order)


def remark(columns: Columns, own: Sequence[str], asked: Collection[str]) -> str | None:
    """What was guessed, as a sentence; null if nothing was."""
    guessed = {role: names for role, names in columns.items() if names and role not in asked}
    told = [f"id from {_quoted(own)}"] * bool(own) + [
        f"{role} from {_quoted(names)}" for role, names in guessed.items()
    ]
    if not told:
        return None
    return f"Read {', '.join(told)}; say --map ROLE=COLUMN,… to read otherwise."


def _quoted(names: Sequence[str]) -> str:
    return " + ".join(f"`{cells.shown(name)[1:-1]}`" for name in names)
