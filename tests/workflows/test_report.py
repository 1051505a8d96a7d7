"""`regress report` writes a page and says where; what the gate would say stands on it and decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import UnknownName
from regress.verdicts import Policy, Rule, Terms
from regress.workflows.compare import compare
from regress.workflows.report import judgement, report

pytestmark = pytest.mark.models  # scripted answers to lm-eval's tasks

SCRIPTED = ("--engine", "scripted", "--data", "data", "--tasks", "piqa,gsm8k")
PAGE = Path("reports/old.jsonl..new.jsonl/report.html")


def test_the_page_lies_where_the_last_line_says(world: Path, command: Callable[..., Any]) -> None:
    outcome = command("report", "old.jsonl", "new.jsonl", *SCRIPTED)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"{PAGE} (")
    assert outcome.out.endswith(" kB)\n")
    page = PAGE.read_text(encoding="utf-8")
    assert "NOT GATEABLE" in page  # eight items are no evidence, and to report is not to judge
    assert [path.name for path in PAGE.parent.iterdir()] == ["report.html"]


def test_what_is_stored_is_not_asked_again(world: Path, command: Callable[..., Any]) -> None:
    command("report", "old.jsonl", "new.jsonl", *SCRIPTED)
    before = PAGE.read_bytes()
    outcome = command("report", "old.jsonl", "new.jsonl", *SCRIPTED, "--no-text")
    assert "stored in" in outcome.err
    assert b"written without texts" in PAGE.read_bytes()
    command("report", "old.jsonl", "new.jsonl", *SCRIPTED)
    assert PAGE.read_bytes() == before


def test_other_files_are_written_on_request(world: Path, command: Callable[..., Any]) -> None:
    outcome = command(
        "report", "old.jsonl", "new.jsonl", *SCRIPTED, "--to", "md,json,csv,html", "--out", "out"
    )
    files = [Path(line.rpartition(" (")[0]) for line in outcome.out.splitlines()]
    assert [file.name for file in files] == ["report.html", "report.md", "comparison.json", "comparison.csv"]
    assert all(file.is_file() for file in files)
    assert "open jar" not in files[1].read_text(encoding="utf-8")


def test_an_unknown_format_is_refused_before_any_model_runs(world: Path, command: Callable[..., Any]) -> None:
    outcome = command("report", "old.jsonl", "new.jsonl", *SCRIPTED, "--to", "pdf")
    assert (outcome.code, outcome.err) == (2, "regress: --to is 'pdf'. Allowed: html, md, json, csv.\n")
    assert not Path("reports").exists()


def test_an_unknown_policy_is_refused_before_any_model_runs(world: Path, command: Callable[..., Any]) -> None:
    outcome = command("report", "old.jsonl", "new.jsonl", *SCRIPTED, "--policy", "lenient")
    assert outcome.code == 2
    assert "unknown policy 'lenient'" in outcome.err
    assert not Path("reports").exists()


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def compared(model, ask) -> Any:
    old, new = model("old.jsonl", piqa={0, 1, 2}), model("new.jsonl", piqa={2, 3})
    return compare(old, new, tasks="piqa", **ask)


def held_to(**tasks: Terms) -> Policy:
    return Policy(name="mine", default=Terms(rules=(Rule(measure="max_nfr", limit=0.9),)), tasks=tasks)


def test_the_verdict_is_that_of_the_policy(compared) -> None:
    found = judgement(compared, held_to(), assumed=True)
    assert found.verdict is not None
    assert (found.verdict.policy.name, found.assumed, found.refusal) == ("mine", True, "")


def test_a_policy_for_other_tasks_gives_no_verdict_and_says_why(compared) -> None:
    found = judgement(compared, held_to(gsm8k=Terms(minimum_n=1)))
    assert found.verdict is None
    assert "gsm8k" in found.refusal


def test_settings_are_judged_only_by_a_policy_that_allows_it(model, ask) -> None:
    name = model("old.jsonl", gsm8k={0, 1, 2})
    shots = {"old_settings": {"num_fewshot": 1}, "new_settings": {"num_fewshot": 5}}
    found = compare(name, name, tasks="gsm8k", allow=["prompts"], **shots, **ask)
    assert "the policy does not allow that" in judgement(found, held_to()).refusal
    allowing = Policy(name="mine", default=held_to().default, allow=("prompts",))
    assert judgement(found, allowing).verdict is not None


def test_from_python(model, ask) -> None:
    old, new = model("old.jsonl", piqa={0, 1, 2}), model("new.jsonl", piqa={2, 3})
    (file,) = report(old, new, tasks="piqa", out="out", **ask)
    assert file == Path("out/old.jsonl..new.jsonl/report.html")
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(UnknownName, match="policy"):
        report(old, new, tasks="piqa", policy="lenient", **ask)
