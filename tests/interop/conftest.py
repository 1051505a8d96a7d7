"""A source in memory, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regress.interop.draft import Draft, draft
from regress.interop.records import Heading, Record
from regress.types import EngineSpec, ModelSpec


@dataclass(frozen=True)
class InMemory:
    """Records as a source."""

    heading: Heading
    rows: Sequence[Record]

    def records(self) -> Iterator[Record]:
        return iter(self.rows)


@pytest.fixture
def heading(tmp_path: Path) -> Callable[..., Heading]:
    """A heading; `changes` are its fields."""
    file = tmp_path / "answers.jsonl"
    file.write_text("{}\n")

    def made(**changes: Any) -> Heading:
        given = {
            "format": "table",
            "files": (file,),
            "task": "toy",
            "model": ModelSpec(name="old", source="answers.jsonl"),
            "engine": EngineSpec(name="unknown", version="", batch_size=None),
        }
        return Heading(**(given | changes))

    return made


@pytest.fixture
def drafted(tmp_path: Path, heading: Callable[..., Heading]) -> Callable[..., Draft]:
    """What becomes of records under a heading: `drafted(records, judge=True, …)`."""
    number = iter(range(1000))

    def made(records: Sequence[Record], *, partial: bool = False, **changes: Any) -> Draft:
        folder = tmp_path / f"spool{next(number)}"
        folder.mkdir()
        return draft(InMemory(heading(**changes), records), folder, partial=partial)

    return made
