"""Nouns of updates: what a recipe is about to make, and what was measured of what it made."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """Whether both write the same, with cache and without, as far as rounding lets one tell."""
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
