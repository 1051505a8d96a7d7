"""What a run was asked and when it was finished: read back as written, or refused with what to do."""

from __future__ import annotations

import dataclasses
import json

import pytest

from regress.errors import DamagedRun, NewerSchema
from regress.identity import run_fingerprint
from regress.store.manifest import read_manifest, read_spec, write_manifest, write_spec
from regress.types import Manifest, Subset

MANIFEST = Manifest(fingerprint="f", rows=3, sha256="s", finished="2024-10-03T00:00:00Z", recorded={"a": 1})


def edit(path, **changes):
    """Change top-level fields of a JSON file; `...` takes one away."""
    document = json.loads(path.read_text())
    document.update(changes)
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not ...}))


# ── read back as written ─────────────────────────────────────────────────────────────────────────


def test_a_spec_is_read_back_equal(tmp_path, make_spec, make_task):
    task = make_task(scorer={"regex": "a+", "nested": {"k": [1, 2]}}, generation={"until": ["\n"]})
    spec = make_spec(subset=Subset(sample=5, seed=1), replica=2, text=False)
    spec = dataclasses.replace(spec, task=dataclasses.replace(task, fingerprint=""))
    write_spec(tmp_path, spec)
    assert read_spec(tmp_path) == spec
    assert run_fingerprint(read_spec(tmp_path)) == run_fingerprint(spec)


def test_a_manifest_is_read_back_equal(tmp_path):
    write_manifest(tmp_path, MANIFEST)
    assert read_manifest(tmp_path) == MANIFEST


def test_a_folder_without_a_manifest_is_not_finished(tmp_path):
    assert read_manifest(tmp_path) is None


def test_a_model_folder_whose_name_is_no_utf8_can_be_recorded(tmp_path, make_spec, make_model):
    write_spec(tmp_path, make_spec(make_model("/models/caf\udce9")))
    assert read_spec(tmp_path).model.name == "/models/caf\udce9"


def test_what_is_undefined_is_null_on_disk(tmp_path):
    write_manifest(tmp_path, dataclasses.replace(MANIFEST, recorded={"loss": float("nan")}))
    assert read_manifest(tmp_path).recorded == {"loss": None}


# ── written by a later regress ───────────────────────────────────────────────────────────────────


def test_a_spec_of_a_newer_schema_is_refused_and_not_guessed_at(tmp_path, make_spec):
    write_spec(tmp_path, make_spec())
    edit(tmp_path / "spec.json", schema=2, spec={"anything": "else"})
    with pytest.raises(NewerSchema, match=r"schema 2.*schema 1 and older.*upgrade"):
        read_spec(tmp_path)


def test_a_manifest_of_a_newer_schema_is_refused_and_not_guessed_at(tmp_path):
    write_manifest(tmp_path, MANIFEST)
    edit(tmp_path / "manifest.json", schema=2, rows=...)
    with pytest.raises(NewerSchema, match="schema 2"):
        read_manifest(tmp_path)


def test_unknown_fields_are_ignored(tmp_path, make_spec):
    spec = make_spec()
    write_spec(tmp_path, spec)
    write_manifest(tmp_path, MANIFEST)
    written = json.loads((tmp_path / "spec.json").read_text())["spec"]
    written["model"]["colour"] = "blue"
    edit(tmp_path / "spec.json", spec={**written, "mood": "good"}, weather="fine")
    edit(tmp_path / "manifest.json", weather="fine")
    assert read_spec(tmp_path) == spec
    assert read_manifest(tmp_path) == MANIFEST


# ── damaged ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[]", b"\xff\xfe", b"9" * 5000, b'{"schema": "1"}'])
def test_files_that_are_not_what_was_written_are_damaged_whatever_they_hold(tmp_path, make_spec, content):
    for name, read in (("spec.json", read_spec), ("manifest.json", read_manifest)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DamagedRun, match=name):
            read(tmp_path)


def test_a_folder_without_a_spec_is_no_run(tmp_path):
    with pytest.raises(DamagedRun, match=r"spec.json is missing.*not a run"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("replica",), 1),
        (("chunk_size",), 5),
        (("text",), False),
        (("model", "dtype"), "bfloat16"),
        (("engine", "batch_size"), 2),
        (("subset", "limit"), 3),
        (("task", "fingerprint"), "0" * 64),
        (("task", "prompts"), "edited to look comparable"),
        (("task", "num_fewshot"), 5),
        (("task", "metric"), "another"),
    ],
)
def test_an_edited_spec_is_damaged(tmp_path, make_spec, where, value):
    """What decides whether two runs may be compared cannot be edited into agreement."""
    write_spec(tmp_path, make_spec())
    document = json.loads((tmp_path / "spec.json").read_text())
    record = document["spec"]
    for name in where[:-1]:
        record = record[name]
    assert record[where[-1]] != value
    record[where[-1]] = value
    (tmp_path / "spec.json").write_text(json.dumps(document))
    with pytest.raises(DamagedRun, match=r"does not match its own fingerprint.*regress runs rm"):
        read_spec(tmp_path)


@pytest.mark.parametrize("field", ["fingerprint", "rows", "sha256", "finished"])
def test_a_manifest_that_lacks_a_field_is_damaged_and_the_field_named(tmp_path, field):
    write_manifest(tmp_path, MANIFEST)
    edit(tmp_path / "manifest.json", **{field: ...})
    with pytest.raises(DamagedRun, match=field):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("rows", "3"), ("rows", None), ("sha256", 1), ("recorded", None), ("recorded", [1])]
)
def test_a_manifest_with_a_value_of_another_kind_is_damaged_and_the_field_named(tmp_path, field, value):
    write_manifest(tmp_path, MANIFEST)
    edit(tmp_path / "manifest.json", **{field: value})
    with pytest.raises(DamagedRun, match=field):
        read_manifest(tmp_path)


@pytest.mark.parametrize("field", ["spec", "fingerprint"])
def test_a_spec_that_lacks_a_field_is_damaged(tmp_path, make_spec, field):
    write_spec(tmp_path, make_spec())
    edit(tmp_path / "spec.json", **{field: ...})
    with pytest.raises(DamagedRun):
        read_spec(tmp_path)


@pytest.mark.parametrize("part", ["model", "task", "engine"])
@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_a_spec_that_lacks_a_part_is_damaged(tmp_path, make_spec, part, value):
    write_spec(tmp_path, make_spec())
    written = json.loads((tmp_path / "spec.json").read_text())["spec"]
    edit(tmp_path / "spec.json", spec={**written, part: value})
    with pytest.raises(DamagedRun):
        read_spec(tmp_path)
