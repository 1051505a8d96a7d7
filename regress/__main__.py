"""The `regress` command: runs it, prints errors, and turns them into exit codes.

0    done, whatever was found
1    the verdict is against the new model
2    could not do it: usage, missing data, not comparable
3    the gate is undecided
70   a bug in regress
130  interrupted
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

from regress.errors import RegressError

BUG, INTERRUPTED = 70, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from regress import cli

        code = cli.run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except RegressError as error:
        print(f"regress: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nregress: interrupted. What was answered is stored.", file=sys.stderr)
        print("The same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; not our failure
        return 0
    except Exception as error:  # noqa: BLE001  (the one place that may catch everything: exit code 70)
        print(f"regress: this is a bug in regress: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"The traceback is in {_keep_traceback()}; please report it.", file=sys.stderr)
        return BUG


def _keep_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="regress-", suffix=".traceback", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exc(file=file)
    return file.name


if __name__ == "__main__":
    sys.exit(main())
