"""What commands share when they print: widths, colour, JSON, progress."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NARROW, WIDE = 80, 140


@contextmanager
def watched(*, reused: bool = True) -> Iterator[Callable[[Any], None]]:
    """A callback that draws on standard error what a workflow tells; what it found ready only if `reused`."""
    from regress.watch import at_work, watch

    with watch(sys.stderr) as progress:
        yield progress if reused else at_work(progress)


def print_json(value: Any) -> None:
    """Print strict JSON: what is undefined is null."""
    from regress.identity import strict

    json.dump(strict(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def columns() -> int:
    """Cells of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((NARROW, 24)).columns


def roomy() -> bool:
    """Whether there is a terminal, and one that a wide table fits."""
    return sys.stdout.isatty() and columns() >= WIDE


def height() -> int | None:
    """Lines of the terminal; null in a pipe, where nothing scrolls away."""
    return shutil.get_terminal_size((NARROW, 24)).lines if sys.stdout.isatty() else None


def listing_width() -> int | None:
    """A pipe gets whole lines, so that they can be searched."""
    return columns() if sys.stdout.isatty() else None


def colored() -> bool:
    """Whether to print in colour: on a terminal that knows any, unless NO_COLOR is set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain
