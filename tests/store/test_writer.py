"""Writing a run: a fixed partition, parts all or nothing, and resuming with what is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import regress.store.writer as writer_module
from regress.errors import IncompleteRun, StoreError
from regress.store.runs import read_run
from regress.store.writer import STATE, chunks_of


def numbers(chunks):
    return [chunk.number for chunk in chunks]


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "parts").iterdir())


# ── the partition ────────────────────────────────────────────────────────────────────────────────


@given(indices=st.sets(st.integers(0, 10_000), max_size=60), size=st.integers(1, 20))
def test_every_instance_lies_in_exactly_one_chunk_and_in_ascending_order(indices, size):
    chunks = chunks_of(list(indices), size)
    assert [index for chunk in chunks for index in chunk.indices] == sorted(indices)
    assert numbers(chunks) == list(range(len(chunks)))
    assert all(len(chunk.indices) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk.indices) <= size for chunk in chunks)


@given(indices=st.permutations(range(12)))
def test_the_partition_does_not_depend_on_the_order_asked_for(indices):
    assert chunks_of(indices, 5) == chunks_of(range(12), 5)


@given(indices=st.sets(st.integers(0, 10_000), min_size=1, max_size=60), size=st.integers(1, 20))
def test_dealt_in_another_order_every_instance_still_lies_in_exactly_one_chunk(indices, size):
    chunks = chunks_of(list(indices), size, shuffle=1)
    assert sorted(index for chunk in chunks for index in chunk.indices) == sorted(indices)
    assert all(0 < len(chunk.indices) <= size for chunk in chunks)
    assert len(chunks) >= min(2, len(indices))


@given(indices=st.permutations(range(12)))
def test_another_order_is_its_seeds_alone(indices):
    """Or a rerun that was interrupted could not go on."""
    orders = [chunks_of(indices, 5, shuffle=seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] == chunks_of(range(12), 5, shuffle=1)
    assert orders[0] != orders[2]


def test_a_rerun_in_another_order_is_merged_in_the_order_of_the_data_set(open_writer, make_spec, rows):
    spec = make_spec(variation="order", replica=1)
    with open_writer(spec) as writer:
        asked = [index for chunk in writer.chunks for index in chunk.indices]
        for chunk in writer.chunks:
            writer.append(chunk, rows(chunk.indices))
        table = read_run(writer.finish()).predictions
    assert asked != sorted(asked)
    assert table["index"].to_pylist() == sorted(asked)


# ── all or nothing ───────────────────────────────────────────────────────────────────────────────


def test_a_stored_chunk_is_no_longer_to_do(open_writer, rows):
    with open_writer() as writer:
        assert numbers(writer.todo()) == [0, 1, 2]
        writer.append(writer.chunks[1], rows(writer.chunks[1].indices))
        assert numbers(writer.todo()) == [0, 2]


def test_a_resumed_run_has_to_do_what_the_interrupted_one_did_not_store(open_writer, rows):
    with open_writer() as first:
        first.append(first.chunks[0], rows(first.chunks[0].indices))
        first.append(first.chunks[2], rows(first.chunks[2].indices))
    with open_writer() as second:
        assert numbers(second.todo()) == [1]
        assert second.damaged == []


def test_the_engines_state_is_kept_with_a_chunk_and_found_from_the_next(open_writer, rows):
    with open_writer() as writer:
        first, second, third = writer.todo()[:3]
        assert writer.state_before(first) == {}
        writer.append(first, rows(first.indices), {"slots": 32})
        assert writer.state_before(second) == {"slots": 32}
        assert writer.state_before(third) == {"slots": 32}  # of the nearest that is stored
    with open_writer() as writer:
        assert writer.state_before(first) == {}
        assert writer.state_before(second) == {"slots": 32}
        writer.append(second, rows(second.indices))
        assert writer.state_before(third) == {}


def test_the_engines_state_is_not_in_the_finished_file(open_writer, rows):
    with open_writer() as writer:
        for chunk in writer.todo():
            writer.append(chunk, rows(chunk.indices), {"slots": 32})
        folder = writer.finish()
    assert STATE not in (pq.read_schema(folder / "predictions.parquet").metadata or {})


@pytest.mark.parametrize("step", [(os, "fsync"), (Path, "write_bytes"), (Path, "replace")])
def test_a_chunk_interrupted_while_it_is_stored_leaves_no_part(open_writer, rows, monkeypatch, step):
    """A part has its own name, and is whole, or it is not there."""

    def interrupted(*_):
        raise KeyboardInterrupt

    with open_writer() as writer:
        with monkeypatch.context() as patch:
            patch.setattr(*step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                writer.append(writer.chunks[0], rows(writer.chunks[0].indices))
        assert numbers(writer.todo()) == [0, 1, 2]
        assert writer.damaged == []
    with open_writer() as again:
        assert parts(again.folder) == []  # cleaned up by the next writer


def test_temporary_files_of_a_killed_writer_are_removed_wherever_they_lie(open_writer):
    with open_writer() as writer:
        folder = writer.folder
    leftovers = [folder / ".predictions.parquet.123", folder / ".spec.json.123", folder / ".manifest.json.9"]
    leftovers.append(folder / "parts" / ".00000.parquet.123")
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    with open_writer():
        assert not any(leftover.exists() for leftover in leftovers)


# ── parts that are not what was written ──────────────────────────────────────────────────────────


@pytest.fixture
def half_done(open_writer, rows):
    """A run of which two of three chunks are stored."""
    with open_writer() as writer:
        for chunk in writer.chunks[:2]:
            writer.append(chunk, rows(chunk.indices))
    return writer.folder


def assert_answered_again(open_writer, rows, part: Path):
    """The first chunk is to do again, its part named; then the run ends as if nothing had happened."""
    with open_writer() as writer:
        assert numbers(writer.todo()) == [0, 2]
        assert writer.damaged == [part]
        for chunk in writer.chunks[::2]:
            writer.append(chunk, rows(chunk.indices))
        table = read_run(writer.finish()).predictions
    assert table["index"].to_pylist() == list(range(10))
    assert table["output"].to_pylist()[0] == " the answer is 0"


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_truncated_part_is_named_and_answered_again(open_writer, rows, half_done, kept):
    part = parts(half_done)[0]
    part.write_bytes(part.read_bytes()[:kept])
    assert_answered_again(open_writer, rows, part)


def test_a_part_with_one_bit_changed_anywhere_is_never_trusted(open_writer, half_done):
    """Parquet alone does not see them all: some change values, others raise what is no ArrowException."""
    part = parts(half_done)[0]
    good = part.read_bytes()
    with open_writer() as writer:
        for position in range(0, len(good), 5):
            flipped = bytearray(good)
            flipped[position] ^= 1 << position % 8
            part.write_bytes(flipped)
            assert numbers(writer.todo()) == [0, 2], position
        assert writer.damaged == [part]


def test_a_part_with_a_changed_bit_is_answered_again(open_writer, rows, half_done):
    part = parts(half_done)[0]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    assert_answered_again(open_writer, rows, part)


def test_the_part_of_another_chunk_is_named_and_answered_again(open_writer, rows, half_done):
    part, other = parts(half_done)
    part.write_bytes(other.read_bytes())
    assert_answered_again(open_writer, rows, part)


def test_the_part_of_another_run_is_named_and_answered_again(open_writer, make_spec, rows, half_done):
    """Even one that answers the same instances, under the very name that the other run gave it."""
    mine = parts(half_done)[0]
    with open_writer(make_spec("other"), "other") as foreign:
        foreign.append(foreign.chunks[0], rows(foreign.chunks[0].indices, output="another model's words"))
    stranger = parts(foreign.folder)[0]
    mine.unlink()
    copied = shutil.copy(stranger, mine.parent / stranger.name)
    assert_answered_again(open_writer, rows, Path(copied))


def test_a_file_that_is_no_part_is_left_alone(open_writer, half_done):
    (half_done / "parts" / "notes.txt").write_text("mine")
    with open_writer() as writer:
        assert numbers(writer.todo()) == [2]


def test_a_damaged_part_is_named_once(open_writer, half_done):
    part = parts(half_done)[0]
    part.write_bytes(b"")
    with open_writer() as writer:
        writer.todo()
        writer.todo()
        assert writer.damaged == [part]


# ── rows without an answer ───────────────────────────────────────────────────────────────────────


def test_a_run_with_unanswered_rows_is_not_finished_and_names_the_first(open_writer, rows):
    with open_writer() as writer:
        for chunk in writer.chunks:
            writer.append(chunk, rows(chunk.indices, errors=[5, 9]))
        with pytest.raises(IncompleteRun, match=r"2 of 10 rows have no answer \(instance 5: timed out\)"):
            writer.finish()
        assert not (writer.folder / "manifest.json").exists()


def test_chunks_with_unanswered_rows_are_asked_again_and_the_others_are_not(open_writer, rows):
    with open_writer() as writer:
        for chunk in writer.chunks:
            writer.append(chunk, rows(chunk.indices, errors=[5]))
    with open_writer() as again:
        assert numbers(again.todo()) == [1]
        assert again.damaged == []  # it says what happened; it is not broken
        again.append(again.chunks[1], rows(again.chunks[1].indices))
        assert again.todo() == []
        table = read_run(again.finish()).predictions
    assert set(table["status"].to_pylist()) == {"scored"}


def test_a_run_with_missing_chunks_is_not_finished_and_says_how_many(open_writer, rows):
    with open_writer() as writer:
        writer.append(writer.chunks[0], rows(writer.chunks[0].indices))
        with pytest.raises(IncompleteRun, match="2 of 3 chunks are missing"):
            writer.finish()
        assert numbers(writer.todo()) == [1, 2]  # nothing is lost by trying


# ── finishing ────────────────────────────────────────────────────────────────────────────────────


def test_rows_are_merged_by_index_then_repeat_in_whatever_order_they_came(open_writer, rows):
    with open_writer() as writer:
        for chunk in reversed(writer.chunks):
            twice = [*rows(chunk.indices, repeat=1), *rows(chunk.indices)]
            writer.append(chunk, twice[::-1])
        table = pq.read_table(writer.finish() / "predictions.parquet")
    order = list(zip(table["index"].to_pylist(), table["repeat"].to_pylist(), strict=True))
    assert order == [(index, repeat) for index in range(10) for repeat in (0, 1)]


def test_a_finished_run_holds_three_files_and_nothing_else(finished):
    names = sorted(path.name for path in finished().iterdir())
    assert names == ["manifest.json", "predictions.parquet", "spec.json"]


def test_the_manifest_is_written_last(open_writer, rows, monkeypatch):
    """When it appears, the predictions are whole; until then, the parts are still there."""
    seen = {}

    def spying(folder, manifest):
        seen["rows"] = pq.read_table(folder / "predictions.parquet").num_rows
        seen["parts"] = len(parts(folder))
        raise KeyboardInterrupt

    with open_writer() as writer:
        for chunk in writer.chunks:
            writer.append(chunk, rows(chunk.indices))
        monkeypatch.setattr(writer_module, "write_manifest", spying)
        with pytest.raises(KeyboardInterrupt):
            writer.finish()
        assert seen == {"rows": 10, "parts": 3}
        with pytest.raises(IncompleteRun):
            read_run(writer.folder)
        monkeypatch.undo()
        assert writer.todo() == []
        assert read_run(writer.finish()).manifest.rows == 10


def test_what_is_recorded_is_read_back(open_writer, rows, make_spec):
    with open_writer(make_spec(n=3)) as writer:
        writer.append(writer.chunks[0], rows(range(3)))
        folder = writer.finish({"device": "cpu", "seconds": 0.5, "loss": float("nan")})
    assert read_run(folder).manifest.recorded == {"device": "cpu", "seconds": 0.5, "loss": None}


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


def test_a_folder_with_a_run_of_another_configuration_is_refused(open_writer, make_spec):
    with open_writer() as writer:
        folder = writer.folder
    with pytest.raises(StoreError, match="another configuration"):
        writer_module.RunWriter(folder, make_spec(replica=1), range(10))


def test_a_refused_writer_gives_the_lock_back(open_writer, make_spec):
    with open_writer() as writer:
        folder = writer.folder
    with pytest.raises(StoreError):
        writer_module.RunWriter(folder, make_spec(replica=1), range(10))
    with open_writer():
        pass


def test_a_run_that_somebody_else_finished_meanwhile_is_not_written_again(finished, open_writer):
    """Two processes are asked for the same run; the second gets the lock when the first is done."""
    before = (finished() / "manifest.json").read_bytes()
    with open_writer() as late:
        assert late.todo() == []
        folder = late.finish()
    assert (folder / "manifest.json").read_bytes() == before
    assert read_run(folder).manifest.rows == 10
