"""A comparison with every kind of task, small enough to count by hand; and every figure of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from regress.comparison.compared import Compared
from regress.comparison.slices import sliced
from regress.comparison.table import assemble
from regress.findings import SlicedComparison
from regress.pairing import pair
from regress.plots.changes import score_change
from regress.plots.flips import kinds, quadrants
from regress.plots.margins import margins
from regress.plots.parts import noise, slices
from regress.plots.tasks import forest
from regress.plots.verdicts import gate
from regress.plots.versions import heatmap, history
from regress.types import Estimate, NoiseFloor, Reruns
from regress.verdicts import Policy, RuleResult, Verdict

OLD_MARGINS = (1.0, 2.0, 0.5, 3.0, -1.0, -2.0, -0.5, -0.25)
NEW_MARGINS = (2.0, -1.0, -0.5, 1.0, 1.5, -3.0, -1.0, -0.75)
"""Two right on both sides, two lost, one gained, three wrong on both."""


@pytest.fixture(scope="session")
def build(make_run, make_choices, make_scores, make_task, make_instances) -> Callable[..., Compared]:
    """A choice task with margins and reruns, ROUGE scores and a perplexity, under names of one's own."""

    def choices(margins: Sequence[float], wrong: str, **changes: Any) -> Any:
        answers = ["A" if margin > 0 else wrong[i % len(wrong)] for i, margin in enumerate(margins)]
        rows = zip(make_choices(answers, "A" * len(margins)), margins, strict=True)
        return make_run([replace(row, gold_margin=margin) for row, margin in rows], **changes)

    def made(
        old: str = "demo-v1",
        new: str = "demo-v2",
        task: str = "quiz",
        *,
        old_margins: Sequence[float] = OLD_MARGINS,
        new_margins: Sequence[float] = NEW_MARGINS,
    ) -> Compared:
        quiz = make_task(task)
        sums = make_task("sums", kind="generation", scale="bounded", metric="rouge1")
        wiki = make_task("wiki", kind="likelihood", scale="unbounded", metric="word_perplexity")
        before = choices(old_margins, "BC", model=old, task=quiz)
        after = choices(new_margins, "B", model=new, task=quiz)
        scores = (
            (sums, [0.5, 0.5, 0.5, 0.2, 0.9], [0.4, 0.5, 0.52, 0.6, 0.9]),
            (wiki, [-9.0, -8.0], [-7.0, -8.5]),
        )
        pairs = [pair(before, after)]
        for one, first, second in scores:
            sides = ((first, old), (second, new))
            pairs.append(pair(*(make_run(make_scores(made), task=one, model=name) for made, name in sides)))
        by_name = {one.old_spec.task.name: one for one in pairs}
        tagged = make_instances(before, tags=lambda i: {"level": "hard" if i % 2 else "easy"})
        right = np.asarray(old_margins) > 0
        again = np.vstack([right, right])
        again[1, 0] = False
        rerun = Reruns(kind="rerun", correct=again, score=again.astype(float), margin=None)
        floors = {task: (NoiseFloor(reruns={"rerun": rerun}), None)}
        found = assemble(pairs, instances={task: tagged}, floors=floors, groups={"all": [task]})
        return Compared.of(found, by_name, {task: tagged}, floors)

    return made


@pytest.fixture
def compared(build) -> Compared:
    return build()


@pytest.fixture(scope="session")
def known() -> Callable[..., Estimate]:
    """An estimate with an interval: `known(0.5, 0.02)`."""

    def made(value: float, half: float = 0.02) -> Estimate:
        return Estimate(value=value, n=100, low=value - half, high=value + half, confidence=0.95)

    return made


@pytest.fixture
def given(compared) -> Callable[..., Compared]:
    """The comparison with other estimates of the choice task: `given(nfr=…)`."""

    def made(**estimates: Estimate) -> Compared:
        quiz, *others = compared.tasks
        return replace(compared, tasks=(replace(quiz, estimates={**quiz.estimates, **estimates}), *others))

    return made


@pytest.fixture(scope="session")
def cut() -> Callable[[Compared], SlicedComparison]:
    """A comparison in parts, however small."""

    def made(compared: Compared) -> SlicedComparison:
        return sliced(compared, compared.pairs, compared.instances, by=("tag", "margin"), min_n=1)

    return made


@pytest.fixture(scope="session")
def verdict() -> Callable[..., Verdict]:
    """A verdict of results as (task, rule, outcome, limit) and other fields."""

    def made(outcome: Any, *results: Mapping[str, Any]) -> Verdict:
        return Verdict(
            outcome=outcome,
            policy=Policy(name="own"),
            results=tuple(RuleResult(code="made", **fields) for fields in results),
        )

    return made


@pytest.fixture
def drawn() -> Callable[..., list[tuple[float, float, float]]]:
    """The intervals in axes, as (low, high, row), those of one colour if it is given."""

    def read(axes: Axes, colour: str | None = None) -> list[tuple[float, float, float]]:
        lines = [line for line in axes.lines if line.get_solid_capstyle() == "butt"]
        return [
            (*line.get_xdata(), line.get_ydata()[0])
            for line in lines
            if colour is None or line.get_color() == colour
        ]

    return read


@pytest.fixture
def said() -> Callable[[Axes], list[str]]:
    """All words that stand in axes, ticks apart."""
    return lambda axes: [text.get_text() for text in axes.texts]


@pytest.fixture(scope="session")
def every(build, cut, known, verdict) -> Callable[..., dict[str, Any]]:
    """Every figure there is, of a comparison under these names."""

    def drawn(old: str = "demo-v1", new: str = "demo-v2", task: str = "quiz") -> dict[str, Any]:
        compared = build(old, new, task)
        failed = {"task": task, "slice": task, "rule": "max_nfr", "outcome": "fail", "limit": 0.05}
        return {
            "forest": forest(compared),
            "quadrants": quadrants(compared, task),
            "kinds": kinds(compared, task),
            "score_change": score_change(compared, "sums"),
            "margins": margins(compared, task),
            "slices": slices(cut(compared), task),
            "noise": noise(compared, task),
            "gate": gate({old: verdict("fail", failed), new: verdict("pass")}),
            "heatmap": heatmap([old, new], [[0, 0.1], [0.2, np.nan]], title=task),
            "history": history([old, new], [known(0.5), known(0.6)], [None, known(0.1)], title=task),
        }

    return drawn
