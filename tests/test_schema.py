"""Predictions and instances as Arrow tables: what goes in comes out, digit for digit."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.schema import INSTANCE, PREDICTION, instance_table, prediction_table, storable
from regress.types import Instance, Prediction

ANYTHING = st.text(st.characters(exclude_categories=()))  # lone surrogates too
FLOATS = st.floats(allow_nan=False)
COUNTS = st.none() | st.integers(0, 2**31 - 1)

predictions = st.builds(
    Prediction,
    instance_id=ANYTHING,
    index=st.integers(0, 2**31 - 1),
    repeat=st.integers(0, 2**15 - 1),
    prompt_hash=ANYTHING,
    shown_hash=st.none() | ANYTHING,
    output=st.none() | ANYTHING,
    answer=st.none() | ANYTHING,
    status=st.sampled_from(["scored", "unparsable", "error"]),
    correct=st.none() | st.booleans(),
    score=st.none() | FLOATS,
    scores=st.dictionaries(st.text(), FLOATS, max_size=4),
    choice_logprobs=st.none() | st.lists(FLOATS, max_size=5).map(tuple),
    choice_lengths=st.none() | st.lists(st.integers(0, 2**31 - 1), max_size=5).map(tuple),
    gold_margin=st.none() | FLOATS,
    prompt_tokens=COUNTS,
    output_tokens=COUNTS,
    left_truncated=st.integers(0, 2**31 - 1),
    finish=st.sampled_from([None, "stop", "length"]),
    error=st.none() | ANYTHING,
)
instances = st.builds(
    Instance,
    id=ANYTHING,
    index=st.integers(0, 2**31 - 1),
    prompt=ANYTHING,
    target=ANYTHING,
    choices=st.none() | st.lists(ANYTHING, max_size=4).map(tuple),
    golds=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    cluster=st.none() | ANYTHING,
    tags=st.dictionaries(st.text(), ANYTHING, max_size=3),
    source=st.none() | ANYTHING,
)


def through_parquet(table: pa.Table) -> pa.Table:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return pq.read_table(pa.BufferReader(sink.getvalue())).cast(table.schema)


def stored(value):
    """A field's value as a table gives it back."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return [(stored(key), stored(item)) for key, item in value.items()]
    if isinstance(value, tuple):
        return [stored(item) for item in value]
    return value


def assert_rows(table: pa.Table, values, renamed):
    """The table's rows are the records' fields; `repr` tells -0.0 from 0.0 and every last digit."""
    for row, value in zip(table.to_pylist(), values, strict=True):
        for field in dataclasses.fields(value):
            got, meant = row[renamed.get(field.name, field.name)], stored(getattr(value, field.name))
            assert repr(got) == repr(meant), field.name


@given(st.lists(predictions, max_size=4))
def test_predictions_survive_the_table_and_the_file(rows):
    table = prediction_table(rows)
    assert table.schema == PREDICTION
    assert_rows(table, rows, {})
    again = through_parquet(table)
    assert again.equals(table)
    assert_rows(again, rows, {})


@given(st.lists(instances, max_size=4))
def test_instances_survive_the_table_and_the_file(rows):
    table = instance_table(rows)
    assert table.schema == INSTANCE
    assert_rows(table, rows, {"id": "instance_id"})
    assert through_parquet(table).equals(table)


def test_a_tag_with_a_lone_surrogate_is_kept_as_its_escape():
    one = Instance(id="a", index=0, prompt=None, target=None, tags={"from": "b\udc80"})
    assert instance_table([one])["tags"].to_pylist() == [[("from", "b\\udc80")]]


@given(ANYTHING)
def test_what_is_stored_is_utf8_and_text_that_already_is_does_not_change(text):
    kept = storable(text)
    assert kept.encode("utf-8").decode("utf-8") == kept
    assert storable(kept) == kept
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert kept == text


def test_every_field_of_a_prediction_has_a_column_and_the_other_way_round():
    assert PREDICTION.names == [field.name for field in dataclasses.fields(Prediction)]


def test_every_field_of_an_instance_has_a_column_and_the_other_way_round():
    fields = {field.name for field in dataclasses.fields(Instance)} - {"id"} | {"instance_id"}
    assert set(INSTANCE.names) == fields


@pytest.mark.parametrize("field", ["instance_id", "index", "status", "prompt_hash"])
def test_what_every_prediction_has_may_not_be_null(field):
    assert not PREDICTION.field(field).nullable
