"""An ensemble as what an update makes: a folder that names its members, checked as every new model is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from regress.changes import Size, StepLine, Update, UpdatePlan
from regress.checkpoints import Checkpoint
from regress.composed.ensemble import Ensemble, Member, describe_ensemble, ensemble
from regress.errors import Unsupported, UpdateError
from regress.updates.build import new_folder
from regress.updates.claims import OTHER
from regress.updates.planning import Step
from regress.updates.recipe import given, shown
from regress.updates.record import write_record
from regress.updates.steps.ensemble import Ensemble as EnsembleStep
from regress.updates.stored import open_model
from regress.updates.verifier import verify

Find = Callable[[str], Checkpoint]
NOTES = (
    "All members are in memory together, and each answers everything: memory and time add up.",
    "It is checked as the model whose next-token probabilities are the members' mean.",
)


def together(steps: Sequence[Step]) -> EnsembleStep | None:
    """The step that makes an ensemble, where it is the only one; among others it cannot be planned."""
    return steps[0] if len(steps) == 1 and isinstance(steps[0], EnsembleStep) else None


def plan_ensemble(old: Checkpoint, step: EnsembleStep, find: Find) -> UpdatePlan:
    """What an ensemble of the old model and others would be; no weights are read.

    Raises:
        Unsupported: If the models do not share a tokenizer, or a member cannot be named.
    """
    return _plan(old, step, _members(old, step, find))


def make_ensemble(
    old: Checkpoint,
    step: EnsembleStep,
    out: Path,
    *,
    texts: Sequence[str],
    find: Find,
    say: Callable[[str], None],
) -> Update:
    """Make, check and record an ensemble; see `regress.updates.make.make`.

    Raises:
        Unsupported: If the models do not share a tokenizer, or a member cannot be named.
        UpdateError: If `out` is taken, or a member cannot be loaded.
    """
    members = _members(old, step, find)
    plan = _plan(old, step, members)
    with new_folder(out) as folder:
        named = tuple(Member(model=_name(each), fingerprint=each.fingerprint) for each in members)
        describe_ensemble(folder, Ensemble(by=step.by, weights=step.shares, members=named))
        say(f"checking that all {len(members)} members load, and that their logits are numbers")
        made = ensemble(folder)
        if made is None:
            raise UpdateError(f"{out} was not written")
        check = verify(old, made, OTHER, texts=texts)
        update = Update(plan=plan, check=check, path=str(out))
        others = {each.name: open_model(each.folder) for each in members[1:]}
        write_record(folder, update, OTHER, old=old, others=others, seed=0)
    return update


def _members(old: Checkpoint, step: EnsembleStep, find: Find) -> list[Checkpoint]:
    step.shares  # noqa: B018  (refuses weights that make no mean)
    members = [old, *map(find, step.others)]
    if len(members) < 2:
        raise Unsupported("an ensemble needs another model", do="others=[PATH,PATH]")
    for each in members:
        if each.tokenizer != old.tokenizer:
            raise Unsupported(
                f"{each.name} has another tokenizer than {old.name}: their tokens do not mean the same",
                allowed="models that share a tokenizer",
            )
        if each.adapter_folder is not None and each.home == each.folder:
            raise Unsupported(
                f"{each.name} is no folder that could be a member",
                do="Merge the adapter first: `regress update … adapt:load=…,merge=true`.",
            )
    return members


def _name(member: Checkpoint) -> str:
    """What finds a member again: its folder, or its hub id and commit."""
    return f"{member.source}@{member.revision}" if member.revision else str(member.home.resolve())


def _plan(old: Checkpoint, step: EnsembleStep, members: Sequence[Checkpoint]) -> UpdatePlan:
    sizes = [open_model(each.folder) for each in members]
    before = Size(parameters=sizes[0].parameters, dtype=sizes[0].dtype, bytes=sizes[0].bytes)
    whole = sum(each.parameters for each in sizes)
    return UpdatePlan(
        old=old.name,
        family=str(old.config.get("model_type", "unknown")),
        before=before,
        after=Size(
            parameters=whole,
            dtype=" + ".join(dict.fromkeys(each.dtype for each in sizes)),
            bytes=sum(each.bytes for each in sizes),
        ),
        claim=OTHER.name,
        conditions=(),
        steps=(StepLine(step=shown(step), arguments=given(step), claim=OTHER.name, parameters=whole),),
        tensors=(),
        unchanged=0,
        notes=NOTES,
    )
