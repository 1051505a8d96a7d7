"""Processes measured from outside: wall time, CPU time, and what they tell on their last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Spent:
    """What a process took."""

    wall: float
    """Seconds from start to end."""
    cpu: float
    """Seconds of user and system time."""
    told: Mapping[str, Any]
    """The JSON object on its last line; empty if that is none."""


def regress(*arguments: str, cwd: str | Path | None = None) -> Spent:
    """Run the installed command."""
    return _spent([str(Path(sys.executable).parent / "regress"), *arguments], cwd)


def python(*arguments: str, cwd: str | Path | None = None) -> Spent:
    """Run Python."""
    return _spent([sys.executable, *arguments], cwd)


def _spent(command: Sequence[str], cwd: str | Path | None) -> Spent:
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",  # so that the two sides of a pair do not fight
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(ROOT),
    }
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} exits with {done.returncode}:\n{done.stderr}")
    cpu = (after.children_user + after.children_system) - (before.children_user + before.children_system)
    return Spent(wall, cpu, _told(done.stdout))


def _told(out: str) -> Mapping[str, Any]:
    lines = out.strip().splitlines()
    if not lines or not lines[-1].startswith('{"'):
        return {}
    return dict(json.loads(lines[-1]))
