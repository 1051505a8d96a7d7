"""`regress update`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import Parser, settings, whole


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "update",
        help="make a new model from an old one, and check what it claims",
        description="Applies steps to OLD in order: verb:key=value,… or a TOML file of [[step]] tables. What "
        "the steps promise about the function (identical, same, near, argmax, other) is measured before "
        "anything is kept; if it does not hold, nothing is, and the exit code is 1. `--list` says what each "
        "verb takes.",
    )
    parser.add_argument("old", metavar="OLD", nargs="?", help="the old model: alias, hub id or folder")
    parser.add_argument("steps", metavar="STEP", nargs="*", help="grow:mlp=1.5x,heads=+2 or recipe.toml")
    parser.add_argument("-o", "--out", metavar="NEW", help="folder of the new model; must not hold anything")
    parser.add_argument("--plan", action="store_true", help="say what would be made; reads no weights")
    parser.add_argument("--list", action="store_true", help="list verbs, what they take, and families")
    parser.add_argument(
        "--dtype", metavar="T", help="store weights so (default: as OLD if no digit is lost, else float32)"
    )
    parser.add_argument("--seed", metavar="N", type=whole, default=0, help="seed of new random numbers (0)")
    parser.add_argument(
        "--texts", metavar="FILE", help="real prompts, one a line (default: some of the built-in items)"
    )
    compare = parser.add_argument_group("then compare NEW with OLD, as `regress compare OLD NEW` does")
    compare.add_argument("--compare", metavar="T,…", help="on these tasks")
    compare.add_argument("--data", metavar="WHERE", help="hub, demo, or a folder of items")
    compare.add_argument("--limit", metavar="N", help="only the first N items")
    compare.add_argument("--store", metavar="DIR", help="folder of runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_update, parser=parser, rest="steps")


def _update(options: argparse.Namespace) -> int:
    if options.list:
        return _list(options.json)
    if options.old is None:
        raise UsageError("update needs a model", do="`regress update OLD -o NEW grow:mlp=1.5x`")
    _require_together(options)
    if options.plan:
        return _plan(options)
    if options.out is None:
        raise UsageError("update needs a folder for the new model", do="Say -o NEW, or --plan.")
    from regress.workflows.evaluate import check_questions
    from regress.workflows.update import apply, read_texts

    asked = _asked(options) if options.compare else None
    with console.watched() as progress:
        if asked is not None:  # a slip must not be found only when all is made
            check_questions(options.old, store=asked.store, progress=progress, **settings(asked))
        update = apply(
            options.old,
            options.steps,
            options.out,
            dtype=options.dtype,
            seed=options.seed,
            texts=read_texts(options.texts) if options.texts else None,
            progress=progress,
        )
    if options.json:
        console.print_json(update)
    else:
        from regress.views.updates import made

        sys.stdout.write(made(update, width=min(console.columns(), console.WIDE)))
    return 0 if asked is None else int(asked.command(asked))


def _require_together(options: argparse.Namespace) -> None:
    """Refuse options that would be ignored."""
    if options.compare and (options.plan or options.json):
        other = "--plan, which makes nothing" if options.plan else "--json, which prints one document"
        raise UsageError(f"--compare does not go with {other}", do="`regress compare OLD NEW` can follow.")
    for name in ("data", "limit", "store"):
        if getattr(options, name) is not None and not options.compare:
            raise UsageError(f"--{name} is about --compare, which was not given")


def _plan(options: argparse.Namespace) -> int:
    from regress.workflows.update import plan

    found = plan(options.old, options.steps, dtype=options.dtype)
    if options.json:
        console.print_json(found)
    else:
        from regress.views.updates import planned

        sys.stdout.write(planned(found, width=min(console.columns(), console.WIDE)))
    return 0


def _list(as_json: bool) -> int:
    from regress.workflows.update import verbs

    found = verbs()
    if as_json:
        console.print_json(found)
    else:
        from regress.views.updates import listed

        sys.stdout.write(listed(found, width=min(console.columns(), console.WIDE)))
    return 0


def _asked(options: argparse.Namespace) -> argparse.Namespace:
    """What `regress compare` would read from the same words."""
    from regress.commands import compare

    parser = Parser(prog="regress")
    compare.add(parser.add_subparsers())
    words = ["compare", options.old, options.out, "--tasks", options.compare]
    for name in ("data", "limit", "store"):
        if (value := getattr(options, name)) is not None:
            words += [f"--{name}", value]
    return parser.parse_args(words)
