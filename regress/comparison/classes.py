"""Answers to choice tasks by class: what is right of each instance, and what either side chose.

A class is a choice's text where all instances have the same choices (yes and no; entailment, neutral,
contradiction), in whatever order they stand; else it is a position: the first choice, the second.
An instance with several right choices has no class of its own. It is left out, on both sides, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from regress.comparison.judged import Bools, of_instances
from regress.metrics import classes as metrics
from regress.metrics.classes import Codes
from regress.types import Classes, Pairs

_NO_POSITION = -1


def classes(pairs: Pairs, instances: pa.Table | None) -> Classes | None:
    """Both sides' answers by class.

    Null unless it is a choice task judged right or wrong, the right choices are known, and answers
    are positions of choices that are right where they are said to be.

    Args:
        pairs: The aligned runs.
        instances: The task's instances (`regress.schema.INSTANCE`).
    """
    task = pairs.old_spec.task
    if task.kind != "choice" or pairs.old_correct is None or pairs.new_correct is None:
        return None
    known = of_instances(pairs.old["instance_id"], instances, ["choices", "golds"])
    golds: list[list[int]] = [one or [] for one in known["golds"].to_pylist()]
    single = np.array([len(one) == 1 for one in golds], dtype=np.bool_)
    if not single.any():
        return None
    right = np.array([one[0] for one in golds if len(one) == 1], dtype=np.int64)
    answers = [_positions(side["answer"])[single] for side in (pairs.old, pairs.new)]
    judged = (pairs.old_correct[single], pairs.new_correct[single])
    if not all(_agree(chosen, right, correct) for chosen, correct in zip(answers, judged, strict=True)):
        return None
    choices = [one for one, picked in zip(known["choices"].to_pylist(), single, strict=True) if picked]
    names = _labels(choices)
    if names is not None:
        right, *answers = (_by_label(places, choices, names) for places in (right, *answers))
    found = np.unique(right)
    gold, old, new = (_renumbered(codes, found) for codes in (right, *answers))
    return Classes(
        names=tuple(names[code] if names else str(code) for code in found.tolist()),
        labels=names is not None,
        support=tuple(np.bincount(gold, minlength=found.size).tolist()),
        left_out=int((~single).sum()),
        old=metrics.scores(gold, old, found.size),
        new=metrics.scores(gold, new, found.size),
    )


def _positions(answers: pa.ChunkedArray) -> Codes:
    """[n] positions chosen, -1 where an answer is unreadable or no position."""
    said = answers.cast(pa.string()).to_pylist()
    return np.array(
        [int(one) if one is not None and one.isdecimal() else _NO_POSITION for one in said], dtype=np.int64
    )


def _agree(chosen: Codes, right: Codes, correct: Bools) -> bool:
    """Whether the answers are right just where they were judged right."""
    return bool(((chosen == right) == correct).all())


def _labels(choices: Sequence[Sequence[str] | None]) -> list[str] | None:
    """The choices that all instances have, as the first has them; null where they differ or are not known."""
    first = choices[0]
    if first is None or len(set(first)) != len(first):
        return None
    whole = sorted(first)
    return list(first) if all(one is not None and sorted(one) == whole for one in choices) else None


def _by_label(places: Codes, choices: Sequence[Sequence[str]], names: Sequence[str]) -> Codes:
    """[n] places in `names` of the choices at these positions; -1 where there is no such choice."""
    code = {name: place for place, name in enumerate(names)}
    return np.array(
        [
            code[texts[place]] if 0 <= place < len(texts) else _NO_POSITION
            for place, texts in zip(places.tolist(), choices, strict=True)
        ],
        dtype=np.int64,
    )


def _renumbered(codes: Codes, found: Codes) -> Codes:
    """[n] places in the sorted codes `found`; -1 for what is not among them."""
    place = np.searchsorted(found, codes)
    place[place == found.size] = 0
    return np.where(found[place] == codes, place, _NO_POSITION)
