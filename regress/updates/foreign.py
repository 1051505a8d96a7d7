"""A new model in another library's format: no plan of tensors, and otherwise made as every new model is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from regress.changes import Size, StepLine, Update, UpdatePlan
from regress.checkpoints import Checkpoint
from regress.errors import Unsupported
from regress.updates.backends import require_backend, write_quantized
from regress.updates.build import new_folder
from regress.updates.claims import OTHER
from regress.updates.planning import Step
from regress.updates.recipe import given, shown
from regress.updates.record import write_record
from regress.updates.steps.quantize import Quantize
from regress.updates.stored import open_model
from regress.updates.verifier import verify


def foreign(steps: Sequence[Step]) -> Quantize | None:
    """The step that stores codes of another library, where it is the only one; null otherwise.

    Composed with others it is refused when it is planned.
    """
    if len(steps) == 1 and isinstance(steps[0], Quantize) and steps[0].backend != "rtn":
        return steps[0]
    return None


def make_foreign(
    old: Checkpoint, step: Quantize, out: Path, *, texts: Sequence[str], say: Callable[[str], None]
) -> Update:
    """Make, check and record a model in the format of `step.backend`; see `regress.updates.make.make`.

    Raises:
        MissingExtra: If the library is not installed.
        Unsupported: If the old model is no checkpoint of its own.
        UpdateError: If it fails.
    """
    require_backend(step)
    if old.composed:
        raise Unsupported(
            f"{step.backend} quantises a checkpoint, and {old.name} is put together from several",
            do=f"Make one first: `regress update {old.name} -o NEW`.",
        )
    before = open_model(old.folder)
    with new_folder(out) as folder:
        say(f"writing {out.name} with {step.backend}")
        write_quantized(step, old.folder, folder)
        say(f"checking that {out.name} loads, and that its logits are numbers")
        check = verify(old.folder, folder, OTHER, texts=texts)
        size = sum(file.stat().st_size for file in folder.glob("model*.safetensors"))
        plan = UpdatePlan(
            old=old.name,
            family=str(before.config.get("model_type", "unknown")),
            before=Size(parameters=before.parameters, dtype=before.dtype, bytes=before.bytes),
            after=Size(parameters=before.parameters, dtype=f"{step.backend}, {step.bits} bits", bytes=size),
            claim=OTHER.name,
            conditions=(),
            steps=(
                StepLine(
                    step=shown(step), arguments=given(step), claim=OTHER.name, parameters=before.parameters
                ),
            ),
            tensors=(),
            unchanged=0,
            notes=(f"It needs {step.backend} to be loaded, and no other step can change it.",),
        )
        update = Update(plan=plan, check=check, path=str(out))
        write_record(folder, update, OTHER, old=old, others={}, seed=0)
    return update
