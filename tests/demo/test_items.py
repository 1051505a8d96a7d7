"""The demo items: valid, unique, apart from what was trained on, and what their seed makes."""

from __future__ import annotations

import json
import re
from random import Random

import pytest

from regress.demo import arithmetic, items
from regress.demo.pair import items_folder
from regress.demo.stages import STAGES

TASKS = tuple(items.SPLITS)
FIELDS = {
    "gsm8k": {"question": str, "answer": str},
    "piqa": {"goal": str, "sol1": str, "sol2": str, "label": int},
    "hellaswag": {
        "ind": int, "activity_label": str, "ctx_a": str, "ctx_b": str, "ctx": str,
        "endings": list, "label": str,
    },
    "samsum": {"id": str, "dialogue": str, "summary": str},
}  # fmt: skip


def shipped(task):
    return {split: items.read(items_folder(), task, split) for split, _ in items.SPLITS[task]}


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_items_are_what_the_seed_makes(task, tmp_path):
    items.write(tmp_path)
    for split, _ in items.SPLITS[task]:
        name = f"{task}/{split}.jsonl"
        assert (tmp_path / name).read_bytes() == (items_folder() / name).read_bytes()


@pytest.mark.parametrize("task", TASKS)
def test_items_have_exactly_the_fields_of_the_real_data_set(task):
    for split in shipped(task).values():
        for item in split:
            assert {name: type(value) for name, value in item.items()} == FIELDS[task]
            assert all(value.strip() for value in item.values() if isinstance(value, str))


@pytest.mark.shared
@pytest.mark.parametrize("task", TASKS)
def test_the_real_data_set_has_the_same_fields(task, shared):
    split = items.SPLITS[task][0][0]
    with shared(f"data/{task}/{split}.jsonl").open(encoding="utf-8") as lines:
        real = json.loads(next(lines))
    assert {name: type(value) for name, value in real.items()} == FIELDS[task]


@pytest.mark.parametrize("task", TASKS)
def test_there_are_enough_items_and_no_two_ask_the_same(task):
    made = shipped(task)
    assert len(made[items.SPLITS[task][0][0]]) >= 300
    every = [items.identity(task, item) for split in made.values() for item in split]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_no_evaluation_item_is_trained_on(task, stage):
    """Drawn exactly as training draws, and the exclusion is not idle: without it some would be seen."""
    taken = {items.identity(task, item) for split in shipped(task).values() for item in split}
    assert taken == items.shipped(task)
    drawn = items.stream(task, Random(f"{stage.seed} {task}"), stage.weights[task], taken)
    assert not taken & {items.identity(task, next(drawn)) for _ in range(3000)}


def test_an_unguarded_stream_would_meet_evaluation_items():
    uniform = dict.fromkeys(items.FAMILIES["piqa"], 1.0)
    drawn = items.stream("piqa", Random(0), uniform, set())
    assert items.shipped("piqa") & {items.identity("piqa", next(drawn)) for _ in range(3000)}


@pytest.mark.parametrize("family", arithmetic.FAMILIES)
def test_each_equation_holds_and_the_last_one_is_the_answer(family):
    rng = Random(family)
    for _ in range(200):
        answer = arithmetic.FAMILIES[family](rng)["answer"]
        equations = re.findall(r"([0-9+*/-]+)=<<\1=(\d+)>>\2\b", answer)
        assert len(equations) == answer.count("<<")
        for left, right in equations:
            first, sign, second = re.fullmatch(r"(\d+)([+*/-])(\d+)", left).groups()
            a, b = int(first), int(second)
            assert {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign] == int(right)
        assert answer.endswith(f"\n#### {equations[-1][1]}")


@pytest.mark.parametrize("task", ["piqa", "hellaswag"])
def test_choices_differ_and_the_right_one_lies_anywhere(task):
    labels = []
    for split in shipped(task).values():
        for item in split:
            choices = items.choices(task, item)
            assert len(set(choices)) == len(choices)
            labels.append(int(item["label"]))
    count = len(items.choices(task, split[0]))
    for place in range(count):
        assert labels.count(place) / len(labels) == pytest.approx(1 / count, abs=0.1)


def test_scenes_are_split_as_in_the_real_data_set():
    for item in shipped("hellaswag")["validation"]:
        assert item["ctx"] == f"{item['ctx_a']} {item['ctx_b']}"
        assert item["ctx_a"].endswith(".")


def test_every_chat_has_two_people_and_names_one_of_them_in_its_summary():
    for item in shipped("samsum")["test"]:
        people = {line.split(": ")[0] for line in item["dialogue"].splitlines()}
        assert len(people) == 2
        assert any(name in item["summary"] for name in people)
        assert "\n" not in item["summary"]


@pytest.mark.parametrize("task", TASKS)
def test_no_shipped_item_holds_a_string_that_ends_answers(task):
    stops = ("Question:", "Dialogue:", "Summary:", "</s>", "<|im_end|>", "\n\n")
    for split in shipped(task).values():
        for item in split:
            text = json.dumps(item, ensure_ascii=False).replace("\\n", "\n")
            assert not [stop for stop in stops if stop in text]


@pytest.mark.parametrize("task", TASKS)
def test_a_mixture_names_only_families_that_exist(task):
    for stage in STAGES:
        assert set(stage.weights[task]) == set(items.FAMILIES[task])
        assert min(stage.weights[task].values()) > 0
