"""Precision, recall and F1 of answers that are one of a few classes, class by class and averaged.

Of n rows with one right class each, for one class:

    tp  rows of the class that were answered with it
    fp  rows of other classes that were answered with it
    fn  rows of the class that were answered otherwise, or not readably

The classes are those that are right somewhere, so that two models asked the same have the same classes
to average over; an answer that is no such class misses its row's class, and no other gains by it.
Averages are *macro*: every class counts alike, however rare. What is undefined is `nan` and left out of
the average, never 0: precision, where a class was never answered. (F1 is 0 there, and recall too.)
With `labels` these classes and `zero_division=nan`, scikit-learn's averages are the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from regress.types import ClassScores

Codes = npt.NDArray[np.int64]


def scores(right: npt.ArrayLike, answered: npt.ArrayLike, classes: int) -> ClassScores:
    """Precision, recall and F1 of each class, in [0, 1], and their macro averages.

    Args:
        right: [n] the right class of each row, from 0; every class must occur.
        answered: [n] the class answered; -1 for an answer that is none of them.
        classes: How many classes there are.

    Raises:
        ValueError: If the vectors differ in length, or a class is nowhere right.

    Reference: Sokolova and Lapalme 2009, "A systematic analysis of performance measures".

    >>> found = scores([0, 0, 1, 1], [0, 0, 0, 1], 2)
    >>> found.precision, found.recall
    ((0.6666666666666666, 1.0), (1.0, 0.5))
    >>> scores([0, 1], [0, 0], 2).precision
    (0.5, nan)
    """
    gold, given = np.asarray(right, dtype=np.int64), np.asarray(answered, dtype=np.int64)
    if gold.shape != given.shape:
        raise ValueError(f"vectors of {gold.size} and {given.size} rows")
    support = np.bincount(gold, minlength=classes)
    if support.size != classes or not support.all():
        raise ValueError(f"some of {classes} classes are nowhere right")
    hits = np.bincount(gold[gold == given], minlength=classes)
    times = np.bincount(given[given >= 0], minlength=classes)
    precision = np.full(classes, np.nan)
    np.divide(hits, times, out=precision, where=times > 0)
    recall = hits / support
    f1 = 2 * hits / (times + support)  # 2 tp + fp + fn = answered + right
    return ClassScores(
        precision=tuple(precision.tolist()),
        recall=tuple(recall.tolist()),
        f1=tuple(f1.tolist()),
        macro_precision=_mean(precision),
        macro_recall=_mean(recall),
        macro_f1=_mean(f1),
    )


def _mean(values: npt.NDArray[np.float64]) -> float:
    """Mean of what is defined; nan if nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
