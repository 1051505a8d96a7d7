"""Making the new model: planned, built beside its target, verified, and only then given its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from regress.changes import Check, Update
from regress.checkpoints import Checkpoint, resolve
from regress.errors import ClaimViolated
from regress.updates.build import Models, new_folder, require_free, state, write_model
from regress.updates.claims import Level
from regress.updates.compact import parted, write_compact
from regress.updates.foreign import foreign, make_foreign
from regress.updates.loading import in_memory, load
from regress.updates.observe import run
from regress.updates.opening import folder_named, planned
from regress.updates.outline import outline
from regress.updates.planning import Plan, Step
from regress.updates.probes import probes
from regress.updates.record import write_record
from regress.updates.settling import Say, settled
from regress.updates.together import Find, make_ensemble, together
from regress.updates.verifier import verify


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
    steps = settled(old, steps, find, seed=seed, texts=texts, say=say)
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
                do=f"Nothing was kept. {_ADVICE[made.claim.level]}",
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
    """Whether the stored model computes what the same tensors do that never were on disk.

    Both compute in float32: narrower products may round otherwise from one run to the next. In its own
    type the stored model must run. Layers that share weights must compute what copies of them do.
    """
    before = in_memory(made.config, state(made, models, seed), "float32")
    config = before.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None) or 17
    ids = probes(config.vocab_size, min(17, context), [])[-1].ids
    expected = run(before, ids, use_cache=False).logits
    del before
    if made.dtype != "float32":
        run(load(new, made.dtype), ids, use_cache=False)
    found = run(load(new, "float32"), ids, use_cache=False).logits
    return torch.allclose(expected, found, rtol=0, atol=0, equal_nan=True)


_REPORT = "This is a defect of the recipe; please report it."
_ADVICE: Mapping[Level, str] = {
    Level.IDENTICAL: _REPORT,
    Level.SAME: _REPORT,
    Level.NEAR: "The model needs more digits than that: say --dtype float32, and no cast below it.",
    Level.ARGMAX: _REPORT,
    Level.OTHER: "A gentler step, or a wider --dtype, keeps them within bounds.",
}
"""What to do about a violated claim: where only digits were to be lost, it may be the model's own fault."""
CHECKED = 8
"""Real prompts that a claim is checked on, of all that are given."""
