"""`regress slices`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.findings import MIN_N, SLICE_BY
from regress.options import add_allow, add_compared, add_sides, compared, names, whole


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "slices",
        help="which parts of a task lose most: tags, lengths, steps, positions",
        description="Compares as `compare` does, cuts each task into parts and says which lose most, with "
        "p-values adjusted for the number of parts. Writes no files.",
    )
    add_sides(parser)
    typed = [one.replace(" ", "-") for one in SLICE_BY]
    parser.add_argument(
        "--by",
        metavar="CUT,…",
        type=names,
        help=f"{', '.join(typed)} (default: all)",
    )
    parser.add_argument(
        "--min-n", metavar="N", type=whole, default=MIN_N, help=f"instances that a part must have ({MIN_N})"
    )
    output = add_compared(parser)
    add_allow(output)
    output.add_argument("--top", metavar="N", type=whole, default=10, help="parts shown a task (10)")
    output.add_argument("--json", action="store_true", help="print JSON, all parts, instead of the tables")
    parser.set_defaults(command=_slices, parser=parser)


def _slices(options: argparse.Namespace) -> int:
    from regress.workflows.slices import slices

    if options.top < 1:
        raise UsageError(f"--top is {options.top}", allowed="a whole number from 1")
    with console.watched() as progress:
        found = slices(
            options.old,
            options.new,
            by=options.by,
            min_n=options.min_n,
            allow=options.allow,
            progress=progress,
            **compared(options),
        )
    from regress.views import slices as view

    if options.json:
        console.print_json(view.document(found))
    else:
        width = min(console.columns(), console.NARROW)
        sys.stdout.write(view.render(found, top=options.top, width=width, color=console.colored()))
    return 0
