"""Rows that lie on disk: in batches of a bounded size, read back in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from regress.interop import spool as spooling
from regress.interop.spool import Spool

SCHEMA = pa.schema(
    [("number", pa.int64()), ("said", pa.string()), ("word", pa.dictionary(pa.int8(), pa.string()))]
)


@dataclass
class Row:
    """A row of `SCHEMA`."""

    number: int
    said: str | None = None
    word: str | None = None


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "rows.arrow", SCHEMA)
    yield made
    made.close()


def test_rows_come_back_in_the_order_asked_for(spool: Spool) -> None:
    count = 2 * spooling.ROWS + 5
    assert [*spool.fill(Row(i, word="ab"[i % 2]) for i in range(count))] == [1024, 2048, count]
    wanted = np.array([count - 1, 0, 1500, 1024, 1023, 0])
    assert spool.take(wanted)["number"].to_pylist() == wanted.tolist()
    assert spool.take(wanted).schema == SCHEMA
    assert spool.column("number").to_pylist() == [*range(count)]


def test_a_batch_of_long_rows_is_short(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a megabyte do not fill the memory by the thousand."""
    monkeypatch.setattr(spooling, "CHARACTERS", 100)
    assert [*spool.fill(Row(i, said="x" * 60) for i in range(5))] == [2, 4, 5]
    assert spool.take(np.array([4, 2, 0]))["number"].to_pylist() == [4, 2, 0]
    assert spool.rows_in(1) == 1
    assert spool.rows_in(1 << 20) > 1000


def test_it_is_known_which_columns_tell_anything(spool: Spool) -> None:
    assert [*spool.fill([Row(0), Row(1, word="a")])] == [2]
    assert spool.told == {"number", "word"}


def test_no_rows_are_an_empty_table(spool: Spool) -> None:
    assert [*spool.fill([])] == []
    assert spool.rows == 0
    assert len(spool.take(np.array([], dtype=np.int64))) == 0
    assert len(spool.column("said")) == 0
