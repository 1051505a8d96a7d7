"""One side, in its own process: opens an engine, answers chunk by chunk, and tells time and memory."""

from __future__ import annotations

import itertools
import logging
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regress.config import Settings
from regress.engines.open import open_engine
from regress.types import Generation, Logprob, Request, Response

CHUNK = Settings().chunk_size


@dataclass(frozen=True)
class Spent:
    """What answering took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time, of all threads."""


class Side:
    """An engine and the responses it gave last."""

    def __init__(self) -> None:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        self._engine: Any = None
        self._device = "cpu"
        self._responses: list[list[Response]] = []

    def open(self, folder: str, requests: Sequence[Sequence[Request]], **settings: Any) -> float:
        """Open the engine and have it answer as little as can be, so that it loads; seconds."""
        self.close()
        self._device = str(settings.get("device", "cpu"))
        began = time.perf_counter()
        self._engine = open_engine(folder, Settings(**settings), {})
        self._engine.answer([[_short(requests[0][0])]])
        return time.perf_counter() - began

    def close(self) -> None:
        """Put the engine away, if there is one."""
        if self._engine is not None:
            self._engine.close()

    def answer(self, requests: Sequence[Sequence[Request]]) -> Spent:
        """Answer everything, one chunk a call as `evaluate` does."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._responses = []
        for start in range(0, len(requests), CHUNK):
            self._responses += self._engine.answer(requests[start : start + CHUNK])
        return Spent(time.perf_counter() - wall, time.process_time() - cpu)

    def responses(self) -> list[dict[str, Any]]:
        """What was answered last, flat: a value, or a text and its number of tokens."""
        return [_plain(response) for response in itertools.chain.from_iterable(self._responses)]

    def peak(self) -> int:
        """Bytes held at most so far: by this process, or on the GPU by torch."""
        if self._device.startswith("cuda"):
            import torch

            return int(torch.cuda.max_memory_allocated())
        return resident_peak()

    def facts(self) -> dict[str, Any]:
        """What the engine says of itself: threads, versions and whatever path it took."""
        return {key: value for key, value in self._engine.recorded().items() if value is not None}


def resident_peak() -> int:
    """Most bytes this process had in memory.

    Not `ru_maxrss` where there is something better: on Linux a process inherits that from its parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024  # macOS tells bytes, others kilobytes
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _short(request: Request) -> Request:
    return replace(request, max_tokens=1) if isinstance(request, Generation) else request


def _plain(response: Response) -> dict[str, Any]:
    if isinstance(response, Logprob):
        return {"value": response.value, "error": response.error}
    return {"text": response.text, "tokens": response.output_tokens, "finish": response.finish,
            "error": response.error}  # fmt: skip
