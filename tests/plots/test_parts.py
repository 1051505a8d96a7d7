"""Where answers are lost, and what of it is noise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regress.errors import UnknownName, UsageError
from regress.plots.parts import noise, slices
from regress.plots.style import LOSS, NOISE


def labels(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_parts_come_as_they_were_found_without_those_by_margin(compared, cut, drawn):
    found = cut(compared)
    (axes,) = slices(found, "quiz").axes
    rows = [row for row in found.tasks[0].rows if row.by != "margin"]
    assert len(rows) == 2 < len(found.tasks[0].rows)
    assert labels(axes) == [f"level {row.value} (4)" for row in rows]
    nfr = [row.estimates["nfr"] for row in rows]
    assert drawn(axes, LOSS) == [(one.low, one.high, y) for y, one in enumerate(nfr)]
    whole = next(line for line in axes.lines if line.get_label() == "whole task")
    assert whole.get_xdata()[0] == compared.tasks[0].estimates["nfr"].value


def test_parts_bear_their_marks_and_ranges_their_unit(compared, cut):
    found = cut(compared)
    task = found.tasks[0]
    length = replace(task.rows[0], by="prompt length", name="tokens", value="", low=1200, high=1500)
    marked = replace(length, p_worse_holm=0.01, p_concentrated_holm=0.01, n=1000)
    step = replace(length, by="steps", name="", low=3, high=3)
    shown = replace(found, tasks=(replace(task, rows=(marked, step)),))
    (axes,) = slices(shown, "quiz").axes
    assert labels(axes) == ["prompt length 1,200–1,500 tokens (1,000) *↓", "steps 3 (4)"]


def test_only_so_many_parts_are_drawn(compared, cut):
    (axes,) = slices(cut(compared), "quiz", top=1).axes
    assert len(labels(axes)) == 1


def test_a_task_without_parts_has_no_figure(compared, cut):
    found = cut(compared)
    bare = replace(found, tasks=(replace(found.tasks[0], rows=()),))
    with pytest.raises(UsageError, match="quiz was not cut into parts"):
        slices(bare, "quiz")
    with pytest.raises(UnknownName, match="unknown task 'other'"):
        slices(found, "other")


def test_the_floor_stands_beside_nfr(given, known, drawn):
    compared = given(excess_nfr=known(0.2, 0.05))
    (axes,) = noise(compared, "quiz").axes
    assert labels(axes) == ["update: NFR", "old against itself: rerun", "beyond noise: excess NFR"]
    values = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in "osD"]
    estimates = compared.tasks[0].estimates
    assert values == [estimates[name].value for name in ("nfr", "floor_rerun", "excess_nfr")]
    assert drawn(axes, NOISE) == [(pytest.approx(0.15), pytest.approx(0.25), 2)], "reruns bear no interval"


def test_without_reruns_it_says_how_to_make_them(compared):
    with pytest.raises(UsageError, match="Run: regress noise demo-v1"):
        noise(compared, "sums")
