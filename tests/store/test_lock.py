"""One writer a run: whoever holds it is named, and a dead holder holds nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from regress.errors import LockedRun
from regress.store.lock import RunLock, is_locked

ROOT = Path(__file__).parents[2]
HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from regress.store.lock import RunLock
    lock = RunLock(Path(sys.argv[1]))
    print("held", flush=True)
    sys.stdin.read()
    lock.close()
    """
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder's lock until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_while_the_first_process_lives(tmp_path, holder):
    with pytest.raises(LockedRun, match=rf"pid {holder.pid} on {socket.gethostname()}.*Wait for it"):
        RunLock(tmp_path)
    assert is_locked(tmp_path)


def test_a_refused_writer_leaves_the_lock_alone(tmp_path, holder):
    for _ in range(2):
        with pytest.raises(LockedRun, match=f"pid {holder.pid}"):
            RunLock(tmp_path)


def test_asking_whether_a_run_is_locked_takes_nothing_away(tmp_path, holder):
    assert is_locked(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(LockedRun):
        RunLock(tmp_path)


def test_the_lock_is_free_once_its_holder_is_done(tmp_path, holder):
    holder.stdin.close()
    holder.wait()
    assert not (tmp_path / "lock").exists()
    with RunLock(tmp_path):
        pass


def test_the_lock_is_free_once_its_holder_was_killed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "lock").exists()  # nobody cleaned up
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_lock_from_another_machine_is_respected_and_it_is_said_what_to_do(tmp_path):
    """Two machines may share a disk on which the kernel's lock does not reach."""
    (tmp_path / "lock").write_text(json.dumps({"pid": 7, "host": "elsewhere"}))
    with pytest.raises(LockedRun, match=r"another machine.*pid 7 on elsewhere.*delete .*lock") as caught:
        RunLock(tmp_path)
    assert str(tmp_path / "lock") in str(caught.value)
    assert is_locked(tmp_path)
    (tmp_path / "lock").unlink()  # as told
    with RunLock(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "not JSON", "[]", "{}", '{"pid": 1}'])
def test_a_lock_file_that_nobody_holds_and_nobody_signed_is_taken_over(tmp_path, content):
    """The holder may have died before it wrote its name."""
    (tmp_path / "lock").write_text(content)
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_closing_twice_does_not_free_the_next_holder(tmp_path):
    first = RunLock(tmp_path)
    first.close()
    with RunLock(tmp_path):
        first.close()
        with pytest.raises(LockedRun):
            RunLock(tmp_path)


def test_a_folder_that_nobody_writes_is_not_locked(tmp_path):
    assert not is_locked(tmp_path)
