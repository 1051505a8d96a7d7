"""What commands share when they print: widths, colour, JSON, progress."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any

NARROW, WIDE = 80, 140


def watched() -> Any:
    """A context that draws what a workflow tells, on standard error."""
    from regress.watch import watch

    return watch(sys.stderr)


def print_json(value: Any) -> None:
    """Print strict JSON: what is undefined is null."""
    from regress.identity import strict

    json.dump(strict(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def columns() -> int:
    """Cells of the terminal; 80 where there is none."""
    return shutil.get_terminal_size((NARROW, 24)).columns


def listing_width() -> int | None:
    """A pipe gets whole lines, so that they can be searched."""
    return columns() if sys.stdout.isatty() else None


def colored() -> bool:
    """Whether to print in colour: on a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
