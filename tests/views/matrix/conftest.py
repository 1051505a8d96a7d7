"""Several versions made in memory: plain ones, hostile ones, and ones of which some must not be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from regress.comparison.matrix import cross, task_matrix
from regress.findings import Version, VersionMatrix

N = 40


@pytest.fixture
def make_matrix(make_run, make_choices, make_scores, make_task, make_model) -> Callable[..., VersionMatrix]:
    """Versions with these names on a task of choices and one of scores; `without`: which lack the second."""

    def build(
        names: Sequence[str], *, without: Sequence[int] = (), scale: str = "bounded", **task: Any
    ) -> VersionMatrix:
        rng = np.random.default_rng(5)
        right = [rng.random(N) < 0.4 + 0.02 * place for place in range(len(names))]
        toy = make_task(**{"name": "toy", "n": N, **task})
        sums = make_task("sums", kind="generation", scale=scale, metric="rouge1", n=N)
        of_toy = {
            name: make_run(
                make_choices(["A" if one else "B" for one in answers], "A" * N), model=name, task=toy
            )
            for name, answers in zip(names, right, strict=True)
        }
        of_sums = {
            name: None
            if place in without
            else make_run(make_scores(rng.random(N).round(3).tolist()), model=name, task=sums)
            for place, name in enumerate(names)
        }
        return VersionMatrix(
            versions=tuple(Version(name=name, model=make_model(name)) for name in names),
            tasks=tuple(task_matrix(cross(runs, lambda old, new: None)) for runs in (of_toy, of_sums)),
        )

    return build
