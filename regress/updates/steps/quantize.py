"""`quantize`: weights rounded to few levels, and stored as the ordinary numbers that those levels stand for.

What a quantised model computes is measured so without a kernel for it, on any machine and by any program that
loads the checkpoint; nothing gets smaller by it. Formats that do get smaller are `regress.updates.backends`.

Reference: Dettmers et al. (2022), "LLM.int8()", arXiv:2208.07339, section 2 (absmax and zeropoint).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from regress.errors import UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Computed, Shape
from regress.updates.steps.matrices import matrices

Scheme = Literal["symmetric", "asymmetric"]
Backend = Literal["rtn", "bitsandbytes"]

_SIGNIFICAND = 24
"""Bits of a float32's significand."""


@dataclass(frozen=True, kw_only=True)
class Quantize:
    """Round weights to the nearest of 2^bits levels, a scale for every row of a matrix.

    Doing it twice is doing it once, to the last bit, for weights stored as float32; symmetric levels of
    weights that were bfloat16 or float16 before too.
    """

    verb: ClassVar[str] = "quantize"

    bits: int = 8
    """Bits a weight: 2 to 8."""
    group: int | None = None
    """Inputs of a row that share a scale; null for the whole row."""
    per: Literal["row", "tensor"] = "row"
    """What shares a scale where there are no groups; `tensor` is the bad old way."""
    scheme: Scheme = "symmetric"
    """Levels around zero, or from the smallest to the largest weight (zero is always one of them)."""
    embeddings: bool = False
    """Whether the embedding and the output projection are rounded too."""
    backend: Backend = "rtn"
    """Rounded to nearest here, or stored in a library's own format."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        self._require_sense()
        names = matrices(draft, embeddings=self.embeddings)
        if self.group is not None:
            _require_groups(self.group, {name: draft.tensors[name].shape for name in names})
        levels = Levels(bits=self.bits, group=self.group, per=self.per, scheme=self.scheme)
        rounded = {name: Computed(levels, (draft.tensors[name],)) for name in names}
        return Change(
            draft=draft.but({**draft.tensors, **rounded}), claim=OTHER, notes=self._notes(draft, len(names))
        )

    def _require_sense(self) -> None:
        for name, value, known in (
            ("bits", self.bits, tuple(range(2, 9))),
            ("per", self.per, ("row", "tensor")),
            ("scheme", self.scheme, ("symmetric", "asymmetric")),
            ("backend", self.backend, ("rtn", "bitsandbytes")),
        ):
            if value not in known:
                raise UsageError(f"{name}={value} is not known", allowed=", ".join(map(str, known)))
        if self.group is not None and self.per == "tensor":
            raise UsageError(
                "one scale for a whole tensor (per=tensor) leaves no groups", do="Leave one out."
            )
        if self.backend != "rtn":
            raise UsageError(
                f"backend={self.backend} stores a format of its own, which is no plan of tensors",
                allowed="it as the only step, without --plan",
            )

    def _notes(self, draft: Draft, count: int) -> tuple[str, ...]:
        notes = [
            f"{count} matrices are rounded to {self.bits} bits and stored as ordinary numbers: "
            "the model gets no smaller."
        ]
        if draft.dtype == "bfloat16" and self.bits == 8:
            notes.append("Stored as bfloat16, levels are rounded again, by up to a quarter of a step.")
        if draft.dtype in ("bfloat16", "float16") and self.scheme == "asymmetric":
            notes.append(
                f"Stored as {draft.dtype}, asymmetric levels are rounded again, "
                "and quantising a second time moves them a little."
            )
        return tuple(notes)


def _require_groups(group: int, shapes: dict[str, Shape]) -> None:
    if group < 1:
        raise UsageError(f"group={group} is no number of inputs", allowed="1 or more")
    for name, shape in shapes.items():
        if shape[-1] % group:
            common = math.gcd(*(shape[-1] for shape in shapes.values()))
            divisors = [number for number in range(2, common + 1) if common % number == 0]
            raise UsageError(
                f"group={group} does not divide the {shape[-1]} inputs of {name}",
                allowed=", ".join(map(str, divisors)) or "no groups in this model",
            )


@dataclass(frozen=True, kw_only=True)
class Levels:
    """A matrix [out, in] rounded to 2^bits levels for each row, group of inputs, or all of it."""

    bits: int
    group: int | None
    per: Literal["row", "tensor"]
    scheme: Scheme
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        (tensor,) = tensors
        sharing = (
            tensor.reshape(1, -1)
            if self.per == "tensor"
            else tensor.reshape(-1, self.group or tensor.shape[-1])
        )
        rounded = _symmetric if self.scheme == "symmetric" else _asymmetric
        return rounded(sharing, self.bits).reshape(tensor.shape)


def _symmetric(rows: Any, bits: int) -> Any:
    """s = m / (2^(bits-1) - 1) with m = max|w| of a row; w' = s·round(w / s), so that |w' - w| <= s / 2.

    Written as m·(k / q), the largest weight comes out as it was, so that the next time s is the same;
    storing w' moves it by far less than s / 2, so that k is the same as well.
    """
    highest = 2 ** (bits - 1) - 1
    largest = _not_zero(rows.abs().amax(-1, keepdim=True))
    return largest * ((rows / largest * highest).round() / highest)


def _asymmetric(rows: Any, bits: int) -> Any:
    """Levels s·(k - z), k = 0 … 2^bits - 1, over the row's range with 0; |w' - w| <= s / 2 and a little.

    s is cut to so few digits that all levels are float32 numbers, hence the same the next time; the range
    then sticks out by less than s / 128. Cut downwards and with halves rounded towards z, both ends of the
    range are met, from which s and z are found again.
    """
    import torch

    highest = 2**bits - 1
    low, high = rows.amin(-1, keepdim=True).clamp(max=0), rows.amax(-1, keepdim=True).clamp(min=0)
    step = _cut(_not_zero((high - low) / highest), _SIGNIFICAND - bits)
    zero = torch.floor(0.5 - low / step)
    return step * (torch.ceil(rows / step - 0.5).clamp(min=-zero).minimum(highest - zero))


def _not_zero(scale: Any) -> Any:
    """1 for rows of zeros, which stay zeros by any scale."""
    return scale.where(scale > 0, 1.0)


def _cut(numbers: Any, digits: int) -> Any:
    """float64 numbers towards zero, to so many binary digits: the others of the 53 are cleared."""
    import torch

    return (numbers.view(torch.int64) & (-1 << (53 - digits))).view(torch.float64)
