"""regress update and regress verify as typed: what is printed, written, refused, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import regress.updates as up
from regress.__main__ import main

pytestmark = pytest.mark.models

Make = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def ran(*words: Any) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran


def test_a_plan_is_shown_and_nothing_is_made(run: Run, make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    before = sorted(tmp_path.iterdir())
    code, out, _ = run("update", old, "--plan", "grow:mlp=2x", "insert:every=3")
    assert code == 0
    assert "model.layers.*.mlp.gate_proj.weight" in out
    assert "[48, 32]" in out
    assert "[96, 32]" in out
    assert "Claim: same" in out
    assert max(map(len, out.splitlines())) <= 80
    assert sorted(tmp_path.iterdir()) == before


def test_a_plan_reads_no_weight(run: Run, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from regress.updates.stored import StoredModel

    def read(*_: Any) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr(StoredModel, "tensor", read)
    code, _, err = run("update", make_model("gpt2"), "--plan", "grow:mlp=2x", "insert:every=1")
    assert code == 0, err


def test_a_model_is_made_and_proved(run: Run, make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    code, out, err = run("update", old, "-o", "new", "grow:mlp=2x", "insert:layers=[0,2]")
    assert code == 0, err
    assert "HOLDS: same." in out
    assert max(map(len, out.splitlines())) <= 80
    assert run("verify", old, "new")[0] == 0
    code, out, _ = run("verify", old, "new", "--claim", "identical")
    assert code == 1
    assert "VIOLATED: the claim is identical" in out
    code, out, _ = run("verify", old, "new", "--json")
    assert json.loads(out)["claim"] == "same"


def test_json_is_strict_and_whole(run: Run, make_model: Make) -> None:
    old = make_model("llama")
    _, planned, _ = run("update", old, "--plan", "--json", "insert:every=3")
    code, made, _ = run("update", old, "-o", "new", "--json", "insert:every=3")
    assert code == 0
    assert json.loads(made)["plan"] == json.loads(planned)
    assert json.loads(made)["check"]["identical"] is True


def test_the_list_says_every_verb(run: Run) -> None:
    code, out, _ = run("update", "--list")
    assert code == 0
    assert "grow: Widen a model" in out
    assert "gpt_neox" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run("update", "--list", "--json")
    assert "grow" in {verb["name"] for verb in json.loads(out)["verbs"]}


def test_a_made_model_is_compared_at_once(run: Run, make_model: Make) -> None:
    words = ["--compare", "piqa", "--data", "demo", "--limit", "4", "--store", "runs"]
    code, out, err = run("update", "demo-v1", "-o", "new", "insert:every=1", *words)
    assert code == 0, err
    assert "demo-v1 → new" in out
    assert "piqa" in out
    assert Path("runs").is_dir()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["update"], "update needs a model"),
        (["update", "OLD", "grow:mlp=2x"], "needs a folder for the new model"),
        (["update", "nobody", "-o", "new", "insert:every=1"], "nobody"),
        (["update", "OLD", "-o", "new", "grow:heads=5"], "5 heads cannot share 2"),
        (["update", "OLD", "-o", "new", "grow:mlp=1.3x"], "makes 62.4 of 48"),
        (["update", "OLD", "-o", "new", "layers:map=[0,1,9]"], "9"),
        (["update", "OLD", "-o", "new", "none.toml"], "there is no recipe none.toml"),
        (["update", "OLD", "-o", "new", "--texts", "none.txt", "insert:every=1"], "none.txt cannot be read"),
        (["update", "OLD", "-o", "OLD", "insert:every=1"], "is there already"),
        (["update", "OLD", "-o", "new", "--dtype", "int3", "insert:every=1"], "int3"),
        (["update", "OLD", "-o", "new", "--hurry"], "--hurry"),
        (["update", "OLD", "-o", "new", "--limit", "4", "insert:every=1"], "--limit is about --compare"),
        (["update", "OLD", "--plan", "--compare", "piqa", "insert:every=1"], "--plan, which makes nothing"),
        (["update", "OLD", "-o", "new", "--compare", "piqa", "--json", "cast:dtype=float64"], "one document"),
        (["update", "OLD", "-o", "new", "--compare", "none", "insert:every=1"], "unknown task 'none'"),
        (
            ["update", "OLD", "-o", "new", "--compare", "piqa", "--limit", "-3", "insert:every=1"],
            "limit is -3",
        ),
        (["verify", "OLD", "nobody"], "nobody"),
        (["verify", "OLD", "OLD", "--claim", "sane"], "did you mean 'same'?"),
    ],
)
def test_what_cannot_be_done_exits_2_and_leaves_nothing(
    words: list[str], says: str, run: Run, make_model: Make, tmp_path: Path
) -> None:
    old = make_model("llama")
    before = sorted(tmp_path.rglob("*"))
    code, _, err = run(*[str(old) if word == "OLD" else word for word in words])
    assert code == 2
    assert says in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_record_that_nobody_wrote_is_refused(run: Run, make_model: Make) -> None:
    old, new = make_model("llama"), make_model("llama")
    (new / "update.json").write_text("{}")
    code, _, err = run("verify", old, new)
    assert code == 2
    assert "is not a record of `regress update`" in err


def test_what_is_printed_fits_however_long_a_path_is(run: Run, make_model: Make) -> None:
    old = make_model("llama", name="x" * 200)
    code, out, err = run("update", old, "-o", "new", "extend:positions=2x")
    assert code == 0, err
    assert "HOLDS: identical" in out
    assert max(map(len, out.splitlines())) <= 80


def test_what_another_model_writes_is_said_to_be_another_text(run: Run, make_model: Make) -> None:
    code, out, _ = run("verify", make_model("llama"), make_model("llama", seed=1), "--claim", "other")
    assert code == 0
    assert "written on with a cache         another text" in out


@pytest.mark.parametrize("command", ["update", "verify"])
def test_models_that_do_not_fit_into_memory_are_no_bug(
    command: str, run: Run, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.workflows import update

    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 25 TB")

    old = make_model("llama")
    monkeypatch.setattr(update, "make", failing)
    monkeypatch.setattr(update, "verify_claim", failing)
    words = ["-o", "new", "insert:every=1"] if command == "update" else [old]
    code, _, err = run(command, old, *words)
    assert code == 2
    assert "do not fit into the memory" in err


def test_from_python(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    new = up.apply(str(old), [up.grow(mlp="2x"), "insert:every=3"], out=tmp_path / "new")
    assert (new.claim, new.check.holds) == ("same", True)
    assert new.plan == up.plan(str(old), [up.grow(mlp="2x"), up.insert(every=3)])
    assert up.verify(str(old), str(tmp_path / "new")).holds
    with pytest.raises(AttributeError, match="no attribute 'shrink'"):
        _ = up.shrink


def test_what_descends_from_the_demo_is_asked_its_items(run: Run) -> None:
    assert run("update", "demo-v1", "-o", "once", "insert:every=1")[0] == 0
    assert run("update", "once", "-o", "twice", "insert:every=4")[0] == 0
    asked = ["--tasks", "piqa", "--limit", "4", "--store", "runs"]
    code, out, err = run("compare", "demo-v1", "twice", *asked)
    assert code == 0, err
    assert "demo items" in out


def test_a_claim_about_another_old_model_is_not_taken_over(run: Run, make_model: Make) -> None:
    old, other = make_model("llama"), make_model("llama", seed=1)
    assert run("update", old, "-o", "new", "quantize:bits=2")[0] == 0
    assert run("verify", old, "new")[0] == 0
    code, out, _ = run("verify", other, "new")
    assert code == 1
    assert "the claim is same" in out
