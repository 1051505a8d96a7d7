"""What a meter tells: sums since it was asked last, one session a process, a peak of this model's own."""

from __future__ import annotations

import mmap
import os
import platform
from collections.abc import Mapping
from typing import Any

import pytest

from regress.engines import meter
from regress.engines.meter import Meter, machine, session

MIB = 2**20


class Recording:
    """As much of an engine as a meter looks at."""

    def __init__(self, **told: Any) -> None:
        self.told = told

    def recorded(self) -> Mapping[str, Any]:
        return self.told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Wall and CPU time that pass only when told to."""
    now = {"wall": 100.0, "cpu": 10.0}
    monkeypatch.setattr(meter.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(meter.time, "process_time", lambda: now["cpu"])
    return now


def test_seconds_of_answering_are_told_once_and_apart_from_those_of_loading(clock, make_prediction) -> None:
    measured = Meter(Recording(device="cpu"))
    with measured.loading():
        clock["wall"] += 7
    for _ in range(2):
        with measured.answering():
            clock["wall"] += 2
            clock["cpu"] += 3
        clock["wall"] += 50  # scoring and writing
    rows = [
        make_prediction("a", prompt_tokens=5, output_tokens=1),
        make_prediction("b", prompt_tokens=6, output_tokens=2),
    ]
    told = measured.told(rows)
    assert (told.seconds, told.cpu_seconds, told.load_seconds, told.rows) == (4.0, 6.0, 7.0, 2)
    assert (told.prompt_tokens, told.output_tokens) == (11, 3)
    again = measured.told([])
    assert (again.seconds, again.cpu_seconds, again.load_seconds) == (0.0, 0.0, 0.0)


def test_tokens_unknown_of_one_row_are_unknown_of_all(make_prediction) -> None:
    told = Meter(Recording()).told([make_prediction("a", prompt_tokens=5), make_prediction("b")])
    assert (told.prompt_tokens, told.output_tokens) == (None, None)


def test_threads_that_loading_sets_are_the_ones_told() -> None:
    engine = Recording(device="cpu", threads=64)
    measured = Meter(engine)
    with measured.loading():
        engine.told["threads"] = 2
    assert measured.told([]).machine["threads"] == 2


def test_one_process_is_one_session_and_a_fork_another(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = session()
    assert session() == mine
    monkeypatch.setattr(meter.os, "getpid", lambda: -1)  # all that tells a fork from its parent
    assert session() != mine


def test_what_it_ran_on_names_no_machine() -> None:
    told = machine({"device": "cpu", "threads": 1, "gpu": None, "versions": {"torch": "2"}})
    assert set(told) == {"cpu", "cores", "threads", "device", "gpu"}
    assert platform.node() not in map(str, told.values())


@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="this system does not reset a peak"
)
def test_a_peak_is_not_that_of_the_model_before() -> None:
    def peak(size: int) -> int:
        measured = Meter(Recording(device="cpu"))
        # given back for certain, whatever the allocator was told
        with measured.loading(), mmap.mmap(-1, size) as held:
            held.write(b"x" * size)
        found = measured.told([]).peak_bytes
        assert found is not None
        return found

    large, small = peak(400 * MIB), peak(8 * MIB)
    assert large - small > 300 * MIB


def test_no_peak_where_it_cannot_be_reset(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """Else the second of two models would be said to need what the first one did."""
    monkeypatch.setattr(meter, "_CLEAR_REFS", tmp_path / "missing" / "clear_refs")
    for device in ("cpu", "mps"):
        measured = Meter(Recording(device=device))
        with measured.loading():
            pass
        assert measured.told([]).peak_bytes is None
