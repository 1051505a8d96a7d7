"""Old margins against new ones."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import same_color

from regress.errors import UsageError
from regress.plots.margins import CELLS, POINTS, margins
from regress.plots.style import GAIN, LOSS
from regress.plots.vector import svg


def test_each_pair_is_a_point_marked_by_its_quadrant(compared, said):
    (axes,) = margins(compared, "quiz").axes
    points = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert points["negative flips"].get_xydata().tolist() == [[2.0, -1.0], [0.5, -0.5]]
    assert points["positive flips"].get_xydata().tolist() == [[-1.0, 1.5]]
    assert len(points["both right"].get_xydata()) == 2
    assert len(points["both wrong"].get_xydata()) == 3
    assert len({line.get_marker() for line in points.values()}) == 4
    assert "negative flips: 2 · 25.0 %" in said(axes)


@pytest.fixture
def many(build):
    """As many pairs as HellaSwag has, with margins that wander."""
    rng = np.random.default_rng(0)
    old = rng.normal(0.5, 2, 10_042)
    return build(old_margins=old, new_margins=old + rng.normal(0.1, 1.5, old.size))


def test_many_pairs_are_cells_each_within_one_quadrant(many):
    (axes,) = margins(many, "quiz").axes
    cells = {one.get_label(): one for one in axes.collections}
    assert len(cells) == 4
    squares = {name: np.array([path.vertices for path in one.get_paths()]) for name, one in cells.items()}
    assert (squares["negative flips"][..., 0] >= -1e-9).all()
    assert (squares["negative flips"][..., 1] <= 1e-9).all()
    assert (squares["positive flips"][..., 0] <= 1e-9).all()
    assert same_color(cells["negative flips"].get_facecolor()[0][:3], LOSS)
    assert same_color(cells["positive flips"].get_facecolor()[0][:3], GAIN)
    strength = np.concatenate([one.get_facecolor()[:, 3] for one in cells.values()])
    assert strength.max() == pytest.approx(0.95), "the fullest cell"
    assert strength.min() > 0.25, "a single pair is seen"


def test_the_picture_of_many_pairs_stays_small(many):
    assert many.pairs["quiz"].n > POINTS
    assert len(svg(margins(many, "quiz"), title="margins", prefix="m")) < 300_000
    assert CELLS % 2 == 0, "an edge lies at 0"


def test_pairs_without_a_margin_are_left_out(build, said):
    compared = build(old_margins=[1.0, -np.inf, np.nan, 2.0], new_margins=[1.0, 1.0, 1.0, -np.inf])
    (axes,) = margins(compared, "quiz").axes
    assert "both right: 1 · 100.0 %" in said(axes)


def test_other_tasks_have_no_margins(compared):
    with pytest.raises(UsageError, match="answers of sums have no margins"):
        margins(compared, "sums")
