"""Reading runs back, finding them by name, listing and deleting them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import DamagedRun, IncompleteRun, LockedRun, NewerSchema, UnknownName
from regress.identity import file_hash, run_fingerprint
from regress.schema import PREDICTION
from regress.store.runs import Store, find_runs, label_of, read_run
from regress.types import Origin


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite(folder: Path, table: pa.Table) -> None:
    """Replace the predictions, with a manifest that fits."""
    path = folder / "predictions.parquet"
    pq.write_table(table, path)
    edit(folder / "manifest.json", sha256=file_hash(path), rows=table.num_rows)


# ── reading a run ────────────────────────────────────────────────────────────────────────────────


def test_a_finished_run_is_read_back_as_it_was_written(finished, make_spec, rows):
    run = read_run(finished())
    assert run.spec == make_spec()
    assert run.predictions.schema == PREDICTION
    assert run.predictions["output"].to_pylist() == [row.output for row in rows(range(10))]
    assert run.manifest.fingerprint == run_fingerprint(run.spec)


def test_a_run_without_a_manifest_is_incomplete_and_says_how_far_it_came(open_writer, rows):
    with open_writer() as writer:
        writer.append(writer.chunks[0], rows(writer.chunks[0].indices))
    with pytest.raises(IncompleteRun, match=r"4 of 10 rows are stored.*goes on where it stopped"):
        read_run(writer.folder)


def test_a_run_that_is_being_written_says_so(open_writer):
    with open_writer() as writer, pytest.raises(IncompleteRun, match="being written now"):
        read_run(writer.folder)


@pytest.mark.parametrize("position", [0, 100, -100, -1])
def test_one_changed_byte_in_the_predictions_is_damage(finished, position):
    path = finished() / "predictions.parquet"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedRun, match=r"predictions.parquet.*checksum.*regress runs rm"):
        read_run(path.parent)


def test_missing_predictions_are_damage(finished):
    folder = finished()
    (folder / "predictions.parquet").unlink()
    with pytest.raises(DamagedRun, match=r"predictions.parquet"):
        read_run(folder)


def test_the_predictions_of_another_run_are_damage(finished, make_spec):
    """Also with the other run's manifest: it belongs to another spec."""
    mine, other = finished(), finished(make_spec("other"), "other")
    for name in ("predictions.parquet", "manifest.json"):
        shutil.copy(other / name, mine / name)
    with pytest.raises(DamagedRun):
        read_run(mine)


def test_predictions_that_are_fewer_than_the_manifest_says_are_damage(finished):
    folder = finished()
    rewrite(folder, read_run(folder).predictions.slice(1))
    edit(folder / "manifest.json", rows=10)
    with pytest.raises(DamagedRun):
        read_run(folder)


def test_columns_that_this_version_does_not_know_are_ignored(finished):
    folder = finished()
    table = read_run(folder).predictions
    rewrite(folder, table.append_column("mood", pa.array(["good"] * 10)))
    assert read_run(folder).predictions.equals(table)


def test_a_missing_column_is_damage_and_named(finished):
    folder = finished()
    rewrite(folder, read_run(folder).predictions.drop_columns(["gold_margin"]))
    with pytest.raises(DamagedRun, match="gold_margin"):
        read_run(folder)


def test_a_run_without_rows_is_no_evidence(store, make_spec):
    with store.writer("mine", make_spec(n=0), []) as writer:
        folder = writer.finish()
    with pytest.raises(IncompleteRun, match="is empty"):
        read_run(folder)


@pytest.mark.parametrize("name", ["spec.json", "manifest.json"])
def test_a_run_of_a_newer_schema_is_refused(finished, name):
    folder = finished()
    edit(folder / name, schema=2)
    with pytest.raises(NewerSchema, match=name):
        read_run(folder)


# ── a finished run with the same key ─────────────────────────────────────────────────────────────


def test_a_finished_run_is_found_by_its_key_under_whatever_label(store, finished, make_spec):
    folder = finished(label="another-name")
    assert store.complete("mine", make_spec()) == folder
    assert store.complete("mine", make_spec(replica=1)) is None


def test_an_unfinished_run_is_not_taken_for_a_finished_one(store, open_writer, make_spec):
    with open_writer():
        assert store.complete("mine", make_spec()) is None


def test_a_damaged_manifest_is_not_taken_for_a_finished_run(store, finished, make_spec):
    (finished() / "manifest.json").write_text("{")
    with pytest.raises(DamagedRun):
        store.complete("mine", make_spec())


def test_what_a_process_killed_at_the_very_end_left_in_a_finished_run_is_removed(store, finished, make_spec):
    folder = finished()
    (folder / "parts").mkdir()
    (folder / "parts" / "00000-0.parquet").write_bytes(b"x")
    (folder / "lock").write_text("{}")
    assert store.complete("mine", make_spec()) == folder
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "predictions.parquet", "spec.json"]


def test_the_next_replica_is_the_first_that_is_not_finished(store, finished, make_spec):
    assert store.next_replica("mine", make_spec()).replica == 0
    finished()
    assert store.next_replica("mine", make_spec()).replica == 1
    finished(replica=1)
    assert store.next_replica("mine", make_spec()).replica == 2


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@given(name=st.text() | st.text(alphabet="./\\~_-@ ab\0\n", max_size=400) | st.text("語é", max_size=300))
def test_a_label_is_always_one_safe_part_of_a_path(name):
    label = label_of(name)
    assert label
    assert label not in (".", "..")
    assert not set(label) & set("/\\\0\n ")
    assert not label.startswith((".", "_", "-"))  # neither hidden, nor `_instances`, nor an option
    assert len(label.encode()) <= 80  # two of them with `..` between fit into a file name
    assert label_of(label) == label


