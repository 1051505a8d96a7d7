"""Every pair of versions, and one version after the other."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import same_color

from regress.errors import UsageError
from regress.plots.style import LOSS, NOISE
from regress.plots.versions import heatmap, history


def test_old_versions_lie_below_each_other_and_new_ones_side_by_side():
    (axes,) = heatmap(["v1", "v2"], [[0, 0.1], [0.05, 0]]).axes
    cells = {text.get_position(): text.get_text() for text in axes.texts[:-1]}
    assert cells == {(0, 0): "0.0 %", (1, 0): "10.0 %", (0, 1): "5.0 %", (1, 1): "0.0 %"}
    assert axes.texts[-1].get_text() == "old ↓  new →"


def test_the_higher_a_rate_the_stronger_its_cell_and_what_is_undefined_is_a_dash():
    (axes,) = heatmap(["a", "b", "c"], [[0, 0.1, 0.2], [0.05, 0, np.nan], [0, 0, 0]]).axes
    cells = {(round(bar.get_x() + 0.47), round(bar.get_y() + 0.47)): bar for bar in axes.patches}
    strength = {place: bar.get_alpha() for place, bar in cells.items()}
    assert strength[2, 0] == 0.6
    assert strength[1, 0] == pytest.approx(0.3)
    assert strength[0, 1] == pytest.approx(0.15)
    assert strength[0, 2] == strength[2, 1] == 0
    assert all(same_color(cells[place].get_facecolor()[:3], LOSS) for place in ((2, 0), (1, 0)))
    assert axes.texts[5].get_text() == "–"


@pytest.mark.filterwarnings("error")
def test_nothing_defined_is_drawn_as_dashes():
    (axes,) = heatmap(["a"], [[np.nan]]).axes
    assert axes.texts[0].get_text() == "–"


def test_many_versions_have_smaller_numbers_without_the_sign_and_a_history_without_any(known):
    names = [f"v{i}" for i in range(12)]
    (axes,) = heatmap(names, np.full((12, 12), 0.25)).axes
    assert {text.get_text() for text in axes.texts[:144]} == {"25.0"}
    assert axes.texts[0].get_fontsize() == pytest.approx(8.5 * 8 / 12)
    above, below = history(names, [known(0.5)] * 12, [None, *[known(0.05)] * 11]).axes
    assert not above.texts
    assert not below.texts


def test_long_names_are_slanted():
    names = [f"organisation-{i}" for i in range(4)]
    slanted, straight = heatmap(names, np.zeros((4, 4))), heatmap(["a", "b"], np.zeros((2, 2)))
    assert [label.get_rotation() for label in slanted.axes[0].get_xticklabels()] == [30] * 4
    assert [label.get_rotation() for label in straight.axes[0].get_xticklabels()] == [0] * 2


@pytest.mark.parametrize(("versions", "rates"), [([], []), (["a"], [[0, 1]]), (["a", "b"], [[0]])])
def test_as_many_rates_as_pairs_are_needed(versions, rates):
    with pytest.raises(UsageError, match="versions and rates of shape"):
        heatmap(versions, rates)


def upright(axes, colour):
    """Column and ends of each interval."""
    lines = [line for line in axes.lines if line.get_solid_capstyle() == "butt"]
    return [(line.get_xdata()[0], *line.get_ydata()) for line in lines if line.get_color() == colour]


def test_each_version_has_its_accuracy_and_what_its_step_lost(known):
    accuracy, lost = [known(0.5), known(0.6), known(0.55)], [None, known(0.05), known(0.1)]
    above, below = history(["a", "b", "c"], accuracy, lost).axes
    assert upright(above, NOISE) == [(x, one.low, one.high) for x, one in enumerate(accuracy)]
    assert upright(below, LOSS) == [(x, one.low, one.high) for x, one in enumerate(lost) if one]
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["a", "b", "c"]
    assert below.get_ylim()[0] == 0


def test_mean_scores_are_not_called_accuracies(known):
    above, _ = history(["a", "b"], [known(0.5), known(0.6)], [None, known(0.05)], scored=True).axes
    assert above.get_title(loc="left") == "mean score × 100"
    assert {"50.0", "60.0"} <= {text.get_text() for text in above.texts}


def test_as_many_estimates_as_versions_are_needed(known):
    with pytest.raises(UsageError, match="2 versions, 1 accuracies and 2 steps"):
        history(["a", "b"], [known(0.5)], [None, None])
