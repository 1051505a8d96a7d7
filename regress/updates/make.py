"""Making the new model: planned, built beside its target, verified, and only then given its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from regress.changes import Check, Update
from regress.checkpoints import Checkpoint, resolve
from regress.errors import ClaimViolated, Unsupported, UpdateError
from regress.updates.build import Models, new_folder, require_free, state, write_model
from regress.updates.compact import begun, held, parted, write_compact
from regress.updates.draft import Draft
from regress.updates.foreign import foreign, make_foreign
from regress.updates.loading import in_memory, load
from regress.updates.outline import outline
from regress.updates.planning import Plan, Step, plan
from regress.updates.probes import probes, tokenized
from regress.updates.record import write_record
from regress.updates.steps.adapt import Adapt
from regress.updates.stored import StoredModel, open_adapter, open_model
from regress.updates.together import Find, make_ensemble, together
from regress.updates.verifier import verify

Say = Callable[[str], None]


@runtime_checkable
class Measured(Protocol):
    """A step that must see the model run before it can be planned to the end."""

    @property
    def measures(self) -> bool:
        """Whether it still must."""
        ...

    def settle(self, model: Any, batches: Sequence[torch.Tensor]) -> Step:
        """The step with what was measured of `model` on [1, T] token ids."""
        ...


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


def make(
    old: Checkpoint,
    steps: Sequence[Step],
    out: Path,
    *,
    dtype: str | None = None,
    seed: int = 0,
    texts: Sequence[str] = (),
    find: Find = folder_named,
    say: Say = lambda _: None,
) -> Update:
    """Make a new model from an old one, check what it claims, and keep it only if that holds.

    Args:
        old: The old model; it is only read.
        steps: What to do, in order.
        out: The new model's folder; must not hold anything.
        dtype: Type of the stored weights; by default the old one if that loses nothing, else float32.
        seed: Decides all new random numbers.
        texts: Real prompts for measuring and for the check.
        find: Finds models that steps name.
        say: Called with what begins.

    Raises:
        ClaimViolated: If the new model is not what its steps promise; nothing is kept.
        Unsupported: If the model cannot be changed so.
        UpdateError: If `out` is taken, or the new model cannot be loaded.
    """
    require_free(out)
    some = texts[:: max(1, len(texts) // CHECKED)][:CHECKED]
    if step := foreign(steps):
        return make_foreign(old, step, out, texts=some, say=say)
    if joint := together(steps):
        return make_ensemble(old, joint, out, texts=some, find=find, say=say)
    steps = _settled(old, steps, find, seed=seed, texts=texts, say=say)
    made, models = planned(old, steps, dtype=dtype, find=find)
    with new_folder(out) as folder:
        say(f"writing {out.name}")
        new = _written(old, steps, made, models, folder, find=find, dtype=dtype, seed=seed)
        say(f"checking that {out.name} is what it claims to be ({made.claim.name})")
        check = _checked(old, new, made, models, seed, some)
        if check.violated is not None:
            raise ClaimViolated(
                f"{' '.join(_words(made))} claims `{check.claim}`, and the new model violates it: "
                f"{check.violated}",
                do="Nothing was kept. This is a defect of the recipe; please report it.",
            )
        update = Update(plan=outline(old.name, models["old"], made), check=check, path=str(out))
        write_record(folder, update, made.claim, old=old, others=models, seed=seed)
    return update


def _written(
    old: Checkpoint,
    steps: Sequence[Step],
    made: Plan,
    models: Models,
    folder: Path,
    *,
    find: Find,
    dtype: str | None,
    seed: int,
) -> Path | Checkpoint:
    """Write the new model, and say how to load it."""
    parts = parted(steps)
    if not parts.compact:
        write_model(made, models, folder, seed)
        return folder
    base = None
    if parts.stored or old.composed or dtype not in (None, models["old"].dtype):
        base, models = planned(old, parts.stored, dtype=dtype, find=find)
    write_compact(base, models, parts, folder, old=old, seed=seed)
    return resolve(str(folder), {})


def _words(made: Plan) -> list[str]:
    from regress.updates.recipe import shown

    return [shown(stage.step) for stage in made.stages]


def _checked(
    old: Checkpoint, new: Path | Checkpoint, made: Plan, models: Models, seed: int, texts: Sequence[str]
) -> Check:
    same = _same_as_in_memory(new, made, models, seed)
    return verify(
        old,
        new,
        made.claim,
        texts=texts,
        round_trip=same,
        unrounded=lambda: in_memory(made.config, state(made, models, seed, "float64"), "float64"),
    )


@torch.no_grad()
def _same_as_in_memory(new: Path | Checkpoint, made: Plan, models: Models, seed: int) -> bool:
    """Whether the stored model computes what the same tensors do that never were on disk, in its own type.

    Layers that share weights must compute what copies of them do.
    """
    vocabulary = int(made.config["vocab_size"])
    ids = probes(vocabulary, 17, [])[2].ids
    before = in_memory(made.config, state(made, models, seed), made.dtype)
    expected = before(input_ids=ids, use_cache=False).logits
    del before
    return torch.equal(expected, load(new, made.dtype)(input_ids=ids, use_cache=False).logits)


CHECKED = 8
"""Real prompts that a claim is checked on, of all that are given."""
CALIBRATION = 128
"""Tokens of a calibration text at most."""


def _settled(
    old: Checkpoint, steps: Sequence[Step], find: Find, *, seed: int, texts: Sequence[str], say: Say
) -> list[Step]:
    """Steps that must see the model run, settled on what all before them make of it."""
    done: list[Step] = []
    for step in steps:
        if isinstance(step, Measured) and step.measures:
            say(f"running the model to choose what {step.verb} does")
            made, models = planned(old, done, find=find)
            model = in_memory(made.config, state(made, models, seed, "float32"), "float32")
            step = step.settle(model, _batches(old.folder, texts, int(made.config["vocab_size"])))
        done.append(step)
    return done


def _batches(folder: Path, texts: Sequence[str], vocabulary: int) -> list[torch.Tensor]:
    rows = tokenized(folder, texts, vocabulary)
    if not rows:
        raise UpdateError(
            "there are no texts to measure the model on", do="It needs its tokenizer beside its weights."
        )
    return [torch.tensor([row[:CALIBRATION]]) for row in rows]
