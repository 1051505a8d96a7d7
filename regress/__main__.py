"""The `regress` command: runs it, prints errors, and turns them into exit codes.

0    done, whatever was found
1    the verdict is against the new model
2    could not do it: usage, missing data, not comparable
3    the gate is undecided
70   a bug in regress
130  interrupted
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any, TextIO

from regress.errors import RegressError
from regress.views.untrusted import visible_lines

FAILED, BUG, INTERRUPTED = 2, 70, 130

# what a disk or its owner refuses is no bug of ours
_DISK = {
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EISDIR", "ENAMETOOLONG", "ENOSPC", "ENOTDIR", "EPERM", "EROFS")
    if hasattr(errno, name)
}


_NO_HOME = "Could not determine home directory."
"""What `Path.expanduser` raises, a bare RuntimeError, wherever a path is named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    # before torch is loaded: on a machine with other work, threads that spin while they wait for each
    # other made a small model up to thirty times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a letter must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    patient: Any = [Patient(sys.stdout), Patient(sys.stderr)]
    with contextlib.redirect_stdout(patient[0]), contextlib.redirect_stderr(patient[1]):
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    return code


_WHOLE = (["import"], ["export"], ["rescore"], ["update"], ["verify"])
"""Commands that do everything or nothing."""
_RESUMED = "What was answered is stored.\nThe same command goes on from there."


def _run(arguments: Sequence[str]) -> int:
    try:
        from regress import cli

        return cli.run(arguments)
    except SystemExit as stop:  # argparse, after --help and --version
        return int(stop.code or 0)
    except RegressError as error:
        _say(f"regress: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        left = "Start the same command again." if arguments[:1] in _WHOLE else _RESUMED
        _say(f"\nregress: interrupted. {left}")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the one place that may catch everything: exit code 70)
        if isinstance(error, OSError) and error.errno in _DISK:
            kept = "" if arguments[:1] in _WHOLE else " What was answered is stored."
            _say(f"regress: {error.strerror}: {error.filename or 'this disk'}.{kept}")
            return FAILED
        if isinstance(error, RuntimeError) and str(error) == _NO_HOME:
            _say("regress: a path begins with ~ and the name of a user that this machine does not know.")
            return FAILED
        _say(f"regress: this is a bug in regress: {type(error).__name__}: {error}")
        _say(f"The traceback is in {_keep_traceback()}; please report it.")
        return BUG


def _say(text: str) -> None:
    """Messages quote what was typed, and files that others wrote."""
    print("\n".join(visible_lines(text)), file=sys.stderr)


class Patient:
    """A stream whose reader may go away (`| head`): no failure, and no reason to give another exit code."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, as long as somebody reads."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Flush, as long as somebody reads."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._give_up()

    def _give_up(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def _keep_traceback() -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="regress-", suffix=".traceback", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exc(file=file)
    return file.name


if __name__ == "__main__":
    sys.exit(main())
