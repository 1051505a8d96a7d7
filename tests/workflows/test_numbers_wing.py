"""What is stored is compared, listed and deleted where the weights wing is not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import regress
from regress.config import Settings, load_config
from regress.workflows.models import known_models
from regress.workflows.signature import signature

ROOT = Path(__file__).parents[2]
FORBIDDEN = ("torch", "transformers", "lm_eval", "peft", "datasets", "huggingface_hub", "accelerate", "ray")

# Found by the interpreter before anything else runs.
SITE = textwrap.dedent(
    f"""
    import sys

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in {FORBIDDEN!r}:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

    sys.meta_path.insert(0, Missing())
    """
)


@pytest.fixture
def light(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process in which the weights wing cannot be imported."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "regress", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )

    return run


@pytest.fixture
def runs(model, ask) -> list[str]:
    """A stored PIQA run of an old and of a new model."""
    names = model("old.jsonl", piqa={0, 1, 2}), model("new.jsonl", piqa={2, 3})
    return [str(regress.evaluate(name, tasks="piqa", **ask)[0]) for name in names]


def test_the_weights_wing_is_really_out_of_reach_here(light, here):
    """Or the tests below would prove nothing."""
    outcome = light("evaluate", "demo-v1", "--tasks", "piqa")
    assert outcome.returncode == 2
    assert "pip install 'regress-harness[models]'" in outcome.stderr


def test_a_path_where_nothing_is_stored_is_said_to_be_that(light, here):
    """Not that models cannot be run here: nobody meant to run one."""
    outcome = light("gate", "runs/gone", "runs/new", "--store", "runs")
    assert outcome.returncode == 2
    assert "no run of 'runs/gone' is stored in runs" in outcome.stderr


def test_two_stored_runs_are_judged(light, runs):
    """Eight items are no evidence; what there is is judged all the same."""
    outcome = light("gate", *runs)
    assert outcome.returncode == 2, outcome.stderr
    assert "at least 200 instances" in outcome.stdout
    assert Path("reports/old.jsonl..new.jsonl/junit.xml").is_file()


def test_an_update_is_planned_from_stored_runs(light, runs):
    outcome = light("plan", *runs)
    assert outcome.returncode == 0, outcome.stderr
    assert "accuracy drop" in outcome.stdout


def test_two_stored_runs_are_compared_and_reported(light, runs):
    outcome = light("compare", *runs)
    assert outcome.returncode == 0, outcome.stderr
    assert "piqa" in outcome.stdout
    report = json.loads(Path("reports/old.jsonl..new.jsonl/comparison.json").read_text())
    assert report["tasks"][0]["counts"]["negative_flips"] == 2


def test_two_stored_runs_are_cut_into_parts(light, runs):
    outcome = light("slices", *runs, "--min-n", "3")
    assert outcome.returncode == 0, outcome.stderr
    assert "right choice 1" in outcome.stdout


def test_two_stored_runs_become_a_page(light, runs):
    outcome = light("report", *runs)
    assert outcome.returncode == 0, outcome.stderr
    assert Path("reports/old.jsonl..new.jsonl/report.html").is_file()


def test_instances_of_two_stored_runs_are_listed_and_shown(light, runs):
    listed = light("flips", *runs, "--quadrant", "negative", "--ids")
    assert listed.returncode == 0, listed.stderr
    first = listed.stdout.split()[0]
    shown = light("show", *runs, f"piqa/{first}")
    assert shown.returncode == 0, shown.stderr
    assert "was right, is wrong" in shown.stdout


def test_stored_runs_are_crossed_and_reported(light, runs):
    outcome = light("matrix", *runs)
    assert outcome.returncode == 0, outcome.stderr
    assert "piqa: each after the one before" in outcome.stdout
    assert Path("reports/matrix/old.jsonl..new.jsonl/matrix.html").is_file()


def test_two_folders_of_runs_are_compared(light, runs):
    outcome = light("compare", "runs/old.jsonl", "runs/new.jsonl", "--json", "--tasks", "piqa")
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["tasks"][0]["counts"]["positive_flips"] == 1


def test_a_model_is_found_by_its_name_and_that_is_said(light, runs):
    """Nobody can ask it here; that its runs are used as they are is said."""
    outcome = light("compare", "old.jsonl", "new.jsonl", "--tasks", "piqa", "--store", "runs")
    assert outcome.returncode == 0, outcome.stderr
    assert "The stored runs of old.jsonl are used as they are." in outcome.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["compare", "--help"], ["models"]])
def test_help_and_listings_need_no_weights(light, here, arguments):
    outcome = light(*arguments)
    assert outcome.returncode == 0, outcome.stderr
    assert "regress" in outcome.stdout or "demo-v1" in outcome.stdout


def test_runs_are_listed_and_deleted(light, runs):
    listed = light("runs", "--store", "runs", "--json")
    assert listed.returncode == 0, listed.stderr
    assert {row["path"] for row in json.loads(listed.stdout)} == set(runs)
    table = light("runs", "--store", "runs")
    assert "old.jsonl" in table.stdout
    deleted = light("runs", "rm", "old.jsonl", "--yes", "--store", "runs")
    assert deleted.returncode == 0, deleted.stderr
    assert not Path(runs[0]).exists()
    assert Path(runs[1]).exists()


# ── the cheap proof that a stored run is still about the same bytes ──────────────────────────────


@pytest.fixture
def local(here) -> Path:
    """A local model, as far as names, sizes and times go."""
    (here / "mine").mkdir()
    (here / "mine" / "model.safetensors").write_bytes(b"weights")
    return here / "mine"


def sign(name: str = "./mine", task: str = "piqa", **settings) -> str | None:
    return signature(name, Settings(**{"data": "data", **settings}), known_models(load_config()), task)


def test_the_signature_holds_while_nothing_changes_and_whatever_else_is_asked(local):
    assert sign() is not None
    assert sign(tasks=("piqa", "gsm8k")) == sign(tasks=("piqa",))


@pytest.mark.parametrize("change", ["weights", "a new file", "items", "touched"])
def test_another_byte_or_time_of_model_or_items_is_another_signature(local, here, change):
    before = sign()
    match change:
        case "weights":
            (local / "model.safetensors").write_bytes(b"other weights")
        case "a new file":
            (local / "generation_config.json").write_text("{}")
        case "items":
            with open(here / "data/piqa/validation.jsonl", "a") as file:
                file.write("\n")
        case "touched":
            os.utime(local / "model.safetensors", ns=(0, 0))
    assert sign() != before


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 3},
        {"sample": 3},
        {"dtype": "float32"},
        {"batch_size": 2},
        {"num_fewshot": 1},
        {"text": False},
        {"task": "gsm8k"},
        {"chunk_size": 7},
    ],
)
def test_another_question_is_another_signature(local, change):
    assert sign(**change) != sign()


@pytest.mark.parametrize(
    "asked",
    [{"name": "org/model"}, {"data": "hub"}, {"data": None}, {"engine": "scripted"}, {"task": "arc_easy"}],
)
def test_where_files_cannot_prove_it_there_is_no_signature(local, asked):
    assert sign(**asked) is None


def test_a_run_with_the_right_signature_is_used_without_any_import_of_the_weights_wing(light, runs, local):
    """Signed by hand here; `evaluate` signs every run it can. Another byte, and nobody can prove it."""
    manifest = Path(runs[0]) / "manifest.json"
    document = json.loads(manifest.read_text())
    document["recorded"]["signature"] = sign("mine", tasks=("piqa",))
    manifest.write_text(json.dumps(document))
    Path("runs/old.jsonl").rename("runs/mine")
    command = ("compare", "mine", runs[1], "--tasks", "piqa", "--data", "data", "--store", "runs")

    outcome = light(*command)
    assert outcome.returncode == 0, outcome.stderr
    assert "mine · piqa: stored in runs/mine/piqa@" in outcome.stderr
    assert "used as they are" not in outcome.stderr

    (local / "model.safetensors").write_bytes(b"other weights")
    assert "used as they are" in light(*command).stderr


def test_answers_come_in_go_out_and_are_judged_again(light, runs, tmp_path):
    """Import, export and rescore are for laptops and CI."""
    out, store = tmp_path / "out", tmp_path / "runs2"
    outcome = light("export", runs[0], "--to", "parquet,csv,jsonl,eee", "--out", str(out))
    assert outcome.returncode == 0, outcome.stderr
    (parquet,) = out.glob("*.parquet")
    outcome = light("import", str(parquet), "--as", "back", "--store", str(store), "--json")
    assert outcome.returncode == 0, outcome.stderr
    (found,) = json.loads(outcome.stdout)
    assert found["origin"]["format"] == "regress"
    outcome = light("rescore", *runs, "--task", "piqa", "--json")
    assert outcome.returncode == 0, outcome.stderr
    assert [one["changed"] for one in json.loads(outcome.stdout)] == [False, False]
    outcome = light("compare", found["path"], runs[1], "--out", str(out))
    assert outcome.returncode == 0, outcome.stderr
    assert "imported, from regress" in " ".join(outcome.stdout.split())


def test_what_only_lm_eval_can_judge_says_what_is_missing(light, runs):
    outcome = light("rescore", *runs, "--task", "arc_easy")
    assert outcome.returncode == 2
    assert "judging arc_easy again needs lm-eval, which is not installed" in outcome.stderr
