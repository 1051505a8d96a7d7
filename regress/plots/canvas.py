"""What every figure is made on: an empty page with a title, rows of a table, and words that are safe to draw.

Figures lie below `regress.views`, so the few numbers in them are put in words here, as the tables
put them: rates in percent, changes in points, one decimal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, ParamSpec

from regress.comparison.compared import Compared
from regress.errors import UnknownName
from regress.plots.style import GRID, MUTED, WIDTH, styled
from regress.types import Comparison, Pairs, TaskComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Arguments = ParamSpec("_Arguments")
_REPLACEMENT = "\ufffd"
_ACROSS, _BOLD = 78, 1.4
"""Characters that fit across a figure, and how many of them one of its title takes."""


def figure(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """`draw`, under the house's style alone; raises `MissingExtra` where matplotlib is not installed."""

    @functools.wraps(draw)
    def drawn(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with styled():
            return draw(*args, **kwargs)

    return drawn


def blank(title: str, comparison: Comparison | None, *, height: float) -> Figure:
    """An empty figure with a title, `height` inches high; on the right which update it is of, if any."""
    from regress.plots.picture import Picture

    made = Picture(figsize=(WIDTH, height), layout="constrained")
    made.suptitle(title, x=0.012, ha="left", va="top")
    if comparison is not None:
        room = int(_ACROSS - _BOLD * len(title) - len(" → ")) // 2
        old, new = (words(model.name, room) for model in (comparison.old, comparison.new))
        made.text(0.988, 1 - 0.07 / height, f"{old} → {new}", ha="right", va="top", color=MUTED)
    return made


def row_of(comparison: Comparison, task: str) -> TaskComparison:
    """The row of a task or group.

    Raises:
        UnknownName: If there is no such task.
    """
    for row in comparison.tasks:
        if row.task.name == task:
            return row
    raise UnknownName("task", task, [row.task.name for row in comparison.tasks])


def pairs_of(compared: Compared, task: str) -> Pairs:
    """The aligned runs of a task.

    Raises:
        UnknownName: If there is no such task, or it is a group.
    """
    if task not in compared.pairs:
        raise UnknownName("task", task, compared.pairs)
    return compared.pairs[task]


def zero_line(axes: Axes) -> None:
    """A vertical line at 0, behind everything."""
    axes.axvline(0, color=MUTED, linewidth=1, zorder=0.5)


def grid(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Faint lines at the ticks of one axis, which are numbers."""
    axes.grid(axis=axis, color=GRID)
    axes.tick_params(axis=axis, labelcolor=MUTED)


def legend(made: Figure, *axes: Axes) -> None:
    """Below all of a figure, what its marks mean, each said once."""
    found = {
        label: handle for one in axes for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
    }
    made.legend(
        found.values(),
        found.keys(),
        loc="outside lower right",
        ncols=len(found),
        handletextpad=0.3,
        columnspacing=1.2,
    )


# ── words ────────────────────────────────────────────────────────────────────────────────────────


def words(text: str, limit: int = 28) -> str:
    r"""A name that others chose, on one line of at most `limit` characters, safe to draw.

    What acts on a screen, hides there or may not stand in XML is replaced by `�`: control
    characters, marks of direction and of no width, surrogates, private code points. A longer name
    loses its middle, because names of one family begin alike and differ at the end.

    >>> words("a\x00b\u202ec\n\ud800d"), words("mmlu_world_religions", 12)
    ('a�b�c �d', 'mmlu_w…gions')
    """
    ends = text if len(text) <= 8 * limit else text[: 4 * limit] + text[-4 * limit :]
    folded = " ".join(ends.split())
    shown = "".join(one if one.isprintable() else _REPLACEMENT for one in folded)
    if len(shown) <= limit:
        return shown
    return shown[: limit // 2] + "…" + shown[len(shown) - (limit - 1) // 2 :]


def task_words(row: TaskComparison) -> str:
    """What a row is called."""
    return words(row.task.name, 18) + (" (pooled)" if row.members else "")


def percent(rate: float) -> str:
    """A rate, as a share; what is not quite 0 or 1 does not look like it.

    >>> percent(0.0304), percent(-0.02), percent(0.0001), percent(0.9999)
    ('3.0 %', '−2.0 %', '<0.1 %', '>99.9 %')
    """
    if 0 < rate < 0.0005:
        return "<0.1 %"
    return ">99.9 %" if 0.9995 <= rate < 1 else f"{100 * rate:.1f} %".replace("-", "−")


def points(change: float) -> str:
    """A change of a rate, in percentage points with its sign.

    >>> points(0.1425), points(-0.02), points(0.0)
    ('+14.2', '−2.0', '0.0')
    """
    return (f"{100 * change:+.1f}" if abs(change) > 1e-9 else "0.0").replace("-", "−")


def counted(count: int, n: int) -> str:
    """A count and its share of n.

    >>> counted(1300, 2600)
    '1,300 · 50.0 %'
    """
    return f"{count:,} · {percent(count / n)}" if n else f"{count:,}"


def percent_tick(rate: float, _position: float = 0) -> str:
    """A tick of an axis of rates or of points.

    >>> percent_tick(-0.05), percent_tick(0.125)
    ('−5', '12.5')
    """
    return f"{round(100 * rate, 6):g}".replace("-", "−")
