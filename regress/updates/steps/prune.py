"""`prune`: weights set to zero, or units and heads taken out so that the model gets smaller.

References: Han et al. (2015), arXiv:1506.02626, for magnitude; Sun et al. (2023), "A Simple and Effective
Pruning Approach for Large Language Models" (Wanda), arXiv:2306.11695; Mishra et al. (2021), arXiv:2104.08378,
for 2:4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from regress.errors import Unsupported, UpdateError, UsageError
from regress.updates.claims import OTHER
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Computed, Shape, Tensor
from regress.updates.steps.matrices import matrices
from regress.updates.steps.structured import without_heads, without_units

Pattern = Literal["2:4", "ffn", "heads"]
By = Literal["magnitude", "wanda"]


@dataclass(frozen=True, kw_only=True)
class Prune:
    """Take out the weights that matter least.

    Without a pattern, or in 2 of every 4, they become zeros in matrices of the old shape; units of the MLP
    and heads leave, and the model is smaller.
    """

    verb: ClassVar[str] = "prune"

    sparsity: float | None = None
    """Share that is taken out, from 0 up to but not 1; with pattern 2:4 it is a half, and left out here."""
    by: By = "magnitude"
    """Score of a weight: |w|, or |w| times the norm of the input it meets in calibration texts."""
    per: Literal["tensor", "row"] | None = None
    """Among which weights the least are found; null for the whole tensor by magnitude, rows by Wanda."""
    pattern: Pattern | None = None
    """Single weights (null), 2 of every 4 inputs of a row, units of the MLP, or heads of keys and values
    with all query heads that share them."""
    _inputs: Mapping[str, Inputs] | None = field(default=None, repr=False, compare=False)
    """What each matrix reads, by its name; null until it is measured, and where weights alone count."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`."""
        self._require_sense()
        if self.sparsity == 0:
            return Change(draft=draft)
        if self.pattern == "ffn":
            return without_units(draft, self._share)
        if self.pattern == "heads":
            return without_heads(draft, self._share)
        inputs = self._inputs or {}
        if self.measures:
            inputs = {name: Inputs(draft.tensors[name].shape[-1]) for name in matrices(draft)}
        return _sparse(self, draft, inputs)

    @property
    def measures(self) -> bool:
        """Whether it must see the model run."""
        return self.by == "wanda" and self.sparsity != 0 and self._inputs is None

    def settle(self, model: Any, batches: Sequence[Any]) -> Prune:
        """The step once `model` has read the calibration texts; itself where it needs none.

        Args:
            model: The transformers model of the present draft, in eval mode.
            batches: Token ids [1, T].

        Raises:
            Unsupported: If what a matrix reads cannot be seen, with the reason.
            UpdateError: If there are no texts.
        """
        self._require_sense()
        if not self.measures:
            return self
        from regress.updates.steps.inputs import input_norms

        norms = input_norms(model, batches)
        return replace(self, _inputs={name: Inputs(len(each), each) for name, each in norms.items()})

    @property
    def rowwise(self) -> bool:
        """Whether the least are found in each row by itself."""
        return (self.per or ("tensor" if self.by == "magnitude" else "row")) == "row"

    @property
    def _share(self) -> float:
        return 0.5 if self.sparsity is None else self.sparsity

    def _require_sense(self) -> None:
        for name, value, known in (
            ("by", self.by, ("magnitude", "wanda")),
            ("per", self.per, (None, "tensor", "row")),
            ("pattern", self.pattern, (None, "2:4", "ffn", "heads")),
        ):
            if value not in known:
                raise UsageError(
                    f"{name}={value} is not known", allowed=", ".join(str(k) for k in known if k)
                )
        if (self.pattern == "2:4") == (self.sparsity is not None):
            raise UsageError(
                "pattern=2:4 takes out a half, and no other sparsity"
                if self.pattern == "2:4"
                else "prune needs a sparsity",
                allowed="sparsity=0.3 and the like, or pattern=2:4 without it",
            )
        if self.sparsity is not None and not 0 <= self.sparsity < 1:
            raise UsageError(f"sparsity={self.sparsity} is no share", allowed="0 up to but not 1")
        if self.pattern in ("ffn", "heads") and (self.by != "magnitude" or self.per is not None):
            raise UsageError(f"pattern={self.pattern} is scored by its own norms", do="Leave out by and per.")
        if self.pattern == "2:4" and self.per is not None:
            raise UsageError("pattern=2:4 looks at 4 inputs of a row at a time", do="Leave out per.")


def _sparse(step: Prune, draft: Draft, inputs: Mapping[str, Inputs]) -> Change:
    """The least weights of every matrix as zeros."""
    names = matrices(draft)
    if step.by == "wanda" and (unseen := [name for name in names if name not in inputs]):
        raise Unsupported(
            f"what {unseen[0]} reads was not seen in the running model",
            do="Score by=magnitude, which looks at weights alone.",
        )
    operation = _operation(step, {name: draft.tensors[name].shape for name in names})
    zeroed = {name: Computed(operation, (draft.tensors[name], *_norms(inputs, name))) for name in names}
    notes = [f"{len(names)} matrices get zeros and keep their shapes: the model gets no smaller."]
    if step.measures:
        notes.append("What each matrix reads is measured when the model is made.")
    return Change(draft=draft.but({**draft.tensors, **zeroed}), claim=OTHER, notes=tuple(notes))


def _norms(inputs: Mapping[str, Inputs], name: str) -> tuple[Tensor, ...]:
    return (Computed(inputs[name], ()),) if name in inputs else ()


def _operation(step: Prune, shapes: Mapping[str, Shape]) -> ZeroLeast:
    if step.pattern != "2:4":
        return ZeroLeast(share=step.sparsity or 0.0, among="row" if step.rowwise else "tensor")
    for name, shape in shapes.items():
        if shape[-1] % 4:
            raise Unsupported(
                f"the {shape[-1]} inputs of {name} are no multiple of 4", do="Leave out pattern."
            )
    return ZeroLeast(share=0.5, among="four")


@dataclass(frozen=True, kw_only=True)
class ZeroLeast:
    """A matrix [out, in] whose least weights are zero, by |w|, or by |w| times a score [in] of the inputs.

    Of equal scores the first ones go, so that the result is the same everywhere.
    """

    share: float
    among: Literal["tensor", "row", "four"]
    """Weights that are compared: all, those of a row, or 4 neighbours in one."""
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        matrix, *inputs = tensors
        scores = matrix.abs() * inputs[0] if inputs else matrix.abs()
        rows = scores.reshape(-1, {"tensor": matrix.numel(), "row": matrix.shape[-1], "four": 4}[self.among])
        least = rows.argsort(dim=-1, stable=True)[:, : round(self.share * rows.shape[-1])]
        return matrix.masked_fill(_marked(rows, least).reshape(matrix.shape), 0.0)


@dataclass(frozen=True)
class Inputs:
    """Euclidean norms [in] of what a matrix reads, over all calibration tokens."""

    count: int
    values: tuple[float, ...] | None = field(default=None, repr=False)
    """Null in a plan that is only looked at."""
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return (self.count,)

    def run(self, *tensors: Any) -> Any:
        """See `Operation`.

        Raises:
            UpdateError: If they were not measured.
        """
        import torch

        if self.values is None:
            raise UpdateError(
                "inputs were not measured before weights were to be written", do="`settle` the step."
            )
        return torch.tensor(self.values, dtype=torch.float64)


def _marked(rows: Any, places: Any) -> Any:
    import torch

    return torch.zeros_like(rows, dtype=torch.bool).scatter(-1, places, True)
