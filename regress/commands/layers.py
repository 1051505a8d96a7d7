"""`regress layers`."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

from regress import console
from regress.options import add_loading, settings, whole

_LOADING = ("engine", "engine_args", "dtype", "device", "trust_remote_code", "allow_bin")
_PIECE = re.compile(r"(\d+)(?:-(\d+))?")


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "layers",
        help="which layers of a model bear being repeated, moved or left out",
        description="Reads a text with the model's layers in every order worth trying for a depth, nothing "
        "trained and repeated layers sharing their weights; prints perplexities, the lowest first, and "
        "writes layers.png and layers.json under OUT/layers/<model>/. A map that does well can be made with "
        "`regress update MODEL -o NEW layers:map=[…]`.",
    )
    parser.add_argument("model", metavar="MODEL", help="alias, hub id or folder")
    parser.add_argument(
        "--depth",
        metavar="N",
        type=whole,
        help="layers wanted (default: twice as many, unless --map is given)",
    )
    parser.add_argument(
        "--map", metavar="M", type=_map, action="append", dest="maps", default=[],
        help="a map of your own, such as 0-3,1-4 (again for more)",
    )  # fmt: skip
    parser.add_argument(
        "--text", metavar="FILE", dest="read",
        help="a file of text in UTF-8 (default: prompts of the built-in items)",
    )  # fmt: skip
    add_loading(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--out", metavar="DIR", default="reports", help="where reports go (default: reports)")
    output.add_argument("--json", action="store_true", help="print layers.json instead of the table")
    parser.set_defaults(command=_layers, parser=parser)


def _map(text: str) -> tuple[int, ...]:
    """`0,1,1,2`, `[0,1,1,2]` or `0-3,1-4`, for argparse."""
    layers: list[int] = []
    for piece in text.strip("[]").split(","):
        found = _PIECE.fullmatch(piece.strip())
        if found is None:
            raise argparse.ArgumentTypeError(f"{text!r} is no map of layers, such as 0,1,1,2 or 0-3,1-4")
        first, last = int(found[1]), int(found[2] or found[1])
        layers += range(first, last + 1)
    if not layers:
        raise argparse.ArgumentTypeError(f"{text!r} names no layers")
    return tuple(layers)


def _layers(options: argparse.Namespace) -> int:
    from regress.workflows.layers import layers
    from regress.workflows.reports import write_layers

    with console.watched() as progress:
        found = layers(
            options.model,
            depth=options.depth,
            maps=options.maps,
            text=options.read,
            progress=progress,
            **{name: value for name, value in settings(options).items() if name in _LOADING},
        )
    folder = write_layers(found, root=options.out)
    from regress.views import layers as view

    width = min(console.columns(), console.WIDE)
    sys.stdout.write(
        view.to_json(found) if options.json else view.render(found, width=width, where=str(folder))
    )
    return 0
