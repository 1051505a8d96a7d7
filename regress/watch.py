"""Progress as a person sees it: bars on a terminal, a line now and then in a log.

A step that tells nothing of itself is named once it takes longer than a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, TextIO

from regress.workflows.progress import Advanced, Event, Finished, Remark, Reused, Started, Working

if TYPE_CHECKING:
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 10.0
SECONDS_OF_SILENCE = 1.0


@contextmanager
def watch(stream: TextIO) -> Iterator[Callable[[Event], None]]:
    """A callback that draws what a workflow tells on `stream`."""
    with _drawn(stream) as draw:
        patient = _Patient(draw)
        try:
            yield patient
        finally:
            patient.rest()


@contextmanager
def _drawn(stream: TextIO) -> Iterator[Callable[[Event], None]]:
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield _Lines(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),  # rich's own needs a second chunk before it says anything
    )
    with Progress(*columns, console=Console(file=stream), refresh_per_second=4) as bars:
        yield _Bars(bars)


def at_work(progress: Callable[[Event], None]) -> Callable[[Event], None]:
    """`progress` without what was found ready: for commands that one calls again and again."""
    return lambda event: None if isinstance(event, Reused) else progress(event)


class _Patient:
    """Passes events on, the beginning of a step only if no other event comes soon after it."""

    def __init__(self, draw: Callable[[Event], None]) -> None:
        self._draw = draw
        self._timer: Timer | None = None

    def __call__(self, event: Event) -> None:
        """Draw the event, or begin to wait."""
        self.rest()
        if not isinstance(event, Working):
            self._draw(event)
            return
        self._timer = Timer(SECONDS_OF_SILENCE, self._draw, [event])
        self._timer.daemon = True
        self._timer.start()

    def rest(self) -> None:
        """The step is over."""
        if self._timer is not None:
            self._timer.cancel()


class _Bars:
    """One bar a run; the time left is known after the first chunk."""

    def __init__(self, bars: Progress) -> None:
        self._bars, self._pace = bars, _Pace()
        self._current: dict[tuple[str, str], int] = {}

    def __call__(self, event: Event) -> None:
        """Draw the event."""
        from rich.markup import escape
        from rich.progress import TaskID

        match event:
            case Started(model=model, task=task, done=done, total=total):
                name = escape(f"{model} · {task}")
                bar = self._bars.add_task(name, total=total or None, completed=done, rate="", left="")
                self._current[model, task] = bar
                self._pace.start(done)
            case Advanced(model=model, task=task, done=done):
                bar = TaskID(self._current[model, task])
                rate, left = self._pace.rate(done), self._pace.left(done, event.total)
                self._bars.update(bar, completed=done, rate=rate, left=left if done < event.total else "")
            case Finished():
                pass
            case Reused() | Remark() | Working():
                self._bars.console.print(_line(event), markup=False, highlight=False)


class _Lines:
    """For logs and pipes: the start, then a line every ten seconds, then the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._pace, self._last = stream, _Pace(), 0.0

    def __call__(self, event: Event) -> None:
        """Write the event, if it is time."""
        match event:
            case Started(done=done):
                self._pace.start(done)
                self._last = time.monotonic()
                self._write(_line(event))
            case Advanced(done=done, total=total):
                if time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
                    self._last = time.monotonic()
                    told = [_line(event), self._pace.rate(done)]
                    left = [self._pace.left(done, total)] if total else []
                    self._write(", ".join(told + left))
            case _:
                self._write(_line(event))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class _Pace:
    """Instances a second since the run was taken up."""

    def __init__(self) -> None:
        self.start(0)

    def start(self, done: int) -> None:
        self._began, self._from = time.monotonic(), done

    def _per_second(self, done: int) -> float:
        return (done - self._from) / max(time.monotonic() - self._began, 1e-9)

    def rate(self, done: int) -> str:
        pace = self._per_second(done)
        return f"{pace:.3g}/s" if pace < 1000 else f"{pace:.0f}/s"

    def left(self, done: int, total: int) -> str:
        seconds = (total - done) / max(self._per_second(done), 1e-9)
        return f"about {int(seconds // 60)} min {int(seconds % 60):02d} s left"


def _line(event: Event) -> str:
    match event:
        case Reused(model=model, task=task, path=path):
            return f"{model} · {task}: stored in {path}"
        case Started(model=model, task=task, total=0):
            return f"{model} · {task}: reading"
        case Started(model=model, task=task, done=0, total=total, counted=counted):
            return f"{model} · {task}: {total} {counted}"
        case Started(model=model, task=task, done=done, total=total, counted=counted):
            return f"{model} · {task}: going on after {done} of {total} {counted}"
        case Finished(model=model, task=task, path=path):
            return f"{model} · {task}: done, in {path}"
        case Remark(text=text) | Working(text=text):
            return text
        case Advanced(model=model, task=task, done=done, total=0):
            return f"{model} · {task}: {done} read"
        case Advanced(model=model, task=task, done=done, total=total):
            return f"{model} · {task}: {done} of {total}"
