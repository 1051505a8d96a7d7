"""A list of steps applied on paper: from the old model's headers to a plan of every new tensor.

Nothing here reads a weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from regress.errors import Unsupported
from regress.updates.claims import IDENTICAL, Claim, Level
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Tensor, elements, exact
from regress.updates.families.family import read, write
from regress.updates.families.known import FAMILIES
from regress.updates.numbers import BYTES
from regress.updates.rounding import stored_as


class Step(Protocol):
    """One step of a recipe: a frozen value that can be printed, and applied to any draft."""

    verb: ClassVar[str]

    def plan(self, draft: Draft) -> Change:
        """What it makes of a model; pure.

        Raises:
            Unsupported: If the model cannot be changed so, with the reason.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one step did, for people."""

    step: Step
    claim: Claim
    parameters: int
    """Number of parameters after it."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything about the new model but the numbers."""

    config: Mapping[str, Any]
    """Its `config.json`."""
    tensors: Mapping[str, Tensor]
    """What every stored tensor is made of, by its name on disk."""
    dtype: str
    """Type that weights are stored in, by torch's name."""
    claim: Claim
    """What the steps promise together, stored so."""
    stages: tuple[Stage, ...] = ()
    notes: tuple[str, ...] = field(default=())
    held: int | None = None
    """Parameters that are stored where layers share theirs; null if each tensor is stored by itself."""

    @property
    def parameters(self) -> int:
        """Number of stored parameters."""
        return parameters(self.tensors) if self.held is None else self.held

    @property
    def bytes(self) -> int:
        """Size of the weights as stored."""
        return self.parameters * BYTES[self.dtype]


def parameters(tensors: Mapping[str, Tensor]) -> int:
    """Number of values in all tensors together."""
    return sum(elements(tensor.shape) for tensor in tensors.values())


def draft(config: Mapping[str, Any], tensors: Mapping[str, Tensor], dtype: str) -> Draft:
    """A stored model on paper, from its configuration and the names and shapes of its tensors.

    A model of a family that is not known, or is known but stored in an unknown way, keeps its raw
    tensors, so that steps which ask for no structure still apply.
    """
    model_type = str(config.get("model_type", "unknown"))
    family = FAMILIES.get(model_type)
    reason = f"known are {', '.join(FAMILIES)}"
    if family is not None:
        try:
            return read(family, config, tensors, dtype)
        except Unsupported as refusal:
            reason = str(refusal)
        except KeyError as missing:
            reason = f"its config.json lacks {missing}"
    return Draft(
        model_type=model_type,
        config=config,
        tensors=dict(tensors),
        architecture=None,
        dtype=dtype,
        unknown=reason,
    )


def plan(old: Draft, steps: Sequence[Step], *, dtype: str | None = None) -> Plan:
    """Apply `steps` one after the other on paper.

    Args:
        old: The old model.
        steps: In order.
        dtype: Type of the stored weights; by default the old one (or the last that a step cast to) if no
            digit is lost in it, else float32.

    Raises:
        Unsupported: If a step, or the new model's family, cannot express what is asked.
    """
    claim, stages, model = IDENTICAL, list[Stage](), old
    for step in steps:
        change = step.plan(model)
        model, claim = change.draft, claim & change.claim
        stages.append(
            Stage(
                step=step,
                claim=change.claim,
                parameters=parameters(model.tensors),
                notes=change.notes,
            )
        )
    config, tensors = written(model)
    dtype, rounding = _stored_type(model.dtype, tensors, claim, dtype)
    return Plan(
        config={**config, "dtype": dtype},
        tensors=tensors,
        dtype=dtype,
        claim=claim & rounding,
        stages=tuple(stages),
        notes=tuple(note for stage in stages for note in stage.notes),
    )


def written(model: Draft) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and tensors as they are stored.

    Raises:
        Unsupported: If the family cannot express the draft.
    """
    if model.architecture is None:
        return {key: value for key, value in model.config.items() if key != "torch_dtype"}, dict(
            model.tensors
        )
    config, tensors = write(FAMILIES[model.model_type], model)
    return {key: value for key, value in config.items() if key != "torch_dtype"}, tensors


def _stored_type(
    present: str, tensors: Mapping[str, Tensor], claim: Claim, wanted: str | None
) -> tuple[str, Claim]:
    """The type to store weights in, and what rounding to it leaves of any claim."""
    lossless = all(map(exact, tensors.values()))
    chosen = (
        wanted if wanted is not None else (present if lossless or claim.level < Level.SAME else "float32")
    )
    return chosen, stored_as(chosen, present, lossless)
