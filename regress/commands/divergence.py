"""`regress divergence`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.options import add_loading, add_questions, add_sided, settings, side_settings, whole

_LOADING = ("engine", "engine_args", "dtype", "device", "trust_remote_code", "allow_bin")
_SIDED = ("engine", "engine_args", "dtype", "device")


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "divergence",
        help="how far apart two models' next-token distributions lie, over a text or prompts",
        description="Loads both models and reads a text, or the prompts of tasks: KL divergence, same top "
        "token, change of the right token's probability, perplexities. Measures how much changed, not in "
        "which direction; the gate does not use it. Writes no files.",
    )
    for side in ("old", "new"):
        parser.add_argument(side, metavar=side.upper(), help=f"the {side} model: alias, hub id, folder")
    parser.add_argument(
        "--text",
        metavar="FILE",
        dest="read",
        help="a file of text in UTF-8 (default: the prompts of --tasks)",
    )
    add_windows(parser)
    add_questions(parser)
    add_loading(parser)
    add_sided(parser, _SIDED)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    parser.set_defaults(command=_divergence, parser=parser)


def add_windows(parser: Any) -> None:
    """How much of a text is read at a time."""
    parser.add_argument(
        "--window",
        metavar="N",
        type=whole,
        help="tokens shown at a time (default: 512, or the shorter model's context)",
    )
    parser.add_argument(
        "--stride",
        metavar="N",
        type=whole,
        help="tokens from one window of a text to the next (default: half a window)",
    )


def reading(options: argparse.Namespace) -> dict[str, Any]:
    """How models are loaded and read, as given."""
    sided = {side: side_settings(options, side) for side in ("old", "new")}
    return {
        "window": options.window,
        "stride": options.stride,
        **{name: value for name, value in settings(options).items() if name in _LOADING},
        **{
            f"{side}_settings": {name: value for name, value in own.items() if name in _SIDED}
            for side, own in sided.items()
        },
    }


def _divergence(options: argparse.Namespace) -> int:
    from regress.workflows.divergence import divergence

    questions = settings(options)
    del questions["text"]  # of runs, which are none of this command's
    with console.watched() as progress:
        found = divergence(
            options.old, options.new, text=options.read, progress=progress, **questions | reading(options)
        )
    from regress.views import divergence as view

    shown = view.to_json(found) if options.json else view.render(found, width=console.columns())
    sys.stdout.write(shown)
    return 0
