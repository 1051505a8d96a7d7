"""The command line: what it prints, where, in which form, and with which exit code."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from regress.__main__ import Patient
from regress.store.lock import RunLock
from regress.store.manifest import MANIFEST, SPEC

SCRIPTED = ("--engine", "scripted", "--data", "data", "--tasks", "piqa,gsm8k")
ESCAPE = "\x1b"

Command = Callable[..., Any]


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    environment = {"HF_HUB_OFFLINE": "1", **os.environ, **options.pop("env", {})}
    typed = [sys.executable, "-m", "regress", *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(typed, text=True, env=environment, **streams)


def strictly(text: str) -> Any:
    """Parse JSON as the standard has it, without NaN and infinities."""

    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def compared(world: Path, command: Command) -> Path:
    """The small world after its two models were compared."""
    assert command("compare", "old.jsonl", "new.jsonl", *SCRIPTED).code == 0
    return world


# ── exit codes ───────────────────────────────────────────────────────────────────────────────────


def test_no_command_is_answered_with_the_list_of_commands_and_2(command: Command) -> None:
    outcome = command()
    assert (outcome.code, outcome.out) == (2, "")
    assert "compare " in outcome.err
    assert "Exit codes:" in outcome.err


@pytest.mark.parametrize(
    "words", [["--help"], ["compare", "--help"], ["runs", "rm", "--help"], ["--version"]]
)
def test_what_was_asked_for_goes_to_standard_output_with_0(command: Command, words: list[str]) -> None:
    outcome = command(*words)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out


def test_the_version_is_that_of_the_distribution(command: Command) -> None:
    assert command("--version").out == f"regress {importlib.metadata.version('regress-harness')}\n"


def test_every_option_has_a_word_of_help(command: Command) -> None:
    text = command("compare", "--help").out
    for option in ("--limit N", "--dtype T", "--allow WHAT", "--store DIR", "--new-NAME X"):
        assert re.search(rf"{re.escape(option)}\b", text), option


def test_a_bug_is_70_and_leaves_a_traceback_in_a_file(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from regress.workflows import inventory

    def broken(**_: Any) -> Any:
        raise ZeroDivisionError("seven by nothing")

    monkeypatch.setattr(inventory, "models", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outcome = command("models")
    assert (outcome.code, outcome.out) == (70, "")
    assert "this is a bug in regress: ZeroDivisionError: seven by nothing" in outcome.err
    (file,) = tmp_path.glob("regress-*.traceback")
    assert str(file) in outcome.err
    assert "in broken" in file.read_text()
    assert "Traceback" not in outcome.err


def test_what_a_message_quotes_cannot_act_on_the_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.errors import DataError
    from regress.workflows import inventory

    def broken(**_: Any) -> Any:
        raise DataError("a\x1b[2Jb\u202ec is no name", do="Say another.")

    monkeypatch.setattr(inventory, "models", broken)
    outcome = command("models")
    assert (outcome.code, outcome.err) == (2, "regress: a�[2Jb�c is no name. Say another.\n")


def test_a_connection_that_breaks_elsewhere_is_not_taken_for_a_reader_who_left(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from regress.workflows import inventory

    def broken(**_: Any) -> Any:
        raise BrokenPipeError("a server hung up")

    monkeypatch.setattr(inventory, "models", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert command("models").code == 70


def test_an_interrupt_is_130_and_says_that_nothing_is_lost(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.workflows import inventory

    def interrupted(**_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(inventory, "runs", interrupted)
    outcome = command("runs")
    assert outcome.code == 130
    assert "What was answered is stored." in outcome.err


def test_an_interrupted_import_does_not_claim_to_go_on(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.workflows import imports

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(imports, "import_runs", interrupted)
    outcome = command("import", "answers.csv")
    assert outcome.code == 130
    assert outcome.err.strip() == "regress: interrupted. Start the same command again."


def test_a_run_interrupted_at_work_goes_on_where_it_stopped(world: Path) -> None:
    """SIGINT after the first stored part: 130, and the same command finishes the run."""
    goals = [
        {"goal": f"jar {i:05}", "sol1": f"twist {i}", "sol2": f"smash {i}", "label": i % 2}
        for i in range(1000)
    ]
    rows = [{"match": goal["goal"], "logprob": -float(i % 7)} for i, goal in enumerate(goals)]
    for path, lines in (("data/piqa/validation.jsonl", goals), ("slow.jsonl", rows)):
        Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    asked = ("evaluate", "slow.jsonl", "--engine", "scripted", "--data", "data", "--tasks", "piqa")
    process = start(*asked)
    while not list(world.glob("reports/runs/*/piqa@*/parts/[0-9]*.parquet")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    stored = strictly(start("runs", "--json").communicate(timeout=60)[0])
    assert [run["state"] for run in stored] == ["incomplete"]
    assert 0 < stored[0]["rows"] < 1000
    again = start(*asked)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0
    assert re.search(r"going on after \d+ of 1000 instances", err)


# ── readers that go away ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_who_leaves_is_no_failure(compared: Path, stream: str) -> None:
    """As in `regress compare … | head -1` and `regress compare … 2>&1 | head -1`."""
    with start("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl") as process:
        getattr(process, stream).close()
        rest = (process.stderr if stream == "stdout" else process.stdout).read()
    assert process.returncode == 0
    assert "Error" not in rest
    assert "BrokenPipe" not in rest
    assert ("Rates in percent" in rest) == (stream == "stderr")


def test_a_refusal_keeps_its_exit_code_when_nobody_reads_it(world: Path) -> None:
    with start("compare", "a") as process:
        process.stderr.close()
    assert process.returncode == 2


def test_a_stream_without_a_reader_swallows_what_is_written() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        patient = Patient(stream)
        assert patient.write("nobody hears this\n" * 10_000) == 180_000
        patient.flush()
        assert not patient.isatty()


# ── listings ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("words", [["runs"], ["models"], ["tasks"]])
def test_listings_print_strict_json(compared: Path, command: Command, words: list[str]) -> None:
    rows = strictly(command(*words, "--json").out)
    assert isinstance(rows, list)
    assert rows
    assert all(set(row) == set(rows[0]) for row in rows)


def test_an_empty_store_is_an_empty_list(world: Path, command: Command) -> None:
    assert strictly(command("runs", "--json").out) == []
    assert command("runs").out.startswith("No runs are stored in reports/runs yet")
    assert "in elsewhere yet" in command("runs", "--store", "elsewhere").out


def test_runs_are_listed_in_every_state(compared: Path, command: Command) -> None:
    old, new, damaged, other = sorted(path.parent for path in compared.glob(f"reports/runs/*/*@*/{SPEC}"))
    (old / MANIFEST).unlink()
    (new / MANIFEST).unlink()
    (damaged / SPEC).write_text('{"schema": 99}')
    with RunLock(new):
        rows = strictly(command("runs", "--json").out)
        table = command("runs").out
    states = {Path(row["path"]).resolve(): row["state"] for row in rows}
    assert states == {old: "incomplete", new: "being written", damaged: "unreadable", other: "complete"}
    assert "cannot be read: " in table
    assert "follows schema 99" in table
    assert table.count(damaged.name) == 1


def test_models_count_their_runs(compared: Path, command: Command) -> None:
    rows = {row["name"]: row for row in strictly(command("models", "--json").out)}
    assert {"demo-v1", "demo-v2", "llama1", "llama2", "llama3", "vicuna1.3", "vicuna1.5"} <= set(rows)
    assert {"phi1", "phi1.5", "phi2"} <= set(rows)
    (compared / "regress.toml").write_text('[aliases]\nmine = "./ours"\n', encoding="utf-8")
    assert [row["model"] for row in strictly(command("models", "--json").out) if row["name"] == "mine"] == [
        str(compared / "ours")
    ]


def test_our_tasks_are_listed_with_a_sentence_each(command: Command) -> None:
    rows = strictly(command("tasks", "--json").out)
    assert [row["name"] for row in rows] == ["gsm8k", "hellaswag", "piqa", "samsum", "samsum_muscle"]
    assert all(row["description"] for row in rows)


def test_evaluate_prints_the_folders_of_its_runs(world: Path, command: Command) -> None:
    outcome = command("evaluate", "old.jsonl", *SCRIPTED)
    assert [Path(line).name.partition("@")[0] for line in outcome.out.splitlines()] == ["piqa", "gsm8k"]
    assert all(Path(line, MANIFEST).exists() for line in outcome.out.splitlines())
    assert strictly(command("evaluate", "old.jsonl", *SCRIPTED, "--json").out) == outcome.out.splitlines()


PAIR = ("reports/runs/old.jsonl", "reports/runs/new.jsonl")


def test_flips_are_listed_one_a_line(compared: Path, command: Command) -> None:
    lines = command("flips", *PAIR, "--task", "piqa").out.splitlines()
    assert "piqa: 4 of 8 instances" in lines
    flips = [line for line in lines if line.startswith(("− piqa/", "−  piqa/", "+  piqa/"))]
    assert sorted(line[0] for line in flips) == ["+", "+", "−", "−"]
    assert any("twist it 2  → smash it 2" in line for line in flips)


def test_flips_are_picked_by_quadrant_and_kind_and_counted(compared: Path, command: Command) -> None:
    asked = ("flips", *PAIR, "--task", "piqa")
    lost = strictly(command(*asked, "--quadrant", "negative", "--kind", "answer", "--json").out)
    assert sorted(flip["index"] for flip in lost["flips"]) == [2, 3]
    assert {flip["quadrant"] for flip in lost["flips"]} == {"negative flip"}
    assert not strictly(command(*asked, "--kind", "truncated", "--json").out)["flips"]
    both = strictly(command(*asked, "--quadrant", "both-right,both-wrong", "--json").out)
    assert sorted(flip["index"] for flip in both["flips"]) == [0, 1, 5, 7]
    assert "… 3 more" in command(*asked, "--top", "1").out


def test_ids_of_flips_are_a_must_not_flip_file(compared: Path, command: Command) -> None:
    ids = command("flips", *PAIR, "--task", "piqa", "--quadrant", "negative", "--ids").out
    Path("ids.txt").write_text(ids, encoding="utf-8")
    Path("policy.toml").write_text(
        '[default]\nminimum_n = 1\n[tasks.piqa]\nmust_not_flip = "ids.txt"\n', encoding="utf-8"
    )
    command("gate", *PAIR, "--tasks", "piqa", "--policy", "policy.toml", "--out", "judged")
    (result,) = [
        one
        for one in strictly(Path("judged/old.jsonl..new.jsonl/gate.json").read_text())["results"]
        if one["rule"] == "must_not_flip"
    ]
    assert (result["outcome"], sorted(result["data"]["ids"])) == ("fail", sorted(ids.splitlines()))


def test_without_a_task_all_are_listed_and_their_ids_are_not(compared: Path, command: Command) -> None:
    out = command("flips", *PAIR).out
    assert "piqa: " in out
    assert "gsm8k: " in out
    refused = command("flips", *PAIR, "--ids")
    assert (refused.code, refused.out) == (2, "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--quadrant", "negativ"), "unknown quadrant 'negativ'; did you mean 'negative'"),
        (("--kind", "toss"), "unknown kind of flip 'toss'"),
        (("--slice", "level"), "'level' is not tag=value"),
        (("--slice", "level=hard"), "unknown tag 'level'"),
        (("--task", "pica"), "pica"),
        (("--top", "0"), "--top is 0"),
        (("--ids", "--json"), "--ids and --json"),
    ],
)
def test_flips_that_cannot_be_meant_are_refused(
    compared: Path, command: Command, words: tuple[str, ...], says: str
) -> None:
    outcome = command("flips", *PAIR, *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err


def test_one_instance_is_shown_whole(compared: Path, command: Command) -> None:
    (flip,) = strictly(command("flips", *PAIR, "--task", "gsm8k", "--quadrant", "positive", "--json").out)[
        "flips"
    ]
    for named in (flip["instance_id"], flip["instance_id"][:12], str(flip["index"])):
        out = command("show", *PAIR, f"gsm8k/{named}").out
        assert out.startswith(f"gsm8k/{flip['instance_id']} · index {flip['index']}\n")
        assert "  #### [-7-]{+1005+}\n" in out
        assert "What is 1004 + 1?" in out
        assert "What is 3 + 3?" not in out
    assert "What is 3 + 3?" in command("show", *PAIR, f"gsm8k/{flip['index']}", "--full").out
    (whole,) = strictly(command("show", *PAIR, "gsm8k/4", "--json").out)["repeats"]
    assert (whole["instance"]["id"], whole["new"]["answer"]) == (flip["instance_id"], "1005")


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("gsm8k", "'gsm8k' names no instance"),
        ("gsm8k/", "names no instance"),
        ("gsm8k/zz", "unknown instance of gsm8k 'zz'"),
        ("gsm8k/99", "unknown instance of gsm8k '99'"),
        ("gsm9k/1", "gsm9k"),
    ],
)
def test_an_instance_that_is_not_there_is_refused(
    compared: Path, command: Command, where: str, says: str
) -> None:
    outcome = command("show", *PAIR, where)
    assert (outcome.code, outcome.out) == (2, "")
    assert says in outcome.err


def test_exported_files_are_listed_as_json(compared: Path, command: Command) -> None:
    files = strictly(command("export", *PAIR, "--to", "csv,jsonl", "--out", "x", "--json").out)
    assert len(files) == 4
    assert all(Path(file).is_file() for file in files)


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_deleted_by_label_task_key_and_folder(compared: Path, command: Command) -> None:
    (gsm8k,) = compared.glob("reports/runs/new.jsonl/gsm8k@*")
    (piqa,) = compared.glob("reports/runs/new.jsonl/piqa@*")
    outcome = command("runs", "rm", f"new.jsonl/{gsm8k.name}", "--yes")
    assert outcome.out == f"deleted {gsm8k.relative_to(compared)}\n"
    assert not gsm8k.exists()
    assert command("runs", "rm", piqa, "old.jsonl", "--yes").code == 0
    assert strictly(command("runs", "--json").out) == []


def test_a_run_that_cannot_be_read_can_be_deleted(compared: Path, command: Command) -> None:
    """As its error message advises."""
    one, other = sorted(compared.glob("reports/runs/new.jsonl/*@*"))
    (one / SPEC).write_text("{", encoding="utf-8")
    (other / MANIFEST).write_text("{", encoding="utf-8")
    assert command("runs", "rm", f"new.jsonl/{one.name}", "--yes").code == 0
    assert command("runs", "rm", other, "--yes").code == 0
    assert not one.exists()
    assert not other.exists()


def test_rm_deletes_from_the_store_that_was_named(compared: Path, command: Command) -> None:
    """Before `rm` or after it."""
    shutil.copytree("reports/runs", "elsewhere")
    assert command("runs", "--store", "elsewhere", "rm", "old.jsonl/piqa", "--yes").code == 0
    assert command("runs", "rm", "old.jsonl/gsm8k", "--yes", "--store", "elsewhere").code == 0
    assert not Path("elsewhere/old.jsonl").exists()
    assert len(list(Path("reports/runs/old.jsonl").iterdir())) == 2


@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("", 4), ("nope", 4)])
def test_rm_asks_at_a_terminal(
    compared: Path, command: Command, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("builtins.input", lambda prompt: print(prompt) or answer)
    outcome = command("runs", "rm", "old.jsonl")
    assert outcome.code == 0
    assert "reports/runs/old.jsonl/piqa@" in outcome.out
    assert len(strictly(command("runs", "--json").out)) == left


class Terminal:
    def __init__(self, answer: str) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return True


# ── compare ──────────────────────────────────────────────────────────────────────────────────────


def widest(lines: Sequence[str]) -> int:
    return max(map(cell_len, lines))


def test_the_table_fits_80_columns_and_the_wide_one_140(compared: Path, command: Command) -> None:
    paths = ("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl")
    narrow, wide = command(*paths).out.splitlines(), command(*paths, "--wide").out.splitlines()
    assert widest(narrow) <= 80
    assert 80 < widest(wide) <= 140
    assert "BTC" not in "".join(narrow)
    assert all(name in "".join(wide) for name in ("BTC", "BEC", "NFI", "churn"))


def test_the_table_ignores_how_wide_the_caller_claims_to_be(
    compared: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl")
    monkeypatch.setenv("COLUMNS", "300")
    assert widest(command(*paths).out.splitlines()) <= 80


def test_compare_prints_the_same_json_that_it_writes(compared: Path, command: Command) -> None:
    outcome = command("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl", "--json")
    folder = compared / "reports" / "old.jsonl..new.jsonl"
    assert outcome.out == (folder / "comparison.json").read_text(encoding="utf-8")
    assert strictly(outcome.out)
    assert {path.name for path in folder.iterdir()} == {"report.md", "comparison.json", "comparison.csv"}


def test_reports_go_where_they_are_sent_and_carry_texts_only_on_request(
    compared: Path, command: Command
) -> None:
    paths = ("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl", "--out", "sent")
    assert "sent/old.jsonl..new.jsonl" in command(*paths).out
    report = Path("sent/old.jsonl..new.jsonl/report.md")
    assert "What is 1002 + 1?" not in report.read_text(encoding="utf-8")
    command(*paths, "--with-text")
    assert "What is 1002" in report.read_text(encoding="utf-8")


def test_stored_runs_are_compared_without_computing_anything(compared: Path, command: Command) -> None:
    before = {path: path.stat().st_mtime_ns for path in compared.glob("reports/runs/**/*.parquet")}
    outcome = command("compare", "old.jsonl", "new.jsonl", *SCRIPTED)
    assert outcome.err.count(": stored in ") == 4
    assert "instances" not in outcome.err
    assert before == {path: path.stat().st_mtime_ns for path in compared.glob("reports/runs/**/*.parquet")}


def test_only_the_missing_model_is_evaluated(compared: Path, command: Command) -> None:
    command("runs", "rm", "new.jsonl", "--yes")
    err = command("compare", "old.jsonl", "new.jsonl", *SCRIPTED).err
    assert err.count("old.jsonl · piqa: stored in ") == 1
    assert err.count("new.jsonl · piqa: 8 instances") == 1
    assert "old.jsonl · piqa: 8 instances" not in err


def test_worst_says_how_many_flips_are_shown(compared: Path, command: Command) -> None:
    paths = ("compare", "reports/runs/old.jsonl", "reports/runs/new.jsonl", "--tasks", "piqa")
    assert "1 of 2 instances lost, worst first" in command(*paths, "--worst", "1").out
    assert "worst first" not in command(*paths, "--worst", "0").out


def test_a_comparison_of_settings_is_headed_as_one(compared: Path, command: Command) -> None:
    asked = ("compare", "old.jsonl", "old.jsonl", "--engine", "scripted", "--data", "data")
    asked += ("--tasks", "gsm8k", "--new-num-fewshot", "2")
    assert command(*asked).code == 2
    outcome = command(*asked, "--allow", "prompts")
    assert outcome.code == 0
    assert outcome.out.startswith("a comparison of settings, not of models: worked examples 5 → 2")


@pytest.mark.parametrize(
    "words", [["runs"], ["models"], ["tasks"], ["compare"], ["flips"], ["--help"], ["runs", "rm"]]
)
def test_what_is_piped_has_no_escape_codes(compared: Path, command: Command, words: list[str]) -> None:
    """Nor what is written to a log."""
    paths = ["reports/runs/old.jsonl", "reports/runs/new.jsonl"] if words[0] in ("compare", "flips") else []
    outcome = command(*words, *paths)
    assert ESCAPE not in outcome.out
    assert ESCAPE not in outcome.err


def test_a_pipe_gets_whole_names(world: Path, command: Command) -> None:
    (world / "regress.toml").write_text(f'[aliases]\nlong = "nobody/{"x" * 90}"\n', encoding="utf-8")
    assert "x" * 90 in command("models").out
