"""A whole run: every line, how cost grows, one file."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..measure import ROOT
from .bench import OURS, Bench
from .bf16 import bf16_softmax
from .contest import contest
from .processes import prepare
from .report import measured, write
from .scaling import scaling

FOLDER = ROOT / "reports" / "benchmarks"


def run(
    *,
    only: Sequence[str] = (),
    device: str = "cpu",
    repeats: int | None = None,
    threads: int | None = None,
    ours: str = OURS,
    tiny: bool = False,
    out: Path = FOLDER,
) -> tuple[Path, dict[str, Any]]:
    """Measure and write down, line by line, since it takes long; where, and the document."""
    prepare(threads or (1 if tiny else None))
    with tempfile.TemporaryDirectory() as folder:
        times = repeats or (1 if tiny else 3)
        bench = Bench(Path(folder), device=device, tiny=tiny, repeats=times, ours=ours)
        parts = itertools.chain(
            (([contest(bench, work)], []) for work in bench.works(only)),
            (([], scaling(bench)) for _ in range(not only or "scaling" in only)),
        )
        for rows, growth in parts:
            written = write(out, measured(bench, rows, growth), device, tiny=tiny)
    return written


def run_bf16_softmax(*, device: str, threads: int | None, ours: str, tiny: bool) -> str:
    """Only show what a bfloat16 softmax does."""
    prepare(threads or (1 if tiny else None))
    with tempfile.TemporaryDirectory() as folder:
        return bf16_softmax(Bench(Path(folder), device=device, tiny=tiny, ours=ours))