def test_long_names_that_differ_only_at_their_end_get_labels_that_differ():
    assert label_of("m" * 300 + "1") != label_of("m" * 300 + "2")


@pytest.mark.parametrize("task", ["my/task", "../../outside", "/abs", "a b", "t" * 300, ".hidden"])
def test_a_task_with_any_name_stays_inside_the_store_and_is_listed(store, finished, make_spec, task):
    """A task YAML given by path may call itself what it likes."""
    folder = finished(make_spec(task=task))
    assert folder.parent == store.root / "mine"
    assert [run.path for run in store.runs()] == [folder]
    assert store.complete("mine", make_spec(task=task)) == folder
    assert read_run(folder).spec.task.name == task


@pytest.fixture
def three(store, finished, make_spec) -> dict[str, Path]:
    """Runs of two tasks by one model, and of one task by another."""
    return {
        "piqa": finished(make_spec("org/mine@main", "piqa"), "mine"),
        "samsum": finished(make_spec("org/mine@main", "samsum"), "mine"),
        "samsum_muscle": finished(make_spec("org/mine@main", "samsum_muscle"), "mine"),
        "other": finished(make_spec("other", "piqa"), "other"),
    }


def select(store: Store, selector: str) -> set[Path]:
    return {run.path for run in find_runs(store, selector)}


def test_runs_are_selected_by_label_by_task_by_fingerprint_or_by_folder(store, three):
    mine = {three["piqa"], three["samsum"], three["samsum_muscle"]}
    assert select(store, "mine") == select(store, "mine/") == mine
    assert select(store, "mine/piqa") == {three["piqa"]}
    name = three["piqa"].name
    assert select(store, f"mine/{name}") == select(store, f"mine/{name[:-3]}") == {three["piqa"]}
    assert select(store, str(three["other"])) == {three["other"]}


def test_a_task_that_begins_like_another_does_not_select_the_other(store, three):
    """Or `regress runs rm mine/samsum` would delete samsum_muscle too."""
    assert select(store, "mine/samsum") == {three["samsum"]}


@pytest.mark.parametrize(
    "selector", ["mone", "mine/pi", "mine/piqa@zz", "", "/", "_instances", "mine/samsum_"]
)
def test_a_selector_that_fits_nothing_is_refused(store, three, selector):
    with pytest.raises(UnknownName, match="unknown run"):
        find_runs(store, selector)


def test_a_misspelt_selector_is_answered_with_the_nearest_name(store, three):
    with pytest.raises(UnknownName, match="did you mean 'mine'"):
        find_runs(store, "mien")


def test_runs_are_found_by_label_name_id_or_revision(store, finished, make_spec, make_model):
    model = make_model("short", source="org/mine", revision="abc123")
    folder = finished(make_spec(model), "short")
    for name in ("short", "org/mine", "abc123", "org/mine@abc123", "short@abc123"):
        assert [run.path for run in store.named(name)] == [folder]
    assert store.named("mine") == []


def test_imported_and_rescored_runs_are_found_by_the_name_they_were_given_alone(
    store, finished, make_spec, make_model
):
    """Deleting a model's runs leaves alone what others recorded of it."""
    asked = finished(make_spec(make_model("short", source="org/mine")), "short")
    origin = Origin(format="rescored", digest="0" * 64)
    judged = make_spec(make_model("short-rescored", source="org/mine", revision="abc123"), origin=origin)
    again = finished(judged, "short-rescored")
    assert [run.path for run in store.named("org/mine")] == [asked]
    assert [run.path for run in store.named("short-rescored")] == [again]
    assert store.named("abc123") == []


# ── listing and deleting ─────────────────────────────────────────────────────────────────────────


def test_a_listing_shows_finished_and_unfinished_runs_and_what_cannot_be_read(
    store, three, open_writer, rows
):
    with open_writer(label="begun") as writer:
        writer.append(writer.chunks[0], rows(writer.chunks[0].indices))
    (three["samsum"] / "spec.json").write_text("{")
    listed = {run.path: run for run in store.runs()}
    assert set(listed) == {three["piqa"], three["samsum_muscle"], three["other"], writer.folder}
    assert (listed[writer.folder].rows, listed[writer.folder].manifest) == (4, None)
    assert listed[three["piqa"]].rows == listed[three["piqa"]].manifest.rows == 10
    assert listed[three["piqa"]].bytes == sum(path.stat().st_size for path in three["piqa"].iterdir())
    ((path, why),) = store.unreadable()
    assert path == three["samsum"]
    assert "not JSON" in why


def test_a_store_that_does_not_exist_yet_is_empty(store):
    assert store.runs() == store.unreadable() == []


def test_a_deleted_run_is_gone_and_its_neighbours_are_not(store, three):
    store.remove(three["piqa"])
    assert {run.path for run in store.runs()} == {three["samsum"], three["samsum_muscle"], three["other"]}
    store.remove(three["other"])
    assert not three["other"].parent.exists()  # no empty label is left


def test_a_run_that_is_being_written_is_not_deleted(store, open_writer):
    with open_writer() as writer:
        with pytest.raises(LockedRun):
            store.remove(writer.folder)
        assert (writer.folder / "spec.json").exists()


def test_a_half_deleted_run_does_not_look_like_a_run(store, three, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            store.remove(three["piqa"])
    assert three["piqa"] not in {run.path for run in store.runs()}
    assert len(store.runs()) == 3
    assert store.unreadable() == []
    store.remove(three["samsum"])
    assert sorted(p.name for p in three["piqa"].parent.iterdir()) == [three["samsum_muscle"].name]
