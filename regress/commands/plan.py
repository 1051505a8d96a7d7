"""`regress plan`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.options import add_questions, add_store

_QUESTIONS = ("tasks", "data", "limit", "sample", "seed", "num_fewshot", "fewshot", "metric")


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "plan",
        help="would an update that does no harm pass, and how many items would that take?",
        description="For every statistical rule of a policy: the probability that it passes an update that "
        "makes nothing better or worse, and the items needed. How much an update changes is taken from "
        "stored runs, a --sample of each model is enough. Evaluates nothing.",
    )
    parser.add_argument(
        "old", metavar="OLD", help="the old model, the path of stored runs, or a file of others' answers"
    )
    parser.add_argument(
        "new",
        metavar="NEW",
        nargs="?",
        help="the new model of a pilot; without it, OLD's stored reruns, else assumed churns",
    )
    parser.add_argument(
        "--policy",
        metavar="P",
        help="strict, balanced, permissive, or a TOML file (default: [gate] in regress.toml or "
        "[tool.regress.gate], else balanced)",
    )
    parser.add_argument(
        "--power",
        metavar="X",
        type=number,
        default=0.8,
        help="the probability of passing asked for (default: 0.8)",
    )
    parser.add_argument(
        "--assume-delta",
        metavar="X",
        type=number,
        action="append",
        default=[],
        help="plan for this true change too: -0.005 is a loss of half a point (may be given repeatedly)",
    )
    parser.add_argument(
        "--churn",
        metavar="X",
        type=number,
        action="append",
        help="share of items that an update changes, instead of the pilot's (may be given repeatedly)",
    )
    add_questions(parser)
    output = parser.add_argument_group("output")
    add_store(output)
    output.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    parser.set_defaults(command=_plan, parser=parser)


def number(text: str) -> float:
    """A number, for argparse."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _plan(options: argparse.Namespace) -> int:
    from regress.views.plan import document, render
    from regress.workflows.plan import plan

    with console.watched(reused=False) as progress:
        made = plan(
            options.old,
            options.new,
            policy=options.policy,
            power=options.power,
            assume_delta=options.assume_delta,
            churn=options.churn,
            store=options.store,
            progress=progress,
            **{name: getattr(options, name) for name in _QUESTIONS},
        )
    if options.json:
        console.print_json(document(made))
    else:
        width = min(console.columns(), console.NARROW)
        sys.stdout.write(render(made, width=width, color=console.colored()))
    return 0
