"""`regress verify`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "verify",
        help="does a new model compute what is claimed of it?",
        description="Shows OLD and NEW random ids and real prompts, short, long, batched, padded, and lets "
        "them write, in float32 and, for a claim of equality, in float64. Exits 1 if the claim is violated.",
    )
    parser.add_argument("old", metavar="OLD", help="the old model: alias, hub id or folder")
    parser.add_argument("new", metavar="NEW", help="the new model, made here or elsewhere")
    parser.add_argument(
        "--claim",
        metavar="C",
        help="identical, same, near, argmax or other (default: what NEW's update.json says, else same)",
    )
    parser.add_argument(
        "--texts", metavar="FILE", help="real prompts, one a line (default: some of the built-in items)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_verify, parser=parser)


def _verify(options: argparse.Namespace) -> int:
    from regress.workflows.update import read_texts, verify

    with console.watched() as progress:
        check = verify(
            options.old,
            options.new,
            claim=options.claim,
            texts=read_texts(options.texts) if options.texts else None,
            progress=progress,
        )
    if options.json:
        console.print_json(check)
    else:
        from regress.views.updates import checked

        sys.stdout.write(checked(check, width=min(console.columns(), console.WIDE)))
    return 0 if check.holds else 1
