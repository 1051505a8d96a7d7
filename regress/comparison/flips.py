"""Pairs as flips: where each lies, how far it moved, what was asked, and which are worst."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from regress.comparison.judged import of_instances
from regress.comparison.shifts import texts_known
from regress.metrics import continuous
from regress.metrics import flips as discrete
from regress.metrics.words import first_divergence
from regress.types import FLIP_KINDS, QUADRANTS, Flip, Pairs

Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def quadrant_codes(pairs: Pairs) -> Codes:
    """Where each pair lies: [n] positions in `regress.types.QUADRANTS`.

    On score scales better is a positive and worse a negative flip, and an unchanged score lies
    nowhere: -1.
    """
    if pairs.old_correct is not None and pairs.new_correct is not None:
        return discrete.quadrants(pairs.old_correct, pairs.new_correct, pairs.same_answer)
    change = continuous.change(pairs.old_score, pairs.new_score)
    codes = np.full(pairs.n, -1, dtype=np.int8)
    codes[change > 0] = QUADRANTS.index("positive flip")
    codes[change < 0] = QUADRANTS.index("negative flip")
    return codes


def deltas(pairs: Pairs) -> Floats:
    """How far each pair moved: [n] float64, new minus old.

    The gold margin where right and wrong is a matter of choices (nan where a margin is unknown),
    the score everywhere else.
    """
    task = pairs.old_spec.task
    if task.kind == "choice" and task.scale == "binary":
        old, new = (np.asarray(side["gold_margin"].to_numpy(), np.float64) for side in (pairs.old, pairs.new))
        # two margins of minus infinity differ by nan, which is what is known about them
        with np.errstate(invalid="ignore"):
            margin: Floats = new - old
        if not np.isnan(margin).all():
            return margin
    return continuous.change(pairs.old_score, pairs.new_score)


def worst_rows(pairs: Pairs, limit: int) -> Rows:
    """Positions of at most `limit` negative flips, those that fell furthest first.

    Where nothing tells how far they fell, and among equals, they come by index.
    """
    rows = np.flatnonzero(quadrant_codes(pairs) == QUADRANTS.index("negative flip"))
    # stable, so rows keep their order by index among equals; nan goes last
    return rows[np.argsort(deltas(pairs)[rows], kind="stable")][:limit]


def flips(
    pairs: Pairs,
    instances: pa.Table | None = None,
    *,
    rows: Rows | None = None,
    kinds: Codes | None = None,
) -> Iterator[Flip]:
    """Pairs as `Flip`s, texts included, in the order of `rows`; by default all that lie in a quadrant.

    Args:
        pairs: The aligned runs.
        instances: The task's instances, for prompts and targets; without it they stay null.
        rows: Positions of the pairs wanted.
        kinds: [n] why each pair flipped (`regress.comparison.kinds`); without it that stays null.
    """
    codes, delta, known = quadrant_codes(pairs), deltas(pairs), texts_known(pairs)
    rows = np.flatnonzero(codes >= 0) if rows is None else rows
    columns = ["answer", "output"]
    old, new = (side.select(columns).take(pa.array(rows)).to_pylist() for side in (pairs.old, pairs.new))
    keys = pairs.old.select(["instance_id", "index"]).take(pa.array(rows))
    texts = of_instances(keys["instance_id"], instances, ["prompt", "target"]).to_pylist()
    for row, key, before, after, text in zip(rows, keys.to_pylist(), old, new, texts, strict=True):
        yield Flip(
            **key,
            **text,
            quadrant=QUADRANTS[codes[row]],
            kind=None if kinds is None or kinds[row] < 0 else FLIP_KINDS[kinds[row]],
            delta=float(delta[row]),
            old_answer=before["answer"],
            new_answer=after["answer"],
            old_output=before["output"],
            new_output=after["output"],
            parted=first_divergence(before["output"], after["output"]) if known[row] else None,
        )
