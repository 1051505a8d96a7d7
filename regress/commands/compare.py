"""`regress compare`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import add_allow, add_compared, add_sides, compared, whole


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "compare",
        help="pair what two models answered, and say what changed",
        description="Evaluates what is not stored yet, pairs the two models' answers, prints the table, and "
        "writes report.md, comparison.json and comparison.csv under OUT/<old>..<new>/.",
    )
    add_sides(parser)
    output = add_compared(parser)
    add_allow(output)
    output.add_argument("--out", metavar="DIR", default="reports", help="where reports go (default: reports)")
    output.add_argument(
        "--worst", metavar="N", type=whole, default=3, help="worst flips shown a task (default: 3)"
    )
    output.add_argument(
        "--wide",
        action="store_true",
        help=f"more columns, {console.WIDE} characters wide (a terminal of that width gets them anyway)",
    )
    output.add_argument("--json", action="store_true", help="print comparison.json instead of the table")
    output.add_argument("--with-text", action="store_true", help="let the written reports carry outputs")
    parser.set_defaults(command=_compare, parser=parser)


def _compare(options: argparse.Namespace) -> int:
    from regress.workflows.compare import compare
    from regress.workflows.reports import write_reports

    if options.worst < 0:
        raise UsageError(f"--worst is {options.worst}", allowed="a whole number from 0")
    with console.watched() as progress:
        comparison = compare(
            options.old,
            options.new,
            allow=options.allow,
            worst=options.worst,
            progress=progress,
            **compared(options),
        )
    folder = write_reports(comparison, root=options.out, with_text=options.with_text)
    if options.json:
        from regress.views import export

        sys.stdout.write(export.to_json(comparison, options.with_text))
        return 0
    from regress.views import terminal

    wide = options.wide or console.roomy()
    width = console.WIDE if wide else min(console.columns(), console.NARROW)
    sys.stdout.write(
        terminal.render(comparison, width=width, wide=wide, color=console.colored(), where=str(folder))
    )
    return 0
