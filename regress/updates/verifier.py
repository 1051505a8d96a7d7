"""Whether a new model is what its recipe claims, measured in float32, and in float64 for sharp claims.

    identical   every logit bit for bit, with and without cache
    same        max|Δlogit| ≤ 1e-4 of the logits' standard deviation in float32; in float64 ≤ 1e-6 of it
                before weights are rounded to what they are stored as, ≤ 1e-5 after
    near        mean divergence ≤ 0.01 nats: no more than a number format costs
    argmax      the same greedy choice everywhere, in float64
    other       it loads, and its logits are numbers

A choice whose top-2 margin is above 2·max|Δlogit| cannot have flipped: the share of such positions is
*certified*. In float32 alone a missing correction of eps (2e-4 of a logit) would pass for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from regress.changes import Check
from regress.checkpoints import Checkpoint
from regress.errors import UpdateError
from regress.updates.claims import Claim, Level
from regress.updates.loading import Model, load
from regress.updates.observe import Observed, observe, observe_writing
from regress.updates.precision import precisely
from regress.updates.probes import Probe, beginnings, probes, tokenized, written

IN_FLOAT32, IN_FLOAT64, ROUNDED = 1e-4, 1e-6, 1e-5
"""Largest change of a logit that rounding explains, as a share of the logits' standard deviation: of what is
computed in float32, in float64, and in float64 with scaled weights that were rounded to float32."""
NEAR_KLD = 1e-2
"""Nats that a change of number format may cost on average; above it behaviour changes."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The verification set for a pair of models."""

    vocabulary: int
    probes: tuple[Probe, ...]
    beginnings: tuple[Any, ...]
    written: int

    @property
    def length(self) -> int:
        """Tokens of the longest text."""
        return max(probe.ids.shape[1] for probe in self.probes)


def verify(
    old: Path | Checkpoint,
    new: Model,
    claim: Claim,
    *,
    texts: Sequence[str] = (),
    round_trip: bool | None = None,
    unrounded: Callable[[], Any] | None = None,
) -> Check:
    """Load both models, show them the same, and judge the claim. Both are in memory together.

    Args:
        old: The old model, or the folder of its checkpoint.
        new: The new one.
        claim: What is claimed of it.
        texts: Real prompts to show beside random ids.
        round_trip: What is known of the stored model against the one in memory.
        unrounded: Makes the new model in float64 with weights as they were computed; without it, the stored
            ones are taken.

    Raises:
        UpdateError: If a model cannot be loaded whole, or not run, or they cannot be compared.
    """
    models = load(old, "float32"), load(new, "float32")
    shown = _shown(old, models, claim, texts)
    seen, wrote = _measure(*models, shown)
    _require_numbers(claim, seen)
    exact = None
    if claim.level in (Level.SAME, Level.ARGMAX) or (claim.level is Level.IDENTICAL and not seen.identical):
        del models
        exact = _measure_exactly(load(old, "float64"), (unrounded or (lambda: load(new, "float64")))(), shown)
    return Check(
        claim=claim.name,
        violated=_violated(
            claim, seen, exact, round_trip, limit=ROUNDED if unrounded is None else IN_FLOAT64
        ),
        max_error=seen.largest,
        spread=seen.spread,
        max_error_float64=None if exact is None else exact.largest,
        identical=seen.identical,
        kld=seen.kld / seen.positions,
        same_top=seen.same_top / seen.positions,
        certified=seen.certified(),
        generation=wrote,
        round_trip=round_trip,
        positions=seen.positions,
        length=shown.length,
    )


def _shown(old: Path | Checkpoint, models: tuple[Any, Any], claim: Claim, texts: Sequence[str]) -> Shown:
    configs = [model.config.get_text_config() for model in models]
    sizes = [config.vocab_size for config in configs]
    if claim.level > Level.OTHER and claim.vocabulary is None and sizes[0] != sizes[1]:
        raise UpdateError(
            f"the old model has {sizes[0]} tokens, the new one {sizes[1]}: their logits cannot be compared",
            allowed="--claim other",
        )
    vocabulary = min(*sizes, *([claim.vocabulary] if claim.vocabulary else []))
    contexts = [getattr(config, "max_position_embeddings", None) for config in configs]
    context = min(length for length in (*contexts, claim.length, 2**31) if length)
    prompts = tokenized(old.folder if isinstance(old, Checkpoint) else old, texts, vocabulary)
    return Shown(
        vocabulary=vocabulary,
        probes=tuple(probes(vocabulary, context, prompts)),
        beginnings=tuple(beginnings(vocabulary, context, prompts)),
        written=written(context),
    )


def _measure(old: Any, new: Any, shown: Shown) -> tuple[Observed, bool]:
    seen = Observed(vocabulary=shown.vocabulary)
    observe(old, new, shown.probes, seen)
    wrote = observe_writing(old, new, shown.beginnings, shown.written, seen, rounding=IN_FLOAT32)
    return seen, wrote


def _require_numbers(claim: Claim, seen: Observed) -> None:
    """What is no longer broken may be made of a broken model, under no claim but `other`."""
    if not seen.comparable and (claim.level > Level.OTHER or not seen.finite):
        raise UpdateError(
            f"the old model's logits are no numbers ({seen.where}), so that nothing can be said of the new "
            "one's",
            do="Look for weights that are nan or infinite.",
        )


def _measure_exactly(old: Any, new: Any, shown: Shown) -> Observed:
    with precisely(old, new):
        return _measure(old, new, shown)[0]


def _violated(
    claim: Claim,
    seen: Observed,
    exact: Observed | None,
    round_trip: bool | None,
    *,
    limit: float,
) -> str | None:
    if not seen.finite:
        return f"its logits are no numbers ({seen.where})"
    if round_trip is False:
        return "the stored model computes something else than the one in memory"
    match claim.level:
        case Level.IDENTICAL if not seen.identical:
            return f"logits differ by up to {seen.largest:.2g} ({seen.where}), and not one bit may"
        case Level.SAME:
            return _unequal(seen, exact, limit)
        case Level.NEAR if not seen.kld / seen.positions <= NEAR_KLD:
            mean = seen.kld / seen.positions
            return f"its divergence is {mean:.2g} nats a token, more than a number format costs ({NEAR_KLD})"
        case Level.ARGMAX if exact is not None and exact.same_top < exact.positions:
            return (
                f"its greedy choice differs at {exact.positions - exact.same_top} of {exact.positions} places"
            )
    return None


def _unequal(seen: Observed, exact: Observed | None, limit: float) -> str | None:
    """Where logits stay within rounding, so do greedy choices: they need no check of their own."""
    for found, allowed, where in ((exact, limit, "float64"), (seen, IN_FLOAT32, "float32")):
        if found is not None and not found.largest <= allowed * found.spread:
            share = found.largest / found.spread if found.spread else inf
            return (
                f"logits differ by {share:.2g} of their standard deviation in {where} ({found.where}), "
                f"and rounding explains {allowed:g}"
            )
    return None
