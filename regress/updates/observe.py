"""How far the logits of two models lie apart on a set of probes, kept as a few numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from regress.errors import UpdateError, first_line
from regress.metrics.divergence import log_softmax, token_divergences
from regress.updates.probes import Probe

ROWS = 256
"""Positions whose distributions are in memory at once."""


@dataclass
class Observed:
    """Running totals over positions; logits themselves are not kept."""

    vocabulary: int
    """Only the first this many tokens are compared."""
    positions: int = 0
    largest: float = 0.0
    """max |Δlogit|."""
    where: str = ""
    """The probe that it was met in."""
    identical: bool = True
    finite: bool = True
    """Whether all logits of the new model are numbers."""
    comparable: bool = True
    """Whether all logits of the old one are: from what is no number nothing differs by any number."""
    kld: float = 0.0
    same_top: int = 0
    margins: list[np.ndarray[Any, Any]] = field(default_factory=list)
    """Top-2 margin of the old logits at every position."""
    _sum: float = 0.0
    _squares: float = 0.0
    _values: int = 0

    def add(self, name: str, old: torch.Tensor, new: torch.Tensor) -> None:
        """Take in [rows, V] logits of both models at the same positions."""
        for start in range(0, len(old), ROWS):
            self._block(name, old[start : start + ROWS], new[start : start + ROWS])

    def _block(self, name: str, old: torch.Tensor, new: torch.Tensor) -> None:
        old, new = old[:, : self.vocabulary], new[:, : self.vocabulary]
        self.identical &= torch.equal(old, new)
        self.finite &= bool(new.isfinite().all())
        self.comparable &= bool(old.isfinite().all())
        old, new = old.double(), new.double()
        largest = float((old - new).abs().max())
        if not (largest <= self.largest or math.isnan(self.largest)):  # nan is larger than anything
            self.largest, self.where = largest, name
        self.positions += len(old)
        self._sum, self._squares = self._sum + float(old.sum()), self._squares + float(old.square().sum())
        self._values += old.numel()
        self.margins.append(_margins(old).numpy())
        self.same_top += int((old.argmax(-1) == new.argmax(-1)).sum())
        before, after = log_softmax(old.numpy()), log_softmax(new.numpy())
        self.kld += float(token_divergences(before, after).sum())

    @property
    def spread(self) -> float:
        """Standard deviation of the old logits."""
        mean = self._sum / self._values
        return math.sqrt(max(0.0, self._squares / self._values - mean * mean))

    def certified(self) -> float:
        """Share of positions whose greedy choice cannot flip: the margin exceeds twice the largest change."""
        return float((np.concatenate(self.margins) > 2 * self.largest).mean())


def _margins(logits: torch.Tensor) -> torch.Tensor:
    """[rows] How far the largest of [rows, V] logits is above the next one."""
    top = logits.topk(min(2, logits.shape[-1]), dim=-1).values
    return top[:, 0] - top[:, -1]


def run(model: Any, ids: torch.Tensor, **given: Any) -> Any:
    """What a model of transformers puts out for [B, T] token ids.

    Raises:
        UpdateError: If it cannot be run, as where a kernel does not take its widths.
    """
    try:
        return model(input_ids=ids, **given)
    except Exception as error:  # what is run is transformers' code, which raises what it likes
        raise UpdateError(
            f"transformers loads the model ({type(model).__name__}) and cannot run it ({first_line(error)})"
        ) from error


@torch.no_grad()
def observe(old: Any, new: Any, probes: Sequence[Probe], seen: Observed) -> None:
    """Show both models every probe, and take in what is not padding."""
    for probe in probes:
        kept = probe.mask.bool()
        logits = [_logits(model, probe)[kept] for model in (old, new)]
        seen.add(probe.name, *logits)


def _logits(model: Any, probe: Probe) -> torch.Tensor:
    given = {"attention_mask": probe.mask, "use_cache": False}
    if "position_ids" in inspect.signature(model.forward).parameters:
        given["position_ids"] = probe.positions
    logits: torch.Tensor = run(model, probe.ids, **given).logits
    return logits


@torch.no_grad()
def observe_writing(
    old: Any, new: Any, beginnings: Sequence[torch.Tensor], written: int, seen: Observed, *, rounding: float
) -> bool:
    """Let the old model write so many tokens greedily from its cache, and the new one the same text.

    Logits are compared with cache and without. Two layers that share a slot of the cache have the
    right logits for a text read at once, and write nonsense.

    Returns:
        Whether the new model's greedy choice was the old one's at every step where the old one's lead is
        more than rounding can move: `rounding` of the logits' standard deviation, for each of two logits.
    """
    steps: list[tuple[torch.Tensor, torch.Tensor]] = []
    for ids in beginnings:
        text, both = ids, (_Writer(old), _Writer(new))
        for _ in range(written):
            before, after = (writer.next(text) for writer in both)
            seen.add("written on, with cache", before, after)
            steps.append((before, after))
            text = torch.cat([text, before[:, : seen.vocabulary].argmax(-1, keepdim=True)], dim=1)
        whole = [run(model, text, use_cache=False).logits[0] for model in (old, new)]
        seen.add("written on, without cache", *whole)
    lead = 2 * rounding * seen.spread
    return all(_same_choice(before, after, seen.vocabulary, lead) for before, after in steps)


class _Writer:
    """Reads a growing text; where keys and values are kept, only what is new from the second time on."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: Any = None

    def next(self, text: torch.Tensor) -> torch.Tensor:
        """[1, V] logits of the token after `text`."""
        if self._kept is None:  # the first time, or a model that keeps something else: it reads all again
            output = run(self._model, text, use_cache=True)
        else:
            output = run(self._model, text[:, -1:], past_key_values=self._kept, use_cache=True)
        self._kept = getattr(output, "past_key_values", None)
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def _same_choice(before: torch.Tensor, after: torch.Tensor, vocabulary: int, lead: float) -> bool:
    before, after = before[:, :vocabulary], after[:, :vocabulary]
    certain = float(_margins(before.double())) > lead
    return not certain or bool((before.argmax(-1) == after.argmax(-1)).all())
