"""`regress report`."""

from __future__ import annotations

import argparse
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import add_allow, add_compared, add_sides, compared, names

FORMATS = ("html", "md", "json", "csv")


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "report",
        help="one page to open in a browser: verdict, table, pictures, every flip",
        description="Evaluates what is not stored yet and writes OUT/<old>..<new>/report.html: one file that "
        "opens from disk without a network, with the verdict, the table, pictures (extra [report]) and a "
        "browser of every instance. Where there are more than 50,000, flips go first; of texts longer than "
        "20,000 characters the middle is left out.",
        conflict_handler="resolve",  # --no-text is about the page here, not about what is stored
    )
    add_sides(parser)
    output = add_compared(parser)
    add_allow(output)
    output.add_argument(
        "--to",
        metavar="F,…",
        type=names,
        default=["html"],
        help=f"which files to write: {', '.join(FORMATS)} (default: html)",
    )
    output.add_argument("--out", metavar="DIR", default="reports", help="where reports go (default: reports)")
    output.add_argument(
        "--policy", metavar="P", help="what the verdict is made by, as `regress gate` has it (default: its)"
    )
    output.add_argument(
        "--no-text",
        dest="page_text",
        action="store_false",
        help="leave prompts, targets, choices and outputs out of the page",
    )
    output.add_argument(
        "--with-text", action="store_true", help="let report.md and comparison.json carry outputs"
    )
    parser.set_defaults(command=_report, parser=parser, text=None)


def _report(options: argparse.Namespace) -> int:
    for name in options.to:
        if name not in FORMATS:
            raise UsageError(f"--to is {name!r}", allowed=", ".join(FORMATS))
    from regress.views.inventory import size
    from regress.views.untrusted import visible
    from regress.workflows.report import report

    with console.watched() as progress:
        written = report(
            options.old,
            options.new,
            policy=options.policy,
            allow=options.allow,
            out=options.out,
            formats=options.to,
            page_text=options.page_text,
            with_text=options.with_text,
            progress=progress,
            **compared(options),
        )
    for path in written:
        print(f"{visible(str(path))} ({size(path.stat().st_size)})")
    return 0
