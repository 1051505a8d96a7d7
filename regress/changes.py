"""Nouns of updates: what a recipe is about to make, what was measured of what it made, and, of updates whose
effect is known beforehand, whether the harness finds just that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was measured of a claim."""

    claim: str
    """The claim, as it is typed: `identical`, `same`, `near`, `argmax` or `other`."""
    violated: str | None
    """How the new model fails it; null if it holds."""
    max_error: float
    """Largest |Δlogit| in float32."""
    spread: float
    """Standard deviation of the old logits."""
    max_error_float64: float | None
    """Largest |Δlogit| where everything is computed in float64; null where the claim needs no such check."""
    identical: bool
    """Whether every logit in float32 is the same bit for bit."""
    kld: float
    """Mean KLD(old ‖ new) in nats a position."""
    same_top: float
    """Share of positions with the same greedy choice, in [0, 1]."""
    certified: float
    """Share of positions whose greedy choice cannot have flipped, in [0, 1]."""
    generation: bool
    """Whether both write the same with their caches, but where rounding alone can tip the choice."""
    round_trip: bool | None
    """Whether the stored model computes bit for bit what the one in memory did; null if made elsewhere."""
    positions: int
    """Positions compared."""
    length: int
    """Tokens of the longest text compared."""

    @property
    def holds(self) -> bool:
        """Whether the claim holds."""
        return self.violated is None


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """What one step of a recipe does."""

    step: str
    """As it is typed: `grow:mlp=1.5x`."""
    claim: str
    """What it alone promises about the function."""
    parameters: int
    """Stored parameters after it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """All its arguments: they mean the same when a default has changed."""
    notes: tuple[str, ...] = ()
    """What the user should know, in sentences."""


@dataclass(frozen=True, kw_only=True)
class TensorLine:
    """Tensors of one name, up to the number of their layer or expert."""

    name: str
    """Name on disk, numbers as `*`."""
    count: int
    """How many there are in the new model."""
    old: tuple[int, ...] | None
    """Shape in the old model; null where it has none of this name."""
    new: tuple[int, ...] | None
    """Shape in the new model; null where there are none left."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a model takes on disk."""

    parameters: int
    """Stored parameters."""
    dtype: str
    """Type of the weights, by torch's name."""
    bytes: int
    """Bytes of the weights."""


@dataclass(frozen=True, kw_only=True)
class UpdatePlan:
    """What a recipe is about to make, known without reading a weight."""

    old: str
    """What the user called the old model."""
    family: str
    """The new model's `model_type`."""
    before: Size
    """The old model."""
    after: Size
    """The new one."""
    claim: str
    """What the steps together promise about the function, stored so."""
    conditions: tuple[str, ...]
    """Under which conditions, in words."""
    steps: tuple[StepLine, ...]
    """The steps in order."""
    tensors: tuple[TensorLine, ...]
    """Tensors that are new, gone, or of another shape."""
    unchanged: int
    """Tensors of the same name and shape; their numbers may change."""
    notes: tuple[str, ...] = field(default=())
    """What the user should know, in sentences."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """A new model that was made, and what was measured of it."""

    plan: UpdatePlan
    """What was to be made."""
    check: Check
    """Whether it is what was promised."""
    path: str
    """Where it lies."""

    @property
    def claim(self) -> str:
        """What it promises about the function."""
        return self.plan.claim


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a verb."""

    name: str
    """As it is typed."""
    kind: str
    """What is read, in words."""
    default: str
    """What holds where it is not given; `needed` if it must be."""
    meaning: str
    """One sentence."""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One verb of recipes."""

    name: str
    """As it is typed."""
    meaning: str
    """One sentence."""
    arguments: tuple[Argument, ...]
    """In the order in which its class has them."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What recipes can say, and of which models."""

    verbs: tuple[Verb, ...]
    """All verbs."""
    families: tuple[str, ...]
    """Families whose structure can be changed, by transformers' `model_type`."""


@dataclass(frozen=True, kw_only=True)
class MappedLayers:
    """One layer map, and how well the model reads with its layers so."""

    name: str
    """What it does, in words; `given` for one that the user named."""
    layers: tuple[int, ...]
    """For each layer the model's own that it is."""
    surprisal: float
    """Mean −log p of the texts' tokens, in nats."""
    perplexity: float
    """exp of that."""


@dataclass(frozen=True, kw_only=True)
class LayerMaps:
    """Layer maps of a model, tried without any training."""

    model: str
    """What the user called it."""
    base: MappedLayers
    """The model as it is."""
    maps: tuple[MappedLayers, ...]
    """The maps, that of the lowest perplexity first."""
    text: str
    """What was read."""
    tokens: int
    """Tokens measured."""
    window: int
    """Tokens shown at a time, at most."""
    parameters: int
    """Parameters of the model; layers that are repeated share theirs."""


# ── the self test ────────────────────────────────────────────────────────────────────────────────

Value = bool | int | float | str | tuple[int, ...] | tuple[float, ...]
"""What can be known of an update, and measured."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that is known before it is measured, and what was measured."""

    what: str
    """What it is about."""
    relation: Literal["is", "below", "above", "at least", "rises"]
    """How what is found must lie to what is known."""
    known: Value
    """What is known; of numbers that rise, their names in order."""
    found: Value
    """What was measured."""
    holds: bool
    """Whether it is so."""
    case: str = ""
    """Which of an oracle's updates or comparisons it is about; empty if there is one."""
    unit: Literal["", "share", "nats"] = ""
    """What a number counts: instances or the like, a share in [0, 1], nats a token."""


@dataclass(frozen=True, kw_only=True)
class OracleResult:
    """One update, or several of a kind, with what is known of them."""

    number: str
    """`I-3`: class I changes nothing, II follows by hand, III is an order, G is the gate's verdict."""
    name: str
    """What was done."""
    facts: tuple[Fact, ...]
    """What is known and found, up to where it broke off."""
    stopped: str | None = None
    """Why it broke off; null if it did not."""
    seconds: float = 0.0
    """How long it took."""

    @property
    def ok(self) -> bool:
        """Whether all was found as known."""
        return self.stopped is None and bool(self.facts) and all(fact.holds for fact in self.facts)


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """What the harness finds of updates whose effect is known beforehand."""

    results: tuple[OracleResult, ...]
    """One an oracle, in order."""
    kept: str | None = None
    """Where models and runs lie; null if they were deleted."""

    @property
    def ok(self) -> bool:
        """Whether all oracles found what is known."""
        return bool(self.results) and all(result.ok for result in self.results)
