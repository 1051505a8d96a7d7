"""How much goes through a model together: what was asked for, and what is left of it when memory runs out."""

from __future__ import annotations

from dataclasses import dataclass

from regress.config import Settings
from regress.errors import UsageError

BATCH_SIZES = {"local": 64}
"""Where none is given."""
OTHER_BATCH_SIZE = 8
"""Of other engines; about the fastest of lm-eval's `hf` on a CPU."""
TOKENS_A_SLOT = 64
LEAST_BUDGET = 64
NAMES = ("slots", "token_budget")
"""Engine arguments of the local engine."""


@dataclass(frozen=True)
class Limits:
    """Of the local engine; another value means other neighbours, and so other last digits."""

    slots: int
    """Answers written side by side."""
    token_budget: int
    """Tokens of one forward pass; what cannot be divided may exceed it."""

    def halved(self) -> Limits | None:
        """Half of each; null where nothing is left to halve.

        >>> Limits(slots=3, token_budget=100).halved()
        Limits(slots=1, token_budget=64)
        """
        if self.slots == 1 and self.token_budget <= LEAST_BUDGET:
            return None
        return Limits(max(1, self.slots // 2), max(LEAST_BUDGET, self.token_budget // 2))


def batch_size(settings: Settings) -> int:
    """Requests that go through the model together: as given, or as the engine has it."""
    return settings.batch_size or BATCH_SIZES.get(settings.engine, OTHER_BATCH_SIZE)


def limits(settings: Settings) -> Limits:
    """Slots and token budget: both follow from the batch size, unless they are given as engine arguments.

    Raises:
        UsageError: If one is no whole number from 1.

    >>> limits(Settings(engine="local")), limits(Settings(batch_size=1))
    (Limits(slots=64, token_budget=4096), Limits(slots=1, token_budget=64))
    """
    slots = batch_size(settings)
    given = {name: settings.engine_args[name] for name in NAMES if name in settings.engine_args}
    for name, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UsageError(f"the engine argument {name} is {value!r}", allowed="a whole number from 1")
    return Limits(**{"slots": slots, "token_budget": slots * TOKENS_A_SLOT, **given})
