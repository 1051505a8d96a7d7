"""How far scores moved."""

from __future__ import annotations

import pytest

from regress.errors import UnknownName, UsageError
from regress.metrics.continuous import TAU
from regress.plots.changes import score_change


def heights(axes, side):
    """Bars on one side of 0."""
    return [bar.get_height() for bar in axes.patches if (bar.get_x() + bar.get_width() / 2 > 0) == side]


def test_what_fell_rose_and_stayed_is_counted_and_only_what_moved_is_in_the_histogram(compared, said):
    parts, bars = score_change(compared, "sums").axes
    assert said(parts) == ["lower", "1 · 20.0 %", "unchanged", "2 · 40.0 %", "higher", "2 · 40.0 %"]
    assert sum(heights(bars, side=False)) == 1
    assert sum(heights(bars, side=True)) == 2
    assert all(bar.get_x() + bar.get_width() <= 1e-12 or bar.get_x() >= -1e-12 for bar in bars.patches)


def test_the_tolerance_is_shown_where_scores_have_bounds(compared):
    def verticals(task):
        axes = score_change(compared, task).axes[1]
        return {line.get_xdata()[0] for line in axes.lines}

    assert verticals("sums") == {-TAU, 0, TAU}
    assert verticals("wiki") == {0}


def test_right_and_wrong_have_no_scores(compared):
    with pytest.raises(UsageError, match="quiz are right or wrong, not scored"):
        score_change(compared, "quiz")


def test_a_group_has_no_instances_of_its_own(compared):
    with pytest.raises(UnknownName, match="unknown task 'all'"):
        score_change(compared, "all")
