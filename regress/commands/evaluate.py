"""`regress evaluate`."""

from __future__ import annotations

import argparse
from typing import Any

from regress import console
from regress.options import add_engine, add_questions, settings


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "evaluate",
        help="answer all items of some tasks with one model, and store every prediction",
        description="Stores one run a task. An interrupted run goes on where it stopped; a finished one is "
        "never computed again.",
    )
    parser.add_argument("model", metavar="MODEL", help="alias, hub id, id@revision, folder, or base+adapter")
    add_questions(parser)
    add_engine(parser)
    parser.add_argument("--json", action="store_true", help="print the runs' folders as JSON")
    parser.set_defaults(command=_evaluate, parser=parser)


def _evaluate(options: argparse.Namespace) -> int:
    from regress.workflows.evaluate import evaluate

    with console.watched() as progress:
        folders = evaluate(options.model, store=options.store, progress=progress, **settings(options))
    if options.json:
        console.print_json([str(folder) for folder in folders])
    else:
        for folder in folders:
            print(folder)
    return 0
