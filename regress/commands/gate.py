"""`regress gate`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from regress import console
from regress.errors import UsageError
from regress.options import (
    add_compared,
    compared,
    names,
)

FORMATS = ("json", "junit", "md")


def add(commands: Any) -> None:
    """Hang the command under `regress`."""
    parser = commands.add_parser(
        "gate",
        help="may the new model go out? pass, fail or undecided, never for lack of evidence",
        description="Holds an update to a policy. Evaluates what is not stored yet, prints what came of "
        "every rule, and writes gate.json, gate.md and junit.xml under OUT/<old>..<new>/. Exits 0 if it "
        "passed, 1 if it failed, 2 if it could not be judged, 3 if it is undecided.",
    )
    parser.add_argument(
        "old",
        metavar="OLD",
        nargs="?",
        help="the old model, the path of stored runs, or a file of others' answers",
    )
    parser.add_argument(
        "new",
        metavar="NEW",
        nargs="?",
        help="the new model, the path of stored runs, or a file of others' answers",
    )
    parser.add_argument(
        "--policy",
        metavar="P",
        help="strict, balanced, permissive, or a TOML file (default: [gate] in regress.toml or "
        "[tool.regress.gate], else balanced)",
    )
    parser.add_argument("--explain", action="store_true", help="print the policy in words and stop")
    output = add_compared(parser)
    output.add_argument(
        "--to",
        metavar="F,…",
        type=names,
        default=list(FORMATS),
        help=f"which files to write: {', '.join(FORMATS)} (default: all)",
    )
    output.add_argument("--out", metavar="DIR", default="reports", help="where reports go (default: reports)")
    output.add_argument("--json", action="store_true", help="print gate.json instead of the verdict in words")
    output.add_argument("--with-text", action="store_true", help="let gate.md carry outputs")
    output.add_argument("--artifact", metavar="URL", help="where the reports can be fetched, for gate.md")
    parser.set_defaults(command=_gate, parser=parser)


def _gate(options: argparse.Namespace) -> int:
    for name in options.to:
        if name not in FORMATS:
            raise UsageError(f"--to is {name!r}", allowed=", ".join(FORMATS))
    if options.explain:
        return _explain(options)
    if options.new is None:
        missing = "OLD and NEW are" if options.old is None else "NEW is"
        raise UsageError(f"{missing} missing", do="`regress gate --help` says more.")
    from regress.views.markdown import require_address
    from regress.workflows.gate import gate
    from regress.workflows.reports import clear_verdict, write_verdict

    if options.artifact is not None:
        require_address(options.artifact)
    clear_verdict(options.old, options.new, root=options.out)
    with console.watched() as progress:
        gated = gate(options.old, options.new, policy=options.policy, progress=progress, **compared(options))
    folder = write_verdict(
        gated,
        root=options.out,
        formats=options.to,
        with_text=options.with_text,
        artifact=options.artifact,
    )
    _print(gated, options, str(folder) if options.to else "")
    return gated.exit_code


def _print(gated: Any, options: argparse.Namespace, where: str) -> None:
    if options.json:
        from regress.views.gate import export

        sys.stdout.write(export.to_json(gated.verdict, gated.comparison, assumed=gated.assumed))
        return
    from regress.views.gate import terminal

    sys.stdout.write(
        terminal.render(
            gated.verdict,
            gated.comparison,
            width=min(console.columns(), console.NARROW),
            color=console.colored(),
            where=where,
            assumed=gated.assumed,
        )
    )


def _explain(options: argparse.Namespace) -> int:
    from regress.config import load_config
    from regress.views.gate.policy import explain
    from regress.workflows.policies import policy_of

    policy, assumed = policy_of(options.policy, load_config(store=options.store))
    print(explain(policy, width=min(console.columns(), console.NARROW), assumed=assumed))
    return 0
