"""`regress export`."""

from __future__ import annotations

import argparse
from typing import Any

from regress.options import add_allow, add_store, names


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "export",
        help="write stored answers as Parquet, CSV, JSONL or every_eval_ever",
        description="Writes the runs of one model, a file a task; or the pairs of two, with quadrant, kind "
        "and both answers. Prompts and outputs are in it. `regress import` reads one model's files back.",
    )
    parser.add_argument("old", metavar="RUN", help="model with stored runs, path of runs, or others' answers")
    parser.add_argument("new", metavar="NEW", nargs="?", help="the new model: writes the pairs of both")
    parser.add_argument(
        "--to", metavar="F,…", type=names, required=True, help="formats: parquet, csv, jsonl, eee"
    )
    parser.add_argument("--tasks", metavar="T,…", type=names, help="only these tasks (default: all stored)")
    add_allow(parser)
    parser.add_argument(
        "--out", metavar="DIR", default="reports/exports", help="where to (default: reports/exports)"
    )
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print the files' paths as JSON")
    parser.set_defaults(command=_export, parser=parser)


def _export(options: argparse.Namespace) -> int:
    from regress import console
    from regress.workflows.exports import export_runs

    with console.watched() as progress:
        written = export_runs(
            options.old,
            options.new,
            formats=options.to,
            tasks=options.tasks,
            allow=options.allow,
            out=options.out,
            store=options.store,
            progress=progress,
        )
    if options.json:
        console.print_json([str(path) for path in written])
    else:
        print("\n".join(map(str, written)))
    return 0
