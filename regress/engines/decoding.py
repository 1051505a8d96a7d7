"""Writing answers: continuous batching over slots, each sequence leaving when it has ended.

The prefix that all prompts of a chunk share is computed once and read by every slot; what a slot
holds is only its own. Prompts enter longest first, so that those side by side are of like length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch

from regress.engines.choosing import Answer, Chooser
from regress.engines.layouts import Prefix, Slots
from regress.engines.native import NativeModel
from regress.engines.schedule import LEAST_PREFIX, Ids, Window, shared_prefix


def write(
    model: NativeModel,
    answers: Sequence[Answer],
    chooser: Chooser,
    ended: Callable[[Sequence[int]], bool],
    *,
    longest: int,
    slots: int,
    budget: int,
) -> None:
    """Write every answer to its end.

    Args:
        model: What writes.
        answers: Prompts with nothing written yet; filled in.
        chooser: Chooses each next token.
        ended: Whether an answer has ended with the tokens written so far.
        longest: Most tokens that `ended` allows.
        slots: Answers written side by side.
        budget: Tokens of prompts computed together.
    """
    queue = deque(sorted(answers, key=lambda answer: (-len(answer.prompt), answer.prompt.tobytes())))
    prefix = model.prefix(_prefix([answer.prompt for answer in queue]))
    capacities = _own(list(queue)[:slots], prefix) + longest  # those who enter later are shorter
    writing = _Writing(model, prefix, chooser, ended, capacities)
    while queue or writing.active:
        writing.admit(_next(queue, writing.free, budget, prefix))
        writing.step()


def _prefix(prompts: Sequence[Ids]) -> Ids:
    """What all prompts begin with; at least one token of each is left to be computed."""
    ordered = sorted(prompts, key=lambda tokens: tokens.astype(">i8").tobytes())
    ends = [ordered[0], ordered[-1]]  # what the first and the last share, all share
    shared = shared_prefix([Window(tokens, tokens[:1]) for tokens in ends])
    shortest = min(map(len, prompts)) - 1
    return shared[: shortest if shortest >= LEAST_PREFIX else 0]


def _own(answers: Sequence[Answer], prefix: Prefix | None) -> Ids:
    """Tokens of each prompt beyond the prefix."""
    skip = prefix.length if prefix else 0
    return np.array([len(answer.prompt) - skip for answer in answers])


def _next(queue: deque[Answer], free: int, budget: int, prefix: Prefix | None) -> list[Answer]:
    """The prompts that enter now: as many as have a free slot and fit into the budget, at least one."""
    entering: list[Answer] = []
    room = budget
    while queue and len(entering) < free:
        room -= len(queue[0].prompt) - (prefix.length if prefix else 0)
        if room < 0 and entering:
            break
        entering.append(queue.popleft())
    return entering


class _Writing:
    """The slots and who is in them; the active ones are always the first."""

    def __init__(
        self,
        model: NativeModel,
        prefix: Prefix | None,
        chooser: Chooser,
        ended: Callable[[Sequence[int]], bool],
        capacities: Ids,
    ) -> None:
        self.active: list[Answer] = []
        self._model, self._chooser, self._ended = model, chooser, ended
        self._memory = Slots(capacities, prefix, model.device, model.dtype)
        self._skip = prefix.length if prefix else 0

    @property
    def free(self) -> int:
        """Slots without an answer."""
        return self._memory.count - len(self.active)

    def admit(self, entering: Sequence[Answer]) -> None:
        """Compute prompts, and write the first token of each."""
        if not entering:
            return
        prompts = [answer.prompt for answer in entering]
        states, kept = self._model.prefill(prompts, self._memory.prefix)
        own = _own(entering, self._memory.prefix)
        slots = np.repeat(len(self.active) + np.arange(len(own)), own)
        places = np.concatenate([np.arange(length) for length in own])
        self._memory.fill(kept, slots, places)
        self.active += entering
        self._write(states, list(entering))
        self._leave()

    def step(self) -> None:
        """Write one token of every active answer."""
        if not self.active:
            return
        held = np.array([self._held(answer) for answer in self.active])
        self._memory.begin(held)
        last = np.array([answer.written[-1] for answer in self.active])
        states = self._model.hidden(last, held + self._skip, self._memory)
        self._write(states, self.active)
        self._leave()

    def _held(self, answer: Answer) -> int:
        """Tokens of an answer in its slot: all but the one written last, which the next step computes."""
        return len(answer.prompt) - self._skip + len(answer.written) - 1

    def _write(self, states: torch.Tensor, answers: Sequence[Answer]) -> None:
        for rows in self._model.in_blocks(len(states)):
            self._choose(self._model.logits(states[rows]), answers[rows])

    def _choose(self, logits: torch.Tensor, answers: Sequence[Answer]) -> None:
        highest = logits.amax(dim=-1)  # nan where any is nan
        broken = (highest.isnan() | highest.isposinf()).tolist()
        if any(broken):
            logits = logits.masked_fill(torch.tensor(broken, device=logits.device)[:, None], 0.0)
        chosen = self._chooser.next(logits, answers)
        for answer, token, failed in zip(answers, chosen, broken, strict=True):
            answer.written.append(token)
            answer.broken |= failed

    def _leave(self) -> None:
        """Let go who has ended; the last ones move into the gaps."""
        for slot in reversed(range(len(self.active))):
            answer = self.active[slot]
            if not answer.broken and not self._ended(answer.written):
                continue
            last = self.active.pop()
            if last is not answer:
                self.active[slot] = last
                self._memory.move(len(self.active), slot, self._held(last))
