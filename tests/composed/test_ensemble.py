"""What a folder says of an ensemble; one model's commands refuse it by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from regress.checkpoints import check, local_files, resolve
from regress.composed.ensemble import Ensemble, Member, describe_ensemble, ensemble
from regress.demo.pair import model_folder
from regress.errors import ModelError

TWO = (Member(model="org/one@abc", fingerprint="f"), Member(model="org/two@def"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = Ensemble(by="vote", weights=(0.25, 0.75), members=TWO)
    describe_ensemble(tmp_path, made)
    assert ensemble(tmp_path) == made


def test_members_in_folders_may_be_moved_with_it(tmp_path: Path) -> None:
    member = shutil.copytree(model_folder("demo-v1"), tmp_path / "here" / "member")
    home = tmp_path / "here" / "home"
    home.mkdir()
    members = (Member(model=str(member)), Member(model="org/two"))
    describe_ensemble(home, Ensemble(by="mean", weights=(0.5, 0.5), members=members))
    moved = Path(shutil.move(tmp_path / "here", tmp_path / "there"))
    found = ensemble(moved / "home")
    assert found is not None
    assert [each.model for each in found.members] == [str(moved / "member"), "org/two"]


def test_weights_may_be_left_out(tmp_path: Path) -> None:
    members = [{"model": "a"}, {"model": "b"}]
    (tmp_path / "ensemble.json").write_text(json.dumps({"schema": 1, "by": "mean", "members": members}))
    found = ensemble(tmp_path)
    assert found is not None
    assert found.weights == (0.5, 0.5)


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"by": "chance"}, {"members": [{"model": "a"}]}, {"members": [{}, {}]}, {"members": 3},
     {"weights": [1.0]}, {"weights": [1.0, 0.0]}, {"weights": [1.0, "x"]}, {"weights": [float("inf"), 1.0]}],
)  # fmt: skip
def test_a_broken_description_is_an_error_that_names_the_file(
    tmp_path: Path, change: dict[str, object]
) -> None:
    whole = {"schema": 1, "by": "mean", "members": [{"model": "a"}, {"model": "b"}], **change}
    (tmp_path / "ensemble.json").write_text(json.dumps(whole))
    with pytest.raises(ModelError, match=r"ensemble\.json does not describe an ensemble"):
        ensemble(tmp_path)


def test_where_one_model_is_wanted_an_ensemble_is_refused(tmp_path: Path) -> None:
    describe_ensemble(tmp_path, Ensemble(by="mean", weights=(0.5, 0.5), members=TWO))
    for verb in (resolve, check):
        with pytest.raises(ModelError, match="is an ensemble of 2 models"):
            verb(str(tmp_path), {})


def test_the_files_of_all_members_are_watched(tmp_path: Path) -> None:
    folders = [model_folder("demo-v1"), model_folder("demo-v2")]
    members = tuple(Member(model=str(folder)) for folder in folders)
    describe_ensemble(tmp_path, Ensemble(by="mean", weights=(0.5, 0.5), members=members))
    files = local_files(str(tmp_path), {})
    assert files is not None
    names = {file.resolve() for file in files}
    assert {tmp_path / "ensemble.json", *(folder / "config.json" for folder in folders)} <= names
    describe_ensemble(tmp_path, Ensemble(by="mean", weights=(0.5, 0.5), members=TWO))
    assert local_files(str(tmp_path), {}) is None
