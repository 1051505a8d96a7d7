"""From a recipe to a plan: the models that it reads from are opened, and its steps told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from regress.checkpoints import Checkpoint, resolve
from regress.errors import Unsupported
from regress.updates.build import Models
from regress.updates.compact import begun, held, parted
from regress.updates.draft import Draft
from regress.updates.planning import Plan, Step, plan
from regress.updates.steps.adapt import Adapt
from regress.updates.stored import StoredModel, open_adapter, open_model
from regress.updates.together import Find


@runtime_checkable
class Combining(Protocol):
    """A step that takes weights from other models too."""

    def models(self) -> tuple[str, ...]:
        """Folders of the other models."""
        ...

    def with_drafts(self, drafts: Mapping[str, Draft]) -> Step:
        """The step with those models on paper, by folder."""
        ...


def folder_named(name: str) -> Checkpoint:
    """The model in the folder that a name is the path of."""
    return resolve(name, {})


def planned(
    old: Checkpoint, steps: Sequence[Step], *, dtype: str | None = None, find: Find = folder_named
) -> tuple[Plan, Models]:
    """The plan of a recipe, and the models that it reads from; no weights are read.

    Args:
        old: The old model.
        steps: In order.
        dtype: Type of the stored weights; by default the old one if that loses nothing, else float32.
        find: Finds models that steps name.

    Raises:
        Unsupported: If the model cannot be changed so.
        ModelError: If a model's files cannot be used.
    """
    parts = parted(steps)
    draft, models = begun(old)
    opened = [_opened(step, models, find) for step in steps]
    found = plan(draft, opened, dtype=dtype)
    found = replace(found, notes=(*found.notes, *([COPIED] if old.composed else [])))
    return held(found, draft, replace(parts, stored=tuple(opened[: len(parts.stored)]))), models


COPIED = "Layers that shared weights are copied, and an adapter is merged into the weights."
"""What becomes of an old model that is put together from several parts."""


def _opened(step: Step, models: dict[str, StoredModel], find: Find) -> Step:
    if isinstance(step, Adapt) and step.load is not None:
        models.setdefault(step.load, open_adapter(Path(step.load).expanduser()))
        return step.with_adapter(models[step.load].draft(step.load))
    if not isinstance(step, Combining):
        return step
    for name in step.models():
        if name not in models:
            models[name] = open_model(_whole(find(name)))
            _require_same_tokens(models["old"], models[name], name)
    return step.with_drafts({name: models[name].draft(name) for name in step.models()})


def _whole(other: Checkpoint) -> Path:
    """The folder of a checkpoint that is not put together from several parts."""
    if other.composed:
        raise Unsupported(
            f"{other.name} is put together from several parts",
            do=f"Make a checkpoint of it first: `regress update {other.name} -o NEW`.",
        )
    return other.folder


def _require_same_tokens(old: StoredModel, other: StoredModel, name: str) -> None:
    """What a row of an embedding stands for is the tokenizer's to say."""
    if old.tokens is not None and other.tokens is not None and old.tokens != other.tokens:
        raise Unsupported(
            f"{name} has another tokenizer than {old.folder.name}: their tokens do not mean the same",
            allowed="models that share a tokenizer",
        )
