"""Items from a folder: read strictly, identified once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import DataError
from regress.identity import numbered, source_json
from regress.tasks.items import mixed_types, own_ids, read_items, split_file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a": ', "test.jsonl:2 is not JSON"),
        ('{"a": 1}\n\n[1]\n', "test.jsonl:3 is '[1]'"),
        ('{"a": 1, "b": 2}\n{"a": 1}\n', "test.jsonl:2 lacks ['b']"),
        ('{"a": 1}\n{"a": 1, "c": 2}\n', "test.jsonl:2 has ['c'] beside"),
        ("\n \n", "test.jsonl has no items"),
        ("{}\n", "test.jsonl:1 is '{}'"),
    ],
)
def test_a_malformed_line_is_named_by_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_items(file)
    assert said in str(error.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(DataError, match="cannot read"):
        read_items(tmp_path / "test.jsonl")


def test_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text('{"a": "x\u2028y\x85z"}\r\n{"a": "w"}\n', encoding="utf-8", newline="")
    assert read_items(file) == [{"a": "x\u2028y\x85z"}, {"a": "w"}]


def test_a_missing_folder_names_the_nearest(write: Callable[..., Path]) -> None:
    data = write("gsm8k", test=[{"a": 1}])
    with pytest.raises(DataError, match="did you mean 'gsm8k'"):
        split_file(data, ["gsm8"], "test")
    with pytest.raises(DataError, match="there is no folder"):
        split_file(data / "nowhere", ["gsm8k"], "test")


def test_a_missing_split_names_what_is_there(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"needs the split 'train'.*there are test\.jsonl"):
        split_file(write("gsm8k", test=[{"a": 1}]), ["gsm8k"], "train")


def test_a_variant_falls_back_to_the_folder_it_names(write: Callable[..., Path]) -> None:
    data = write("samsum", test=[{"a": 1}])
    assert split_file(data, ["samsum_muscle", "samsum"], "test") == data / "samsum" / "test.jsonl"


def test_a_field_of_two_types_names_both_items(tmp_path: Path) -> None:
    error = mixed_types(tmp_path / "t.jsonl", [{"a": None}, {"a": 1}, {"a": 2.5}, {"a": "3"}])
    assert "item 4" in str(error)
    assert "str in 'a', item 2 a number" in str(error)


def test_the_data_sets_own_id_is_taken_only_if_it_identifies() -> None:
    assert own_ids([{"id": "a", "ind": 1}, {"id": "a", "ind": 2}]) == ["1", "2"]
    assert own_ids([{"id": None}, {"id": "b"}]) is None
    assert own_ids([{"id": True}, {"id": False}]) is None
    assert own_ids([{"id": [1]}, {"id": [2]}]) is None
    assert own_ids([{"id": " "}, {"id": "b"}]) is None
    assert own_ids([{"key": "a"}, {"key": "b"}], "key") == ["a", "b"]
    with pytest.raises(DataError, match="'key' does not identify"):
        own_ids([{"key": "a"}, {"key": "a"}], "key")


@given(st.lists(st.sampled_from("abc")))
def test_numbering_makes_ids_unique_and_keeps_the_first(ids: list[str]) -> None:
    unique = numbered(ids)
    assert len(set(unique)) == len(ids)
    assert [name.partition("#")[0] for name in unique] == ids
    assert set(ids) <= set(unique)


def test_an_item_has_one_json_text_whatever_its_order() -> None:
    assert (
        source_json({"b": 1, "a": float("nan")})
        == source_json({"a": float("nan"), "b": 1})
        == '{"a": null, "b": 1}'
    )
