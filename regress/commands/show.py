"""`regress show`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.options import add_allow, add_compared, add_sides, compared, names


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "show",
        help="print one instance: what was asked, what both models answered, and where that differs",
        description="Prints one instance of a task whole: prompt, target, choices with their "
        "log-probabilities, both outputs, and a word diff. Writes no files.",
    )
    add_sides(parser)
    parser.add_argument(
        "where",
        metavar="TASK/ID",
        help="an instance: its id, the beginning of it, or its index (gsm8k/6751cb, gsm8k/12)",
    )
    parser.add_argument("--task", metavar="T", dest="tasks", type=names, help="the same as --tasks")
    output = add_compared(parser)
    add_allow(output)
    output.add_argument("--full", action="store_true", help="print the prompt with its worked examples")
    output.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_show, parser=parser)


def _show(options: argparse.Namespace) -> int:
    from regress.workflows.show import show

    with console.watched(reused=False) as progress:
        found = show(
            options.old,
            options.new,
            options.where,
            allow=options.allow,
            progress=progress,
            **compared(options),
        )
    from regress.views import instance as view

    if options.json:
        console.print_json(view.document(found.comparison, found.repeats))
    else:
        width = min(console.columns(), console.WIDE)
        text = view.render(
            found.comparison, found.repeats, full=options.full, width=width, color=console.colored()
        )
        sys.stdout.write(text)
    return 0
