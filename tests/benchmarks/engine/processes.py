"""Work in processes of its own: a side's peak memory is its own, and the parent holds no model.

Children are forked from a server that has imported the libraries once and computed nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from ..measure import ROOT

PRELOADED = "tests.benchmarks.engine.preload"


def prepare(threads: int | None) -> None:
    """Settle what the children find in their environment; before the first of them."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(ROOT)}
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # else to ask for a GPU spoils it for forked children
    os.environ.pop("OMP_NUM_THREADS", None)  # all cores, on both sides
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)


class Child:
    """An object that lives in another process; its methods are called by name.

    Args:
        make: Builds the object, there.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOADED])
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()  # which ends its loop
        self._process.join()

    def ask(self, name: str, *arguments: Any, **named: Any) -> Any:
        """Call a method and wait for what it returns."""
        self._connection.send((name, arguments, named))
        try:
            value, failure = self._connection.recv()
        except EOFError:
            raise SystemExit(f"the process for {name} ended, perhaps for want of memory") from None
        if failure is not None:
            raise SystemExit(f"{name} failed in its process:\n{failure}")
        return value


def elsewhere(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own."""
    with Child(_Once) as child:
        return child.ask("call", function, *arguments)


class _Once:
    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)


def _serve(connection: Connection, make: Callable[[], Any]) -> None:
    served = make()
    while True:
        try:
            name, arguments, named = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = getattr(served, name)(*arguments, **named), None
        except Exception:  # noqa: BLE001  (told to the parent, which stops)
            answer = None, traceback.format_exc()
        connection.send(answer)
