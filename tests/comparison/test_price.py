"""The price of an update: what is summed, which tasks were measured together, and what old runs say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from regress.comparison.price import added, by_session, price
from regress.identity import plain
from regress.types import Effort, Footprint

BOX = {"cpu": "a kind", "cores": 2, "threads": 1, "device": "cpu", "gpu": None}


def effort(session: str = "one", rows: int = 10, **changes: Any) -> Effort:
    given = {"machine": BOX, "seconds": 2.0, "cpu_seconds": 3.0, "prompt_tokens": 90, "output_tokens": 10}
    return Effort(session=session, rows=rows, **{**given, "peak_bytes": 100, **changes})


def recorded(*efforts: Effort, parameters: int | None = 5, loaded: bool = True) -> dict[str, Any]:
    told: dict[str, Any] = {"effort": plain(efforts)}
    if parameters is not None:
        told["footprint"] = plain(Footprint(parameters=parameters, loaded=loaded))
    return told


def test_parts_of_one_session_are_summed_and_the_highest_peak_stays() -> None:
    parts = [
        effort(rows=3, peak_bytes=7, load_seconds=1.0),
        effort(rows=3, peak_bytes=9),
        effort(rows=1, peak_bytes=8),
    ]
    (whole,) = by_session(parts)
    assert (whole.rows, whole.seconds, whole.cpu_seconds, whole.load_seconds) == (7, 6.0, 9.0, 1.0)
    assert (whole.prompt_tokens, whole.output_tokens, whole.peak_bytes) == (270, 30, 9)
    assert whole.tokens_per_second == 50.0


def test_an_interrupted_run_has_one_sum_for_each_session() -> None:
    parts = [effort("one"), effort("one"), effort("two", seconds=5.0)]
    assert [(one.session, one.rows, one.seconds) for one in by_session(parts)] == [
        ("one", 20, 4.0),
        ("two", 10, 5.0),
    ]


def test_parts_answered_on_two_devices_are_not_summed() -> None:
    assert len(by_session([effort(), effort(machine={**BOX, "device": "cuda:0"})])) == 2


@pytest.mark.parametrize("unknown", ["prompt_tokens", "output_tokens", "peak_bytes"])
def test_what_is_unknown_of_a_part_is_unknown_of_the_sum(unknown: str) -> None:
    for sum_ in (added(effort(), effort(**{unknown: None})), added(effort(**{unknown: None}), effort())):
        assert getattr(sum_, unknown) is None
    assert unknown == "peak_bytes" or math.isnan(sum_.tokens_per_second)


def test_tasks_that_both_sides_answered_in_one_session_are_summed() -> None:
    runs = {task: (recorded(effort()), recorded(effort(seconds=4.0), parameters=6)) for task in ("a", "b")}
    found = price(runs, {"a": 10, "b": 10})
    assert found is not None
    assert (found.together, found.apart) == (("a", "b"), {})
    assert (found.old.parameters, found.new.parameters) == (5, 6)
    assert (found.old_effort.seconds, found.new_effort.seconds) == (4.0, 8.0)
    assert (found.old_effort.rows, found.old_effort.session) == (20, "one")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ([], [effort()], "unrecorded"),
        ([effort(rows=4)], [effort()], "unrecorded"),  # some parts are from before this was recorded
        ([effort(rows=4), effort("two", rows=6)], [effort("two")], "interrupted"),
        ([effort()], [effort("two")], "sessions"),
        ([effort()], [effort(machine={**BOX, "device": "cuda:0"})], "machines"),
        ([effort()], [effort(machine={**BOX, "threads": 8})], "machines"),
    ],
)
def test_what_was_not_measured_together_is_not_compared_and_the_reason_is_told(
    old: list[Effort], new: list[Effort], why: str
) -> None:
    found = price({"a": (recorded(*old), recorded(*new))}, {"a": 10})
    assert found is not None
    assert (found.old_effort, found.new_effort, found.together) == (None, None, ())
    assert found.apart == {"a": why}
    assert found.old.parameters == 5  # what the models take up does not depend on it


def test_tasks_measured_apart_leave_the_others_as_they_are() -> None:
    apart = recorded(effort("before", seconds=99.0)), recorded(effort())
    found = price({"a": (recorded(effort()), recorded(effort())), "b": apart}, {"a": 10, "b": 10})
    assert found is not None
    assert (found.together, found.apart, found.old_effort.seconds) == (("a",), {"b": "sessions"}, 2.0)


@pytest.mark.parametrize(
    "old",
    [{}, {"seconds": 3.1}, {"effort": None, "footprint": None}, {"effort": [3], "footprint": "big"},
     {"effort": [{"session": "one"}], "footprint": {"parameters": 3, "memory_bytes": 4}}],
)  # fmt: skip
def test_runs_from_before_say_nothing_and_break_nothing(old: dict[str, Any]) -> None:
    assert price({"a": (old, old)}, {"a": 10}) is None
    found = price({"a": (old, recorded(effort()))}, {"a": 10})
    assert found is not None
    assert (found.old, found.new.parameters, found.apart) == (None, 5, {"a": "unrecorded"})


def test_a_model_counted_once_loaded_is_believed_before_its_files() -> None:
    files, loaded = recorded(parameters=7, loaded=False), recorded(parameters=4)
    found = price({"a": (files, files), "b": (loaded, files)}, {"a": 10, "b": 10})
    assert found is not None
    assert (found.old.parameters, found.new.parameters) == (4, 7)


def test_a_later_version_may_add_fields() -> None:
    told = recorded(effort())
    told["effort"][0]["joules"] = 3
    told["footprint"]["carbon"] = 4
    found = price({"a": (told, told)}, {"a": 10})
    assert found is not None
    assert found.old_effort == effort()
