"""Steps that must see the model run before they can be planned to the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from regress.checkpoints import Checkpoint
from regress.errors import UpdateError
from regress.updates.build import state
from regress.updates.loading import in_memory
from regress.updates.opening import planned
from regress.updates.planning import Step
from regress.updates.probes import tokenized
from regress.updates.together import Find

Say = Callable[[str], None]
"""Called with what begins."""
CALIBRATION = 128
"""Tokens of a calibration text at most."""


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


def settled(
    old: Checkpoint,
    steps: Sequence[Step],
    find: Find,
    *,
    seed: int,
    texts: Sequence[str],
    say: Say,
) -> list[Step]:
    """Steps that must see the model run, settled on what all before them make of it."""
    done: list[Step] = []
    for step in steps:
        if isinstance(step, Measured) and step.measures:
            say(f"running the model to choose what {step.verb} does")
            made, models = planned(old, done, find=find)
            model = in_memory(made.config, state(made, models, seed, "float32"), "float32")
            step = step.settle(model, _batches(old.folder, texts, model.config.get_text_config()))
        done.append(step)
    return done


def _batches(folder: Path, texts: Sequence[str], config: Any) -> list[torch.Tensor]:
    rows = tokenized(folder, texts, config.vocab_size)
    if not rows:
        raise UpdateError(
            "there are no texts to measure the model on", do="It needs its tokenizer beside its weights."
        )
    length = min(CALIBRATION, getattr(config, "max_position_embeddings", None) or CALIBRATION)
    return [torch.tensor([row[:length]]) for row in rows]
