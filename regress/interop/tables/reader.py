"""Tables from anybody's scripts: CSV, JSON lines, Parquet, a row an answer, with any names of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from regress.definitions.known import Known
from regress.interop.records import ROWS_DO_NOT_TELL, UNKNOWN_ENGINE, Heading, Reading, Record, Source
from regress.interop.tables import cells
from regress.interop.tables.columns import Columns, Layout, Row, declared, written
from regress.interop.tables.evidence import Evidence, around
from regress.interop.tables.files import SUFFIXES, TableFile, open_table
from regress.interop.tables.guessing import guess, remark
from regress.interop.tables.heads import Head
from regress.interop.tables.items import Fields, Items
from regress.interop.tables.judging import Understanding
from regress.interop.tables.parts import Part, part_of
from regress.interop.tables.tasks import task_of
from regress.types import ModelSpec

UNNAMED = "table"
"""What a task is called that the user does not name."""


def recognises(path: Path) -> bool:
    """Whether `path` is called as a table is; never an error."""
    return path.suffix.lower() in SUFFIXES


def sources(path: Path, reading: Reading) -> list[Source]:
    """The run in a table.

    Raises:
        DataError: If it cannot be read, or does not tell what was right.
        UnknownName: If a column that is named is not there.
        UsageError: If a column could mean two things, naming what to type.
    """
    return [_understood(path, reading)]


@dataclass(frozen=True)
class _Table:
    """A table that is understood: which column means what, and what tells whether an answer is right."""

    table: TableFile
    heading: Heading
    layout: Layout
    items: Items
    evidence: Evidence

    def records(self) -> Iterator[Record]:
        """See `Source.records`."""
        for where, told in self.table.rows(self.layout.columns):
            yield self._record(Row(where, told, self.layout))

    def _record(self, row: Row) -> Record:
        item = self.items(row)
        told = around(row)
        if (problem := cells.problem(row.cell("error"))) is not None:
            told |= {"status": "error", "error": problem, "output": row.text("prediction")}
        else:
            told |= self.evidence.told(row, item)
        return Record(
            where=row.where,
            id=item.id,
            own=item.own,
            question=item.question,
            prompt=item.prompt,
            choices=item.choices,
            cluster=item.cluster,
            tags=item.tags,
            source=item.source,
            **told,
        )


def _understood(path: Path, reading: Reading) -> _Table:
    whole = open_table(path)
    columns = declared(reading.columns, whole)
    table = part_of(whole, reading.where, [name for several in columns.values() for name in several])
    told = table.said("task")
    if reading.task is None and told and not told.endswith((".yaml", ".yml")):
        reading = replace(reading, task=told)
    task = task_of(reading)
    asked = {*columns}
    head = Head.of(table, [name for several in columns.values() for name in several])
    own = guess(head, columns, Fields.of(task, table.tree, columns), reading.metric)
    # a guessed question or target may be a field of the task's under another name
    fields = Fields.of(task, table.tree, columns)
    layout = Layout.of(columns, [*own, *(fields.columns if fields else ())])
    items = Items(layout, fields, own)
    judged = Understanding(
        head=head,
        columns=columns,
        asked=asked,
        layout=layout,
        items=items,
        task=task,
        metric=reading.metric,
    ).evidence()
    heading = _heading(table, reading, task, columns, judged, remark(columns, own, asked))
    return _Table(table, heading, layout, items, judged)


def _heading(
    table: Part,
    reading: Reading,
    task: Known | None,
    columns: Columns,
    judged: Evidence,
    guessed: str | None,
) -> Heading:
    named = task.name if task else reading.task or UNNAMED
    unnamed = f"No task is named: it is called `{UNNAMED}`." if reading.task is None else None
    given = {"marker": reading.marker, "where": dict(reading.where)}
    path, model = table.path, table.said("model")
    return Heading(
        format="table",
        files=(path,),
        task=named,
        model=ModelSpec(name=model or path.stem, source=model or path.name),
        engine=UNKNOWN_ENGINE,
        kind=judged.kind,
        scale=judged.scale,
        metric=judged.metric,
        higher_is_better=judged.higher_is_better,
        scorer=judged.scorer,
        judge=judged.judge,
        read={"columns": written(columns), **{name: value for name, value in given.items() if value}},
        unknown=ROWS_DO_NOT_TELL,
        remarks=tuple(one for one in (guessed, unnamed, *judged.remarks) if one),
    )
