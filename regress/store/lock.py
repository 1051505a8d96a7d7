"""One writer a run: a lock file that names its holder and that the kernel releases with the process."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType

from regress.errors import LockedRun

LOCK = "lock"


class RunLock:
    """Holds `folder` for one writer until closed, or until the process dies, however it dies.

    The kernel's lock decides on this machine; the host written into the file decides between
    machines that share a disk, where the kernel's lock may not reach.

    Raises:
        LockedRun: If another process, here or elsewhere, is writing.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._file = open(self._path, "a+", encoding="utf-8")  # noqa: SIM115  (held until closed)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._refuse_deleted()
            self._refuse_other_host()
            self._sign()
        except BlockingIOError:
            holder = _holder(self._path)
            self._file.close()
            raise LockedRun(
                f"another process is writing {folder} ({holder})", do="Wait for it, or stop it first."
            ) from None
        except LockedRun:
            self._file.close()
            raise

    def _refuse_deleted(self) -> None:
        """The former holder may have deleted the file between our opening and our locking it."""
        try:
            same = os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            same = False
        if not same:
            raise LockedRun(f"{self._path.parent} was being finished just now", do="Start again.")

    def _refuse_other_host(self) -> None:
        if _is_elsewhere(self._path):
            raise LockedRun(
                f"{self._path.parent} is being written on another machine ({_holder(self._path)})",
                do=f"If that process is gone, delete {self._path} and start again.",
            )

    def _sign(self) -> None:
        self._file.truncate(0)
        self._file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        self._file.flush()

    def close(self) -> None:
        """Give the run back."""
        if not self._file.closed:
            with self._file:  # closed last, and whatever happens: that is what frees the run
                self._path.unlink(missing_ok=True)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_locked(folder: Path) -> bool:
    """Whether some process is writing the run in `folder` now."""
    path = folder / LOCK
    try:
        with open(path, encoding="utf-8") as file:  # for reading: a listing may not be allowed to write
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return _is_elsewhere(path)


def _is_elsewhere(path: Path) -> bool:
    """Whether the file was signed on another machine, whose death this kernel would not notice."""
    return _read(path).get("host") not in (None, socket.gethostname())


def _read(path: Path) -> dict[str, object]:
    try:
        holder = json.loads(path.read_text(encoding="utf-8") or "{}")
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _holder(path: Path) -> str:
    holder = _read(path)
    return f"pid {holder.get('pid', 'unknown')} on {holder.get('host', 'an unknown host')}"
