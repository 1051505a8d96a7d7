"""Block Influence of the old model's layers, beside what is printed of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from regress.updates.loading import load
from regress.updates.steps.influence import influences

from .judge import ERRORS, Judged, beyond
from .rows import INFLUENCE
from .sample import Sample
from .second import START


def judge_influence(folder: Path, sample: Sample) -> list[Judged]:
    """Each layer's, in order; standard errors are taken between stories, √2 times that between samples."""
    import torch

    model = load(folder, "float32")
    by_story = np.array([influences(model, [torch.tensor([[START, *ids.tolist()]])]) for ids in sample.ids])
    means, errors = by_story.mean(0), by_story.std(0, ddof=1) / math.sqrt(len(by_story))
    return [
        Judged(
            column=f"layer {layer}",
            value=float(means[layer]),
            printed=bounds.shown,
            beyond=beyond(float(means[layer]), bounds),
            tolerance=ERRORS * math.sqrt(2) * float(errors[layer]),
        )
        for layer, bounds in enumerate(INFLUENCE)
    ]
