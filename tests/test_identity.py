"""What makes two runs, tasks or items the same: the same hash everywhere, another for every keyed value."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.identity import (
    canonical_json,
    file_hash,
    fingerprint,
    item_id,
    normalise,
    plain,
    run_fingerprint,
    sequence_hash,
    strict,
    task_fingerprint,
    text_hash,
)
from regress.types import EngineSpec, ModelSpec, Origin, RunSpec, Subset, TaskSpec

ROOT = Path(__file__).parents[1]

TASK = TaskSpec(
    name="toy",
    version="1",
    kind="choice",
    scale="binary",
    metric="acc",
    scorer={"filters": {"strict": ["a", "b"]}, "z": 1, "a": None},
    generation={"until": ["\n"], "max_gen_toks": 5},
    definition="d",
    items="i",
    targets="t",
    prompts="p",
    n=10,
    description="A toy.",
)
TASK = dataclasses.replace(TASK, fingerprint=task_fingerprint(TASK))
MODEL = ModelSpec(
    name="mine",
    source="./mine",
    revision="abc",
    dtype="float32",
    tokenizer="tok",
    fingerprint="weights",
    context_length=512,
    parameters=100,
)
ENGINE = EngineSpec(name="hf", version="1", batch_size=8, settings={"b": {"y": 1, "x": 2}, "a": 1.5})
SPEC = RunSpec(model=MODEL, task=TASK, engine=ENGINE, chunk_size=4, n=10, ids="ids")
ORIGIN = Origin(format="table", digest="bytes", name="answers.csv", read={"columns": {"id": "id"}})

ANOTHER = {  # another value for every field, so that a new field cannot be forgotten
    TaskSpec: {
        "name": "other",
        "version": "2",
        "kind": "generation",
        "scale": "bounded",
        "metric": "acc_norm",
        "higher_is_better": False,
        "num_fewshot": 5,
        "fewshot": "lm-eval",
        "scorer": {"filters": {"strict": ["b", "a"]}, "z": 1, "a": None},
        "generation": {"until": ["\n"], "max_gen_toks": 6},
        "data": "dir",
        "definition": "D",
        "items": "I",
        "targets": "T",
        "prompts": "P",
        "n": 11,
        "description": "Another sentence.",
        "fingerprint": "F",
    },
    ModelSpec: {
        "name": "other",
        "source": "org/other",
        "revision": "def",
        "dtype": "bfloat16",
        "quantization": "gptq",
        "adapter": "org/lora",
        "chat_template": "default#1",
        "system": "Be brief.",
        "tokenizer": "tok2",
        "fingerprint": "other weights",
        "context_length": 1024,
        "parameters": 101,
    },
    EngineSpec: {
        "name": "vllm",
        "version": "2",
        "batch_size": 9,
        "settings": {"b": {"y": 1, "x": 3}, "a": 1.5},
    },
    RunSpec: {
        "model": None,  # below, field by field
        "task": None,
        "engine": None,
        "subset": Subset(limit=3),
        "replica": 1,
        "variation": "batch",
        "chunk_size": 5,
        "n": 9,
        "ids": "other ids",
        "text": False,
        "origin": Origin(format="table", digest="d"),
    },
    Origin: {
        "format": "lm-eval",
        "digest": "other bytes",
        "name": "other.csv",
        "producer": "lm-eval 0.4.13",
        "read": {"columns": {"id": "ind"}},
        "unknown": ("finish",),
    },
}
RECORDED = {  # not keyed: the task's own hash and the weights' say more
    TaskSpec: {"description"},
    ModelSpec: {"name", "source", "revision", "adapter", "context_length", "parameters"},
    EngineSpec: set(),
    RunSpec: set(),
    Origin: {"name"},
}


def changed(kind, name) -> RunSpec:
    """`SPEC` with another value in one field of one of its records."""
    value = {name: ANOTHER[kind][name]}
    if kind is TaskSpec:
        task = dataclasses.replace(TASK, **value)
        if name != "fingerprint":
            task = dataclasses.replace(task, fingerprint=task_fingerprint(task))
        return dataclasses.replace(SPEC, task=task)
    if kind is ModelSpec:
        return dataclasses.replace(SPEC, model=dataclasses.replace(MODEL, **value))
    if kind is EngineSpec:
        return dataclasses.replace(SPEC, engine=dataclasses.replace(ENGINE, **value))
    if kind is Origin:
        return dataclasses.replace(SPEC, origin=dataclasses.replace(ORIGIN, **value))
    return dataclasses.replace(SPEC, **value)


def unchanged(kind) -> RunSpec:
    """`SPEC`, with an origin where that is what changes."""
    return dataclasses.replace(SPEC, origin=ORIGIN) if kind is Origin else SPEC


def fields_of(*, recorded: bool):
    return [
        pytest.param(kind, name, id=f"{kind.__name__}.{name}")
        for kind, values in ANOTHER.items()
        for name, value in values.items()
        if (name in RECORDED[kind]) == recorded and value is not None
    ]


@pytest.mark.parametrize("kind", ANOTHER)
def test_this_file_knows_every_field(kind):
    assert set(ANOTHER[kind]) == {field.name for field in dataclasses.fields(kind)}


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "name"), fields_of(recorded=False))
def test_another_value_of_a_keyed_field_is_another_run(kind, name):
    assert run_fingerprint(changed(kind, name)) != run_fingerprint(unchanged(kind))


@pytest.mark.parametrize(("kind", "name"), fields_of(recorded=True))
def test_another_value_of_a_recorded_field_is_the_same_run(kind, name):
    assert run_fingerprint(changed(kind, name)) == run_fingerprint(unchanged(kind))


@pytest.mark.parametrize("name", ["name", "source", "revision", "adapter"])
def test_where_an_engine_hides_its_weights_the_model_is_what_it_is_called(name):
    hidden = dataclasses.replace(SPEC, model=dataclasses.replace(MODEL, fingerprint=None))
    other = dataclasses.replace(
        hidden, model=dataclasses.replace(hidden.model, **{name: ANOTHER[ModelSpec][name]})
    )
    assert run_fingerprint(other) != run_fingerprint(hidden)


@pytest.mark.parametrize("subset", [Subset(limit=3), Subset(sample=3, seed=1), Subset(sample=3, seed=2)])
def test_every_subset_is_another_run(subset):
    others = [Subset(), Subset(limit=4), Subset(sample=3, seed=3)]
    keys = {run_fingerprint(dataclasses.replace(SPEC, subset=each)) for each in [subset, *others]}
    assert len(keys) == 4


def test_a_task_without_a_hash_of_its_own_is_hashed_here():
    bare = dataclasses.replace(SPEC, task=dataclasses.replace(TASK, fingerprint=""))
    assert run_fingerprint(bare) == run_fingerprint(SPEC)


def test_the_revision_of_a_data_set_counts_by_its_items_alone():
    """They are known offline, the revision is not always."""
    first, second = (dataclasses.replace(TASK, data=f"hub:org/data@{commit}") for commit in "ab")
    assert task_fingerprint(first) == task_fingerprint(second)
    assert task_fingerprint(first) != task_fingerprint(dataclasses.replace(TASK, data="hub:org/other@a"))


# ── the same in every process, for every order ───────────────────────────────────────────────────

PRINT = "import json, sys; from regress import identity; print(identity.fingerprint(json.load(sys.stdin)))"


@pytest.mark.parametrize("seed", ["0", "1"])
def test_a_fingerprint_is_the_same_in_every_process(seed):
    process = subprocess.run(
        [sys.executable, "-c", PRINT],
        input=json.dumps(plain(SPEC)),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.strip() == fingerprint(SPEC)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value, chance: random.Random):
    if isinstance(value, dict):
        items = [(key, shuffled(item, chance)) for key, item in value.items()]
        chance.shuffle(items)
        return dict(items)
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(value=JSON, chance=st.randoms())
def test_the_order_of_keys_does_not_matter(value, chance):
    assert fingerprint(shuffled(value, chance)) == fingerprint(value)


@given(JSON, JSON)
def test_values_have_the_same_fingerprint_only_where_their_json_is_the_same(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (canonical_json(one) == canonical_json(other))


@given(JSON)
def test_a_value_read_back_from_json_has_the_same_fingerprint(value):
    """A spec on disk must prove its own key."""
    assert fingerprint(json.loads(json.dumps(value))) == fingerprint(value)


def test_tuples_and_lists_are_one_and_the_same():
    assert fingerprint({"a": (1, 2)}) == fingerprint({"a": [1, 2]})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_a_number_that_json_has_no_word_for_has_no_fingerprint(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint(value)


def test_what_is_written_has_null_for_it():
    assert strict({"a": [float("nan"), float("inf"), 1.0]}) == {"a": [None, None, 1.0]}


# ── texts, sequences, items, files ───────────────────────────────────────────────────────────────


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_has_a_hash_lone_surrogates_too(text):
    assert len(text_hash(text)) == 16
    assert text_hash(text) == text_hash(text, digits=64)[:16]


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_no_two_sequences_run_together(one, other):
    assert (sequence_hash(one) == sequence_hash(other)) == (one == other)


@given(st.text())
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize("question", ["How  many?", " How many?\n", "How\u00a0many?", "\uff28ow many?"])
def test_an_item_keeps_its_id_however_its_white_space_and_width_were_saved(question):
    assert item_id(question, ["a", " b"]) == item_id("How many?", ["a", "b"])


@pytest.mark.parametrize("choices", [["b", "a"], ["a"], ["a", "b", "c"], ["ab"], []])
def test_the_same_question_with_other_choices_is_another_item(choices):
    assert item_id("How many?", choices) != item_id("How many?", ["a", "b"])


def test_a_file_is_hashed_by_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_field_that_a_later_regress_adds_with_null_leaves_stored_hashes_as_they_are() -> None:
    later = plain(SPEC)
    later["model"]["added_later"] = None
    later["task"]["added_later"] = None
    assert run_fingerprint(later) == run_fingerprint(SPEC)
    later["model"]["added_later"] = "set"
    assert run_fingerprint(later) != run_fingerprint(SPEC)
