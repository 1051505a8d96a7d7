"""The published table of updates of stories260k, made and measured again.

    python -m tests.published.stories                        all of it, some five minutes on one core
    python -m tests.published.stories --only 'int*,drop-0'   only these rows
    python -m tests.published.stories --seed 2               other stories
    python -m tests.published.stories --models DIR           where the folder stories260k lies

Each row: make the model (`regress update`, verified), read it beside the old one over 24 stories that the old
one wrote (`regress.metrics.divergence`), and ask both 240 four-choice items through the harness
(`regress.compare`). Prints each figure with the published one in brackets, and the verdict (`judge`: how far
they may lie apart, and why), writes `reports/published/stories.json`, and exits with 1 if a figure differs
for no known reason, or an order that must hold does not. Same seed, same digits.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from transformers.utils import logging

from .bench import Bench
from .influence import judge_influence
from .judge import Judged
from .orders import ORDERS, out_of_order
from .page import Line, heads, line
from .rows import ROWS, Row
from .sample import SEED

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"
"""Beside the checkout."""


def main() -> int:
    """Make the rows that were asked for, print them and write them down."""
    options = _options()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(options.models / "stories260k", Path(work), options.seed)
        print(heads())
        lines = []
        for row in options.rows:
            lines.append(line(bench.measure(row), bench.sample.ids))
            print(lines[-1].text(), flush=True)
        influence = judge_influence(bench.model, bench.sample)
    wrong = [*_print_influence(influence), *_print_orders(lines), *_odd(lines)]
    print(f"written to {_write(lines, influence, wrong, options)}")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.published.stories")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder that holds stories260k")
    parser.add_argument("--only", default="*", help="names of rows, with * for any letters, between commas")
    parser.add_argument("--seed", type=int, default=SEED, help="which stories")
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "published", help="where to write")
    options = parser.parse_args()
    if not (options.models / "stories260k" / "config.json").is_file():
        parser.error(
            f"there is no model in {options.models / 'stories260k'}: name the folder that holds stories260k "
            "(karpathy/tinyllamas as an ordinary checkpoint) with --models"
        )
    options.rows = _chosen(options.only)
    if not options.rows:
        parser.error(f"no row is called {options.only}; there are {', '.join(row.name for row in ROWS)}")
    return options


def _chosen(only: str) -> list[Row]:
    patterns = only.split(",")
    return [row for row in ROWS if any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns)]


def _odd(lines: Sequence[Line]) -> list[str]:
    return [f"{each.found.row.name}: {each.verdict()}" for each in lines if not each.holds]


def _print_influence(judged: Sequence[Judged]) -> list[str]:
    shown = ", ".join(f"{each.value:.3f} ({each.printed})" for each in judged)
    print(f"\nBlock Influence of layers 0 to 4: {shown}")
    return [f"Block Influence of {each.column}" for each in judged if not each.fits]


def _print_orders(lines: Sequence[Line]) -> list[str]:
    found = {each.found.row.name: each.found for each in lines}
    results = {order.title: out_of_order(order, found) for order in ORDERS}
    for title, wrong in results.items():
        if wrong is not None:
            print(f"{'DOES NOT HOLD' if wrong else 'holds'}: {title}")
    return [title for title, wrong in results.items() if wrong]


def _write(
    lines: Sequence[Line], influence: Sequence[Judged], wrong: Sequence[str], options: argparse.Namespace
) -> Path:
    document = {
        "model": "stories260k",
        "seed": options.seed,
        "wrong": list(wrong),
        "rows": [each.record() for each in lines],
        "influence": [{**vars(each), "fits": each.fits} for each in influence],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / "stories.json"
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
