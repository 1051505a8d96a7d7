"""The fast engine against lm-eval's `hf`: `python -m tests.benchmarks.engine`.

    python -m tests.benchmarks.engine                        every line of the table, about an hour
    python -m tests.benchmarks.engine --only piqa samsum     only these
    python -m tests.benchmarks.engine --device cuda          the same on a GPU
    python -m tests.benchmarks.engine --bf16-softmax         what a bfloat16 softmax does to answers
    python -m tests.benchmarks.engine --tiny                 toys, to see that it runs

Prints a table and writes `reports/benchmarks/engine.json`. Nothing here fails for being slow.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .bench import OURS, REFERENCE
from .report import shown
from .run import FOLDER, run, run_bf16_softmax
from .works import CPU, GPU_ONLY


def main() -> int:
    """Measure what was asked for, print it and write it down."""
    options = vars(_options())
    if options.pop("bf16_softmax"):
        wanted = ("device", "threads", "ours", "tiny")
        print(run_bf16_softmax(**{name: options[name] for name in wanted}))
        return 0
    path, document = run(**options)
    print(f"{shown(document)}\n\nwritten to {path}")
    return 0


def _options() -> argparse.Namespace:
    names = [*(work.name for work in (*CPU, *GPU_ONLY)), "scaling"]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine")
    parser.add_argument("--only", nargs="+", choices=names, default=[], metavar="WORK", help=", ".join(names))
    parser.add_argument("--device", default="cpu", help="cpu, cuda (default: cpu)")
    parser.add_argument("--repeats", type=int, help="timed repetitions of each side (default: 3)")
    parser.add_argument("--threads", type=int, help="of both sides (default: all cores)")
    parser.add_argument("--ours", choices=[OURS, REFERENCE], default=OURS, help="what is measured against hf")
    parser.add_argument("--bf16-softmax", action="store_true", help="only show what a bfloat16 softmax does")
    parser.add_argument("--tiny", action="store_true", help="toys; the numbers mean nothing")
    parser.add_argument("--out", default=FOLDER, type=Path, help="where to write")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
