"""When an answer has ended: a token that ends it, a stop string, or its longest length."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

_LOOKBACK = 8
"""Tokens looked back at beyond one a character of the longest stop string: some spell nothing alone."""


class Stopper:
    """Finds stop strings while an answer is being written.

    Only a token that could spell the last character of a stop string is looked at, and then only the
    answer's end; what that finds is confirmed on the whole answer. So a stop string is never seen
    where there is none, and where one is missed, which takes tokens that spell nothing, the answer
    is merely written on and cut afterwards.

    Args:
        decode: Ids to text.
        until: Stop strings; empty ones stop nothing.
        ends: Tokens that end an answer.
        longest: Tokens after which it ends in any case.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        until: Sequence[str],
        ends: Collection[int],
        longest: int,
    ) -> None:
        self._decode, self._ends, self._longest = decode, ends, longest
        self._until = [word for word in until if word]
        self._last = {word[-1] for word in self._until}
        self._back = max(map(len, self._until), default=0) + _LOOKBACK
        self._suspicious: dict[int, bool] = {}

    def ended(self, written: Sequence[int]) -> bool:
        """Whether nothing is to be written after these tokens."""
        token = written[-1]
        if token in self._ends or len(written) >= self._longest:
            return True
        if not self._could_end(token) or not self._stops(written[-self._back :]):
            return False
        return self._stops(written)

    def _could_end(self, token: int) -> bool:
        known = self._suspicious.get(token)
        if known is None:
            spelt = self._decode([token])
            # a piece of a character, or nothing, may complete a character with its neighbours
            known = not spelt or "\ufffd" in spelt or not self._last.isdisjoint(spelt)
            self._suspicious[token] = known
        return known

    def _stops(self, tokens: Sequence[int]) -> bool:
        text = self._decode(tokens)
        return any(word in text for word in self._until)
