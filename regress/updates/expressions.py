"""What a new tensor is made of: expressions over old ones, with shapes known before any weight is read.

An expression is a tensor of the old model, a constant, random numbers, or an operation on other
expressions. Nothing here computes; `regress.updates.evaluate` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Old:
    """A tensor of a stored model, as it lies on disk."""

    name: str
    """Its name there."""
    shape: Shape
    model: str = "old"
    """Which of the models at hand: `old`, or the label of another one that is merged in."""


@dataclass(frozen=True)
class Fill:
    """One number everywhere."""

    shape: Shape
    value: float = 0.0


@dataclass(frozen=True)
class Normal:
    """Normally distributed numbers of mean 0; the recipe's seed and `key` alone decide which."""

    shape: Shape
    std: float
    key: str


class Operation(Protocol):
    """Turns tensors into one; compares equal to another that does the same."""

    @property
    def exact(self) -> bool:
        """Whether results are exact in every floating-point type (moves, and factors of two)."""
        ...

    def shape(self, *shapes: Shape) -> Shape:
        """The result's shape."""
        ...

    def run(self, *tensors: Any) -> Any:
        """The result; torch tensors in and out."""
        ...


@dataclass(frozen=True, eq=False)
class Computed:
    """The result of an operation on other expressions."""

    operation: Operation
    inputs: tuple[Tensor, ...]
    shape: Shape = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.operation.shape(*(each.shape for each in self.inputs)))


Tensor = Old | Fill | Normal | Computed


def walk(tensor: Tensor) -> Iterator[Tensor]:
    """The expression and all that it is made of, each once."""
    seen: set[int] = set()
    todo = [tensor]
    while todo:
        each = todo.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            if isinstance(each, Computed):
                todo.extend(each.inputs)


def exact(tensor: Tensor) -> bool:
    """Whether every old value in it is kept as it is, or multiplied by a power of two.

    Values that were rounded to the model's type count as old ones from then on.
    """
    todo: list[Tensor] = [tensor]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if not isinstance(each, Computed) or isinstance(each.operation, Round) or id(each) in seen:
            continue
        if not each.operation.exact:
            return False
        seen.add(id(each))
        todo.extend(each.inputs)
    return True


def elements(shape: Shape) -> int:
    """Number of values in a tensor of this shape."""
    return math.prod(shape)


# ── operations ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Take:
    """The slices of `dim` at `places`, in that order; a place may come twice."""

    dim: int
    places: tuple[int, ...]
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        (shape,) = shapes
        return (*shape[: self.dim], len(self.places), *shape[self.dim + 1 :])

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        import torch

        (tensor,) = tensors
        return tensor.index_select(self.dim, torch.tensor(self.places, dtype=torch.long))


@dataclass(frozen=True)
class Join:
    """Tensors one after the other along `dim`."""

    dim: int
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        first = shapes[0]
        return (*first[: self.dim], sum(shape[self.dim] for shape in shapes), *first[self.dim + 1 :])

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        import torch

        return torch.cat(tensors, self.dim)


@dataclass(frozen=True)
class Reshape:
    """The same values in the same order, in another shape."""

    to: Shape
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        if elements(shapes[0]) != elements(self.to):
            raise ValueError(f"a tensor of shape {shapes[0]} cannot become {self.to}")
        return self.to

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0].reshape(self.to)


@dataclass(frozen=True)
class Turn:
    """A matrix with rows and columns exchanged."""

    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        rows, columns = shapes[0]
        return columns, rows

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0].T


@dataclass(frozen=True)
class Scale:
    """Every value times `factor`."""

    factor: float

    @property
    def exact(self) -> bool:
        """Only powers of two change no digit of a floating-point number."""
        return abs(math.frexp(self.factor)[0]) == 0.5

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0] * self.factor


