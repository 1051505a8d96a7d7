"""Progress: a line now and then in a log, bars on a terminal, and the time left after the first chunk."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from rich.cells import cell_len

from regress import watch as watching
from regress.workflows.progress import Advanced, Event, Finished, Remark, Reused, Started, Working

RUN = {"model": "demo-v1", "task": "piqa"}
STORY: tuple[Event, ...] = (
    Reused(model="demo-v0", task="piqa", path="runs/demo-v0/piqa@0"),
    Started(**RUN, done=0, total=400),
    Advanced(**RUN, done=128, total=400),
    Remark(text="parts/00001.parquet could not be read; its instances are answered again"),
    Advanced(**RUN, done=256, total=400),
    Advanced(**RUN, done=400, total=400),
    Finished(**RUN, path="runs/demo-v1/piqa@1"),
)


class Clock:
    """Stands still between events and moves on by `step` seconds with each."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 100.0, step

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Tells a story, `step` seconds an event, to a stream that is no terminal."""

    def tell(events: Iterable[Event], *, step: float = 1.0, stream: io.StringIO | None = None) -> str:
        clock, stream = Clock(step), stream or io.StringIO()
        monkeypatch.setattr(watching, "time", clock)
        with watching.watch(stream) as progress:
            for event in events:
                clock.now += step
                progress(event)
        return stream.getvalue()

    return tell


# ── a log ────────────────────────────────────────────────────────────────────────────────────────


def test_a_log_has_the_beginning_the_end_and_every_remark(told: Callable[..., str]) -> None:
    assert told(STORY).splitlines() == [
        "demo-v0 · piqa: stored in runs/demo-v0/piqa@0",
        "demo-v1 · piqa: 400 instances",
        "parts/00001.parquet could not be read; its instances are answered again",
        "demo-v1 · piqa: done, in runs/demo-v1/piqa@1",
    ]


def test_what_is_counted_need_not_be_instances(told: Callable[..., str]) -> None:
    assert told([Started(**RUN, done=0, total=24, counted="windows")]) == "demo-v1 · piqa: 24 windows\n"


def test_a_log_has_a_line_every_ten_seconds_with_rate_and_time_left(told: Callable[..., str]) -> None:
    lines = told(STORY, step=16.0).splitlines()
    assert lines[2] == "demo-v1 · piqa: 128 of 400, 8/s, about 0 min 34 s left"
    assert lines[4] == "demo-v1 · piqa: 256 of 400, 5.33/s, about 0 min 27 s left"


def test_of_a_file_whose_length_nobody_knows_a_log_says_what_was_read(told: Callable[..., str]) -> None:
    events = [Started(**RUN, done=0, total=0), Advanced(**RUN, done=50_000, total=0)]
    assert told(events, step=10.0).splitlines() == [
        "demo-v1 · piqa: reading",
        "demo-v1 · piqa: 50000 read, 5000/s",
    ]


def test_chunks_that_come_faster_do_not_flood_a_log(told: Callable[..., str]) -> None:
    chunks = [Advanced(**RUN, done=done, total=1000) for done in range(1, 801)]
    lines = told([Started(**RUN, done=0, total=1000), *chunks], step=0.125).splitlines()
    assert len(lines) == 1 + 10


def test_the_rate_of_a_resumed_run_counts_only_what_was_answered_since(told: Callable[..., str]) -> None:
    events = [Started(**RUN, done=900, total=1000), Advanced(**RUN, done=920, total=1000)]
    assert told(events, step=10.0).splitlines() == [
        "demo-v1 · piqa: going on after 900 of 1000 instances",
        "demo-v1 · piqa: 920 of 1000, 2/s, about 0 min 40 s left",
    ]


def test_each_line_is_there_at_once(told: Callable[..., str]) -> None:
    class Watched(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    stream = Watched()
    told(STORY, stream=stream)
    assert stream.flushed >= 4


def test_a_step_is_named_once_it_takes_longer_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its silence is not broken before."""
    stream, said = io.StringIO(), threading.Event()
    monkeypatch.setattr(stream, "flush", said.set)
    monkeypatch.setattr(watching, "SECONDS_OF_SILENCE", 0.01)
    with watching.watch(stream) as progress:
        progress(Working(text="comparing"))
        assert said.wait(60)
    assert stream.getvalue() == "comparing\n"


def test_a_step_that_is_soon_over_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, timers = io.StringIO(), []

    class Waiting:
        """A timer whose time never comes; what it was to draw is drawn where nobody cancelled it."""

        daemon = False

        def __init__(self, seconds: float, draw: Callable[[Event], None], arguments: list[Event]) -> None:
            self.seconds, self.cancelled = seconds, False
            timers.append(self)

        def start(self) -> None:
            """Nothing comes of it."""

        def cancel(self) -> None:
            self.cancelled = True

    monkeypatch.setattr(watching, "Timer", Waiting)
    with watching.watch(stream) as progress:
        progress(Working(text="comparing"))
        progress(Working(text="judging"))
        progress(Remark(text="done"))
        progress(Working(text="writing"))
    assert [(one.seconds, one.cancelled) for one in timers] == [(1.0, True)] * 3
    assert stream.getvalue() == "done\n"


def test_what_was_found_ready_is_left_out_at_work() -> None:
    events: list[Event] = []
    for event in STORY:
        watching.at_work(events.append)(event)
    assert events == list(STORY[1:])


