"""Quadrants, and why answers flipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regress.errors import UnknownName, UsageError
from regress.plots.flips import kinds, quadrants
from regress.types import KindCounts


def test_each_quadrant_is_as_large_as_its_share(compared, said):
    (axes,) = quadrants(compared, "quiz").axes
    tiles = {bars.get_label(): bars[0] for bars in axes.containers if not bars.get_label().startswith("_")}
    areas = {name: tile.get_width() * tile.get_height() for name, tile in tiles.items()}
    assert areas == pytest.approx(
        {
            "both right": 2 / 8,
            "negative flips": 2 / 8,
            "positive flips": 1 / 8,
            "both wrong, same": 1 / 8,
            "both wrong, different": 2 / 8,
        }
    )
    assert said(axes).count("2 · 25.0 %") == 3
    assert len({(tile.get_facecolor(), tile.get_hatch()) for tile in tiles.values()}) == 5


def test_a_group_has_quadrants_and_nothing_at_all_has_empty_ones(compared):
    assert quadrants(compared, "all").axes
    row = compared.tasks[0]
    nothing = replace(row, n=0, counts=type(row.counts)(**dict.fromkeys(vars(row.counts), 0)))
    (axes,) = quadrants(replace(compared, tasks=(nothing,)), "quiz").axes
    assert sum(bars[0].get_width() for bars in axes.containers if not bars.get_label().startswith("_")) == 0


def test_scores_have_no_quadrants(compared):
    with pytest.raises(UsageError, match="sums is judged by a score"):
        quadrants(compared, "sums")


def test_an_unknown_task_is_named(compared):
    with pytest.raises(UnknownName, match="unknown task 'quizz'; did you mean 'quiz'"):
        quadrants(compared, "quizz")


def test_kinds_of_lost_answers_lie_to_the_left_and_of_gained_ones_to_the_right(compared, said):
    counts = KindCounts(negative={"truncated": 3, "answer": 5}, positive={"answer": 7}, **NONE)
    row = replace(compared.tasks[0], kinds=counts)
    (axes,) = kinds(replace(compared, tasks=(row,)), "quiz").axes
    assert [bars[0].get_width() for bars in axes.containers] == [-3, 0, -5, 7]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["truncated", "answer"]
    assert said(axes) == ["3", "0", "5", "7"]


def test_without_any_flip_there_are_no_bars(compared):
    row = replace(compared.tasks[0], kinds=KindCounts(negative={}, positive={}, **NONE))
    (axes,) = kinds(replace(compared, tasks=(row,)), "quiz").axes
    assert not axes.containers


def test_why_a_group_flipped_is_not_known(compared):
    with pytest.raises(UsageError, match="why answers of all flipped is not known"):
        kinds(compared, "all")


NONE = {"recoverable": 0, "not_the_models": 0}
