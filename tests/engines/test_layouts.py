"""Decoding slots hold what was put into them, whoever leaves and enters, and read just that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.models

HEADS, SHARED, SIZE, LAYER = 4, 2, 8, 0


class Book:
    """Slots, and beside them what each sequence holds: keys and values [SHARED, tokens, SIZE]."""

    def __init__(self, capacities: list[int], seed: int) -> None:
        import torch

        from regress.engines.layouts import Slots

        self.slots = Slots(np.array(capacities), None, torch.device("cpu"), torch.float32)
        self.held: list[tuple[Any, Any]] = []
        self._random = torch.Generator().manual_seed(seed)

    def draw(self, heads: int, tokens: int) -> Any:
        import torch

        return torch.randn(heads, tokens, SIZE, generator=self._random)

    def enter(self, lengths: list[int]) -> None:
        import torch

        new = [(self.draw(SHARED, length), self.draw(SHARED, length)) for length in lengths]
        keys, values = (torch.cat(each, dim=1) for each in zip(*new, strict=True))
        of = np.repeat(len(self.held) + np.arange(len(lengths)), lengths)
        at = np.concatenate([np.arange(length) for length in lengths])
        self.slots.fill({LAYER: (keys, values)}, of, at)
        self.held += new

    def leave(self, slot: int) -> None:
        last = self.held.pop()
        if slot < len(self.held):
            self.held[slot] = last
            self.slots.move(len(self.held), slot, last[0].shape[1])

    def step(self, window: int | None) -> tuple[Any, Any]:
        """Attention over the slots, and by the book, both [slots, HEADS, SIZE]."""
        import torch

        from regress.engines.attention import Asked

        self.slots.begin(np.array([keys.shape[1] for keys, _ in self.held]))
        count = len(self.held)
        q, k, v = self.draw(HEADS, count), self.draw(SHARED, count), self.draw(SHARED, count)
        got = self.slots.attend(LAYER, q, (k, v), Asked(SIZE**-0.5, window, None))
        self.held = [
            (torch.cat((keys, k[:, i : i + 1]), 1), torch.cat((values, v[:, i : i + 1]), 1))
            for i, (keys, values) in enumerate(self.held)
        ]
        return got, torch.stack([_plain(q[:, i], *held, window) for i, held in enumerate(self.held)])


def _plain(q: Any, keys: Any, values: Any, window: int | None) -> Any:
    """One query [HEADS, SIZE] over everything held: softmax(q kᵀ / √SIZE) v."""
    k, v = (each[:, -(window or 10**6) :].repeat_interleave(HEADS // SHARED, 0) for each in (keys, values))
    weights = ((k @ q[:, :, None])[..., 0] / SIZE**0.5).softmax(-1)
    return (weights[:, None] @ v)[:, 0]


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("seed", range(6))
def test_slots_read_what_they_hold(seed: int, window: int | None) -> None:
    import torch

    random = np.random.default_rng(seed)
    count, longest = int(random.integers(1, 30)), 12
    prompts = sorted((int(n) for n in random.integers(1, 40, 70)), reverse=True)
    book = Book([length + longest for length in prompts[:count]], seed)
    written: list[int] = []
    while prompts or book.held:
        if entering := min(count - len(book.held), int(random.integers(1, 9)), len(prompts)):
            book.enter(prompts[:entering])
            prompts, written = prompts[entering:], written + [0] * entering
        got, expected = book.step(window)
        assert torch.allclose(got, expected, atol=1e-5)
        written = [n + 1 for n in written]
        for slot in reversed(range(len(written))):
            if written[slot] == longest or random.random() < 0.15:
                book.leave(slot)
                last = written.pop()
                if slot < len(written):
                    written[slot] = last
