"""Any bytes give records or a clear error, never a traceback."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from regress.errors import RegressError
from regress.interop.records import Reading, Record
from regress.interop.tables import reader as table
from regress.interop.tables.columns import read_mapping

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])

ROWS: list[dict[str, Any]] = [
    {
        **{"id": f"q{i}", "question": f"What, is\n{i}?", "answer": "#### 4", "prediction": 'so "#### 4"'},
        **{"correct": True, "lp_0": -1.5, "lp_1": -2.5, "endings": ["a", "b"], "tags.x": {"level": 3}},
    }
    for i in range(5)
]

READINGS = [
    Reading(),
    Reading(task="gsm8k"),
    Reading(task="gsm8k", marker="A: "),
    Reading(task="piqa", columns={"target": "answer", "choices": "endings"}),
    Reading(columns={"target": "answer", "prediction": "prediction", "logprobs": ""}),
    Reading(columns={"logprobs": "lp_0+lp_1", "target": "id"}),
    Reading(columns={"nll": "lp_0", "target": "correct", "tag.x": "tags.x.level"}),
    Reading(columns={"score": "lp_0", "correct": "", "target": "", "index": "lp_1"}),
]


def _csv(delimiter: str) -> bytes:
    file = io.StringIO()
    writer = csv.DictWriter(file, [*ROWS[0]], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(
        {name: json.dumps(v) if isinstance(v, (list, dict)) else v for name, v in row.items()} for row in ROWS
    )
    return file.getvalue().encode()


def _parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    return file.getvalue()


VALID = {
    "csv": _csv(","),
    "tsv": _csv("\t"),
    "jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "parquet": _parquet(),
}


def _read(content: bytes, end: str, reading: Reading) -> list[Record] | RegressError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"answers.{end}"
        path.write_bytes(content)
        assert table.recognises(path)
        try:
            [source] = table.sources(path, reading)
            records = list(source.records())
        except RegressError as error:
            return error
        assert records, "a table without rows is refused"
        assert all(isinstance(record, Record) for record in records)
        return records


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid file with some bytes replaced, taken out or put in, or its end cut off."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["replace", "delete", "insert", "cut"])):
            case "replace":
                content[place : place + 1] = draw(st.binary(min_size=1, max_size=3))
            case "delete":
                del content[place : place + draw(st.integers(1, 30))]
            case "insert":
                content[place:place] = draw(
                    st.one_of(
                        st.binary(max_size=8), st.sampled_from([b'"', b",", b"\n", b"\r", b"NaN", b"[", b"{"])
                    )
                )
            case _:
                del content[place:]
    return bytes(content)


@pytest.mark.parametrize("end", VALID)
@pytest.mark.parametrize("reading", [READINGS[1], READINGS[4]], ids=["gsm8k", "texts"])
def test_the_valid_file_is_read(end: str, reading: Reading) -> None:
    found = _read(VALID[end], end, reading)
    assert isinstance(found, list), found
    assert len(found) == len(ROWS)


@pytest.mark.parametrize("end", VALID)
@FUZZ
@given(content=st.binary(max_size=300), reading=st.sampled_from(READINGS))
def test_any_bytes(end: str, content: bytes, reading: Reading) -> None:
    _read(content, end, reading)


@FUZZ
@given(text=st.text(alphabet='ab01,;\t"\n\r -.é\x00', max_size=80), reading=st.sampled_from(READINGS))
@example(text='a,b\n"', reading=READINGS[0])
@example(text="id,correct\r1,1\r", reading=READINGS[0])
def test_any_text_as_csv(text: str, reading: Reading) -> None:
    _read(b"id,correct\n" + text.encode(), "csv", reading)
    _read(text.encode(), "csv", reading)


@pytest.mark.parametrize("end", VALID)
@FUZZ
@given(data=st.data(), reading=st.sampled_from(READINGS))
def test_a_valid_file_that_was_damaged(end: str, data: st.DataObject, reading: Reading) -> None:
    _read(data.draw(damaged(VALID[end])), end, reading)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["[", "['a' 'b']", "[-1, NaN]", "#### 4", "A", "1", "yes", "\ud800", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@FUZZ
@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from([*ROWS[0], "nll", "label", "score", "error", "index"]), json_values, min_size=1
        ),
        min_size=1,
        max_size=4,
    ),
    reading=st.sampled_from(READINGS),
)
def test_any_values_as_json_lines(rows: list[dict[str, Any]], reading: Reading) -> None:
    content = "".join(json.dumps(row) + "\n" for row in rows)
    _read(content.encode("utf-8", "surrogatepass"), "jsonl", reading)


@FUZZ
@given(
    changes=st.dictionaries(st.sampled_from([*ROWS[0]]), json_values, min_size=1, max_size=3),
    reading=st.sampled_from(READINGS),
)
def test_a_valid_row_with_other_values(changes: dict[str, Any], reading: Reading) -> None:
    rows = [ROWS[0], {**ROWS[1], **changes}, ROWS[2]]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    _read(content.encode("utf-8", "surrogatepass"), "jsonl", reading)


def test_nesting_without_end_is_refused() -> None:
    deep = b'{"id": ' + b"[" * 100_000
    assert isinstance(_read(deep, "jsonl", Reading()), RegressError)
    cell = b"id,correct,choices\n1,1," + b"[" * 100_000 + b"\n"
    _read(cell, "csv", Reading(columns={"choices": "choices"}))


@FUZZ
@given(content=st.binary(max_size=120) | st.text(alphabet='[]columns="abc\n.{}', max_size=80).map(str.encode))
def test_any_bytes_as_a_mapping(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.toml"
        path.write_bytes(content)
        with contextlib.suppress(RegressError):
            read_mapping(path)
