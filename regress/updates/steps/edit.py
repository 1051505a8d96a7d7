"""`edit`: small wounds with known consequences, for testing whatever measures updates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from regress.errors import Unsupported, UsageError
from regress.updates.claims import ARGMAX, IDENTICAL, OTHER, Claim
from regress.updates.draft import Change, Draft, of_layer, part
from regress.updates.expressions import (
    Computed,
    Normal,
    Shape,
    Tensor,
    join,
    mean,
    scale,
    take,
    zeros,
)
from regress.updates.steps.moved import untie, untied

_WRITERS = ("o.weight", "o.bias", "down.weight", "down.bias")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Change what can be reckoned with by hand."""

    verb: ClassVar[str] = "edit"

    gain: float | None = None
    """The final norm is multiplied by this: every greedy token stays, probabilities sharpen or flatten."""
    swap: tuple[int, ...] | None = None
    """Two tokens that exchange their logits."""
    mute: int | None = None
    """A token whose logit becomes the mean of others', so that it never is the largest of them."""
    among: tuple[int, ...] | None = None
    """Those others, as the other answers of a task; by default all."""
    silence: tuple[int, ...] | None = None
    """Layers whose attention and MLP add nothing any more, as if they were dropped."""
    noise: float | None = None
    """Standard deviation of numbers added to every matrix, as a share of the matrix's own."""
    seed: int = 0
    """Decides the noise, with the recipe's seed."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        if all(each is None for each in (self.gain, self.swap, self.mute, self.silence, self.noise)):
            raise UsageError("edit names nothing to edit", allowed="gain, swap, mute, silence, noise")
        if self.among is not None and self.mute is None:
            raise UsageError(
                "among says whose mean a token's logit becomes, and no token is named", do="Say mute."
            )
        claim, edited = IDENTICAL, draft
        for change in (self._gain, self._swap, self._mute, self._silence, self._noise):
            edited, kept = change(edited)
            claim &= kept
        return Change(draft=edited, claim=claim, notes=untied(draft, edited))

    def _gain(self, draft: Draft) -> tuple[Draft, Claim]:
        if self.gain is None or self.gain == 1:
            return draft, IDENTICAL
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise UsageError(f"gain={self.gain} does not keep the order of logits", allowed="more than 0")
        if not (draft.shape.norm_first and "final_norm.weight" in draft.tensors):
            raise Unsupported("this model has no final norm whose gain could be multiplied")
        factor = self.gain

        def louder(name: str, tensor: Tensor) -> Tensor:
            return scale(tensor, factor) if name.startswith("final_norm.") else tensor

        return draft.but(draft.map(louder)), ARGMAX

    def _swap(self, draft: Draft) -> tuple[Draft, Claim]:
        if self.swap is None:
            return draft, IDENTICAL
        if len(self.swap) != 2 or self.swap[0] == self.swap[1]:
            raise UsageError(
                f"swap={'+'.join(map(str, self.swap))} names no two tokens", allowed="swap=65+66"
            )
        _require_tokens(draft, self.swap)
        one, other = self.swap
        order = list(range(draft.shape.vocabulary))
        order[one], order[other] = other, one
        return _with_head(draft, lambda head: take(head, 0, order)), OTHER

    def _mute(self, draft: Draft) -> tuple[Draft, Claim]:
        """A mean is below the largest unless all are equal, whatever the text; it needs no bias."""
        token = self.mute
        if token is None:
            return draft, IDENTICAL
        vocabulary = draft.shape.vocabulary
        others = self.among or tuple(each for each in range(vocabulary) if each != token)
        _require_tokens(draft, (token, *others))
        if token in others or len(set(others)) < 2:
            raise UsageError(
                f"token {token} cannot be muted among {'+'.join(map(str, others))}",
                allowed="two or more other tokens",
            )

        def muted(head: Tensor) -> Tensor:
            row = mean(take(head, 0, others), 0)
            before, after = range(token), range(token + 1, vocabulary)
            return join([take(head, 0, before), row, take(head, 0, after)], 0)

        return _with_head(draft, muted), OTHER

    def _silence(self, draft: Draft) -> tuple[Draft, Claim]:
        if self.silence is None:
            return draft, IDENTICAL
        shape = draft.shape
        if not shape.norm_first:
            raise Unsupported("behind norms on the sum (post-norm) no layer passes on what it gets")
        if wrong := [layer for layer in self.silence if not 0 <= layer < shape.layers]:
            raise UsageError(
                f"a model of {shape.layers} layers has no layer {wrong[0]}",
                allowed=f"0 to {shape.layers - 1}",
            )
        silent = frozenset(self.silence)

        def quiet(name: str, tensor: Tensor) -> Tensor:
            where = of_layer(name)
            hushed = where is not None and where[0] in silent and part(name) in _WRITERS
            return zeros(*tensor.shape) if hushed else tensor

        return draft.but(draft.map(quiet)), OTHER

    def _noise(self, draft: Draft) -> tuple[Draft, Claim]:
        if self.noise is None or self.noise == 0:
            return draft, IDENTICAL
        if not (math.isfinite(self.noise) and self.noise > 0):
            raise UsageError(f"noise={self.noise} is no share", allowed="0 or more")
        share, seed = self.noise, self.seed

        def noisy(name: str, tensor: Tensor) -> Tensor:
            if len(tensor.shape) < 2:
                return tensor
            return Computed(Disturb(share), (tensor, Normal(tensor.shape, 1.0, f"edit/{seed}/{name}")))

        return draft.but(draft.map(noisy)), OTHER


@dataclass(frozen=True)
class Disturb:
    """A tensor plus noise in proportion to its own standard deviation; whole numbers stay."""

    share: float
    """The noise's standard deviation as a share of the tensor's."""
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`; the tensor, and numbers of standard deviation 1."""
        tensor, noise = tensors
        if not tensor.is_floating_point():
            return tensor
        return tensor + self.share * tensor.std(correction=0) * noise


def _with_head(draft: Draft, change: Any) -> Draft:
    """The draft with its output projection changed, apart from the embedding; a bias of it goes along."""
    apart = untie(draft).draft
    return apart.but(apart.map(lambda name, tensor: change(tensor) if name.startswith("head.") else tensor))


def _require_tokens(draft: Draft, tokens: Iterable[int]) -> None:
    vocabulary = draft.shape.vocabulary
    if wrong := [token for token in tokens if not 0 <= token < vocabulary]:
        raise UsageError(
            f"a vocabulary of {vocabulary} has no token {wrong[0]}", allowed=f"0 to {vocabulary - 1}"
        )
