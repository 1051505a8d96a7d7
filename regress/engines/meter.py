"""What answering takes, measured: wall and CPU time, peak memory, tokens.

Two sides can be compared in time and memory where they were measured in one *session* on one *machine*.
A session is one process: it has a random name, made anew in a process forked off. A machine is its kind of
CPU, the cores and threads used, and the device; nothing in it names the machine itself, and two of a
kind look alike, which is why the session must agree as well.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from regress.engines.base import Engine
from regress.engines.machine import cores
from regress.types import Effort, Prediction

_STATUS, _CLEAR_REFS, _CPUS = (Path("/proc") / name for name in ("self/status", "self/clear_refs", "cpuinfo"))
_RESET_PEAK = "5"  # proc(5): the peak resident set is set to the current one


class Meter:
    """Measures one engine while it loads and answers.

    Args:
        engine: Which; its device decides whose memory is measured.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._device = str(engine.recorded().get("device") or "cpu")
        self._machine: Mapping[str, Any] | None = None
        self._load_seconds = self._seconds = self._cpu_seconds = 0.0
        self._peak_is_ours = False

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Around loading; peak memory counts from the first time on."""
        if not self._peak_is_ours:
            self._peak_is_ours = _reset_peak(self._device)
        began = time.perf_counter()
        yield
        self._load_seconds += time.perf_counter() - began

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Around answering."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._seconds += time.perf_counter() - wall
        self._cpu_seconds += time.process_time() - cpu

    def told(self, predictions: Sequence[Prediction]) -> Effort:
        """What `predictions`, and loading before them, took since this was asked last."""
        if self._machine is None:  # loading may set the number of threads
            self._machine = machine(self._engine.recorded())
        effort = Effort(
            session=session(),
            machine=self._machine,
            rows=len(predictions),
            seconds=round(self._seconds, 6),
            cpu_seconds=round(self._cpu_seconds, 6),
            prompt_tokens=_sum([row.prompt_tokens for row in predictions]),
            output_tokens=_sum([row.output_tokens for row in predictions]),
            load_seconds=round(self._load_seconds, 6),
            peak_bytes=_peak(self._device) if self._peak_is_ours else None,
        )
        self._load_seconds = self._seconds = self._cpu_seconds = 0.0
        return effort


def session() -> str:
    """The random name of this process."""
    return _named(os.getpid())


@cache
def _named(process: int) -> str:
    """A name for a process; a fork has another number, so it does not inherit its parent's."""
    return uuid.uuid4().hex


def machine(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What an engine that records this of itself runs on, without a name of the machine."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "threads": recorded.get("threads"),
        "device": recorded.get("device"),
        "gpu": recorded.get("gpu"),
    }


@cache
def _cpu() -> str:
    """The kind of CPU, as the system calls it."""
    with contextlib.suppress(OSError):
        for line in _CPUS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


# ── peak memory ──────────────────────────────────────────────────────────────────────────────────


def _reset_peak(device: str) -> bool:
    """Let peak memory count from now; false where that cannot be, and the peak would be another model's.

    A process's peak only rises, and the model before may have needed more.
    """
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            torch.cuda.init()  # type: ignore[no-untyped-call]  # before it there is nothing to reset: an error
            torch.cuda.reset_peak_memory_stats(device)
            return True
        return False
    if device != "cpu":
        return False
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _peak(device: str) -> int | None:
    """Most bytes held since the peak was reset: by torch on a GPU, else by the whole process."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError, ValueError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return None
