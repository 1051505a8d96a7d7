"""`regress selftest`: does regress on this machine find what is known beforehand?"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from regress.changes import Fact, OracleResult, SelfTest
from regress.errors import MissingExtra, NotEnoughMemory, RegressError, UnknownName, UpdateError
from regress.workflows.progress import Advanced, Progress, Started, silent
from regress.workflows.selftest.bench import Bench
from regress.workflows.selftest.oracle import Oracle
from regress.workflows.selftest.registry import ORACLES

_ABOUT = {"model": "self test", "task": "known answers"}


def selftest(
    *,
    quick: bool = False,
    only: Sequence[str] | None = None,
    keep: str | Path | None = None,
    progress: Progress = silent,
) -> SelfTest:
    """Make, ask, compare and judge updates of the built-in model whose effect is known beforehand.

    An oracle that cannot be carried out is one that found something else than known. The current directory
    is another one meanwhile, so that no configuration of the user's is in force.

    Args:
        quick: Only the oracles that take seconds.
        only: Only these, by number.
        keep: An empty folder for models and runs; by default a temporary one that is deleted.
        progress: Called with what happens.

    Raises:
        UnknownName: If there is no oracle of a number.
        UpdateError: If `keep` holds anything.
        MissingExtra: If models cannot be run at all.
    """
    oracles = _chosen(quick, only)
    results = []
    with _folder(keep) as folder, contextlib.chdir(folder):
        progress(Started(**_ABOUT, done=0, total=len(oracles), counted="oracles"))
        bench = Bench(progress)
        for done, oracle in enumerate(oracles, start=1):
            results.append(_result(oracle, bench))
            progress(Advanced(**_ABOUT, done=done, total=len(oracles)))
    return SelfTest(results=tuple(results), kept=None if keep is None else str(keep))


def _chosen(quick: bool, only: Sequence[str] | None) -> list[Oracle]:
    known = {oracle.number: oracle for oracle in ORACLES}
    for number in only or ():
        if number not in known:
            raise UnknownName("oracle", number, known)
    return [oracle for oracle in ORACLES if (oracle.number in only if only else oracle.quick or not quick)]


@contextlib.contextmanager
def _folder(keep: str | Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="regress-selftest-") as temporary:
            yield Path(temporary)
        return
    folder = Path(keep).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UpdateError(f"{keep} is not empty", allowed="an empty or new folder")
    yield folder


def _result(oracle: Oracle, bench: Bench) -> OracleResult:
    began, facts, stopped = time.monotonic(), list[Fact](), None
    try:
        facts.extend(oracle.facts(bench))  # what was found before it breaks off stays
    except (MissingExtra, NotEnoughMemory):
        raise
    except RegressError as error:
        stopped = str(error)
    return OracleResult(
        number=oracle.number,
        name=oracle.name,
        facts=tuple(facts),
        stopped=stopped,
        seconds=round(time.monotonic() - began, 3),
    )
