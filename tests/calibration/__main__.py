"""Does the gate keep its promises? `make calibration`, or `python -m tests.calibration`.

    python -m tests.calibration                  all of it, some ten minutes on two cores
    python -m tests.calibration limits coverage  only these
    python -m tests.calibration --reps 2000      fewer simulated data sets (what is exact stays exact)
    python -m tests.calibration --tiny           a few, to see that it runs; only what is exact counts

Prints its tables and writes `reports/calibration/<time>.json`. Exits with 1 if a guarantee of the
decision rule does not hold. Same seed, same digits.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from . import clusters, coverage, gates, limits, naive, unchanged
from .findings import Table

ROOT = Path(__file__).resolve().parents[2]
PARTS: dict[str, Sequence[Callable[[int, np.random.Generator], Table]]] = {
    "limits": limits.TABLES,
    "clusters": clusters.TABLES,
    "gates": gates.TABLES,
    "unchanged": unchanged.TABLES,
    "coverage": coverage.TABLES,
    "naive": naive.TABLES,
}
REPS, TINY = 10_000, 40
SEED = 1234


def main() -> int:
    """Make the tables that were asked for, print them and write them down."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibration")
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--reps", type=int, default=REPS, help=f"data sets of a simulation (default {REPS:,})"
    )
    parser.add_argument("--tiny", action="store_true", help=f"the same as --reps {TINY}")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", default=ROOT / "reports" / "calibration", type=Path, help="where to write")
    options = parser.parse_args()
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    reps = TINY if options.tiny else options.reps
    wanted = [
        (part, place, reps, options.seed)
        for part in options.part or PARTS
        for place in range(len(PARTS[part]))
    ]
    tables = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 2)) as workers:
        for table in workers.map(made, *zip(*wanted, strict=True)):
            print(table.text(), end="\n\n\n", flush=True)
            tables.append(table)
    # of a few draws, three standard errors say nothing
    checks = [one for table in tables for one in table.checks if not (options.tiny and one.draws)]
    broken = sum(not check.holds for check in checks)
    print(f"{len(checks) - broken} of {len(checks)} guarantees hold")
    print(f"written to {write(tables, options, reps=reps, holds=not broken)}")
    return 1 if broken else 0


def made(part: str, place: int, reps: int, seed: int) -> Table:
    """One table; each draws from a stream of its own, so that their order does not matter."""
    make = PARTS[part][place]
    return make(reps, np.random.default_rng([seed, zlib.crc32(f"{part} {make.__name__}".encode())]))


def write(tables: Sequence[Table], options: argparse.Namespace, *, reps: int, holds: bool) -> Path:
    """Write the tables with what they were made from."""
    now = datetime.datetime.now(datetime.UTC)
    document = {
        "made": now.isoformat(timespec="seconds"),
        "reps": reps,
        "seed": options.seed,
        "holds": holds,
        "tables": [table.record() for table in tables],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{now:%Y%m%dT%H%M%S}{'-tiny' if options.tiny else ''}.json"
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
