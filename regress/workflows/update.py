"""`regress update`, `regress verify`: make a new model from an old one; prove what it promises."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from regress.changes import Check, Update, UpdatePlan, Vocabulary
from regress.checkpoints import Checkpoint, resolve
from regress.config import load_config
from regress.demo.pair import items_folder
from regress.errors import DataError, NotEnoughMemory
from regress.updates.claims import SAME, Claim, claim_of
from regress.updates.make import make
from regress.updates.opening import planned
from regress.updates.outline import outline
from regress.updates.planning import Step
from regress.updates.recipe import parse
from regress.updates.record import read_record
from regress.updates.together import plan_ensemble, together
from regress.updates.verifier import verify as verify_claim
from regress.updates.vocabulary import vocabulary
from regress.workflows.models import known_models
from regress.workflows.progress import Progress, Working, silent

_PROMPTS = {"gsm8k": "question", "hellaswag": "ctx", "piqa": "goal", "samsum": "dialogue"}
"""What of the built-in items is read as a prompt."""
FEW, MANY = 2, 16
"""Prompts of each task that a claim is checked on, and that a model is measured on."""


def apply(
    old: str,
    steps: Sequence[Step | str],
    out: str | Path,
    *,
    dtype: str | None = None,
    seed: int = 0,
    texts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Update:
    """Make a new model from an old one, check what it claims, and keep it only if that holds.

    Args:
        old: Alias, hub id, `id@revision` or folder; only read.
        steps: Steps (`updates.grow(mlp="1.5x")`) or words as on the command line (`"grow:mlp=1.5x"`).
        out: Folder of the new model; must not hold anything.
        dtype: Type of the stored weights; by default the old one if no digit is lost, else float32.
        seed: Decides all new random numbers.
        texts: Real prompts, to check claims on and to measure the model with (`prune` by Wanda, `drop` by
            influence); by default prompts of the built-in items.
        progress: Called with what happens.

    Raises:
        ClaimViolated: If the new model is not what its steps promise; nothing is kept.
        Unsupported: If the model cannot be changed so.
        NotEnoughMemory: If both models do not fit.
        RegressError: If a model cannot be found or used, or `out` is taken.
    """
    with _within_memory(old):
        return make(
            _resolved(old),
            _steps(steps),
            Path(out).expanduser(),
            dtype=dtype,
            seed=seed,
            texts=prompts(MANY) if texts is None else texts,
            find=_resolved,
            say=lambda text: progress(Working(text=text)),
        )


def plan(old: str, steps: Sequence[Step | str], *, dtype: str | None = None) -> UpdatePlan:
    """What `apply` would make, from configuration and headers alone.

    Raises:
        Unsupported: If the model cannot be changed so.
        RegressError: If a model cannot be found or used.
    """
    recipe = _steps(steps)
    if joint := together(recipe):
        return plan_ensemble(_resolved(old), joint, _resolved)
    found, models = planned(_resolved(old), recipe, dtype=dtype, find=_resolved)
    return outline(old, models["old"], found)


def verify(
    old: str,
    new: str,
    *,
    claim: str | None = None,
    texts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Check:
    """Check what is claimed of a model, made here or elsewhere.

    Args:
        old: The old model, as `apply` takes it.
        new: The new one.
        claim: `identical`, `same`, `near`, `argmax` or `other`; by default what its `update.json` says of its
            making from `old`, else `same`.
        texts: Real prompts to show beside random ids; by default prompts of the built-in items.
        progress: Called with what happens.

    Raises:
        UpdateError: If a model cannot be loaded whole, or their logits cannot be compared.
        RegressError: If a model cannot be found.
    """
    before, after = _resolved(old), _resolved(new)
    wanted = claim_of(claim) if claim else _recorded(before, after)
    progress(Working(text=f"checking that {new} is what it claims to be ({wanted.name})"))
    with _within_memory(old):
        return verify_claim(before, after, wanted, texts=prompts(FEW) if texts is None else texts)


def _recorded(old: Checkpoint, new: Checkpoint) -> Claim:
    """What was claimed when `new` was made from `old`; of two others, that they are the same."""
    made = read_record(new.home)
    if made is None or made["old"].get("fingerprint") != old.fingerprint:
        return SAME
    claim: Claim = made["claim"]
    return claim


@contextlib.contextmanager
def _within_memory(old: str) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise NotEnoughMemory(
            f"{old} and the new model do not fit into the memory that is free, where both are checked",
            do="Use a machine with more, or a smaller model.",
        ) from error


def verbs() -> Vocabulary:
    """What recipes can say, and of which models."""
    return vocabulary()


def prompts(number: int) -> list[str]:
    """The first so many prompts of each of the built-in tasks."""
    found: list[str] = []
    for task, field in _PROMPTS.items():
        file = next(path for path in sorted((items_folder() / task).glob("*.jsonl")) if path.stem != "train")
        with open(file, encoding="utf-8") as lines:
            found += [str(json.loads(line)[field]) for _, line in zip(range(number), lines, strict=False)]
    return found


def read_texts(path: str) -> list[str]:
    """The texts of a file, one a line.

    Raises:
        DataError: If it cannot be read as text, or holds none.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as text ({error})", allowed="UTF-8, one text a line"
        ) from None
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise DataError(f"{path} holds no text", allowed="UTF-8, one text a line")
    return texts


def _resolved(name: str) -> Checkpoint:
    return resolve(name, known_models(load_config()))


def _steps(steps: Sequence[Step | str]) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        found += parse([step]) if isinstance(step, str) else [step]
    return found
