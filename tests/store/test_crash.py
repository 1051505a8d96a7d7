"""Killed before any one step of the file system, then started again: the same bytes in the end."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from pathlib import Path

import pytest

from regress.store.runs import Store, read_run


class Killed(BaseException):
    """The process is gone: nothing after this runs, not even clean-up."""


class Countdown:
    """Lets so many steps of the file system pass, and dies at the next one."""

    STEPS = (
        (os, "fsync"),
        (os, "unlink"),
        (Path, "unlink"),
        (Path, "replace"),
        (Path, "mkdir"),
        (shutil, "rmtree"),
    )

    def __init__(self, monkeypatch) -> None:
        self.left, self.killed = math.inf, False
        for owner, name in self.STEPS:
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    @contextlib.contextmanager
    def after(self, steps: int):
        """Die after so many steps."""
        self.left, self.killed = steps, False
        try:
            yield
        except Killed:
            self.killed = True
        finally:
            self.left = math.inf

    def _counted(self, step):
        def counted(*args, **kwargs):
            if self.left <= 0:
                raise Killed
            self.left -= 1
            return step(*args, **kwargs)

        return counted


def write(store: Store, spec, rows) -> Path:
    """What `evaluate` does with one run."""
    if done := store.complete("mine", spec):
        return done
    writer = store.writer("mine", spec, range(spec.n))
    try:
        for chunk in writer.todo():
            writer.append(chunk, rows(chunk.indices))
        return writer.finish()
    except Killed:
        writer._lock._file.close()  # as the kernel does it; the lock file stays
        raise
    finally:
        with contextlib.suppress(Killed):
            writer._lock.close()


@pytest.fixture
def countdown(monkeypatch):
    with monkeypatch.context() as patch:
        yield Countdown(patch)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in the run's folder, except when it was finished."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_a_run_killed_at_any_step_and_started_again_is_the_uninterrupted_one(
    tmp_path, make_spec, rows, countdown
):
    spec = make_spec()
    expected = files(write(Store(tmp_path / "whole"), spec, rows))
    for steps in range(1000):
        store = Store(tmp_path / f"killed{steps}")
        with countdown.after(steps):
            write(store, spec, rows)
        if not countdown.killed:
            break
        folder = write(store, spec, rows)
        assert files(folder) == expected, f"killed at step {steps}"
        assert read_run(folder).manifest.rows == 10
    assert steps > 15  # the countdown saw the steps that matter


def test_a_run_killed_again_and_again_gets_done_in_the_end(tmp_path, make_spec, rows, countdown):
    """Every start keeps the chunks that it had the time for."""
    store, spec = Store(tmp_path / "runs"), make_spec(chunk_size=1)
    starts = 0
    while store.complete("mine", spec) is None:
        with countdown.after(14):
            write(store, spec, rows)
        starts += 1
        assert starts < 20
    assert starts > 2
    assert read_run(store.complete("mine", spec)).predictions["index"].to_pylist() == list(range(10))
