"""`regress matrix`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.options import add_allow, add_engine, add_questions, settings


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "matrix",
        help="several versions, each against each, and their history",
        description="Evaluates what is not stored yet, each version once, and compares every version with "
        "every other. Prints NFR of each pair and, in the order given, what each version lost against the "
        "one before; writes matrix.html, matrix.json and a picture a task under OUT/matrix/<first>..<last>/.",
    )
    parser.add_argument(
        "versions",
        metavar="VERSION",
        nargs="+",
        help="two or more, oldest first: models, paths of stored runs, or files of others' answers",
    )
    add_questions(parser)
    add_engine(parser)
    output = parser.add_argument_group("output")
    add_allow(output)
    output.add_argument("--out", metavar="DIR", default="reports", help="where reports go (default: reports)")
    output.add_argument("--json", action="store_true", help="print matrix.json instead of the tables")
    parser.set_defaults(command=_matrix, parser=parser)


def _matrix(options: argparse.Namespace) -> int:
    from regress.workflows.matrix import matrix
    from regress.workflows.reports import write_matrix

    with console.watched() as progress:
        found = matrix(
            *options.versions,
            allow=options.allow,
            store=options.store,
            progress=progress,
            **settings(options),
        )
    folder = write_matrix(found, root=options.out)
    if options.json:
        from regress.views.matrix import export

        sys.stdout.write(export.to_json(found))
        return 0
    from regress.views.matrix import terminal

    width = min(console.columns(), console.WIDE)
    sys.stdout.write(terminal.render(found, width=width, color=console.colored(), where=str(folder)))
    return 0
