"""The instances beside the runs, and runs that may not hold a word of them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from regress.schema import INSTANCE
from regress.store.runs import read_instances, read_run
from regress.types import Instance

SECRET = "xyzzy"


@pytest.fixture
def instances():
    return [
        Instance(
            id=f"id{i:03}",
            index=i,
            prompt=f"Where is the {SECRET}?",
            target=f"{SECRET} here",
            choices=(f"{SECRET} here", "there"),
            golds=(0,),
            cluster=f"about {SECRET} {i // 2}",
            tags={"topic": f"{SECRET} {i % 2}"},
            source=f'{{"goal": "{SECRET}"}}',
        )
        for i in range(10)
    ]


@pytest.fixture
def secret_rows(rows):
    return lambda indices: rows(indices, output=f" the {SECRET} is here", answer=SECRET)


@pytest.fixture
def written(store, make_spec, instances, secret_rows):
    """The folder of a finished run with its instances, with texts or without."""

    def made(text: bool) -> Path:
        spec = make_spec(text=text)
        store.write_instances(spec.task, instances, text=text)
        with store.writer("mine", spec, range(10)) as writer:
            for chunk in writer.todo():
                writer.append(chunk, secret_rows(chunk.indices))
            return writer.finish()

    return made


def test_the_instances_of_a_run_are_read_back(written, instances):
    table = read_instances(read_run(written(text=True)))
    assert table.schema == INSTANCE
    assert table["prompt"].to_pylist() == [one.prompt for one in instances]
    assert table["choices"].to_pylist() == [list(one.choices) for one in instances]
    assert table["tags"].to_pylist() == [list(one.tags.items()) for one in instances]


def test_a_run_whose_instances_were_not_stored_is_read_without_them(finished):
    assert read_instances(read_run(finished())) is None


def test_instances_that_cannot_be_read_are_as_good_as_none(written, store, make_spec):
    run = read_run(written(text=True))
    store.instances_path(make_spec().task).write_bytes(b"damaged")
    assert read_instances(run) is None


def test_instances_are_written_once_for_all_runs_of_a_task(store, make_spec, instances):
    task = make_spec().task
    path = store.write_instances(task, instances)
    before = path.stat().st_mtime_ns
    assert store.write_instances(task, instances[:1]) == path
    assert path.stat().st_mtime_ns == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_damaged_instances_are_written_again(store, make_spec, instances, written):
    path = store.write_instances(make_spec().task, instances)
    path.write_bytes(path.read_bytes()[:50])
    assert read_instances(read_run(written(text=True))).num_rows == 10


def test_without_text_no_word_of_items_or_answers_is_on_disk(written, store):
    """Prompts, choices, targets, clusters, tags, outputs and answers: looked for in the bytes, unpacked."""
    folder = written(text=False)
    run = read_run(folder)
    held = [*run.predictions.to_pylist(), *read_instances(run).to_pylist()]
    assert SECRET not in repr(held)
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_with_text_the_same_search_finds_the_word(written):
    """Or the search above would prove nothing."""
    run = read_run(written(text=True))
    assert SECRET in repr(run.predictions.to_pylist())
    assert SECRET in repr(read_instances(run).to_pylist())


def test_without_text_parts_of_an_interrupted_run_hold_none_either(store, make_spec, secret_rows):
    spec = make_spec(text=False)
    with store.writer("mine", spec, range(10)) as writer:
        writer.append(writer.chunks[0], secret_rows(writer.chunks[0].indices))
    (part,) = (writer.folder / "parts").iterdir()
    assert SECRET not in repr(pq.read_table(part).to_pylist())
    assert SECRET.encode() not in part.read_bytes()


def test_without_text_equal_answers_clusters_and_tags_stay_equal_and_others_differ(written, instances):
    run = read_run(written(text=False))
    table = read_instances(run)
    assert len(set(table["cluster"].to_pylist())) == len({one.cluster for one in instances}) == 5
    assert len({repr(tags) for tags in table["tags"].to_pylist()}) == 2
    assert set(run.predictions["answer"].to_pylist()) != {None}
    assert table["prompt"].null_count == table["source"].null_count == 10


def test_runs_with_and_without_text_are_different_runs(make_spec, store):
    spec = make_spec()
    assert store.folder("mine", spec) != store.folder("mine", dataclasses.replace(spec, text=False))


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(store, make_spec, instances):
    task = make_spec().task
    path = store.write_instances(task, instances)
    dead = subprocess.Popen(["true"])
    dead.wait()
    leftover = path.with_name(f".{path.name}.{dead.pid}")
    at_work = path.with_name(f".{path.name}.{os.getpid()}")
    for temporary in (leftover, at_work):
        temporary.write_bytes(b"half")
    store.write_instances(task, instances)
    assert not leftover.exists()
    assert at_work.exists()
