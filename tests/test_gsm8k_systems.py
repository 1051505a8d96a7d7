"""Four recorded systems on real GSM8K items: `make gsm8k-systems` finds what is known of them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from regress.__main__ import main
from regress.store.runs import Store, read_run

ROOT = Path(__file__).resolve().parents[1]

PAIRS = [  # old, new, right before, right after, lost, gained, exact two-sided McNemar
    ("6b_finetuning", "6b_verification", 286, 515, 64, 293, "3.9e-36"),
    ("175b_finetuning", "175b_verification", 458, 742, 76, 360, "2.9e-45"),
    ("6b_verification", "175b_finetuning", 515, 458, 209, 152, "3.15e-03"),
]
UNREADABLE = {"6b_finetuning": 4, "6b_verification": 1, "175b_finetuning": 5, "175b_verification": 1}


def recipe(data: Path) -> list[list[str]]:
    """The commands of the make target, as it would run them."""
    asked = ["make", "--no-print-directory", "-C", str(ROOT), "-n", "-o", "setup", "gsm8k-systems"]
    done = subprocess.run([*asked, f"DATA={data}"], capture_output=True, text=True, check=True)
    text = done.stdout.replace("\\\n", " ")
    loop = re.search(r"for system in ([^;]*); do (.*?); done", text, re.DOTALL)
    assert loop is not None
    lines = [loop[2].replace("$system", system) for system in loop[1].split()]
    lines += text[loop.end() :].strip().splitlines()
    return [shlex.split(line)[1:] for line in lines]


@dataclass(frozen=True)
class Done:
    """What the target left and said."""

    folder: Path
    said: list[str]


@pytest.fixture(scope="module")
def done(shared: Any, tmp_path_factory: pytest.TempPathFactory) -> Done:
    data = shared("data/gsm8k/example_model_solutions.jsonl").parents[1]
    folder, said = tmp_path_factory.mktemp("systems"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("REGRESS_STORE", raising=False)
        for words in recipe(data):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                assert main(words) == 0, shlex.join(words)
            said.append(" ".join(out.getvalue().split()))
    return Done(folder, said)


@pytest.mark.shared
def test_our_extractor_agrees_with_every_recorded_judgement(done: Done) -> None:
    agreed = ["agrees with the scorer's on 1,319 of 1,319 answers" in text for text in done.said]
    assert agreed == [True] * 4 + [False] * 3


@pytest.mark.shared
@pytest.mark.parametrize(("old", "new", "before", "after", "lost", "gained", "p"), PAIRS)
def test_each_pair_shows_what_is_known_of_it(
    done: Done, old: str, new: str, before: int, after: int, lost: int, gained: int, p: str
) -> None:
    document = json.loads((done.folder / "reports" / f"{old}..{new}" / "comparison.json").read_text())
    (task,) = document["tasks"]
    counts = task["counts"]
    assert task["n"] == 1319
    assert (counts["negative_flips"], counts["positive_flips"]) == (lost, gained)
    assert counts["both_right"] + lost == before
    assert counts["both_right"] + gained == after
    digits = len(p.partition("e")[0].replace(".", "")) - 1
    assert f"{task['evidence']['p_exact']:.{digits}e}" == p


@pytest.mark.shared
@pytest.mark.parametrize(("system", "unreadable"), UNREADABLE.items())
def test_what_cannot_be_read_is_counted(done: Done, system: str, unreadable: int) -> None:
    (stored,) = Store(done.folder / "reports" / "runs").named(system)
    run = read_run(stored.path)
    assert run.predictions["status"].to_pylist().count("unparsable") == unreadable
    assert not any(run.predictions.filter(run.predictions["answer"].is_null())["correct"].to_pylist())
