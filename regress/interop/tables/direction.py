"""Are scores of choices better when higher or when lower? Their name, their sign and chance have to agree.

Log-probabilities are at most 0, and the highest is chosen; negative log-likelihoods are at least 0, and
the lowest is. If the way in which they are to be read finds the right choice less often than guessing
does, and the other way clearly more often, the sign is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from regress.errors import DataError

Role = Literal["logprobs", "nll"]

CLEARLY = 4.0
"""Standard errors of guessing that luck does not explain."""

_READ: dict[Role, str] = {"logprobs": "higher", "nll": "lower"}
_OTHER: dict[Role, Role] = {"logprobs": "nll", "nll": "logprobs"}


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How often the right choice is ranked first."""

    rows: int
    higher: float
    """Share of rows in which it has the highest score."""
    lower: float
    """Share of rows in which it has the lowest."""
    chance: float
    """Share that guessing finds."""
    error: float
    """Standard error of guessing."""

    def found(self, role: Role) -> float:
        """The share if scores are read so."""
        return self.higher if role == "logprobs" else self.lower

    def contradicts(self, role: Role) -> bool:
        """Whether reading scores so is worse than guessing, and the other way clearly better."""
        reach, found, other = CLEARLY * self.error, self.found(role), self.found(_OTHER[role])
        return found < self.chance and other > self.chance + reach and other - found > 2 * reach


def ranking(scores: Sequence[Sequence[float]], golds: Sequence[Sequence[int]]) -> Ranking:
    """How often the right choice is ranked first; the first of equals is.

    >>> found = ranking([[-1.0, -2.0], [-3.0, -1.0]], [[0], [0]])
    >>> found.higher, found.lower, found.chance
    (0.5, 0.5, 0.5)
    """
    pairs = [(row, gold) for row, gold in zip(scores, golds, strict=True) if len(row) > 1 and gold]
    if not pairs:
        return Ranking(rows=0, higher=math.nan, lower=math.nan, chance=math.nan, error=math.nan)
    chance = np.array([len(set(gold)) / len(row) for row, gold in pairs])
    return Ranking(
        rows=len(pairs),
        higher=float(np.mean([int(np.argmax(row)) in gold for row, gold in pairs])),
        lower=float(np.mean([int(np.argmin(row)) in gold for row, gold in pairs])),
        chance=float(chance.mean()),
        error=float(np.sqrt((chance * (1 - chance)).sum()) / len(pairs)),
    )


def by_sign(scores: Sequence[Sequence[float]]) -> Role:
    """What scores without a telling name are: negative log-likelihoods if none is negative."""
    return "nll" if all(value >= 0 for row in scores for value in row) else "logprobs"


def check(
    role: Role, columns: str, scores: Sequence[Sequence[float]], seen: Ranking, *, declared: bool
) -> str | None:
    """Refuse scores that are read the wrong way round.

    Args:
        role: How they are to be read.
        columns: Their columns, joined by `+`.
        scores: Of the first rows.
        seen: How they rank the right choice.
        declared: The user said so, rather than the columns' names.

    Returns:
        What the user should know of them, as a sentence; null if nothing is odd.

    Raises:
        DataError: If they rank the right choice better the other way round, or their name and their sign
            disagree and their ranking does not tell.
    """
    other = _OTHER[role]
    told = (
        f"the column `{columns}` ranks the right choice first in {100 * seen.found(role):.0f} % of "
        f"{seen.rows:,} rows when {_READ[role]} is better, and in {100 * seen.found(other):.0f} % when "
        f"{_READ[other]} is"
    )
    fits = _fits(role, scores)
    if seen.contradicts(role):
        if declared and fits:
            return f"{told[0].upper()}{told[1:]}; it is read as you say."
        raise DataError(f"{told}: its sign seems to be wrong", do=_do(role, columns, fits))
    if fits:
        return None
    if declared or seen.contradicts(other):
        return f"The column `{columns}` has values that its name does not fit; {_READ[role]} is better in it."
    sign = "negative values" if role == "nll" else "no negative value"
    raise DataError(
        f"the column `{columns}` has {sign}, and a name that says that {_READ[role]} is better",
        do=_do(role, columns, fits),
    )


def _fits(role: Role, scores: Sequence[Sequence[float]]) -> bool:
    """Whether some value has the sign that all ought to have: single ones may be rounded or normalised."""
    sign = 1.0 if role == "nll" else -1.0
    values = [value for row in scores for value in row]
    return any(sign * value > 0 for value in values) or not any(values)


def _do(role: Role, columns: str, fits: bool) -> str:
    what = {"logprobs": "log-probabilities", "nll": "negative log-likelihoods"}
    other = _OTHER[role]
    again = f" (--map {role}={columns} to read them as they are)" if fits else ""
    return f"Say --map {other}={columns} if these are {what[other]}{again}."
