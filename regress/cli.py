"""The door: parse, call a workflow, print. Nothing is decided here."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from regress.errors import UsageError
from regress.options import (
    Parser,
    add_engine,
    add_questions,
    add_sided,
    add_store,
    one_of,
    settings,
    side_settings,
    whole,
)

NARROW, WIDE = 80, 140


def run(arguments: Sequence[str]) -> int:
    """Parse `arguments`, do what they say, and return the exit code."""
    parser = _parser()
    options, left_over = parser.parse_known_args(arguments)
    if left_over:
        getattr(options, "parser", parser).refuse(left_over[0])
    if not hasattr(options, "command"):
        parser.print_help(sys.stderr)
        return 2
    return int(options.command(options))


def _parser() -> Parser:
    parser = Parser(
        prog="regress",
        description="What did this model update break? Pairs two models' answers and finds the flips.",
        epilog="Exit codes: 0 done, 1 verdict against the new model, 2 could not do it, 3 undecided, "
        "70 a bug, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_compare(commands)
    _add_evaluate(commands)
    _add_noise(commands)
    _add_runs(commands)
    _add_models(commands)
    _add_tasks(commands)
    return parser


class _Version(argparse.Action):
    """Looked up only when it is asked for: reading package metadata is slow."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        import importlib.metadata

        print(f"regress {importlib.metadata.version('regress-harness')}")
        parser.exit()


# ── compare ──────────────────────────────────────────────────────────────────────────────────────


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="pair what two models answered, and say what changed",
        description="Evaluates what is not stored yet, pairs the two models' answers, prints the table, and "
        "writes report.md, comparison.json and comparison.csv under OUT/<old>..<new>/.",
    )
    parser.add_argument(
        "old", metavar="OLD", help="the old model, or the path of a stored run or model folder"
    )
    parser.add_argument(
        "new", metavar="NEW", help="the new model, or the path of a stored run or model folder"
    )
    add_questions(parser)
    add_engine(parser)
    add_sided(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--allow",
        metavar="WHAT",
        action="append",
        default=[],
        type=one_of("prompts", "task", "scorer"),
        help="prompts, task, scorer: compare although these differ: a comparison of settings, not of models",
    )
    output.add_argument("--out", metavar="DIR", default="reports", help="where reports go (default: reports)")
    output.add_argument(
        "--worst", metavar="N", type=whole, default=3, help="worst flips shown a task (default: 3)"
    )
    output.add_argument("--wide", action="store_true", help=f"more columns, {WIDE} characters wide")
    output.add_argument("--json", action="store_true", help="print comparison.json instead of the table")
    output.add_argument("--with-text", action="store_true", help="let the written reports carry outputs")
    parser.set_defaults(command=_compare, parser=parser)


def _compare(options: argparse.Namespace) -> int:
    from regress.workflows.compare import compare
    from regress.workflows.reports import write_reports

    if options.worst < 0:
        raise UsageError(f"--worst is {options.worst}", allowed="a whole number from 0")
    with _watch() as progress:
        comparison = compare(
            options.old,
            options.new,
            allow=options.allow,
            store=options.store,
            worst=options.worst,
            progress=progress,
            old_settings=side_settings(options, "old"),
            new_settings=side_settings(options, "new"),
            **settings(options),
        )
    folder = write_reports(comparison, root=options.out, with_text=options.with_text)
    if options.json:
        from regress.views import export

        sys.stdout.write(export.to_json(comparison, options.with_text))
        return 0
    from regress.views import terminal

    width = WIDE if options.wide else min(_columns(), NARROW)
    color = sys.stdout.isatty() and not _no_color()
    sys.stdout.write(
        terminal.render(comparison, width=width, wide=options.wide, color=color, where=str(folder))
    )
    return 0


# ── evaluate ─────────────────────────────────────────────────────────────────────────────────────


def _add_evaluate(commands: Any) -> None:
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

    with _watch() as progress:
        folders = evaluate(options.model, store=options.store, progress=progress, **settings(options))
    if options.json:
        _print_json([str(folder) for folder in folders])
    else:
        for folder in folders:
            print(folder)
    return 0


# ── noise ────────────────────────────────────────────────────────────────────────────────────────


def _add_noise(commands: Any) -> None:
    parser = commands.add_parser(
        "noise",
        help="run one model again under changes that should not matter, and see what they flip",
        description="Stores reruns beside the model's runs: the floor under the flips of a comparison. What "
        "is stored is not run again. Also checks in float32 that padding changes no answer.",
    )
    parser.add_argument("model", metavar="MODEL", help="alias, hub id, id@revision, folder, or base+adapter")
    parser.add_argument(
        "--kinds",
        metavar="K,…",
        help="rerun, batch, order, seed, hardware (default: the first four, seed where a task samples)",
    )
    parser.add_argument(
        "--reruns", metavar="N", type=whole, help="reruns of each kind (default: rerun and seed 2, others 1)"
    )
    add_questions(parser)
    add_engine(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.set_defaults(command=_noise, parser=parser)


def _noise(options: argparse.Namespace) -> int:
    from regress.workflows.noise import noise

    with _watch() as progress:
        found = noise(
            options.model,
            kinds=options.kinds,
            reruns=options.reruns,
            store=options.store,
            progress=progress,
            **settings(options),
        )
    if options.json:
        _print_json(found.document())
    else:
        from regress.views.noise import noise_table

        print(noise_table(found.document(), width=_columns()))
    return 0


# ── listings ─────────────────────────────────────────────────────────────────────────────────────


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
        _print_json(rows)
    elif not rows:
        folder = inventory.store_folder(store=options.store)
        print(f"No runs are stored in {folder} yet; `regress evaluate` and `regress compare` make them.")
    else:
        from regress.views.inventory import runs_table

        print(runs_table(rows, width=_listing_width()))
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
        _print_json(rows)
    else:
        print(models_table(rows, width=_listing_width()))
    return 0


def _add_tasks(commands: Any) -> None:
    parser = commands.add_parser("tasks", help="list tasks")
    parser.add_argument("--all", action="store_true", help="also those of the installed lm-eval (slow)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_tasks, parser=parser)


def _tasks(options: argparse.Namespace) -> int:
    from regress.views.inventory import tasks_table
    from regress.workflows import inventory

    rows = inventory.tasks(everything=options.all)
    if options.json:
        _print_json(rows)
    else:
        print(tasks_table(rows, width=_listing_width()))
        if not options.all:
            print("\nAny other lm-eval task or task YAML works the same way; --all lists lm-eval's.")
    return 0


# ── the terminal ─────────────────────────────────────────────────────────────────────────────────


def _watch() -> Any:
    from regress.watch import watch

    return watch(sys.stderr)


def _print_json(value: Any) -> None:
    from regress.identity import strict

    json.dump(strict(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _columns() -> int:
    return shutil.get_terminal_size((NARROW, 24)).columns


def _listing_width() -> int | None:
    """A pipe gets whole lines, so that they can be searched."""
    return _columns() if sys.stdout.isatty() else None


def _no_color() -> bool:
    return bool(os.environ.get("NO_COLOR"))
