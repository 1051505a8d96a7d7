"""Metrics of log-likelihoods, one a choice, as lm-eval has them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

CHOOSING = frozenset({"acc", "acc_norm", "acc_bytes", "acc_mutual_info"})
"""Metrics that choose an answer and are 1 if it is right."""


def units(
    metric: str,
    logprobs: Sequence[float],
    choices: Sequence[str],
    unconditional: Sequence[float] | None = None,
) -> np.ndarray:
    """What `metric` compares the choices by: [choices] float64, the largest is chosen.

    `acc` compares the sums of log probabilities, `acc_norm` those per character, `acc_bytes` per
    UTF-8 byte, `acc_mutual_info` what the question adds to the `unconditional` sums. A choice
    without characters gives nan or infinity where it is divided by.

    Raises:
        ValueError: If the metric is unknown or needs sums that are not there.

    >>> units("acc_norm", [-4.0, -6.0], ["abcd", "ab"])
    array([-1., -3.])
    """
    sums: np.ndarray = np.asarray(logprobs, dtype=np.float64)
    match metric:
        case "acc":
            return sums
        case "acc_norm":
            return _per(sums, [len(choice) for choice in choices])
        case "acc_bytes":
            return _per(sums, [len(choice.encode("utf-8", "surrogatepass")) for choice in choices])
        case "acc_mutual_info" if unconditional is not None:
            with np.errstate(invalid="ignore"):
                return sums - np.asarray(unconditional, dtype=np.float64)
        case _:
            raise ValueError(f"cannot choose by {metric!r} from log-likelihoods alone")


def _per(sums: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / np.array(lengths, dtype=np.float64)


def chosen(values: np.ndarray) -> int:
    """Index of the largest value; the first of equals, as lm-eval has it.

    >>> chosen(np.array([-2.0, -1.0, -1.0]))
    1
    """
    return int(values.argmax())


def gold_margin(values: np.ndarray, golds: Sequence[int]) -> float | None:
    """Best right choice minus best wrong one, in the units of `values`; null where either is missing.

    The answer is right if it is positive and wrong if it is negative. At exactly 0 the first of the
    equals was chosen, so that the margin does not tell.

    >>> gold_margin(np.array([-3.0, -1.0, -2.0]), [2])
    -1.0
    """
    right = [values[gold] for gold in golds]
    wrong = [value for index, value in enumerate(values) if index not in golds]
    if not right or not wrong:
        return None
    margin = float(max(right) - max(wrong))
    return margin if math.isfinite(margin) else None


def brier_score(logprobs: Sequence[float], gold: int) -> float:
    """Squared distance between the softmax of the sums and certainty in the right choice, in [0, 2].

    Reference: Brier (1950), Verification of forecasts expressed in terms of probability.

    >>> brier_score([-1.0, -1.0], 0)
    0.5
    """
    sums = np.asarray(logprobs, dtype=np.float64)
    weights = np.exp(sums - sums.max())
    distance = weights / weights.sum()
    distance[gold] -= 1.0
    return float(np.sum(distance**2))
