"""`regress selftest`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.options import names

WRONG = 70
"""The exit code of a bug in regress: here, of an installation that computes something else than it must."""


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "selftest",
        help="does regress on this machine find what is known beforehand?",
        description="Updates the built-in model in ways whose effect is known (nothing changes, or what "
        "changes follows by hand, or is more than something else), and lets the whole harness measure it: "
        "update, evaluate, compare, divergence, gate. Needs no network. Exits 70 if anything is found "
        "otherwise.",
    )
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--only", metavar="N,…", type=names, help="only these oracles: I-3,II-2")
    parser.add_argument(
        "--keep", metavar="DIR", help="leave models and runs in this new folder (default: deleted)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_selftest, parser=parser)


def _selftest(options: argparse.Namespace) -> int:
    from regress.workflows.selftest.run import selftest

    with console.watched() as progress:
        found = selftest(quick=options.quick, only=options.only, keep=options.keep, progress=progress)
    from regress.views import selftest as view

    width = min(console.columns(), console.WIDE)
    sys.stdout.write(view.to_json(found) if options.json else view.render(found, width=width))
    return 0 if found.ok else WRONG
