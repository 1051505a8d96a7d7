"""`regress noise`."""

from __future__ import annotations

import argparse
from typing import Any

from regress import console
from regress.options import add_engine, add_questions, settings, whole


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
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

    with console.watched() as progress:
        found = noise(
            options.model,
            kinds=options.kinds,
            reruns=options.reruns,
            store=options.store,
            progress=progress,
            **settings(options),
        )
    if options.json:
        console.print_json(found.document())
    else:
        from regress.views.noise import noise_table

        print(noise_table(found.document(), width=console.columns()))
    return 0
