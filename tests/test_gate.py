"""`regress gate` at the command line, on stored runs: exit codes, and what other tools get wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import regress
from regress.types import Instance, Prediction, Subset

N = 1319


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store in an empty current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    return tmp_path / "runs"


@pytest.fixture
def gsm8k(make_task) -> Any:
    return make_task("gsm8k", kind="generation", metric="exact_match/strict-match", n=N)


@pytest.fixture
def answered(make_choices) -> Callable[..., list[Prediction]]:
    """Predictions that are right where `right` says so; a wrong answer differs from instance to instance."""

    def build(right: Sequence[bool], **changes: Any) -> list[Prediction]:
        answers = ["yes" if one else f"no {i}" for i, one in enumerate(right)]
        return make_choices(answers, ["yes"] * len(answers), **{"finish": "stop", **changes})

    return build


@pytest.fixture
def update(runs, store_run, answered, gsm8k) -> Callable[..., tuple[Path, Path]]:
    """Two stored runs of n items with so many lost and gained; three in four were right."""

    def build(lost: int, gained: int, *, n: int = N, **changes: Any) -> tuple[Path, Path]:
        old = np.arange(n) % 4 != 3
        new = old.copy()
        new[np.flatnonzero(old)[:lost]] = False
        new[np.flatnonzero(~old)[:gained]] = True
        task = replace(gsm8k, n=n)
        given = {"task": task, **changes}
        return (
            store_run(runs, "old", answered(old), **given),
            store_run(runs, "new", answered(new), **given),
        )

    return build


def policy(text: str, name: str = "policy.toml") -> str:
    Path(name).write_text(text)
    return name


def verdict(folder: str = "reports/old..new") -> dict[str, Any]:
    return json.loads(Path(folder, "gate.json").read_text())


# ── inputs that other tools get wrong ────────────────────────────────────────────────────────────


def test_two_empty_directories_are_no_evidence(runs, command):
    Path("a").mkdir()
    Path("b").mkdir()
    outcome = command("gate", "a", "b")
    assert outcome.code == 2
    assert not Path("reports").exists()


def test_missing_rows_are_refused_not_left_out(runs, store_run, answered, gsm8k, command):
    right = np.ones(N, dtype=bool)
    store_run(runs, "old", answered(right), task=gsm8k)
    store_run(runs, "new", answered(right)[:719], task=gsm8k, subset=Subset(limit=719))
    outcome = command("gate", "runs/old", "runs/new")
    assert outcome.code == 2
    assert "600 of the 1319 rows of old have no partner" in outcome.err


def test_rouge_that_falls_by_fifteen_points_fails(runs, store_run, make_scores, make_task, command):
    rng = np.random.default_rng(0)
    old = np.clip(rng.normal(0.5, 0.15, 819), 0.2, 1)
    new = np.clip(old - 0.15 + rng.normal(0, 0.1, 819), 0.01, 1)
    task = make_task("samsum", kind="generation", scale="bounded", metric="rouge1", n=819)
    for label, scores in (("old", old), ("new", new)):
        store_run(runs, label, make_scores(list(map(float, scores)), finish="stop"), task=task)
    outcome = command("gate", "runs/old", "runs/new", "--policy", "balanced")
    assert outcome.code == 1
    assert "mean score drop" in outcome.out


def test_sixty_flips_each_way_pass_at_two_points_and_not_at_one(update, command):
    update(60, 60)
    two = policy('preset = "none"\n[default]\nmax_accuracy_drop = 0.02\n', "two.toml")
    one = policy('preset = "none"\n[default]\nmax_accuracy_drop = 0.01\n', "one.toml")
    assert command("gate", "runs/old", "runs/new", "--policy", two).code == 0
    assert command("gate", "runs/old", "runs/new", "--policy", "balanced").code == 0
    undecided = command("gate", "runs/old", "runs/new", "--policy", one)
    assert undecided.code == 3
    assert "straddles" in undecided.out


def test_a_clearly_degraded_model_fails(update, command):
    update(132, 66)
    outcome = command("gate", "runs/old", "runs/new", "--policy", "balanced")
    assert outcome.code == 1
    assert "fell by 5.0 points" in outcome.out


def test_other_questions_are_not_joined_by_position(runs, store_run, answered, gsm8k, command):
    right = np.ones(N, dtype=bool)
    store_run(runs, "old", answered(right), task=gsm8k)
    others = [replace(row, instance_id=f"other {row.index}") for row in answered(right)]
    store_run(runs, "new", others, task=replace(gsm8k, items="other"))
    outcome = command("gate", "runs/old", "runs/new")
    assert outcome.code == 2
    assert "different items" in outcome.err


def test_changed_prompts_are_not_the_models_doing(update, runs, store_run, answered, gsm8k, command):
    update(0, 0)
    shots = replace(gsm8k, num_fewshot=8, prompts="q" * 64)
    store_run(runs, "shots", answered(np.ones(N, bool), prompt_hash="another"), task=shots)
    outcome = command("gate", "runs/old", "runs/shots")
    assert outcome.code == 2
    assert "prompts" in outcome.err
    allowed = policy('allow = ["prompts"]\n')
    judged = command("gate", "runs/old", "runs/shots", "--policy", allowed)
    assert judged.code == 0
    assert "a comparison of settings, not of models" in judged.out


def test_a_changed_configuration_is_another_run(world, command):
    """Answered again at another length: no row of the earlier run is in it, and a gate names both."""
    asked = ("--engine", "scripted", "--data", "data", "--tasks", "gsm8k", "--store", "runs")
    command("evaluate", "old.jsonl", *asked)
    command("evaluate", "old.jsonl", *asked, "--max-gen-toks", "7")
    first, second = sorted(Path("runs/old.jsonl").glob("gsm8k@*"))
    assert first.name != second.name
    outcome = command("gate", "runs/old.jsonl", "runs/old.jsonl")
    assert outcome.code == 2
    assert "has 2 runs of gsm8k" in outcome.err


def test_gains_do_not_pay_for_an_id_that_must_not_flip(update, command):
    update(20, 20)
    listed = policy('[tasks.gsm8k]\nmust_not_flip = ["id000"]\n')
    outcome = command("gate", "runs/old", "runs/new", "--policy", listed)
    assert outcome.code == 1
    assert "id000" in outcome.out
    kept = policy('[tasks.gsm8k]\nmust_not_flip = ["id1000"]\n')
    assert command("gate", "runs/old", "runs/new", "--policy", kept).code == 0


@pytest.mark.parametrize("lost", [40, 60, 80, 100])
def test_a_noisier_model_does_not_pass_more_easily(update, command, lost):
    """The same mean, more flips either way: never a better verdict."""
    severity = {0: 0, 3: 1, 1: 2}
    limit = policy('preset = "none"\n[default]\nmax_accuracy_drop = 0.02\n')
    update(lost // 2, lost // 2)
    calm = command("gate", "runs/old", "runs/new", "--policy", limit).code
    for run in ("old", "new"):
        subprocess.run(["rm", "-r", f"runs/{run}"], check=True)
    update(2 * lost, 2 * lost)
    wild = command("gate", "runs/old", "runs/new", "--policy", limit).code
    assert severity[wild] >= severity[calm]


# ── the door ─────────────────────────────────────────────────────────────────────────────────────


def test_without_a_policy_balanced_holds_and_that_is_said(update, command):
    update(10, 10)
    outcome = command("gate", "runs/old", "runs/new")
    assert outcome.code == 0
    assert "balanced" in outcome.out
    assert verdict()["policy"]["name"] == "balanced"


def test_the_policy_of_the_configuration_holds(update, command):
    update(60, 60)
    Path("regress.toml").write_text('[gate]\npreset = "strict"\n')
    assert command("gate", "runs/old", "runs/new").code == 3
    Path("regress.toml").unlink()
    Path("pyproject.toml").write_text(
        '[tool.regress.gate]\nundecided = "warn"\n[tool.regress.gate.default]\nmax_accuracy_drop = 0.01\n'
    )
    outcome = command("gate", "runs/old", "runs/new")
    assert outcome.code == 0
    assert outcome.out.startswith("UNDECIDED")


def test_a_file_with_a_gate_table_is_a_policy_too(update, command):
    update(60, 60)
    assert (
        command("gate", "runs/old", "runs/new", "--policy", policy('[gate]\npreset = "strict"\n')).code == 3
    )


def test_ids_that_must_not_flip_may_lie_in_a_file(update, command):
    update(20, 20)
    Path("policies").mkdir()
    Path("policies/keep.txt").write_text("\ufeff# customers\nid1000\nid000\n\n")
    file = policy('[tasks.gsm8k]\nmust_not_flip = "keep.txt"\n', "policies/p.toml")
    outcome = command("gate", "runs/old", "runs/new", "--policy", file)
    assert outcome.code == 1
    assert "id000" in outcome.out


def test_files_are_written_for_machines_and_people(update, command):
    update(132, 66)
    command("gate", "runs/old", "runs/new")
    folder = Path("reports/old..new")
    assert {"gate.json", "gate.md", "junit.xml"} <= {path.name for path in folder.iterdir()}
    document = verdict()
    assert (document["schema"], document["exit_code"]) == ("regress.gate/1", 1)
    suite = ET.parse(folder / "junit.xml").getroot()
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert len(failed) == 1
    assert "max_accuracy_drop" in failed[0]


def test_only_the_files_asked_for_are_written(update, command):
    update(0, 0)
    command("gate", "runs/old", "runs/new", "--to", "junit", "--out", "elsewhere")
    assert [path.name for path in Path("elsewhere/old..new").iterdir()] == ["junit.xml"]
    assert not Path("reports").exists()


def test_json_goes_to_standard_output_alone(update, command):
    update(0, 0)
    assert json.loads(command("gate", "runs/old", "runs/new", "--json").out)["exit_code"] == 0


def test_reports_carry_ids_and_counts_and_texts_on_request(update, command):
    update(40, 10)
    command("gate", "runs/old", "runs/new")
    assert "says no" not in Path("reports/old..new/gate.md").read_text()
    command("gate", "runs/old", "runs/new", "--with-text")
    assert "says no" in Path("reports/old..new/gate.md").read_text()


def test_the_page_has_the_comparison_the_worst_flips_and_a_link(update, command):
    """Five of them, though compare shows three."""
    update(40, 10)
    command("gate", "runs/old", "runs/new", "--artifact", "https://a.example/runs/1#artifacts")
    page = Path("reports/old..new/gate.md").read_text()
    assert "| task | n | old | new |" in page
    assert "<summary>The 5 worst flips of 40:" in page
    assert len(re.findall(r"^\| gsm8k \| id\d+ \| \d+ \| answer \|", page, re.MULTILINE)) == 5
    assert page.endswith("[Reports of this run](<https://a.example/runs/1#artifacts>)\n")


def test_explain_needs_no_runs(runs, command):
    outcome = command("gate", "--explain", "--policy", "strict")
    assert outcome.code == 0
    assert "strict" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("runs/old",), "NEW is missing"),
        ((), "OLD and NEW are missing"),
        (("runs/old", "runs/new", "--policy", "ballanced"), "did you mean 'balanced'"),
        (("runs/old", "runs/new", "--policy", "missing.toml"), "missing.toml"),
        (("runs/old", "runs/new", "--to", "pdf"), "json, junit, md"),
        (("runs/old", "runs/new", "--tasks", "piqa"), "no run of piqa"),
        (("runs/old", "runs/new", "--artifact", "javascript:x"), "begins with http:// or https://"),
    ],
)
def test_what_cannot_be_meant_is_refused(update, command, arguments, says):
    update(0, 0)
    outcome = command("gate", *arguments)
    assert outcome.code == 2
    assert says in outcome.err


def test_a_policy_that_cannot_be_read_is_refused(update, command):
    update(0, 0)
    for text in ("[default", "[default]\nmax_acuracy_drop = 0.1\n", "gate = 3\n"):
        assert command("gate", "runs/old", "runs/new", "--policy", policy(text)).code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[tool.regres.gate]\npreset = "strict"\n', "says nothing about the gate"),
        ('[tool.regress.gate\npreset = "strict"\n', "not valid TOML"),
        ("[tool.regress]\n", "says nothing about the gate"),
    ],
)
def test_a_project_file_that_was_named_must_hold_a_policy(update, command, text, says):
    """Or balanced would stand in for it unseen."""
    update(0, 0)
    outcome = command("gate", "runs/old", "runs/new", "--policy", policy(text, "pyproject.toml"))
    assert (outcome.code, says in outcome.err) == (2, True)


def test_a_broken_project_file_with_our_table_is_not_passed_over(update, command):
    update(0, 0)
    Path("pyproject.toml").write_text('[tool.regress.gate]\npreset = "strict"\n[broken\n')
    assert command("gate", "runs/old", "runs/new").code == 2


def test_keys_beside_the_gate_table_are_not_passed_over(update, command):
    update(0, 0)
    stray = policy('confidence = 0.99\n[gate]\npreset = "strict"\n')
    outcome = command("gate", "runs/old", "runs/new", "--policy", stray)
    assert outcome.code == 2
    assert "unknown key 'confidence'" in outcome.err


def test_an_empty_list_of_ids_is_no_list(update, command):
    update(0, 0)
    Path("ids.txt").write_text("# none yet\n")
    listed = policy('[tasks.gsm8k]\nmust_not_flip = "ids.txt"\n')
    assert command("gate", "runs/old", "runs/new", "--policy", listed).code == 2


def test_an_id_may_hold_a_hash(runs, store_run, answered, gsm8k, command):
    right = np.ones(N, dtype=bool)
    wrong = right.copy()
    wrong[1] = False
    for label, side in (("old", right), ("new", wrong)):
        rows = [
            replace(row, instance_id=f"q{row.index // 2}{'#1' * (row.index % 2)}") for row in answered(side)
        ]
        store_run(runs, label, rows, task=gsm8k)
    Path("ids.txt").write_text("q0#1\n")
    listed = policy('[tasks.gsm8k]\nmust_not_flip = "ids.txt"\n')
    assert command("gate", "runs/old", "runs/new", "--policy", listed).code == 1


def test_scores_beyond_their_bounds_are_refused(runs, store_run, make_scores, make_task, command):
    """ROUGE in percent: intervals of bounded scores rest on the bounds."""
    task = make_task("samsum", kind="generation", scale="bounded", metric="rouge1", n=400)
    for label in ("old", "new"):
        store_run(runs, label, make_scores([40.0] * 400, finish="stop"), task=task)
    outcome = command("gate", "runs/old", "runs/new")
    assert outcome.code == 2
    assert "outside [0, 1]" in outcome.err


@pytest.fixture
def group(runs, store_run, answered, make_task) -> None:
    """Two tasks recorded as a group: one loses 200 of 1,000, the other gains 260."""
    recorded = {"groups": [{"name": "suite", "members": ["alg", "geo"]}]}
    old = np.arange(1000) % 2 == 0
    for name, sign in (("alg", -200), ("geo", 260)):
        new = old.copy()
        new[np.flatnonzero(old if sign < 0 else ~old)[: abs(sign)]] = sign > 0
        task = make_task(name, n=1000, definition=name)
        for label, right in (("old", old), ("new", new)):
            store_run(runs, label, answered(right), task=task, recorded=recorded)


def test_the_gain_of_one_task_does_not_pay_for_the_loss_of_another(group, command):
    assert command("gate", "runs/old", "runs/new").code == 1
    assert command("gate", "runs/old", "runs/new", "--tasks", "alg,suite").code == 1


def test_a_group_that_is_asked_for_by_name_is_one_task(group, command):
    outcome = command("gate", "runs/old", "runs/new", "--tasks", "suite")
    assert outcome.code == 0
    assert {r["task"] for r in verdict()["results"]} == {"suite"}


def test_half_a_group_is_not_the_group(group, command):
    subprocess.run("rm -r runs/*/geo@*", shell=True, check=True)
    outcome = command("gate", "runs/old", "runs/new", "--tasks", "suite")
    assert outcome.code == 2
    assert "members-missing" in {r["code"] for r in verdict()["results"]}


def test_a_damaged_rerun_spoils_only_what_rests_on_it(update, runs, store_run, answered, gsm8k, command):
    update(0, 0)
    right = np.arange(N) % 4 != 3
    rerun = store_run(runs, "old", answered(right), task=gsm8k, variation="rerun", replica=1)
    (rerun / "predictions.parquet").write_bytes(b"damaged")
    assert command("gate", "runs/old", "runs/new").code == 0
    excess = policy('noise_kinds = ["rerun"]\n[default]\nmax_excess_nfr = 0.02\n')
    outcome = command("gate", "runs/old", "runs/new", "--policy", excess)
    assert outcome.code == 2
    assert "no-floor" in {r["code"] for r in verdict()["results"]}


def test_a_measured_floor_is_gated(update, runs, store_run, answered, gsm8k, command):
    update(30, 30)
    right = np.arange(N) % 4 != 3
    for replica in (1, 2):
        again = right.copy()
        again[np.flatnonzero(right)[:40]] = replica == 1
        store_run(runs, "old", answered(again), task=gsm8k, variation="rerun", replica=replica)
    excess = policy('noise_kinds = ["rerun"]\n[default]\nmax_excess_nfr = 0.03\n')
    assert command("gate", "runs/old", "runs/new", "--policy", excess).code == 0
    (found,) = [r for r in verdict()["results"] if r["rule"] == "max_excess_nfr"]
    assert found["estimate"] == pytest.approx((30 - 40 / 3) / N)


def test_what_cannot_pass_is_refused_before_anybody_is_asked(world, command):
    """Hours of answers for a slip in the policy."""
    asked = ("gate", "old.jsonl", "new.jsonl", "--engine", "scripted", "--data", "data", "--tasks", "piqa")
    few = command(*asked, "--sample", "5")
    assert (few.code, "no fewer than 200" in few.err) == (2, True)
    slip = policy("[tasks.gsm8k]\nmax_accuracy_drop = 0.01\n")
    other = command(*asked, "--policy", slip)
    assert (other.code, "gsm8k" in other.err) == (2, True)
    assert not Path("reports/runs").exists()


def test_an_earlier_verdict_does_not_outlive_a_failure_to_judge(world, command):
    asked = ("gate", "old.jsonl", "new.jsonl", "--engine", "scripted", "--data", "data", "--tasks")
    command(*asked, "gsm8k")
    assert Path("reports/old.jsonl..new.jsonl/gate.json").exists()
    assert command(*asked, "gsm9k").code == 2
    assert not Path("reports/old.jsonl..new.jsonl/gate.json").exists()


def test_of_several_stored_runs_the_sample_asked_for_is_taken(
    update, runs, store_run, answered, gsm8k, command
):
    update(0, 0)
    drawn = [row for row in answered(np.arange(N) % 4 != 3) if row.index % 4 == 0]
    for label in ("old", "new"):
        store_run(runs, label, drawn, task=gsm8k, subset=Subset(sample=330, seed=1))
    assert command("gate", "runs/old", "runs/new").code == 2
    outcome = command("gate", "runs/old", "runs/new", "--sample", "330")
    assert "n 330" in outcome.out
    nothing = command("gate", "runs/old", "runs/new", "--sample", "331")
    assert (nothing.code, "no run of --sample 331" in nothing.err) == (2, True)


def test_in_python_a_policy_may_be_a_table_and_results_a_frame(update):
    old, new = update(132, 66)
    gated = regress.gate(str(old), str(new), policy={"preset": "none", "default": {"max_nfr": 0.2}})
    frame = gated.to_frame()
    assert frame.loc[frame["rule"] == "max_nfr", "outcome"].tolist() == ["pass"]


def test_where_reports_cannot_be_written_that_is_said(update, command):
    update(0, 0)
    Path("taken").write_text("a file")
    outcome = command("gate", "runs/old", "runs/new", "--out", "taken")
    assert outcome.code == 2
    assert "--out" in outcome.err


def test_slices_are_judged_by_the_tags_of_the_instances(runs, store_run, answered, gsm8k, command):
    old = np.ones(N, dtype=bool)
    new = old.copy()
    new[:60] = False
    instances = [
        Instance(
            id=f"id{i:03}", index=i, prompt="", target="", tags={"topic": "sums" if i < 300 else "words"}
        )
        for i in range(N)
    ]
    for label, right in (("old", old), ("new", new)):
        store_run(runs, label, answered(right), task=gsm8k, instances=instances)
    held = policy(
        'preset = "none"\n[default]\nmax_nfr = 0.1\n[[slices]]\nname = "sums"\ntier = "blocking"\n'
        'tags = { topic = "sums" }\nmax_nfr = 0.1\n'
    )
    outcome = command("gate", "runs/old", "runs/new", "--policy", held)
    assert outcome.code == 1
    assert [r["outcome"] for r in verdict()["results"] if r["slice"] == "sums"] == ["fail"]


def test_clusters_of_the_instances_are_taken_into_account(runs, store_run, answered, gsm8k, command):
    right = np.ones(N, dtype=bool)
    instances = [
        Instance(id=f"id{i:03}", index=i, prompt="", target="", cluster=f"c{i // 4}") for i in range(N)
    ]
    for label in ("old", "new"):
        store_run(runs, label, answered(right), task=gsm8k, instances=instances)
    command("gate", "runs/old", "runs/new")
    (drop,) = [r for r in verdict()["results"] if r["rule"] == "max_accuracy_drop"]
    assert drop["clusters"] == 330


def test_in_python_a_gate_says_what_it_would_exit_with(update):
    old, new = update(132, 66)
    gated = regress.gate(str(old), str(new), policy="balanced")
    assert (gated.outcome, gated.exit_code) == ("fail", 1)
    assert gated.comparison.tasks[0].counts.negative_flips == 132


# ── what it loads ────────────────────────────────────────────────────────────────────────────────


def test_a_gate_on_stored_runs_loads_neither_torch_nor_statsmodels(update):
    old, new = update(60, 60)
    code = (
        "import sys\nfrom regress.__main__ import main\n"
        f"code = main(['gate', {str(old)!r}, {str(new)!r}])\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(regress.__file__).parents[1])},
    )
    exit_code, *modules = done.stderr.splitlines()[-1].split()
    assert exit_code == "0", done.stderr
    heavy = {
        "torch",
        "transformers",
        "lm_eval",
        "peft",
        "datasets",
        "statsmodels",
        "scipy.stats",
        "huggingface_hub",
    }
    assert not heavy & set(modules)
    assert {"numpy", "pyarrow", "scipy.special"} <= set(modules)
