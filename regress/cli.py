"""The door: parse, call a workflow, print. Nothing is decided here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from regress.commands import (
    compare,
    divergence,
    evaluate,
    export,
    flips,
    gate,
    imports,
    inventory,
    layers,
    matrix,
    noise,
    plan,
    report,
    rescore,
    selftest,
    show,
    slices,
    update,
    verify,
)
from regress.options import Parser

COMMANDS = (
    *(compare, report, flips, show, slices, matrix, divergence, gate, plan),
    *(update, verify, layers, selftest),
    *(evaluate, imports, export, rescore, noise, inventory),
)
"""In the order in which help lists them."""


def run(arguments: Sequence[str]) -> int:
    """Parse `arguments`, do what they say, and return the exit code."""
    parser = _parser()
    options, left_over = parser.parse_known_args(arguments)
    left_over = _taken(options, left_over)
    if left_over:
        getattr(options, "parser", parser).refuse(left_over[0])
    if not hasattr(options, "command"):
        parser.print_help(sys.stderr)
        return 2
    return int(options.command(options))


def _taken(options: argparse.Namespace, left_over: list[str]) -> list[str]:
    """What nobody takes: argparse gives a command its list of words only up to the first option."""
    words = getattr(options, getattr(options, "rest", ""), None)
    if words is None:
        return left_over
    words += [word for word in left_over if not word.startswith("-")]
    return [word for word in left_over if word.startswith("-")]


def _parser() -> Parser:
    parser = Parser(
        prog="regress",
        description="What did this model update break? Pairs two models' answers and finds the flips.",
        epilog="Exit codes: 0 done, 1 verdict against the new model, 2 could not do it, 3 undecided, "
        "70 a bug, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


class _Version(argparse.Action):
    """Looked up only when it is asked for: reading package metadata is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import importlib.metadata

        print(f"regress {importlib.metadata.version('regress-harness')}")
        parser.exit()