@dataclass(frozen=True)
class Round:
    """Every value rounded to the nearest number of a floating-point type; whole numbers stay."""

    dtype: str
    """The type, by torch's name."""
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return shapes[0]

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        import torch

        (tensor,) = tensors
        return (
            tensor.to(getattr(torch, self.dtype)).to(tensor.dtype) if tensor.is_floating_point() else tensor
        )


@dataclass(frozen=True)
class Mean:
    """The mean along `dim`, which keeps a length of 1."""

    dim: int
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return (*shapes[0][: self.dim], 1, *shapes[0][self.dim + 1 :])

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0].mean(self.dim, keepdim=True)


@dataclass(frozen=True)
class Product:
    """Elementwise product; shapes are broadcast."""

    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return _broadcast(*shapes)

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return math.prod(tensors[1:], start=tensors[0])


@dataclass(frozen=True)
class Sum:
    """Sum of tensors of one shape, each times its weight."""

    weights: tuple[float, ...]
    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return _broadcast(*shapes)

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return sum(weight * tensor for weight, tensor in zip(self.weights, tensors, strict=True))


@dataclass(frozen=True)
class Matmul:
    """Matrix product of two tensors; leading dimensions are batches."""

    exact: bool = field(default=False, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        left, right = shapes
        if left[-1] != right[-2]:
            raise ValueError(f"tensors of shapes {left} and {right} cannot be multiplied")
        return (*_broadcast(left[:-2], right[:-2]), left[-2], right[-1])

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        return tensors[0] @ tensors[1]


def _broadcast(*shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    sizes = [{size for size in axis if size != 1} for axis in zip(*padded, strict=True)]
    if any(len(each) > 1 for each in sizes):
        raise ValueError(f"shapes {', '.join(map(str, shapes))} do not fit each other")
    return tuple(each.pop() if each else 1 for each in sizes)


# ── how steps write them ─────────────────────────────────────────────────────────────────────────


def zeros(*shape: int) -> Tensor:
    """Nothing but 0."""
    return Fill(shape)


def ones(*shape: int) -> Tensor:
    """Nothing but 1."""
    return Fill(shape, 1.0)


def take(tensor: Tensor, dim: int, places: Sequence[int]) -> Tensor:
    """Slices of `dim`; the tensor itself where they are all of them in order."""
    if tuple(places) == tuple(range(tensor.shape[dim])):
        return tensor
    return Computed(Take(dim, tuple(places)), (tensor,))


def join(tensors: Sequence[Tensor], dim: int) -> Tensor:
    """Tensors along `dim`, without those that are empty there."""
    there = [tensor for tensor in tensors if tensor.shape[dim]]
    return there[0] if len(there) == 1 else Computed(Join(dim), tuple(there))


def reshape(tensor: Tensor, *shape: int) -> Tensor:
    """The same values in another shape."""
    return tensor if tensor.shape == shape else Computed(Reshape(shape), (tensor,))


def turn(tensor: Tensor) -> Tensor:
    """A matrix with rows and columns exchanged; turned twice, it is what it was."""
    if isinstance(tensor, Computed) and isinstance(tensor.operation, Turn):
        return tensor.inputs[0]
    return Computed(Turn(), (tensor,))


def scale(tensor: Tensor, factor: float) -> Tensor:
    """Every value times `factor`."""
    return tensor if factor == 1.0 else Computed(Scale(factor), (tensor,))


def mean(tensor: Tensor, dim: int) -> Tensor:
    """The mean along `dim`, kept as a length of 1."""
    return Computed(Mean(dim), (tensor,))


def repeat(tensor: Tensor, dim: int, times: int) -> Tensor:
    """A tensor of length 1 along `dim`, `times` times."""
    return take(tensor, dim, (0,) * times)


def product(*tensors: Tensor) -> Tensor:
    """Elementwise product."""
    return Computed(Product(), tensors)


def weighted(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Weighted sum."""
    return Computed(Sum(tuple(weights)), tuple(tensors))


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """Matrix product."""
    return Computed(Matmul(), (left, right))
