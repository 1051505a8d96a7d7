"""The forest plot."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from matplotlib.colors import same_color

from regress.plots.style import GAIN, INK, LOSS, NOISE
from regress.plots.tasks import forest


def test_each_task_has_its_intervals_in_its_row(compared, drawn):
    change, lost = forest(compared).axes
    names = [row.task.name for row in compared.tasks]
    assert [tick.get_text() for tick in change.get_yticklabels()] == ["quiz", "all (pooled)", "sums", "wiki"]
    for axes, estimate, colour in ((change, "delta", None), (lost, "nfr", LOSS)):
        rows = [row for row in compared.tasks if axes is lost or row.task.scale != "unbounded"]
        found = [(row.estimates[estimate], names.index(row.task.name)) for row in rows]
        made = [(one.low, one.high, y) for one, y in found if math.isfinite(one.low)]
        assert drawn(axes, colour) == made
        assert len(made) >= 2


def test_what_exceeds_the_noise_stands_below_where_it_is_known(given, known, drawn):
    _, lost = forest(given(excess_nfr=known(0.2, 0.05))).axes
    assert drawn(lost, NOISE) == [(pytest.approx(0.15), pytest.approx(0.25), 0.24)]


def test_a_score_without_bounds_is_on_no_axis_of_points(compared, said):
    change, _ = forest(compared).axes
    assert "score without bounds" in said(change)
    assert all(abs(x) <= 1 for line in change.lines for x in line.get_xdata())


def test_the_mark_of_a_change_says_what_its_interval_tells(compared, given, known):
    rows = tuple(given(delta=known(value, 0.02)).tasks[0] for value in (-0.1, 0.1, 0.01))
    change, _ = forest(replace(compared, tasks=rows)).axes
    marks = [line for line in change.lines if line.get_marker() in "v^o"]
    assert [mark.get_marker() for mark in marks] == ["v", "^", "o"]
    expected = zip(marks, (LOSS, GAIN, INK), strict=True)
    assert all(same_color(mark.get_markerfacecolor(), colour) for mark, colour in expected)


def test_what_is_undefined_is_not_drawn(compared, known):
    nothing = {name: known(float("nan")) for name in compared.tasks[0].estimates}
    figure = forest(replace(compared, tasks=(replace(compared.tasks[0], n=0, estimates=nothing),)))
    assert not any(line.get_marker() in "v^oD" for axes in figure.axes for line in axes.lines)
