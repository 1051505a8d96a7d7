"""An ensemble made by `regress update`, and put through the whole harness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import regress
from regress.checkpoints import resolve
from regress.composed.ensemble import ensemble
from regress.demo.pair import model_folder
from regress.errors import RegressError, Unsupported
from regress.updates.steps.cast import Cast
from regress.updates.steps.ensemble import Ensemble
from regress.workflows.update import apply, plan

pytestmark = pytest.mark.models

OLD, NEW = "demo-v1", "demo-v2"
TEXTS = ("Tom has 3 apples and 4 pears.",)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """The built-in pair answering together."""
    apply(OLD, [Ensemble(others=(NEW,))], tmp_path / "both", texts=TEXTS)
    return tmp_path / "both"


def test_the_folder_names_its_members_and_what_they_are(both: Path) -> None:
    assert sorted(path.name for path in both.iterdir()) == ["README.md", "ensemble.json", "update.json"]
    found = ensemble(both)
    assert found is not None
    assert (found.by, found.weights) == ("mean", (0.5, 0.5))
    folders = [model_folder(name) for name in (OLD, NEW)]
    assert [Path(each.model) for each in found.members] == folders
    assert [each.fingerprint for each in found.members] == [
        resolve(str(folder), {}).fingerprint for folder in folders
    ]
    record = json.loads((both / "update.json").read_text())
    assert record["claim"]["level"] == "other"
    assert record["check"]["violated"] is None
    assert list(record["others"]) == [NEW]


def test_its_size_is_that_of_all_members() -> None:
    found = plan(OLD, [Ensemble(others=(NEW, NEW))])
    assert found.after.parameters == 3 * found.before.parameters
    assert "in memory together" in found.notes[0]


def test_a_model_with_itself_is_checked_to_compute_what_it_does(tmp_path: Path) -> None:
    made = apply(OLD, [Ensemble(others=(OLD,))], tmp_path / "twice", texts=TEXTS)
    assert made.check.same_top == 1.0
    assert made.check.kld < 1e-12


def test_answers_that_change_are_among_those_that_the_new_model_changes(both: Path, tmp_path: Path) -> None:
    """End to end, on choices compared by probability: and so its negative flips are fewer."""
    given = {"tasks": ["piqa", "hellaswag"], "metric": "acc", "limit": 120, "store": tmp_path / "runs"}
    alone = regress.compare(OLD, NEW, data="demo", **given)
    joint = regress.compare(OLD, str(both), data="demo", **given)
    for task in ("piqa", "hellaswag"):
        changed, jointly = (
            dict(
                zip(
                    each["instance_id"], zip(each["old_answer"], each["new_answer"], strict=True), strict=True
                )
            )
            for each in (found.flips(task, quadrant=None) for found in (alone, joint))
        )
        moved = {key for key, (old, new) in changed.items() if old != new}
        moved_jointly = {key for key, (old, new) in jointly.items() if old != new}
        assert moved_jointly < moved
        (row,) = [one for one in joint.tasks if one.task.name == task]
        (other,) = [one for one in alone.tasks if one.task.name == task]
        assert 0 < row.estimates["nfr"].value <= other.estimates["nfr"].value


def test_it_stands_alone_in_a_recipe(tmp_path: Path) -> None:
    for steps in (
        [Ensemble(others=(NEW,)), Cast(dtype="bfloat16")],
        [Cast(dtype="float32"), Ensemble(others=(NEW,))],
    ):
        with pytest.raises(Unsupported, match="no other step can change"):
            apply(OLD, steps, tmp_path / "new", texts=TEXTS)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Ensemble(others=(NEW,), weights=(1.0,)), r"weights \[1.0\] for 2 members"),
        (Ensemble(others=(NEW,), weights=(1.0, -1.0)), "one above 0 for every model"),
        (Ensemble(others=()), "needs another model"),
        (Ensemble(others=("demo-v7",)), "unknown model"),
    ],
)
def test_what_makes_no_ensemble_is_refused(step: Ensemble, said: str, tmp_path: Path) -> None:
    with pytest.raises(RegressError, match=said):
        apply(OLD, [step], tmp_path / "new", texts=TEXTS)
    assert not (tmp_path / "new").exists()


def test_models_of_other_tokens_are_refused(tmp_path: Path) -> None:
    import shutil

    other = Path(shutil.copytree(model_folder(NEW), tmp_path / "other"))
    tokenizer = other / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"add_prefix_space"', '"add_Prefix_space"'))
    with pytest.raises(Unsupported, match="another tokenizer"):
        apply(OLD, [Ensemble(others=(str(other),))], tmp_path / "new", texts=TEXTS)
