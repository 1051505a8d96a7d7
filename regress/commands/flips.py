"""`regress flips`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import add_allow, add_compared, add_sides, assignment, compared, dashed, names, whole
from regress.types import FLIP_KINDS, QUADRANTS

_LINES_AROUND = 5
"""Lines of a screen that a task's list takes beside its instances: heading, headers, the rest, blanks."""
_FEWEST = 5


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "flips",
        help="list the instances that the update lost or gained, one a line",
        description="Compares as `compare` does, and lists instances, those that moved furthest first: by "
        "choices the gold margin, by scores the score. Writes no files.",
    )
    add_sides(parser)
    chosen = parser.add_argument_group("which instances")
    chosen.add_argument("--task", metavar="T", dest="tasks", type=names, help="the same as --tasks")
    chosen.add_argument(
        "--quadrant",
        metavar="Q,…",
        type=names,
        help=f"negative, positive, both-wrong, {', '.join(map(_typed, QUADRANTS))} (default: both flips)",
    )
    chosen.add_argument(
        "--kind", metavar="K,…", type=names, help=f"why: {', '.join(map(_typed, FLIP_KINDS))} (default: all)"
    )
    chosen.add_argument(
        "--slice",
        metavar="TAG=VALUE",
        action="append",
        default=[],
        type=assignment("tag=value"),
        help="only those with this tag (may be given repeatedly)",
    )
    output = add_compared(parser)
    add_allow(output)
    output.add_argument(
        "--top", metavar="N", type=whole, help="instances shown a task (default: a screenful; piped, all)"
    )
    output.add_argument("--ids", action="store_true", help="print bare ids, for a must_not_flip file")
    output.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.set_defaults(command=_flips, parser=parser)


def _typed(word: str) -> str:
    return dashed(word.replace(" ", "_"))


def _flips(options: argparse.Namespace) -> int:
    from regress.workflows.flips import flips

    if options.top is not None and options.top < 1:
        raise UsageError(f"--top is {options.top}", allowed="a whole number from 1")
    if options.ids and options.json:
        raise UsageError("--ids and --json cannot both be printed", do="Name one of them.")
    with console.watched(reused=False) as progress:
        found = flips(
            options.old,
            options.new,
            quadrants=options.quadrant,
            kinds=options.kind,
            tags=dict(options.slice),
            allow=options.allow,
            progress=progress,
            **compared(options),
        )
    from regress.views import flips as view

    if options.json:
        console.print_json(view.document(found.comparison, found.tasks, top=options.top))
    elif options.ids:
        sys.stdout.write("".join(f"{one}\n" for one in view.ids(found.tasks, top=options.top)))
    else:
        top = options.top or _screenful([one.rows.num_rows for one in found.tasks])
        width = console.listing_width()
        text = view.render(found.comparison, found.tasks, top=top, width=width, color=console.colored())
        sys.stdout.write(text)
    return 0


def _screenful(found: Sequence[int]) -> int | None:
    """How many instances of each task fit on the screen together; null, all of them, in a pipe."""
    height = console.height()
    if height is None:
        return None
    listed = sum(1 for number in found if number) or 1
    return max(_FEWEST, height // listed - _LINES_AROUND)
