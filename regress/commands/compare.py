"""`regress compare`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.commands.divergence import add_windows, reading
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
    output.add_argument(
        "--divergence",
        metavar="FILE",
        nargs="?",
        const="",
        help="also load both models and say how far they lie apart token by token, over a text or, without "
        "FILE, over the prompts (see `regress divergence`); stands after OLD and NEW",
    )
    add_windows(output)
    output.add_argument("--json", action="store_true", help="print comparison.json instead of the table")
    output.add_argument("--with-text", action="store_true", help="let the written reports carry outputs")
    parser.set_defaults(command=_compare, parser=parser)


def _compare(options: argparse.Namespace) -> int:
    from regress.workflows.compare import compare
    from regress.workflows.reports import FILES, write_reports

    if options.worst < 0:
        raise UsageError(f"--worst is {options.worst}", allowed="a whole number from 0")
    if options.divergence is None and (options.window, options.stride) != (None, None):
        raise UsageError("--window and --stride are about --divergence, which was not given")
    if options.divergence:
        from regress.workflows.readings import of_file

        of_file(options.divergence)  # before anything is evaluated: a slip must not cost hours
    with console.watched() as progress:
        comparison = compare(
            options.old,
            options.new,
            allow=options.allow,
            worst=options.worst,
            progress=progress,
            **compared(options),
        )
        diverged = None if options.divergence is None else _diverged(comparison, options, progress)
    folder = write_reports(comparison, root=options.out, with_text=options.with_text, diverged=diverged)
    if options.json:
        sys.stdout.write((folder / FILES["json"]).read_text(encoding="utf-8"))
        return 0
    from regress.views import terminal

    wide = options.wide or console.roomy()
    width = console.WIDE if wide else min(console.columns(), console.NARROW)
    sys.stdout.write(
        terminal.render(comparison, width=width, wide=wide, color=console.colored(), where=str(folder))
    )
    if diverged is not None:
        from regress.views import divergence

        sys.stdout.write("\n" + divergence.render(diverged, width=width))
    return 0


def _diverged(comparison: Any, options: argparse.Namespace, progress: Any) -> Any:
    from regress.workflows.divergence import divergence_beside

    return divergence_beside(
        comparison,
        text=options.divergence or None,
        store=options.store,
        progress=progress,
        **reading(options),
    )
