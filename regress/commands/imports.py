"""`regress import`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import add_store, assignment, names


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "import",
        help="make runs of answers that other tools recorded",
        description="Reads lm-eval sample logs (a samples_*.jsonl or an output folder), tables (CSV, JSONL, "
        "Parquet), every_eval_ever and inspect_ai logs, and stores them as ordinary runs. What a source does "
        "not hold is recorded as unknown. Nothing is stored unless all of it could be read.",
        epilog="Roles of columns: id, index, repeat, question, prompt, choices, target, prediction, answer, "
        "correct, score, logprobs, nll, lengths, finish, prompt_tokens, output_tokens, cluster, tags (or "
        "tag.NAME), error. Dots reach into objects: prediction=output.text. Several columns are joined by +: "
        "logprobs=lp_0+lp_1. A role without a column (id=) is not read. A mapping file holds task, metric, "
        'marker, and under [columns] the roles: prediction = "output.text".',
    )
    parser.add_argument("source", metavar="SOURCE", help="file or folder")
    parser.add_argument("--as", dest="name", metavar="NAME", help="what to call the model")
    parser.add_argument("--task", metavar="T", help="task by name, or its YAML: names it and judges outputs")
    parser.add_argument(
        "--metric", metavar="M", help="metric that decides, e.g. exact_match/flexible-extract"
    )
    table = parser.add_argument_group("tables")
    table.add_argument(
        "--map",
        metavar="ROLE=COLUMN,…",
        action="append",
        default=[],
        type=_roles,
        help="what columns mean, e.g. prediction=answer_raw,target=gold (default: guessed)",
    )
    table.add_argument(
        "--where",
        metavar="COLUMN=VALUE",
        action="append",
        default=[],
        type=assignment("column=value"),
        help="read only these rows, e.g. model=llama1 of a table of several models",
    )
    table.add_argument("--mapping", metavar="FILE", help="roles, task, metric and marker in a TOML file")
    table.add_argument("--marker", metavar="TEXT", help="what stands before the answer, e.g. 'A: '")
    parser.add_argument(
        "--partial", action="store_true", help="take a run that was cut off, as a run of what is there"
    )
    parser.add_argument("--no-text", dest="text", action="store_false", help="store hashes instead of texts")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=_import, parser=parser)


def _roles(text: str) -> dict[str, str]:
    pairs = [piece.partition("=") for piece in names(text)]
    if not pairs or any(not role.strip() or not sign for role, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not role=column,role=column")
    return {role.strip(): column.strip() for role, _, column in pairs}


def _import(options: argparse.Namespace) -> int:
    from regress.views.exchange import imported_lines
    from regress.workflows.imports import import_runs

    given = {name: getattr(options, name) for name in _GIVEN}
    with console.watched() as progress:
        found = import_runs(
            options.source,
            columns=_all_roles(options.map),
            where=dict(options.where),
            progress=progress,
            **given,
        )
    if options.json:
        console.print_json([one.document() for one in found])
    else:
        print("\n".join(imported_lines(one.document(), width=console.columns()) for one in found))
    return 0


_GIVEN = ("name", "task", "mapping", "marker", "metric", "partial", "text", "store")


def _all_roles(given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for roles in given:
        if repeated := set(columns) & set(roles):
            raise UsageError(f"--map says twice what {', '.join(sorted(repeated))} is")
        columns |= roles
    return columns
