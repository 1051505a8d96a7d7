"""Every Eval Ever 0.3: a `*.json` of one model's results with the `*_samples.jsonl` beside it."""

from __future__ import annotations

from pathlib import Path

from regress.errors import DataError
from regress.interop.records import Reading, Source


def recognises(path: Path) -> bool:
    """Whether `path` looks like one; never an error."""
    return False


def sources(path: Path, reading: Reading) -> list[Source]:
    """The runs in it.

    Raises:
        DataError: If it cannot be read.
    """
    raise DataError(f"{path} cannot be read as every_eval_ever")
