"""Expressions know their shapes before anything is read, and compute what numpy computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.updates import expressions as ex

pytestmark = pytest.mark.models

STORED = {"a": np.arange(12.0).reshape(3, 4) - 5, "b": np.arange(8.0).reshape(2, 4) / 3}
A, B = (ex.Old(name, array.shape) for name, array in STORED.items())


def value(tensor: ex.Tensor, seed: int = 0) -> Any:
    import torch

    from regress.updates.evaluate import evaluate

    found = evaluate(tensor, lambda old: torch.tensor(STORED[old.name]), seed)
    assert tuple(found.shape) == tensor.shape
    return found.numpy()


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (ex.take(A, 1, (3, 0, 0)), STORED["a"][:, [3, 0, 0]]),
        (ex.join([A, B], 0), np.concatenate([STORED["a"], STORED["b"]])),
        (ex.reshape(A, 2, 6), STORED["a"].reshape(2, 6)),
        (ex.turn(A), STORED["a"].T),
        (ex.scale(A, 0.3), STORED["a"] * 0.3),
        (ex.mean(A, 0), STORED["a"].mean(0, keepdims=True)),
        (ex.repeat(ex.mean(A, 1), 1, 3), np.repeat(STORED["a"].mean(1, keepdims=True), 3, 1)),
        (ex.product(A, ex.Fill((1, 4), 2.0)), STORED["a"] * 2),
        (ex.weighted([A, A], [0.25, -1.0]), STORED["a"] * -0.75),
        (ex.matmul(A, ex.turn(B)), STORED["a"] @ STORED["b"].T),
        (ex.zeros(2, 3), np.zeros((2, 3))),
    ],
)
def test_operations_are_numpys(tensor: ex.Tensor, expected: Any) -> None:
    np.testing.assert_allclose(value(tensor), expected, rtol=0, atol=1e-15)


def test_what_changes_nothing_makes_no_operation() -> None:
    assert ex.take(A, 0, (0, 1, 2)) is A
    assert ex.scale(A, 1.0) is A
    assert ex.reshape(A, 3, 4) is A
    assert ex.turn(ex.turn(A)) is A
    assert ex.join([A, ex.zeros(0, 4)], 0) is A


@given(st.floats(min_value=1e-6, max_value=1e6))
def test_exact_factors_are_the_powers_of_two(factor: float) -> None:
    assert ex.exact(ex.scale(A, factor)) == (math.log2(factor) == round(math.log2(factor)))


@given(st.integers(-20, 20))
def test_and_those_keep_every_digit_in_every_type(power: int) -> None:
    import torch

    numbers = torch.randn(100, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert ex.exact(ex.scale(A, 2.0**power))
    assert torch.equal((numbers.double() * 2.0**power).bfloat16().double() / 2.0**power, numbers.double())


@settings(max_examples=20)
@given(st.integers(0, 5), st.text(max_size=5))
def test_random_numbers_depend_on_seed_and_key_alone(seed: int, key: str) -> None:
    one = ex.Normal((4, 3), 0.5, key)
    assert np.array_equal(value(one, seed), value(ex.turn(ex.turn(one)), seed))
    wider = ex.join([ex.zeros(1, 3), one], 0)
    assert np.array_equal(value(one, seed), value(wider, seed)[1:])
    assert not np.array_equal(value(one, seed), value(one, seed + 1))
    assert not np.array_equal(value(one, seed), value(ex.Normal((4, 3), 0.5, key + "'"), seed))


def test_what_is_used_twice_is_computed_once() -> None:
    import torch

    from regress.updates.evaluate import evaluate

    reads: list[str] = []

    def read(old: ex.Old) -> torch.Tensor:
        reads.append(old.name)
        return torch.tensor(STORED[old.name])

    half = ex.scale(A, 0.5)
    evaluate(ex.join([half, half, half], 0), read, 0)
    assert reads == ["a"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ex.reshape(A, 5, 2),
        lambda: ex.matmul(A, B),
        lambda: ex.product(A, B),
        lambda: ex.weighted([A, B], [1.0, 1.0]),
    ],
)
def test_shapes_that_do_not_fit_are_refused_on_paper(wrong: Any) -> None:
    with pytest.raises(ValueError, match="shape"):
        wrong()


def test_a_stored_tensor_of_another_shape_than_planned_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a has shape \(3, 4\), not \(3, 5\)"):
        value(ex.Old("a", (3, 5)))