def test_names_are_not_read_as_markup(told: Callable[..., str]) -> None:
    event = Started(model="./[bold]x[/bold]", task="[red]t", done=0, total=1)
    assert told([event]) == "./[bold]x[/bold] · [red]t: 1 instances\n"


# ── a terminal ───────────────────────────────────────────────────────────────────────────────────


def on_a_terminal(*arguments: str, columns: int = 100, **environment: str) -> str:
    """What a Python process writes to a terminal of that width, escape codes included."""
    master, slave = pty.openpty()
    settings = {"TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **settings},
    )
    os.close(slave)
    pieces = []
    while True:
        ready, _, _ = select.select([master], [], [], 120)
        try:
            piece = os.read(master, 65536) if ready else b""
        except OSError:  # how Linux says that the other end is closed
            piece = b""
        if not piece:
            break
        pieces.append(piece)
    os.close(master)
    assert process.wait(timeout=60) == 0
    return b"".join(pieces).decode()


TELL = """
import sys, time
from regress.watch import watch
from regress.workflows.progress import Advanced, Finished, Remark, Reused, Started
run = {"model": "demo-v1", "task": "[bold]piqa"}
with watch(sys.stderr) as progress:
    progress(Reused(model="a[/b]", task="piqa", path="runs/a"))
    progress(Started(**run, done=0, total=400))
    time.sleep(0.4)
    progress(Advanced(**run, done=100, total=400))
    time.sleep(0.6)
    progress(Remark(text="something [odd] happened"))
    progress(Advanced(**run, done=400, total=400))
    progress(Finished(**run, path="runs/demo-v1"))
"""


def test_a_terminal_gets_a_bar_with_rate_and_the_time_left_after_the_first_chunk() -> None:
    text = on_a_terminal("-c", TELL)
    assert "demo-v1 · [bold]piqa" in text
    assert "100/400" in text
    assert "400/400" in text
    assert re.search(r"[\d.]+/s", text)
    first = text[: text.index("something [odd] happened")]
    assert re.search(r"about 0 min 0\d s left", first), "said after one chunk"
    assert "a[/b] · piqa: stored in runs/a" in text
    assert "left" not in text[text.rindex("400/400") :], "nothing is left at the end"


def test_a_terminal_without_colour_gets_none() -> None:
    assert re.search(r"\x1b\[[\d;]*3[0-9]", on_a_terminal("-c", TELL))
    assert not re.search(r"\x1b\[[\d;]*3[0-9]", on_a_terminal("-c", TELL, NO_COLOR="1"))


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    text = on_a_terminal("-c", TELL, TERM="dumb")
    assert "\x1b" not in text
    assert "demo-v1 · [bold]piqa: 400 instances" in text


def test_headings_are_bold_on_a_terminal_and_plain_without_colour(world: Path) -> None:
    """`compare` prints to a terminal; NO_COLOR turns its only ink off."""
    typed = ("-m", "regress", "compare", "old.jsonl", "new.jsonl", "--engine", "scripted")
    typed += ("--data", "data", "--tasks", "piqa")
    coloured = on_a_terminal(*typed)
    plain = on_a_terminal(*typed, NO_COLOR="1")
    assert "\x1b[1mold.jsonl → new.jsonl\x1b[0m" in coloured
    shown = plain[plain.index("old.jsonl → new.jsonl") :]
    assert "\x1b" not in shown


@pytest.mark.parametrize(("columns", "wide"), [(139, False), (140, True), (200, True)])
def test_a_roomy_terminal_gets_the_wide_table(world: Path, columns: int, wide: bool) -> None:
    typed = ("-m", "regress", "compare", "old.jsonl", "new.jsonl", "--engine", "scripted", "--data", "data")
    text = on_a_terminal(*typed, "--tasks", "piqa", columns=columns, NO_COLOR="1")
    table = text[text.index("old.jsonl → new.jsonl") :].splitlines()
    assert ("rel. NFR" in text) == wide
    assert max(map(cell_len, table)) <= (140 if wide else 80)


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
@pytest.mark.parametrize("verb", [("flips",), ("show", "piqa/2")])
def test_flips_fit_the_terminal_and_are_coloured_where_it_can(
    verb: tuple[str, ...], settings: dict[str, str], world: Path
) -> None:
    name, *where = verb
    typed = ("-m", "regress", name, "old.jsonl", "new.jsonl", *where, "--task", "piqa")
    text = on_a_terminal(*typed, "--engine", "scripted", "--data", "data", columns=80, **settings)
    shown = text[text.rindex("old.jsonl → new.jsonl") :]
    assert ("\x1b" in shown) == (not settings)
    assert max(map(cell_len, re.sub(r"\x1b\[\d+m", "", shown).splitlines())) <= 80


@pytest.mark.parametrize("listing", ["tasks", "models"])
def test_listings_fit_the_terminal(listing: str, world: Path) -> None:
    (world / "regress.toml").write_text(f'[aliases]\nlong = "nobody/{"x" * 90}"\n', encoding="utf-8")
    table = on_a_terminal("-m", "regress", listing, columns=70).split("\r\n\r\n")[0]
    assert "…" in table
    assert max(map(cell_len, table.splitlines())) <= 70
