"""`regress runs`, `regress models`, `regress tasks`: what there is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import add_store


def add(commands: Any) -> None:
    """Hang the listings under `regress`."""
    _add_runs(commands)
    _add_models(commands)
    _add_tasks(commands)


def _add_runs(commands: Any) -> None:
    parser = commands.add_parser("runs", help="list stored runs; `regress runs rm` deletes some")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_runs, parser=parser)
    verbs = parser.add_subparsers(metavar="rm")
    remove = verbs.add_parser("rm", help="delete runs", description="Deletes runs, after asking.")
    remove.add_argument(
        "run", metavar="RUN", nargs="+", help="label, label/task, label/task@fingerprint, or folder"
    )
    remove.add_argument("--yes", action="store_true", help="do not ask")
    # of a nested parser, a default would win over what was given before `rm`
    add_store(remove, default=argparse.SUPPRESS)
    remove.set_defaults(command=_remove_runs, parser=remove)


def _runs(options: argparse.Namespace) -> int:
    from regress.workflows import inventory

    rows = inventory.runs(store=options.store)
    if options.json:
        console.print_json(rows)
    elif not rows:
        folder = inventory.store_folder(store=options.store)
        print(f"No runs are stored in {folder} yet; `regress evaluate` and `regress compare` make them.")
    else:
        from regress.views.inventory import runs_table

        print(runs_table(rows, width=console.listing_width()))
    return 0


def _remove_runs(options: argparse.Namespace) -> int:
    from regress.workflows import inventory

    named = [inventory.select_runs(selector, store=options.store) for selector in options.run]
    doomed = list(dict.fromkeys(path for paths in named for path in paths))
    if not options.yes and not _agreed_to_delete(doomed):
        print("Nothing was deleted.")
        return 0
    for path in doomed:
        inventory.remove_run(path, store=options.store)
        print(f"deleted {path}")
    return 0


def _agreed_to_delete(doomed: Sequence[Path]) -> bool:
    if not sys.stdin.isatty():
        more = f" and {len(doomed) - 1} more" if len(doomed) > 1 else ""
        raise UsageError(f"nobody is at the terminal to agree to delete {doomed[0]}{more}", do="Say --yes.")
    listed = "\n".join(f"  {path}" for path in doomed)
    return input(f"{listed}\nDelete? [y/N] ").strip().lower() in ("y", "yes")


def _add_models(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the short names of models")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_models, parser=parser)


def _models(options: argparse.Namespace) -> int:
    from regress.views.inventory import models_table
    from regress.workflows import inventory

    rows = inventory.models(store=options.store)
    if options.json:
        console.print_json(rows)
    else:
        print(models_table(rows, width=console.listing_width()))
    return 0


def _add_tasks(commands: Any) -> None:
    parser = commands.add_parser("tasks", help="list tasks")
    parser.add_argument("--all", action="store_true", help="also those of the installed lm-eval (slow)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_tasks, parser=parser)


def _tasks(options: argparse.Namespace) -> int:
    from regress.views.inventory import tasks_table
    from regress.workflows import inventory

    with console.watched() as progress:
        rows = inventory.tasks(everything=options.all, progress=progress)
    if options.json:
        console.print_json(rows)
    else:
        print(tasks_table(rows, width=console.listing_width()))
        if not options.all:
            print("\nAny other lm-eval task or task YAML works the same way; --all lists lm-eval's.")
    return 0
