"""A run as one file, and back: what the format can hold is not lost."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import DataError, NewerSchema, RegressError, StoreError, UsageError
from regress.interop.exports import reader as exported
from regress.interop.exports.writer import EXPORT, FORMATS, METADATA, write_run, write_table
from regress.interop.records import Reading
from regress.schema import instance_table, prediction_table
from regress.types import Instance, Prediction

# text as models write it: line ends, quotes, separators, NUL, other scripts, what spreadsheets run
texts = st.one_of(
    st.text(),
    st.sampled_from(["", "\r\n", '"', '""', ",", "=1+1", "NA", "null", "nan", "\x00", "\ufeff", " a "]),
)
finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**31 - 1)


@st.composite
def predictions(draw: st.DrawFn) -> list[Prediction]:
    return draw(
        st.lists(
            st.builds(
                Prediction,
                instance_id=texts,
                index=counts,
                repeat=st.integers(0, 2**15 - 1),
                prompt_hash=texts,
                shown_hash=st.none() | texts,
                output=st.none() | texts,
                answer=st.none() | texts,
                status=st.sampled_from(["scored", "unparsable", "error"]),
                correct=st.none() | st.booleans(),
                score=st.none() | finite,
                scores=st.dictionaries(texts, finite, max_size=3),
                choice_logprobs=st.none() | st.lists(finite, max_size=4).map(tuple),
                choice_lengths=st.none() | st.lists(counts, max_size=4).map(tuple),
                gold_margin=st.none() | finite,
                prompt_tokens=st.none() | counts,
                output_tokens=st.none() | counts,
                left_truncated=counts,
                finish=st.sampled_from([None, "stop", "length"]),
                error=st.none() | texts,
            ),
            min_size=1,
            max_size=4,
        )
    )


instances = st.builds(
    Instance,
    id=st.just("id000"),
    index=st.just(0),
    prompt=texts,
    target=texts,
    choices=st.none() | st.lists(texts, max_size=3).map(tuple),
    golds=st.lists(counts, max_size=2).map(tuple),
    cluster=st.none() | texts,
    tags=st.dictionaries(texts, texts, max_size=2),
    source=st.none() | texts,
)


def read_back(path: Path, **reading: Any) -> list[Any]:
    (source,) = exported.sources(path, Reading(**reading))
    return list(source.records())


@pytest.mark.parametrize("format", FORMATS)
@given(rows=predictions())
def test_every_prediction_comes_back_as_it_was(format, rows, make_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / f"run.{format}"
    run = make_run(rows)
    write_run(run, None, path, format)
    assert exported.recognises(path)
    back = prediction_table([record.verbatim for record in read_back(path)])
    assert back.equals(run.predictions)


@pytest.mark.parametrize("format", FORMATS)
@given(instance=instances)
def test_what_is_known_of_an_instance_comes_back(format, instance, make_run, make_choices, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / f"run.{format}"
    write_run(make_run(make_choices("A", gold="A")), instance_table([instance]), path, format)
    (record,) = read_back(path)
    stored = instance_table([instance]).to_pylist(maps_as_pydicts="strict")[0]
    assert (record.id, record.position, record.repeat) == ("id000", 0, 0)
    assert record.prompt == stored["prompt"]
    assert record.targets == (stored["target"],)
    assert record.choices == (None if stored["choices"] is None else tuple(stored["choices"]))
    assert record.golds == tuple(stored["golds"])
    assert (record.cluster, record.tags, record.source) == (
        stored["cluster"],
        stored["tags"],
        stored["source"],
    )


@pytest.mark.parametrize("format", FORMATS)
def test_instances_that_are_not_stored_read_unknown(format, make_run, make_choices, tmp_path):
    run = make_run(make_choices("AB", gold="AA"))
    only_second = instance_table([Instance(id="id001", index=1, prompt="Q1", target="A")])
    write_run(run, only_second, tmp_path / f"run.{format}", format)
    first, second = read_back(tmp_path / f"run.{format}")
    assert (first.prompt, first.targets, first.choices) == (None, (), None)
    assert (second.prompt, second.targets) == ("Q1", ("A",))


def test_parquet_bears_the_whole_spec(make_run, make_choices, tmp_path):
    run = make_run(make_choices("AB", gold="AA"), engine={"batch_size": 7})
    write_run(run, None, tmp_path / "run.parquet", "parquet")
    (source,) = exported.sources(tmp_path / "run.parquet", Reading())
    heading = source.heading
    assert heading.subset == run.spec.subset
    assert (heading.task, heading.metric, heading.scale, heading.kind) == ("toy", "acc", "binary", "choice")
    assert (heading.model, heading.engine) == (run.spec.model, run.spec.engine)
    assert heading.unknown == ()


def test_a_run_of_a_sample_says_how_many_instances_it_holds(make_run, make_prediction, tmp_path):
    rows = [make_prediction(f"i{i}", index=i, repeat=repeat) for i in (3, 70) for repeat in (0, 1)]
    write_run(make_run(rows), None, tmp_path / "run.parquet", "parquet")
    (source,) = exported.sources(tmp_path / "run.parquet", Reading())
    assert (source.heading.expected, source.heading.n) == (2, 1000)


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_other_formats_say_what_they_do_not_hold(format, make_run, make_choices, tmp_path):
    path = tmp_path / f"demo-v1.{format}"
    write_run(make_run(make_choices("AB", gold="AA")), None, path, format)
    (source,) = exported.sources(path, Reading(task="piqa"))
    heading = source.heading
    assert (heading.task, heading.model.name, heading.sparse) == ("piqa", "demo-v1", True)
    assert {"model.fingerprint", "engine.name", "task.version"} <= set(heading.unknown)
    assert "Parquet" in heading.remarks[0]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_the_headline_metric_is_the_one_whose_values_are_the_scores(
    format, make_run, make_prediction, tmp_path
):
    rows = [
        make_prediction(
            f"i{i}", index=i, correct=right, score=float(right), scores={"acc": 1.0, "acc_norm": float(right)}
        )
        for i, right in enumerate([True, False])
    ]
    write_run(make_run(rows), None, tmp_path / f"run.{format}", format)
    (source,) = exported.sources(tmp_path / f"run.{format}", Reading())
    assert (source.heading.metric, source.heading.scale) == ("acc_norm", "binary")


def test_csv_tells_unknown_from_empty_and_leaves_formulas_alone(make_run, make_prediction, tmp_path):
    rows = [make_prediction("=1+1", output="", answer=None)]
    write_run(make_run(rows), None, tmp_path / "run.csv", "csv")
    header, row = (tmp_path / "run.csv").read_text().splitlines()
    assert header.split(",")[:2] == ['"instance_id"', '"index"']
    cells = dict(zip(header.replace('"', "").split(","), row.split(","), strict=True))
    assert (cells["instance_id"], cells["output"], cells["answer"]) == ('"=1+1"', '""', "")


def test_jsonl_is_strict_json_in_the_order_of_the_columns(make_run, make_prediction, tmp_path):
    rows = [make_prediction("a", scores={"z": math.nan, "b": 1.0}, choice_logprobs=(-math.inf, -1.0))]
    write_run(make_run(rows), None, tmp_path / "run.jsonl", "jsonl")
    (line,) = (tmp_path / "run.jsonl").read_text().splitlines()
    row = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert list(row) == EXPORT.names
    assert row["scores"] == {"z": None, "b": 1.0}
    assert row["choice_logprobs"] == [None, -1.0]


@pytest.mark.parametrize("format", FORMATS)
def test_any_table_can_be_written(format, tmp_path):
    table = pa.table(
        {
            "quadrant": pa.array(["negative flip", None]).dictionary_encode(),
            "delta": [0.5, None],
            "tags": [["a"], None],
        }
    )
    path = tmp_path / f"pairs.{format}"
    write_table(table, path, format)
    assert not exported.recognises(path)
    if format == "parquet":
        assert pa.parquet.read_table(path).equals(table)
    if format == "jsonl":
        assert [json.loads(line) for line in path.read_text().splitlines()] == table.to_pylist()
    if format == "csv":
        assert path.read_text().splitlines()[1:] == ['"negative flip",0.5,"[""a""]"', ",,"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_of_many_batches_keeps_every_row(format, make_run, make_choices, make_instances, tmp_path):
    run = make_run(make_choices("AB" * 5000, gold="AA" * 5000))
    write_run(run, make_instances(run), tmp_path / f"run.{format}", format)
    back = read_back(tmp_path / f"run.{format}")
    assert prediction_table([record.verbatim for record in back]).equals(run.predictions)
    assert [back[i].prompt for i in (0, 4096, 9999)] == ["Q0", "Q4096", "Q9999"]
    assert back[9999].where == f"run.{format}, row 10000"


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_a_format_or_place_that_is_not_there(make_run, make_choices, tmp_path):
    run = make_run(make_choices("A", gold="A"))
    with pytest.raises(UsageError, match="no format 'xlsx'"):
        write_run(run, None, tmp_path / "a.xlsx", "xlsx")
    for format in FORMATS:
        with pytest.raises(StoreError, match="cannot write"):
            write_run(run, None, tmp_path / "nowhere" / "a", format)


@pytest.fixture(name="rows")
def _rows(make_run, make_choices, tmp_path):
    """The rows of a small JSONL export, to be changed and written again."""
    write_run(make_run(make_choices("AB", gold="AA")), None, tmp_path / "base.jsonl", "jsonl")
    return [json.loads(line) for line in (tmp_path / "base.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": "one"}, "bad.jsonl:2 is no row of an export"),
        ({"index": None}, "row 2 has no index"),
        ({"index": -1}, "row 2 has a negative index"),
        ({"status": "fine"}, "row 2 has an unknown status. Allowed: scored, unparsable, error"),
        ({"finish": "tired"}, "row 2 has an unknown finish. Allowed: stop, length"),
        ({"choices": ["a", None]}, "row 2 has a null in choices"),
        ({"scores": {"acc": "high"}}, "bad.jsonl:2 is no row of an export"),
        ({"output": "\ud800"}, "bad.jsonl:2 is no row of an export"),
        ({"score": 10**400}, "bad.jsonl:2 is no row of an export"),
    ],
)
def test_a_row_that_cannot_be_is_named(change, message, rows, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [rows[0], rows[1] | change]))
    with pytest.raises(DataError) as refusal:
        read_back(path)
    assert message in str(refusal.value)


def test_a_mapping_or_another_metric_does_not_concern_an_export(make_run, make_choices, tmp_path):
    write_run(make_run(make_choices("A", gold="A")), None, tmp_path / "run.parquet", "parquet")
    for reading in (Reading(columns={"id": "x"}), Reading(marker="A:"), Reading(metric="f1")):
        with pytest.raises(UsageError):
            exported.sources(tmp_path / "run.parquet", reading)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"{", DataError),
        (b"[]", DataError),
        (b'{"schema": 1, "spec": {"model": 3}}', DataError),
        (b'{"schema": 99, "spec": {}}', NewerSchema),
    ],
)
def test_a_damaged_or_newer_spec_is_refused(document, error, tmp_path):
    schema = EXPORT.with_metadata({METADATA: document})
    pa.parquet.write_table(schema.empty_table(), tmp_path / "run.parquet")
    with pytest.raises(error):
        exported.sources(tmp_path / "run.parquet", Reading())


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
def test_a_damaged_export_gives_rows_or_a_clear_error(format, data, make_run, make_choices, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    run = make_run(make_choices("ABC", gold="AAA"))
    write_run(run, None, folder / f"whole.{format}", format)
    raw = bytearray((folder / f"whole.{format}").read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        raw[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    path = folder / f"damaged.{format}"
    path.write_bytes(bytes(raw[:cut]))
    exported.recognises(path)
    with contextlib.suppress(RegressError):
        read_back(path)


@pytest.mark.parametrize("suffix", [*FORMATS, "json", ""])
@given(raw=st.binary())
def test_any_bytes_are_recognised_or_not(suffix, raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / f"some.{suffix}"
    path.write_bytes(raw)
    assert exported.recognises(path) is False
    assert exported.recognises(path.parent) is False
    assert exported.recognises(path.parent / "none.csv") is False
