"""What the flip browser reads holds every pair, each text once, and nothing that a page could trip over."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from regress.types import FLIP_KINDS, QUADRANTS
from regress.views.html.data import embedded, pack
from regress.views.html.kept import kept
from regress.views.html.texts import LONGEST, Texts, shared_beginning, shortened


def unpacked(text: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(text)))


@pytest.fixture
def data(three_tasks) -> Any:
    return unpacked(embedded(three_tasks).packed)


def task_of(data: Any, name: str) -> Any:
    (found,) = [task for task in data["tasks"] if task["name"] == name]
    return found


def words(data: Any, numbers: list[int | None]) -> list[Any]:
    return [None if number is None else data["texts"][number] for number in numbers]


def test_every_pair_is_there_in_the_order_of_the_data_set(data) -> None:
    assert [(task["name"], len(task["id"]), task["n"]) for task in data["tasks"]] == [
        ("gsm8k", 6, 6),
        ("hellaswag", 8, 8),
        ("samsum", 5, 5),
    ]
    assert task_of(data, "gsm8k")["id"] == [f"q{i}" for i in range(6)]


def test_quadrants_and_kinds_are_those_of_the_comparison(three_tasks, data) -> None:
    for name in three_tasks.pairs:
        table, task = three_tasks.table(name), task_of(data, name)
        for column, codes, known in (("quadrant", "quadrant", QUADRANTS), ("kind", "flip_kind", FLIP_KINDS)):
            assert [None if code < 0 else known[code] for code in task[codes]] == table[column].to_pylist()


def test_texts_are_stored_once(data) -> None:
    assert len(data["texts"]) == len(set(data["texts"]))
    gsm8k = task_of(data, "gsm8k")
    assert words(data, gsm8k["old"]["output"])[3] == "So it is 7.\n#### 7"
    assert gsm8k["old"]["output"][3] == gsm8k["new"]["output"][3] == gsm8k["old"]["output"][0]


def test_worked_examples_are_stored_once(data) -> None:
    gsm8k = task_of(data, "gsm8k")
    assert words(data, [gsm8k["before"]])[0].count("Question: What is 1 + 1?") == 3
    assert words(data, gsm8k["prompt"])[2] == "Question: What is 2 + 7?\nAnswer:"


def test_choices_come_with_their_log_probabilities_in_words(data) -> None:
    task = task_of(data, "hellaswag")
    assert words(data, task["choices"][1]) == [f"ending {place} of 1" for place in range(4)]
    assert task["golds"][1] == [1]
    assert (task["old"]["answer"][1], task["new"]["answer"][1]) == ("1", "3")
    assert task["old"]["logprobs"][0] == ["−8.000", "−8.500", "−9.000", "−9.500"]
    assert task["old"]["values"] is None
    assert task["delta"][0] == "−2.000"
    assert task["tags"]["activity"]["values"] == ["Baking", "Cooking"]


def test_choices_compared_by_length_say_what_they_were_compared_by(compare_runs, chosen) -> None:
    comparison = compare_runs(chosen([(0, 0, 1), (1, 1, 1)], metric="acc_norm"))
    (task,) = unpacked(embedded(comparison).packed)["tasks"]
    assert task["old"]["values"][0][0] == "−0.6154"  # -8 over 13 characters


def test_without_texts_only_positions_and_numbers_are_left(three_tasks) -> None:
    data = unpacked(embedded(three_tasks, with_text=False).packed)
    assert data["texts"] == []
    assert task_of(data, "hellaswag")["old"]["answer"][1] == "1"
    assert task_of(data, "hellaswag")["old"]["logprobs"][0] == ["−8.000", "−8.500", "−9.000", "−9.500"]
    for name in ("gsm8k", "samsum"):
        task = task_of(data, name)
        texts = [
            task["prompt"],
            task["target"],
            task["old"]["answer"],
            task["new"]["output"],
            [task["before"]],
        ]
        assert {text for column in texts for text in column} == {None}


def test_the_same_comparison_gives_the_same_bytes(three_tasks) -> None:
    assert embedded(three_tasks) == embedded(three_tasks)


def test_nothing_that_a_model_writes_can_end_the_element_that_holds_it(compare_runs, generated) -> None:
    hostile = "</script><script>alert(1)</script><!--"
    packed = embedded(compare_runs(generated([(hostile, hostile, hostile, "x")]))).packed
    assert set(packed) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    assert hostile in unpacked(packed)["texts"]


def test_a_lone_surrogate_reaches_the_page_as_what_it_is() -> None:
    raw = gzip.decompress(base64.b64decode(pack({"name": "a\udc80b"})))
    assert raw == b'{"name":"a\\udc80b"}'


# ── what does not fit ────────────────────────────────────────────────────────────────────────────


def test_a_megabyte_is_cut_in_the_middle_and_says_by_how_much(compare_runs, generated) -> None:
    long = "x" * 999_996 + "#### 7"[2:]
    found = embedded(compare_runs(generated([("Q", "7", long, "8"), ("P", "7", long, "7")])))
    (cut,) = [text for text in unpacked(found.packed)["texts"] if not isinstance(text, str)]
    assert (cut[1], cut[2][-4:], len(cut[0]) + len(cut[2])) == (980_000, "## 7", LONGEST)
    assert found.cut == 1
    assert len(found.packed) < 20_000


def table(quadrants: list[str | None], texts: list[str] | None = None) -> pa.Table:
    nothing = pa.nulls(len(quadrants), pa.string())
    return pa.table(
        {
            "quadrant": pa.array(quadrants, pa.string()).dictionary_encode(),
            "prompt": nothing if texts is None else pa.array(texts),
            **dict.fromkeys(("target", "old_output", "new_output"), nothing),
        }
    )


def test_of_too_many_instances_flips_of_all_tasks_stay() -> None:
    tables = {
        "a": table(["both right", "negative flip", None, "both wrong same"]),
        "b": table(["negative flip", "positive flip", "both wrong different", "both right"]),
    }
    rows = {name: found.tolist() for name, found in kept(tables, most=5).items()}
    assert rows == {"a": [1, 3], "b": [0, 1, 2]}
    assert {name: found.size for name, found in kept(tables).items()} == {"a": 4, "b": 4}


def test_of_too_much_text_flips_stay() -> None:
    tables = {"a": table(["both right", "negative flip", "positive flip"], ["x" * 10, "x" * 30, "x" * 30])}
    assert {name: found.tolist() for name, found in kept(tables, most_characters=65).items()} == {"a": [1, 2]}


def test_a_text_at_the_limit_is_whole() -> None:
    assert shortened("x" * LONGEST) == "x" * LONGEST
    assert shortened("x" * (LONGEST + 1))[1] == 1


def test_texts_know_how_many_of_them_are_cut() -> None:
    texts = Texts()
    assert [texts.number(text) for text in ("a", "b" * (LONGEST + 1), "a", None)] == [0, 1, 0, None]
    assert texts.cut == 1


@pytest.mark.parametrize(
    "prompts", [[], ["one\n\ntwo"], ["short\n\na", "short\n\nb"], ["x" * 90 + "a", "x" * 90 + "b"]]
)
def test_only_whole_worked_examples_are_taken_for_shared(prompts: list[str]) -> None:
    assert shared_beginning(prompts) == ""


def test_a_task_whose_instances_are_not_known_is_there_all_the_same(compare_runs, generated) -> None:
    fields, old, new, _ = generated([("Q", "7", "7", "8")])
    (task,) = unpacked(embedded(compare_runs((fields, old, new, None))).packed)["tasks"]
    assert (task["prompt"], task["choices"], task["old"]["right"]) == ([None], [None], [True])


def test_repeated_answers_keep_their_number(compare_runs, generated) -> None:
    fields, old, new, items = generated([("Q", "7", "7", "8")])
    twice = [[row, replace(row, repeat=1)] for (row,) in (old, new)]
    (task,) = unpacked(embedded(compare_runs((fields, *twice, items))).packed)["tasks"]
    assert (task["id"], task["repeat"]) == (["q0", "q0"], [0, 1])
