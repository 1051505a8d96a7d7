"""A new model that was made from the old one by a recipe: what the answers say of its claim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from regress.comparison.price import Recorded
from regress.types import Notice, Pairs

UPDATE = "update"
"""Under which name a manifest records how its model was made: `steps`, `claim` and `terms` (its conditions in
words), `old` (fingerprint), `max_error`."""

_BYTES = 4
"""Bytes of a character at most: a token is at least one byte, so this bounds the tokens of a choice."""


def claimed(pairs: Pairs, recorded: Recorded) -> Iterator[Notice]:
    """By which recipe the new model was made, what that claims, and how many answers changed all the same.

    For choices it is also said how many answers cannot have changed: each token's log-probability moves by
    at most 2e where no logit moves by more than e, so a choice of T tokens that leads by more than 4·T·e
    stays. e is what was measured when the model was made, in float32.

    Args:
        pairs: The aligned runs.
        recorded: What the manifests of both runs record.
    """
    made = recorded[1].get(UPDATE)
    if not isinstance(made, dict) or made.get("old") != pairs.old_spec.model.fingerprint:
        return
    if made.get("claim") is None:
        return
    yield Notice(
        code="update-claimed",
        data={
            "claim": made["claim"],
            "steps": made.get("steps") or [],
            "terms": made.get("terms") or [],
            "n": pairs.n,
            "changed": int((~pairs.same_answer).sum()),
            "certified": None if made["claim"] == "other" else _certified(pairs, made.get("max_error")),
        },
    )


def _certified(pairs: Pairs, error: Any) -> int | None:
    """Answers that cannot have changed; null where that cannot be said."""
    in_float32 = all(spec.model.dtype == "float32" for spec in (pairs.old_spec, pairs.new_spec))
    if not in_float32 or not isinstance(error, int | float):
        return None
    leads = [
        _lead(logprobs, lengths, float(error))
        for logprobs, lengths in zip(
            pairs.old["choice_logprobs"].to_pylist(), pairs.old["choice_lengths"].to_pylist(), strict=True
        )
    ]
    return sum(lead for lead in leads if lead is not None) if any(x is not None for x in leads) else None


def _lead(logprobs: list[float] | None, lengths: list[int] | None, error: float) -> bool | None:
    """Whether the chosen one leads by more than errors move; null for what was not chosen from several."""
    if not logprobs or not lengths or len(logprobs) < 2:
        return None
    values: npt.NDArray[np.float64] = np.sort(np.array(logprobs, dtype=np.float64))
    return bool(values[-1] - values[-2] > 4 * _BYTES * max(lengths) * error)
