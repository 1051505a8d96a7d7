"""A plan in the nouns that views print."""

from __future__ import annotations

import re
from collections.abc import Mapping

from regress.changes import Size, StepLine, TensorLine, UpdatePlan
from regress.updates.expressions import Shape
from regress.updates.planning import Plan
from regress.updates.recipe import given, shown
from regress.updates.stored import StoredModel

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def outline(name: str, old: StoredModel, plan: Plan) -> UpdatePlan:
    """What `plan` is about to make of the model that the user calls `name`."""
    new = {each: tensor.shape for each, tensor in plan.tensors.items()}
    lines = _tensors(old.shapes, new)
    return UpdatePlan(
        old=name,
        family=str(plan.config.get("model_type", "unknown")),
        before=Size(parameters=old.parameters, dtype=old.dtype, bytes=old.bytes),
        after=Size(parameters=plan.parameters, dtype=plan.dtype, bytes=plan.bytes),
        claim=plan.claim.name,
        conditions=plan.claim.terms,
        steps=tuple(
            StepLine(
                step=shown(stage.step),
                arguments=given(stage.step),
                claim=stage.claim.name,
                parameters=stage.parameters,
                notes=stage.notes,
            )
            for stage in plan.stages
        ),
        tensors=lines,
        unchanged=sum(old.shapes.get(each) == shape for each, shape in new.items()),
        notes=plan.notes,
    )


def _tensors(old: Mapping[str, Shape], new: Mapping[str, Shape]) -> tuple[TensorLine, ...]:
    """Names that differ in number or shape, those of all layers in one line."""
    before, after = _grouped(old), _grouped(new)
    return tuple(
        TensorLine(
            name=name,
            count=after.get(name, (0, ()))[0],
            old=before[name][1] if name in before else None,
            new=after[name][1] if name in after else None,
        )
        for name in dict.fromkeys([*after, *before])
        if before.get(name) != after.get(name)
    )


def _grouped(shapes: Mapping[str, Shape]) -> dict[str, tuple[int, Shape]]:
    groups: dict[str, tuple[int, Shape]] = {}
    for name, shape in shapes.items():
        pattern = _NUMBER.sub("*", name)
        groups[pattern] = (groups.get(pattern, (0, shape))[0] + 1, shape)
    return groups
