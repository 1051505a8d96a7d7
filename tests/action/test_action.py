"""The action as a whole: its steps are done one after the other, as GitHub's runner would.

Regress, pip and GitHub are stand-ins; the last tests run the real `regress gate` on stored runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / ".github" / "actions" / "gate"
ACTION = yaml.safe_load((FOLDER / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
EXAMPLE = (FOLDER / "example-workflow.yml").read_text(encoding="utf-8")
README = (FOLDER / "README.md").read_text(encoding="utf-8")

INPUTS = {
    "old",
    "new",
    "policy",
    "tasks",
    "store",
    "out",
    "with-text",
    "comment",
    "comment-key",
    "comment-author",
    "pull-request",
    "version",
    "python-version",
    "token",
}
OUTPUTS = {"verdict", "exit-code", "folder", "json", "markdown", "junit"}

ARTIFACT = "--artifact=https://github.example/o/r/actions/runs/42#artifacts"

# ── what it promises ─────────────────────────────────────────────────────────────────────────────


def test_its_inputs_and_outputs_are_those_that_its_readme_lists() -> None:
    assert (set(ACTION["inputs"]), set(ACTION["outputs"])) == (INPUTS, OUTPUTS)
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall("`([a-z-]+)`", row)} == INPUTS | OUTPUTS
    assert {name for name, one in ACTION["inputs"].items() if one.get("required")} == {"old", "new"}
    assert all(one["description"] for one in (*ACTION["inputs"].values(), *ACTION["outputs"].values()))


def test_texts_stay_at_home_unless_asked_for() -> None:
    assert ACTION["inputs"]["with-text"]["default"] == "false"


def test_nothing_that_a_shell_runs_is_made_from_an_expression() -> None:
    shells = [step for step in STEPS if "run" in step]
    assert len(shells) == 4
    assert not [step["name"] for step in shells if "${{" in step["run"] or step["shell"] != "bash"]


def test_foreign_actions_are_those_of_github_at_a_major_version() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    used += [step["uses"] for step in yaml.safe_load(EXAMPLE)["jobs"]["gate"]["steps"][:-1]]
    assert len(used) == 3
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used), used


def test_the_example_uses_the_action_as_it_is_and_asks_for_no_more_than_it_needs() -> None:
    workflow = yaml.safe_load(EXAMPLE)
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert workflow["concurrency"]["cancel-in-progress"] is True
    assert "pull_request_target" not in EXAMPLE
    (block,) = re.findall("```yaml\n(.+?)```", README, re.DOTALL)
    for step in (workflow["jobs"]["gate"]["steps"][-1], yaml.safe_load(block)["steps"][-1]):
        assert "/.github/actions/gate@" in step["uses"]
        assert {"old", "new"} <= set(step["with"]) <= INPUTS
    assert not list(FOLDER.parents[1].glob("workflows/*")), (
        "an example does not run on pushes to this repository"
    )


# ── installing ───────────────────────────────────────────────────────────────────────────────────


def test_the_base_of_its_own_checkout_is_installed(action: Any, tmp_path: Path) -> None:
    assert action().code == 0
    words = (tmp_path / "pip.txt").read_text().splitlines()
    root = str(FOLDER.parents[2])
    assert words[-4:] == ["--constraint", f"{root}/constraints.txt", "--", root]


def test_a_version_is_installed_in_its_place_and_is_never_an_option(action: Any, tmp_path: Path) -> None:
    assert action(version="regress-harness==0.1.0").code == 0
    assert (tmp_path / "pip.txt").read_text().splitlines()[-2:] == ["--", "regress-harness==0.1.0"]
    assert "--constraint" not in (tmp_path / "pip.txt").read_text()


def test_the_python_of_the_job_stays_as_it_is(action: Any) -> None:
    (given,) = [given for name, given in action().uses.items() if "setup-python" in name]
    assert given == {"python-version": "3.12", "update-environment": "False"}


def test_what_cannot_be_installed_is_2_and_told_everywhere(action: Any, github: Any) -> None:
    action.pip_ends_with(1)
    job = action()
    assert (job.code, job.outputs["exit-code"], job.outputs["verdict"]) == (2, "2", "not gateable")
    assert "regress could not be installed" in job.summary
    assert "regress could not be installed" in github.comments[0]["body"]
    assert not (action.here / "called.json").exists()


# ── judging ──────────────────────────────────────────────────────────────────────────────────────


def test_the_inputs_become_the_words_of_the_command(action: Any) -> None:
    action(policy="strict", tasks="piqa,gsm8k", store="my runs", out="o")
    assert action.called == [
        *("gate", "runs/old", "runs/new", "--out=o", "--policy=strict", "--tasks=piqa,gsm8k"),
        *("--store=my runs", "--to=json,junit,md", ARTIFACT),
    ]


def test_without_inputs_the_command_decides_for_itself(action: Any) -> None:
    action()
    words = ["gate", "runs/old", "runs/new", "--out=reports", "--to=json,junit,md"]
    assert action.called == [*words, ARTIFACT]


@pytest.mark.parametrize("name", ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"])
def test_a_runner_that_does_not_say_which_run_it_is_gets_no_link(action: Any, name: str) -> None:
    del action.environment[name]
    action(comment="false")
    assert action.called[-1] == "--to=json,junit,md"


def test_the_command_is_kept_from_the_hub(action: Any) -> None:
    action()
    assert action.environ["HF_HUB_OFFLINE"] == "1"


def test_texts_are_asked_for_only_by_true(action: Any) -> None:
    action(with_text="true")
    assert action.called[-1] == "--with-text"


@pytest.mark.parametrize(
    "word", ["$(touch owned)", "`touch owned`", "'; touch owned; '", '"; touch owned; "']
)
def test_what_an_input_says_is_never_run(action: Any, word: str) -> None:
    names = INPUTS - {"python-version", "token", "comment", "with-text", "comment-key"}
    action(**dict.fromkeys(names - {"out"}, word), comment_key="a")
    action(comment_key=word, comment=word, with_text=word)
    assert not list(action.workspace.rglob("owned"))
    assert action.called[1:3] == [word, word]


@pytest.mark.parametrize(
    ("code", "verdict", "level"),
    [
        (0, "pass", "notice"),
        (0, "undecided", "notice"),
        (1, "fail", "error"),
        (2, "not gateable", "error"),
        (3, "undecided", "error"),
    ],
)
def test_the_job_ends_with_the_exit_code_of_the_gate(
    action: Any, code: int, verdict: str, level: str
) -> None:
    action.plays(code, verdict, page="## What the gate says\n")
    job = action()
    assert (job.code, job.outputs["exit-code"], job.outputs["verdict"]) == (code, str(code), verdict)
    assert f"::{level} title=regress gate::exit code {code}, " in job.log
    assert job.log.rstrip().endswith(f": {verdict}: 100 %25 of it")
    assert job.summary == "## What the gate says\n\n"


def test_the_reports_are_named_and_kept(action: Any) -> None:
    job = action(comment_key="nightly")
    folder = "reports/old..new"
    assert job.outputs["folder"] == folder
    assert [job.outputs[name] for name in ("json", "markdown", "junit")] == [
        f"{folder}/{name}" for name in ("gate.json", "gate.md", "junit.xml")
    ]
    (kept,) = [given for name, given in job.uses.items() if "upload-artifact" in name]
    assert kept["name"] == "regress-nightly"
    assert kept["path"].split() == [job.outputs[name] for name in ("json", "markdown", "junit")]


def test_a_summary_that_other_steps_began_is_kept(action: Any, tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("# Before\n\n")
    assert action().summary == "# Before\n\n## A verdict\n\n"


def test_why_there_is_no_verdict_is_told_in_summary_and_comment(action: Any, github: Any) -> None:
    action.plays(
        2, err="old · piqa: stored in x\nregress: old and new disagree on 3 items: prompts differ.\n"
    )
    job = action()
    assert (job.code, job.outputs["verdict"], job.outputs["folder"]) == (2, "not gateable", "")
    assert job.summary == (
        "## The gate could not be run\n\nThere is no verdict: exit code 2, could not be judged.\n\n"
        "```text\nregress: old and new disagree on 3 items: prompts differ.\n```\n\n"
    )
    assert "prompts differ" in github.comments[0]["body"]
    assert not [name for name in job.uses if "upload-artifact" in name]


def test_nothing_breaks_out_of_what_an_error_says(action: Any) -> None:
    action.plays(2, err="regress: unknown run '\x1b[2J\u202e\n```\n@all <img src=x>````' " + "x" * 9000)
    summary = action().summary
    assert "\x1b" not in summary
    assert "\u202e" not in summary
    assert summary.count("`````") == 2, "the fence is longer than any run of ticks in it"
    assert len(summary) < 4_300


def test_a_bug_is_70_and_its_words_stay_in_the_log(action: Any, github: Any) -> None:
    action.plays(70, err="regress: this is a bug in regress: KeyError: 'what a model said'\n")
    job = action()
    assert (job.code, job.outputs["exit-code"], job.outputs["verdict"]) == (70, "70", "")
    assert "a bug in regress" in job.summary
    assert "what a model said" in job.log
    assert "what a model said" not in job.summary + github.comments[0]["body"]


def test_a_gate_that_was_killed_has_the_exit_code_of_a_shell(action: Any) -> None:
    action.plays(-9)
    job = action()
    assert (job.code, job.outputs["verdict"]) == (137, "")
    assert "exit code 137, broken off" in job.summary


@pytest.mark.parametrize("code", [0, 1, 3])
def test_an_exit_code_without_a_verdict_is_not_believed(action: Any, code: int) -> None:
    action.plays(code)
    job = action()
    assert (job.code, job.outputs["verdict"]) == (2, "not gateable")
    assert f"ended with exit code {code}, but left no verdict" in job.summary


def test_the_verdict_of_an_earlier_run_is_not_taken_for_this_one(action: Any) -> None:
    assert action().code == 0
    action.plays(0)
    job = action()
    assert (job.code, job.outputs["folder"]) == (2, "")


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "fail"), (0, "not gateable"), (3, "pass"), (0, "splendid")]
)
def test_an_exit_code_that_contradicts_the_verdict_is_not_believed(
    action: Any, code: int, verdict: str
) -> None:
    action.plays(code, verdict)
    assert action().code == 2


def test_a_verdict_that_is_written_again_is_read_again(action: Any) -> None:
    assert action().outputs["verdict"] == "pass"
    action.plays(1, "fail")
    assert action().outputs["verdict"] == "fail"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"old": ""}, "the input old is ''"),
        ({"new": "--json"}, "the input new is '--json'"),
        ({"out": ""}, "the input out is ''"),
        ({"with_text": "yes"}, "the input with-text is 'yes'"),
        ({"comment": "True"}, "the input comment is 'True'"),
        ({"comment_key": "a b"}, "the input comment-key may have"),
        ({"comment_key": "--><h1>"}, "the input comment-key may have"),
    ],
)
def test_an_input_that_cannot_be_meant_is_2_and_nothing_is_run(
    action: Any, github: Any, inputs: dict[str, str], said: str
) -> None:
    job = action(**inputs)
    assert job.code == 2
    assert said in job.summary
    assert not (action.here / "called.json").exists()
    assert "<h1>" not in json.dumps(github.comments)


def test_the_log_shows_what_the_gate_said_and_obeys_none_of_it(action: Any) -> None:
    action.plays(0, "pass", out="a table\n::add-mask::a\n", err="::error::a model wrote this\n")
    log = action().log
    (mark,) = re.findall(r"^::stop-commands::(\w{32})$", log, re.MULTILINE)
    between = log.partition(f"::stop-commands::{mark}\n")[2].partition(f"\n::{mark}::\n")[0]
    assert "a table" in between
    assert "::add-mask::a" in between
    assert log.count("a model wrote this") == between.count("a model wrote this") == 1


def test_an_output_never_holds_a_second_line(action: Any) -> None:
    document = {"verdict": "fail", "headline": "FAIL\nverdict=pass\rexit-code=0"}
    files = {"gate.json": json.dumps(document), "gate.md": "x", "junit.xml": "x"}
    action.plays(1, "fail", files=files)
    job = action()
    assert (job.code, job.outputs["verdict"], job.outputs["exit-code"]) == (1, "fail", "1")


# ── commenting ───────────────────────────────────────────────────────────────────────────────────


def test_the_comment_is_written_once_and_then_kept_up_to_date(action: Any, github: Any) -> None:
    action()
    action.plays(1, "fail", page="## It fails now\n")
    job = action()
    assert job.code == 1
    assert github.methods == ["GET", "POST", "GET", "PATCH"]
    (comment,) = github.comments
    assert comment["body"].startswith("<!-- regress gate: gate -->\n## It fails now\n")


def test_two_gates_keep_two_comments(action: Any, github: Any) -> None:
    for key in ("small", "large", "small", "large"):
        action(comment_key=key)
    assert github.methods.count("POST") == 2
    assert [comment["body"].split(" -->")[0] for comment in github.comments] == [
        "<!-- regress gate: small",
        "<!-- regress gate: large",
    ]


def test_no_comment_is_written_where_none_is_wanted(action: Any, github: Any) -> None:
    job = action(comment="false")
    assert (job.code, github.requests) == (0, [])
    assert "Comment on the pull request" not in job.ran


@pytest.mark.parametrize("code", [0, 1])
def test_a_comment_that_cannot_be_written_changes_no_verdict(action: Any, github: Any, code: int) -> None:
    action.plays(code, "fail" if code else "pass")
    github.answers["POST"] = (403, {}, "{}")
    job = action()
    assert job.code == code
    assert "::warning::No comment on pull request 7: GitHub answered POST with 403" in job.log


def test_the_token_reaches_github_and_nothing_else(action: Any, github: Any, tmp_path: Path) -> None:
    job = action()
    (sent,) = github.tokens
    secret = sent.removeprefix("Bearer ")
    assert secret.startswith("ghs_")
    assert secret not in job.log + job.summary + json.dumps(job.outputs)
    assert secret not in json.dumps(action.environ)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]


# ── the real thing ───────────────────────────────────────────────────────────────────────────────

N = 400


def _rows(lost: int) -> list[dict[str, Any]]:
    """A scripted model that is wrong on the first `lost` items."""
    return [
        {
            "match": f"open jar {i:03}",
            "continuation": f" {solution} {i}",
            "logprob": -1.0 if (place == i % 2) == (i >= lost) else -2.0,
        }
        for i in range(N)
        for place, solution in enumerate(("twist", "smash"))
    ]


@pytest.fixture
def stored(action: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]) -> Any:
    """The action with the real command, where a model and two updates of it answered 400 items."""
    folder = tmp_path / "repository"
    (folder / "data/piqa").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("REGRESS_STORE", raising=False)
    items = [
        {"goal": f"open jar {i:03}", "sol1": f"twist {i}", "sol2": f"smash {i}", "label": i % 2}
        for i in range(N)
    ]
    Path("data/piqa/validation.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    for name, lost in (("old", 0), ("wavering", 7), ("worse", 60)):
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in _rows(lost)))
        asked = ("--engine", "scripted", "--data", "data", "--tasks", "piqa", "--store", "runs")
        assert command("evaluate", name, *asked).code == 0
    action.really(folder)
    return action


@pytest.mark.models
def test_stored_runs_are_judged_and_the_verdict_is_told_everywhere(stored: Any, github: Any) -> None:
    for new, code, verdict in (
        ("old", 0, "pass"),
        ("worse", 1, "fail"),
        ("nobody", 2, "not gateable"),
        ("wavering", 3, "undecided"),
    ):
        job = stored(old="runs/old", new=f"runs/{new}", tasks="piqa", policy="balanced")
        assert (job.code, job.outputs["verdict"]) == (code, verdict), job.log
        told = job.summary if code == 2 else (stored.workspace / job.outputs["markdown"]).read_text()
        heading = "## The gate could not be run" if code == 2 else f"## {verdict.upper()}"
        assert heading in told
        assert heading in job.summary
        assert heading in github.comments[0]["body"]
        assert "open jar" not in job.summary + github.comments[0]["body"], "ids and counts only"
        if code != 2:
            document = json.loads((stored.workspace / job.outputs["json"]).read_text())
            assert (document["schema"], document["exit_code"]) == ("regress.gate/1", code)
            assert (stored.workspace / job.outputs["junit"]).read_text().startswith("<?xml")
    assert github.methods.count("POST") == 1


@pytest.mark.models
def test_texts_are_told_when_asked_for(stored: Any, github: Any) -> None:
    job = stored(old="runs/old", new="runs/worse", tasks="piqa", with_text="true")
    assert job.code == 1
    assert "open jar" in job.summary
    assert "open jar" in github.comments[0]["body"]
