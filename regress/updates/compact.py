"""Recipes that end in what no checkpoint can hold: layers that share weights, an adapter beside them.

What comes before is a checkpoint: the old model itself, or one inside the new folder. The rest is a
`composition.json` and an adapter in PEFT's format; an adapter on the old model alone is PEFT's own folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from regress.checkpoints import Checkpoint, resolve
from regress.composed.adapters import write_untrained
from regress.composed.description import ADAPTER, BASE, Composition, describe
from regress.errors import Unsupported
from regress.updates.build import Models, write_model
from regress.updates.draft import Draft
from regress.updates.loading import load
from regress.updates.planning import Plan, Step, plan
from regress.updates.steps.adapt import Adapt
from regress.updates.steps.attached import merged
from regress.updates.steps.layers import Layers
from regress.updates.stored import StoredModel, open_adapter, open_model


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A recipe by what it is stored as."""

    stored: tuple[Step, ...]
    """Steps whose result is a checkpoint."""
    layers: Layers | None = None
    """The map of layers that share their weights."""
    adapter: Adapt | None = None
    """The new adapter."""

    @property
    def compact(self) -> bool:
        """Whether there is anything that no checkpoint can hold."""
        return self.layers is not None or self.adapter is not None


def parted(steps: Sequence[Step]) -> Parts:
    """A recipe by what it is stored as.

    Raises:
        Unsupported: If a step would have to change what is no longer a checkpoint.
    """
    ordinary = list(steps)
    adapter = layers = None
    if ordinary and _attaches(ordinary[-1]):
        adapter = ordinary.pop()
    if ordinary and _shares(ordinary[-1]):
        layers = ordinary.pop()
    for before, after in pairwise(steps):
        if before in ordinary and (_attaches(before) or _shares(before)):
            kind = "layers that share weights" if _shares(before) else "an adapter beside the weights"
            raise Unsupported(
                f"{after.verb} cannot change a model with {kind}",
                allowed="an adapter after tied layers, and nothing after an adapter",
                do="Put those two last; or copy layers (tied=false), and merge the adapter (merge=true).",
            )
    return Parts(
        stored=tuple(ordinary),
        layers=layers if isinstance(layers, Layers) else None,
        adapter=adapter if isinstance(adapter, Adapt) else None,
    )


def _shares(step: Step) -> bool:
    return isinstance(step, Layers) and step.tied


def _attaches(step: Step) -> bool:
    return isinstance(step, Adapt) and not step.merge


def begun(old: Checkpoint) -> tuple[Draft, dict[str, StoredModel]]:
    """The old model on paper, its layers mapped and its adapter merged, and the files that it is made of."""
    models = {"old": open_model(old.folder)}
    draft = models["old"].draft()
    if old.layers is not None:
        draft = Layers(map=old.layers).plan(draft).draft
    if old.adapter_folder is not None:
        label = str(old.adapter_folder)
        models[label] = open_adapter(old.adapter_folder)
        draft = merged(draft, models[label].draft(label))
    return draft, models


def held(found: Plan, draft: Draft, parts: Parts) -> Plan:
    """The plan with the parameters that the new model holds: layers that are repeated count once."""
    if parts.layers is None:
        return found
    once = replace(parts.layers, map=tuple(sorted(set(parts.layers.map))))
    return replace(found, held=plan(draft, [*parts.stored, once]).parameters)


def write_compact(
    base: Plan | None, models: Models, parts: Parts, folder: Path, *, old: Checkpoint, seed: int
) -> None:
    """Write what a compact model is put together from into `folder`.

    Args:
        base: The plan of the checkpoint that it stands on; null if that is the old model as it lies.
        models: What the plan reads from.
        parts: The recipe.
        folder: Where to.
        old: The old model.
        seed: Decides new random numbers.
    """
    on = _base(base, models, folder, old, seed)
    made = Composition(
        base=on.source if on.revision else str(on.folder.resolve()),
        revision=on.revision,
        fingerprint=on.fingerprint,
        layers=parts.layers.map if parts.layers else None,
    )
    alone = parts.layers is None and base is None
    if parts.adapter is not None:
        place = folder if alone else folder / ADAPTER
        model = load(replace(on, layers=made.layers), on.dtype)
        write_untrained(model, parts.adapter.settings, place, base=made.base if alone else "", seed=seed)
        made = replace(made, adapter=str(place))
    if not alone:
        describe(folder, made)


def _base(base: Plan | None, models: Models, folder: Path, old: Checkpoint, seed: int) -> Checkpoint:
    if base is None:
        return old
    inside = folder / BASE
    inside.mkdir()
    write_model(base, models, inside, seed)
    return resolve(str(inside), {})
