"""Log-likelihoods of windows, every shared token computed once.

Shapes: R rows of hidden states, V vocabulary, W wanted log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from regress.engines.native import NativeModel
from regress.engines.schedule import Pack, Window, schedule


@dataclass(frozen=True)
class Scored:
    """What the model says of some windows."""

    values: npt.NDArray[np.float64]
    """[windows] natural log of the probability of each window's targets."""
    greedy: npt.NDArray[np.bool_]
    """[windows] whether each target is what the model finds most probable there."""


def score(model: NativeModel, windows: Sequence[Window], budget: int) -> Scored:
    """Score all windows; which they are decides the result, not their order.

    Args:
        model: What scores them.
        windows: What is asked.
        budget: Tokens of a pack.
    """
    plan = schedule(windows, budget)
    prefix = model.prefix(plan.prefix)
    values, greedy = np.zeros(len(windows)), np.ones(len(windows), np.bool_)
    for pack in plan.packs:
        told, first = _told(model, model.packed(pack, prefix), pack)
        np.add.at(values, pack.owners, told)
        np.logical_and.at(greedy, pack.owners, first)
    return Scored(values, greedy)


def _told(
    model: NativeModel, states: torch.Tensor, pack: Pack
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """[W] log-probability of every wanted token, and whether it is the most probable one."""
    order = np.argsort(pack.sources, kind="stable")
    sources, targets = pack.sources[order], pack.targets[order]
    told, first = np.empty(len(order)), np.empty(len(order), np.bool_)
    for rows in model.in_blocks(len(states)):
        wanted = slice(*np.searchsorted(sources, (rows.start, rows.stop)))
        of, ids = (
            torch.from_numpy(each).to(states.device)
            for each in (sources[wanted] - rows.start, targets[wanted])
        )
        logprobs = torch.log_softmax(model.logits(states[rows]), dim=-1)  # [rows, V], float32
        values = logprobs[of, ids]
        told[order[wanted]] = values.double().cpu().numpy()
        first[order[wanted]] = _most_probable(logprobs, values, of, ids).cpu().numpy()
    return told, first


def _most_probable(
    logprobs: torch.Tensor, values: torch.Tensor, of: torch.Tensor, ids: torch.Tensor
) -> torch.Tensor:
    """[W] whether each id is the first of the highest; looked up only where its value is the highest."""
    highest = values == logprobs.amax(dim=-1)[of]
    if highest.any():
        highest[highest.clone()] = logprobs[of[highest]].argmax(dim=-1) == ids[highest]
    return highest
