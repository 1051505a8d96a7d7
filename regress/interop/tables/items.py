"""What a row tells about its item: by the names of a known task's fields, and by role.

Where a row holds the fields that a task's definition reads (PIQA: goal, sol1, sol2, label), question,
choices and target are what the definition makes of them, so that an item has the id that it has where
regress asks it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from regress.definitions import templates
from regress.definitions.known import Known
from regress.errors import DataError, TaskError
from regress.identity import ID_FIELDS, source_json
from regress.interop.tables import cells
from regress.interop.tables.columns import TAG, Columns, Layout, Row
from regress.interop.tables.synonyms import UNCLEAR, folded

_PARTS = {"question": "doc_to_text", "choices": "doc_to_choice", "target": "doc_to_target"}
_OWN = {folded(name): name for name in reversed(ID_FIELDS)}


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a row tells about its item; null or empty where it does not."""

    question: str | None
    prompt: str | None
    choices: tuple[str, ...] | None
    target: Any
    """As it stands there: for choices an index, a letter or a text, or a list of them."""
    id: str | None
    own: Mapping[str, str]
    cluster: str | None
    tags: Mapping[str, str]
    source: str | None


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Which columns hold what a known task's definition reads, by the definition's names."""

    known: Known
    by_part: Mapping[str, Mapping[str, str]]
    """For `question`, `choices` and `target`, if all is there: field to column."""
    strata: tuple[str, ...]
    """Columns that its cluster and tags are made of."""
    whole: bool
    """Whether all of an item is there, by the data set's own names."""

    @classmethod
    def of(cls, known: Known | None, names: Container[str], columns: Columns) -> Fields | None:
        """The fields that a table has; null without a known task.

        Args:
            known: The task.
            names: The table's columns.
            columns: Columns by role: where a definition makes its question or target of one field,
                that field is the column of that role.
        """
        if known is None:
            return None
        read = {part: fields_of(known.config.get(template)) for part, template in _PARTS.items()}
        by_part = {part: _found(part, fields, names, columns.get(part)) for part, fields in read.items()}
        there = {part: of for part, of in by_part.items() if of and len(of) == len(read[part])}
        if isinstance(known.config.get("doc_to_choice"), (list, Mapping)) and "choices" not in columns:
            there["choices"] = {}
        named = all(name == column for of in there.values() for name, column in of.items())
        metadata = known.config.get("metadata") or {}
        made_of = fields_of(metadata.get("cluster")).union(*map(fields_of, _values(metadata.get("tags"))))
        return cls(
            known=known,
            by_part=there,
            strata=tuple(sorted(one for one in made_of if one in names)),
            whole=named and all(part in there for part in read if read[part]),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        parts = [column for of in self.by_part.values() for column in of.values()]
        return tuple(dict.fromkeys([*parts, *self.strata]))

    @property
    def target(self) -> str | None:
        """The column that holds what is right, if it is one."""
        found = [*self.by_part.get("target", {}).values()]
        return found[0] if len(found) == 1 else None


@dataclass
class Items:
    """Reads items out of rows.

    Args:
        layout: Where the columns are.
        fields: Those that a known task's definition reads; null without one.
        own: Columns that may be the data set's own id.
    """

    layout: Layout
    fields: Fields | None
    own: tuple[str, ...]
    _place: dict[str, int] = field(init=False)
    _tags: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._place = {name: number for number, name in enumerate(self.layout.columns)}
        self._tags = {
            role.removeprefix(TAG): self.layout.columns[places[0]]
            for role, places in self.layout.places.items()
            if role.startswith(TAG)
        } | {
            self.layout.columns[place]: self.layout.columns[place]
            for place in self.layout.places.get("tags", ())
        }

    def __call__(self, row: Row) -> Item:
        """What a row tells about its item.

        Raises:
            DataError: If it lacks a field, or has no id where rows have one.
        """
        parts, (cluster, strata) = self._parts(row), self._strata(row)
        question, prompt = parts.get("question", row.name("question")), row.text("prompt")
        id_, own = row.name("id"), self._own(row)
        if self.layout.has("id") and id_ is None:
            raise cells.refused(row.cell("id"), row.where, row.column("id"), "an id in every row")
        if question is None and id_ is None and not own:
            question = prompt  # nothing else tells the item
            if question is None:
                raise DataError(
                    f"nothing in {row.where} tells which item it is about",
                    do="Say which column holds an id (--map id=…) or the question (--map question=…).",
                )
        tags = {name: cells.text(row.cells[self._place[column]]) for name, column in self._tags.items()}
        return Item(
            question=question,
            prompt=prompt,
            choices=parts.get("choices") or self._choices(row),
            target=parts["target"] if "target" in parts else row.cell("target"),
            id=id_,
            own=own,
            cluster=row.name("cluster") or cluster,
            tags={**strata, **{name: value for name, value in tags.items() if value}},
            source=parts.get("source"),
        )

    def _choices(self, row: Row) -> tuple[str, ...] | None:
        unused = self.fields is not None and self.fields.known.kind != "choice"
        return row.texts("choices") if self.layout.has("choices") and not unused else None

    def _own(self, row: Row) -> dict[str, str]:
        told = {_OWN[folded(name)]: cells.text(row.cells[self._place[name]]) for name in self.own}
        return {name: value for name, value in told.items() if value is not None and value.strip()}

    def _parts(self, row: Row) -> dict[str, Any]:
        """Question, choices and target as the definition makes them, and the item as JSON."""
        if self.fields is None:
            return {}
        parts: dict[str, Any] = {}
        whole: dict[str, Any] = {}
        for part, of in self.fields.by_part.items():
            item = {name: row.cells[self._place[column]] for name, column in of.items()}
            if len(of) > 1:  # of several, one may be an empty text, which CSV seldom writes as ""
                item = {name: "" if value is None else value for name, value in item.items()}
            elif None in item.values():
                raise cells.refused(None, row.where, next(iter(of.values())), "a value in every row")
            elif part == "choices":
                item = {name: self._listed(row, of[name], value) for name, value in item.items()}
            try:
                parts[part] = getattr(self.fields.known, part)(item)
            except TaskError as error:
                raise DataError(f"{row.where}: {error.what}", do=error.do) from None
            if part == "choices" and parts[part] is None:
                raise DataError(f"{row.where} has no list of choices for the task {self.fields.known.name!r}")
            whole |= item
        if isinstance(parts.get("target"), str):
            parts["target"] = _several(parts["target"])
        if self.fields.whole:
            parts["source"] = source_json(whole)
        return {part: value for part, value in parts.items() if value is not None}

    def _listed(self, row: Row, column: str, value: Any) -> Any:
        return cells.listed(value, row.where, column) if isinstance(value, str) else value

    def _strata(self, row: Row) -> tuple[str | None, dict[str, str]]:
        """Cluster and tags as the definition has them."""
        if self.fields is None or not self.fields.strata:
            return None, {}
        item = {name: row.cells[self._place[name]] for name in self.fields.strata}
        try:
            return self.fields.known.cluster(item), self.fields.known.tags(item)
        except TaskError as error:
            raise DataError(f"{row.where}: {error.what}", do=error.do) from None


def _found(
    part: str, fields: frozenset[str], names: Container[str], stated: tuple[str, ...] | None
) -> dict[str, str]:
    """Fields of a part, each with its column; fewer than the part has if some are not there."""
    if stated is not None:
        alone = part != "choices" and len(fields) == len(stated) == 1
        return dict.fromkeys(fields, stated[0]) if alone else {}
    if part == "target" and any(folded(one) in UNCLEAR for one in fields):
        return {}
    return {one: one for one in fields if one in names}


def fields_of(template: Any) -> frozenset[str]:
    """The fields of an item that a template reads; a template that is a bare word is a field's name.

    >>> sorted(fields_of("{{[sol1, sol2]}}")), sorted(fields_of("label"))
    (['sol1', 'sol2'], ['label'])
    """
    if not isinstance(template, str) or not template.strip():
        return frozenset()
    if "{{" not in template and "{%" not in template:
        return frozenset({template}) if template.isidentifier() else frozenset()
    from jinja2 import Environment, TemplateError, nodes

    try:
        names = [*Environment(autoescape=False).parse(template).find_all(nodes.Name)]
    except TemplateError:
        return frozenset()
    made = {one.name for one in names if one.ctx != "load"}
    return frozenset(one.name for one in names) - made


def _several(target: str) -> Any:
    """A reference that is written as a list is several, as lm-eval has it."""
    found = templates.literal(target) if target[:1] == "[" and target[-1:] == "]" else target
    return found if isinstance(found, list) else target


def _values(declared: Any) -> list[Any]:
    return [*declared.values()] if isinstance(declared, Mapping) else list(declared or ())
