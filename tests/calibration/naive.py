"""What "not significantly worse, so it passes" would let through."""

from __future__ import annotations

import numpy as np

from regress.statistics.rates import p_at_least

from . import decisions, draws
from .findings import ALPHA, Cell, Check, Table

N, CHURN, MARGIN = 1319, 0.10, 0.01


def losses(reps: int, rng: np.random.Generator) -> Table:
    """P(PASS) by true loss, of both rules."""
    del reps, rng
    rows: list[list[Cell]] = []
    for loss in (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05):
        met = draws.enumerated(N, (CHURN + loss) / 2, (CHURN - loss) / 2)
        # the exact one-sided McNemar test: are so many of the flips losses?
        worse = np.asarray(p_at_least(met.lost, met.lost + met.gained, 0.5)) < ALPHA
        within = decisions.drop(met.lost, met.gained, N, MARGIN)[0] <= ALPHA
        rows.append([f"{100 * loss:g} points", met.share(~worse), met.share(within)])
    two_points = next(row for row in rows if row[0] == "2 points")
    return Table(
        title='"Not significantly worse" as a pass, against a margin of 1 point: P(PASS)',
        how=f"exact: the trinomial distribution, enumerated; n = {N}, churn 10 %",
        columns=("true loss", "not significantly worse", "margin of 1 point"),
        rows=rows,
        checks=[
            Check(
                name="P(PASS) at a true loss of 2 points, margin of 1 point",
                rate=float(two_points[2] or 0.0),
                bound=ALPHA,
            )
        ],
    )


TABLES = (losses,)
