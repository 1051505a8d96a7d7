"""Killed at random moments, or stopped by hand, and started again: equal to a run that nobody disturbed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regress.demo.pair import items_folder, model_folder
from regress.store.runs import Store, read_run

ROOT = Path(__file__).parents[2]
KILLS = 10

# The weights wing takes longer to import than these runs take: it is warmed up once, every start is a fork.
STARTER = textwrap.dedent(
    """
    import contextlib, json, os, sys
    from regress.__main__ import main

    def run(arguments):
        with open("log", "a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            return main(arguments)

    import torch
    torch.set_num_threads(1)  # a fork would not inherit the other threads
    for line in sys.stdin:
        arguments = json.loads(line)
        if arguments[0] == "here":
            print(run(arguments[1:]), flush=True)
            continue
        process = os.fork()
        if not process:
            os._exit(run(arguments))
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)
    """
)

WAITING = textwrap.dedent(
    """
    import sys, time
    from regress.engines.scripted import ScriptedEngine
    answer, chunks = ScriptedEngine.answer, []
    def waiting(self, requests):
        chunks.append(requests)
        while len(chunks) > 2:
            time.sleep(0.01)
        return answer(self, requests)
    ScriptedEngine.answer = waiting
    from regress.__main__ import main
    sys.exit(main(sys.argv[1:]))
    """
)


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **changes}


def stored(store: Path) -> set[Path]:
    """What a killed process must not lose: the parts and finished runs."""
    return {*store.glob("*/*/parts/[0-9]*.parquet"), *store.glob("*/*/manifest.json")}


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that will happen; the test's own time-out is the limit."""
    while not happened():
        time.sleep(0.002)


def contents(store: Path) -> dict[str, bytes]:
    """Every file of a store, except when and how long its runs took."""
    files = [path for path in store.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


class Starter:
    """Starts `regress …` again and again in processes of its own."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", STARTER],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str) -> int:
        """The process that was started; its exit code if the first word is `here`."""
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def has_ended(self) -> bool:
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def wait(self) -> int:
        """How the process that was started last has ended, as `os.waitpid` tells."""
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def starter(tmp_path) -> Iterator[Starter]:
    """Beside it a copy of the built-in model and of 48 items of two tasks."""
    shutil.copytree(model_folder("demo-v1"), tmp_path / "model")
    for file in ("piqa/validation.jsonl", "gsm8k/test.jsonl", "gsm8k/train.jsonl"):
        (tmp_path / "items" / file).parent.mkdir(parents=True, exist_ok=True)
        lines = (items_folder() / file).read_text("utf-8").splitlines(keepends=True)
        (tmp_path / "items" / file).write_text("".join(lines[:48]), "utf-8")
    starter = Starter(tmp_path)
    yield starter
    starter.close()


def killed(starter: Starter, arguments: tuple[str, ...], store: Path, chance: random.Random) -> bool:
    """Start a run and kill it at a random moment; false if it was done before.

    Now and then before its first part, while specs, locks and instances are written; else after it.
    """
    before = stored(store)
    process = starter.start(*arguments)
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0, 1))
    else:
        until(lambda: stored(store) != before or starter.has_ended())
        time.sleep(chance.uniform(0, 0.3))
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    ended = starter.wait()
    assert ended in (0, signal.SIGKILL)
    merged = {part for part in before if (part.parents[1] / "manifest.json").exists()}
    assert before <= stored(store) | merged  # what was stored stays stored
    return ended == signal.SIGKILL


@pytest.mark.models
def test_a_run_killed_at_ten_random_moments_ends_equal_row_for_row_and_digit_for_digit(tmp_path, starter):
    """The built-in model, choosing and writing; after each kill the same command is started again."""

    def command(store: Path) -> tuple[str, ...]:
        questions = ("--tasks", "piqa,gsm8k", "--data", "items", "--chunk-size", "8")
        return ("evaluate", "./model", *questions, "--store", str(store))

    assert starter.start("here", *command(tmp_path / "whole")) == 0
    expected = contents(tmp_path / "whole")
    assert len(expected) == 2 * 3  # of each task a spec, predictions and instances

    seed = random.randrange(2**32)
    chance, kills, stores = random.Random(seed), 0, 0
    while kills < KILLS:
        store = tmp_path / f"killed{stores}"
        if killed(starter, command(store), store, chance):
            kills += 1
        else:
            assert contents(store) == expected, f"seed {seed}, after {kills} kills"
            stores += 1
    starter.start(*command(store))
    assert starter.wait() == 0
    assert contents(store) == expected, f"seed {seed}, after {kills} kills"


@pytest.fixture
def cold(here, model, write_data) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command line anew; a waiting one answers two chunks and no more."""
    write_data(here / "data", piqa=40)
    model("mine.jsonl", n={"piqa": 40}, piqa={1, 2})
    processes = []

    def start(*more: str, waiting: bool = False) -> subprocess.Popen[str]:
        how = ["-c", WAITING] if waiting else ["-m", "regress"]
        asked = ["--engine", "scripted", "--data", "data", "--tasks", "piqa", "--chunk-size", "4"]
        process = subprocess.Popen(
            [sys.executable, *how, "evaluate", "mine.jsonl", *asked, *more],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_stopped_by_hand_it_exits_with_130_says_so_and_loses_nothing(here, cold):
    process = cold("--store", "runs", waiting=True)
    until(lambda: len(stored(here / "runs")) == 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "interrupted. What was answered is stored." in said
    assert "Traceback" not in said
    assert len(stored(here / "runs")) == 2
    (run,) = Store(here / "runs").runs()
    assert (run.rows, run.manifest, run.locked) == (8, None, False)

    again = cold("--store", "runs")
    _, said = again.communicate()
    assert again.returncode == 0
    assert "going on after 8 of 40 instances" in said
    whole = cold("--store", "whole")
    whole.communicate()
    assert contents(here / "runs") == contents(here / "whole")


def test_a_living_writer_keeps_others_out_and_a_killed_one_does_not(here, cold):
    first = cold("--store", "runs", waiting=True)
    until(lambda: len(stored(here / "runs")) == 2)
    second = cold("--store", "runs")
    _, said = second.communicate()
    assert second.returncode == 2
    assert f"another process is writing {next(here.glob('runs/mine.jsonl/*')).relative_to(here)}" in said
    assert f"pid {first.pid}" in said
    (run,) = Store(here / "runs").runs()
    assert run.locked

    first.kill()
    first.wait()
    (run,) = Store(here / "runs").runs()
    assert (run.rows, run.manifest, run.locked) == (8, None, False)
    third = cold("--store", "runs")
    third.communicate()
    assert third.returncode == 0
    assert read_run(run.path).predictions.num_rows == 40
