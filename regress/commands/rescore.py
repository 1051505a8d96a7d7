"""`regress rescore`."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from regress import console
from regress.options import add_store


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "rescore",
        help="judge stored outputs again, without the model",
        description="Reads stored outputs with the task's present extractors and scorers, and stores the "
        "result beside them under the model's name with -rescored. Name old and new together: they are then "
        "judged alike. What changes is a change of harness, and is told apart from the model's.",
    )
    parser.add_argument(
        "run", metavar="RUN", nargs="+", help="models with stored runs, paths of runs, or others' answers"
    )
    parser.add_argument("--task", metavar="T", help="task by name, or its YAML (default: all that is stored)")
    parser.add_argument("--metric", metavar="M", help="metric that decides (default: the definition's)")
    parser.add_argument(
        "--trust-task-code", action="store_true", help="run Python that a task YAML given by path names"
    )
    parser.add_argument(
        "--allow-unsafe-code", action="store_true", help="judge tasks that execute what a model wrote"
    )
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_rescore, parser=parser)


def _rescore(options: argparse.Namespace) -> int:
    from regress.views.exchange import rescored_lines
    from regress.workflows.rescore import rescore

    with console.watched() as progress:
        found = rescore(
            *options.run,
            task=options.task,
            metric=options.metric,
            trust_task_code=options.trust_task_code,
            allow_unsafe_code=options.allow_unsafe_code,
            store=options.store,
            progress=progress,
        )
    if options.json:
        console.print_json([one.document() for one in found])
        return 0
    print("\n".join(rescored_lines(one.document(), width=console.columns()) for one in found))
    if len(options.run) == 2 and any(one.changed for one in found):
        # a model's name may stand for several judgements of one task, or for a model to ask
        names = [str(one.path) for one in found]
        if len(found) > 2:
            names = [*dict.fromkeys(one.spec.model.name for one in found)]
        print(f"\nNow: regress compare {shlex.join(names)}")
    return 0
