"""What the two demo models are trained on: two mixtures of the same four kinds of items.

The second stage is meant to be an ordinary update, not a sabotage: more arithmetic of two steps,
the everyday knowledge that the first stage hardly saw, chats as people type them, and fewer
sentence endings, of other activities. What it sees less often it may forget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regress.demo.items import FAMILIES


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of training."""

    name: str
    """The model that it ends with."""
    seed: int
    """Seed of its training items."""
    steps: int
    """Optimiser steps."""
    rate: float
    """Highest learning rate; it warms up and then falls to a hundredth of that."""
    batch: Mapping[str, int]
    """Items of each task a step; word problems come packed, so a multiple of every `train.PACKS`."""
    weights: Mapping[str, Mapping[str, float]]
    """How often each family is drawn, by task."""
    noise: Mapping[str, float]
    """Share of choice items whose training text goes on with a wrong choice."""


def _rarely(task: str, rare: Sequence[str], weight: float) -> dict[str, float]:
    return {family: weight if family in rare else 1.0 for family in FAMILIES[task]}


_EVERY_DAY = tuple(FAMILIES["piqa"])
_ACTIVITIES = tuple(FAMILIES["hellaswag"])
_CHATTY = tuple(family for family in FAMILIES["samsum"] if "chatty" in family)
_PLAIN = tuple(family for family in FAMILIES["samsum"] if "chatty" not in family)

STAGES: tuple[Stage, ...] = (
    Stage(
        name="demo-v1",
        seed=1,
        steps=500,
        rate=4e-3,
        batch={"gsm8k": 24, "piqa": 12, "hellaswag": 12, "samsum": 6},
        weights={
            "gsm8k": _rarely("gsm8k", ("gain and loss", "more than", "daily"), 0.5),
            "piqa": _rarely("piqa", _EVERY_DAY[::3], 0.03),
            "hellaswag": _rarely("hellaswag", _ACTIVITIES[::3], 0.05),
            "samsum": _rarely("samsum", _CHATTY, 0.1),
        },
        noise={"piqa": 0.35, "hellaswag": 0.3},
    ),
    Stage(
        name="demo-v2",
        seed=2,
        steps=160,
        rate=2e-3,
        batch={"gsm8k": 30, "piqa": 12, "hellaswag": 8, "samsum": 8},
        weights={
            "gsm8k": _rarely("gsm8k", ("gain", "loss", "share"), 0.3),
            "piqa": _rarely("piqa", _EVERY_DAY[1::3], 0.1),
            "hellaswag": _rarely("hellaswag", _ACTIVITIES[1::3], 0.1),
            "samsum": _rarely("samsum", _PLAIN, 0.2),
        },
        noise={"piqa": 0.35, "hellaswag": 0.3},
    ),
)
