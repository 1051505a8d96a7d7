"""The benchmarks run; how fast anything is, no test says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_BROWSER = not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))


def benchmarks(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "cases",
    [
        ["help", "compare"],
        ["resampling"],
        ["imports"],
        pytest.param(["page"], marks=pytest.mark.skipif(NO_BROWSER, reason="no Chromium is installed")),
        pytest.param(["requests"], marks=pytest.mark.models),
        pytest.param(["overhead", "memory"], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_benchmarks_run_on_a_tiny_size(cases: list[str], tmp_path: Path) -> None:
    done = benchmarks("--tiny", "--out", tmp_path, *cases)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*-tiny.json")
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["tiny"] is True
    for figure in written["figures"]:
        assert figure["samples"]
        assert figure["name"] in done.stdout
    assert len(written["figures"]) >= len(cases)


def test_an_unknown_case_is_refused() -> None:
    done = benchmarks("speed")
    assert done.returncode == 2
    assert "help, compare, overhead, requests, memory, resampling, imports" in done.stderr
