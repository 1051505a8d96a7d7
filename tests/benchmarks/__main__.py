"""Speed and memory as ratios and against targets: `make benchmark`, or `python -m tests.benchmarks`.

    python -m tests.benchmarks                  all of it, on a quiet machine, over an hour
    python -m tests.benchmarks help compare     only these
    python -m tests.benchmarks --tiny           a few items, to see that it runs; the numbers mean nothing

Prints a table and writes `reports/benchmarks/<time>.json`. Nothing here fails for being slow: a busy
machine would make it so.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from pathlib import Path

from .cases import CASES
from .figure import Figure

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Measure what was asked for, print it and write it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("case", nargs="*", help=f"{', '.join(CASES)} (default: all)")
    parser.add_argument("--tiny", action="store_true", help="a few items; the numbers mean nothing")
    parser.add_argument("--out", default=ROOT / "reports" / "benchmarks", type=Path, help="where to write")
    options = parser.parse_args()
    if unknown := set(options.case) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    figures: list[Figure] = []
    for name in options.case or CASES:
        print(f"{name}: {(CASES[name].__doc__ or '').splitlines()[0]}", file=sys.stderr, flush=True)
        figures += CASES[name](tiny=options.tiny)
    print(table(figures))
    print(f"\nwritten to {write(figures, options.out, tiny=options.tiny)}")
    return 0


def table(figures: list[Figure]) -> str:
    """The figures, one a line, beside their targets."""
    rows = [("figure", "measured", "target", "")]
    rows += [(figure.name, figure.shown(), figure.target_shown(), figure.verdict()) for figure in figures]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def write(figures: list[Figure], folder: Path, *, tiny: bool) -> Path:
    """Write the figures with what they were measured on."""
    now = datetime.datetime.now(datetime.UTC)
    document = {
        "measured": now.isoformat(timespec="seconds"),
        "tiny": tiny,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "figures": [figure.record() for figure in figures],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%S}{'-tiny' if tiny else ''}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
