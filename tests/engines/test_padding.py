"""The float32 padding check: a sound engine passes, one that pads wrongly is found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.config import Settings
from regress.engines.open import open_engine
from regress.engines.padding import LEAST_BATCH, check_padding, compared, mixed
from regress.types import EngineSpec, Loglikelihood, Logprob, ModelSpec, RollingLoglikelihood

LENGTHS = (3, 40, 7, 25, 12, 31, 5, 18, 9, 22)
TEXTS = [RollingLoglikelihood(text="a" * n) for n in LENGTHS]


class Padding:
    """Says that a text costs 1 nat a letter, and `fault` for each letter that pads it."""

    chat = None
    model = ModelSpec(name="padding", source="padding")

    def __init__(self, batch_size: int, fault: float, log: list[Any]) -> None:
        self.batch_size, self.fault, self.log = batch_size, fault, log

    def spec(self, task: Any) -> EngineSpec:
        return EngineSpec(name="padding", version="1", batch_size=self.batch_size)

    def recorded(self) -> Mapping[str, Any]:
        return {}

    def load(self) -> None:
        pass

    def answer(self, requests: Sequence[Sequence[Any]]) -> list[list[Any]]:
        self.log.append((self.batch_size, [len(group[0].text) for group in requests]))
        flat = [len(request.text) for group in requests for request in group]
        values: list[float] = []
        for first in range(0, len(flat), self.batch_size):
            batch = flat[first : first + self.batch_size]
            values += [-float(n) - self.fault * (max(batch) - n) for n in batch]
        return [[Logprob(value=value)] for value in values]

    def state(self) -> dict[str, Any]:
        return {}

    def resume(self, state: Any) -> None:
        pass

    def close(self) -> None:
        self.log.append((self.batch_size, "closed"))


@pytest.fixture
def check() -> Callable[..., Any]:
    """The check of a `Padding` engine, and what it was asked."""

    def checked(fault: float = 0.0, batch_size: int = 1, texts: Any = TEXTS) -> Any:
        log: list[Any] = []
        result = check_padding(lambda size: Padding(size, fault, log), {"toy": texts}, batch_size)
        return result, log

    return checked


# ── the check ────────────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_pads_rightly_passes(check) -> None:
    result, _ = check()
    assert (result["toy"].n, result["toy"].largest, result["toy"].sound) == (10, 0.0, True)


@pytest.mark.parametrize(("fault", "sound"), [(1e-5, True), (1e-2, False), (1.0, False)])
def test_a_pad_that_counts_is_found_if_it_is_more_than_rounding(check, fault: float, sound: bool) -> None:
    result, _ = check(fault)
    assert result["toy"].sound is sound
    assert result["toy"].largest == pytest.approx(fault * 35)  # 5 letters beside 40


@pytest.mark.parametrize(("asked", "taken"), [(1, LEAST_BATCH), (4, LEAST_BATCH), (16, 16)])
def test_batches_are_those_asked_for_but_never_small(check, asked: int, taken: int) -> None:
    result, log = check(batch_size=asked)
    assert result["toy"].batch_size == taken
    assert {size for size, _ in log} == {1, taken}


def test_one_engine_is_put_away_before_the_next_is_asked(check) -> None:
    _, log = check()
    sizes = [size for size, _ in log]
    assert sizes == sorted(sizes)
    assert [size for size, what in log if what == "closed"] == [1, LEAST_BATCH]


def test_an_engine_that_fails_is_put_away_too() -> None:
    log: list[Any] = []

    class Failing(Padding):
        def answer(self, requests: Any) -> Any:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        check_padding(lambda size: Failing(size, 0.0, log), {"toy": TEXTS}, 8)
    assert log == [(1, "closed")]


def test_a_task_without_questions_has_no_check(check) -> None:
    assert check(texts=[])[0] == {}


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_every_question_is_in_one_batch_and_long_ones_lie_beside_short_ones(size: int) -> None:
    batches = [[len(one.text) for one in batch] for batch in mixed(TEXTS, size)]
    assert sorted(n for batch in batches for n in batch) == sorted(LENGTHS)
    assert max(map(len, batches)) <= size
    if size >= 3:
        assert all(max(batch) - min(batch) >= 15 for batch in batches)


def test_a_value_that_only_one_side_has_is_a_fault_and_one_that_neither_has_is_nothing() -> None:
    both = compared([-1.0, math.nan], [-1.0, math.nan], 8)
    assert (both.n, both.largest) == (1, 0.0)
    one = compared([-1.0, -2.0], [-1.0, math.nan], 8)
    assert (one.n, one.largest, one.sound) == (2, math.inf, False)


# ── lm-eval's own ────────────────────────────────────────────────────────────────────────────────

WORDS = (" a b c", " d", " e f a b c d", " b", " c d e f a b c d e f")
QUESTIONS = [
    Loglikelihood(context=context, continuation=word) for context in ("Q: a", "Q: b c d e") for word in WORDS
]


@pytest.fixture
def check_tiny(make_checkpoint: Callable[..., Path]) -> Callable[..., Any]:
    """The check of an engine on a tiny model stored in bfloat16."""

    def checked(questions: Sequence[Any], engine: str) -> Any:
        folder = str(make_checkpoint(dtype="bfloat16"))

        def opened(size: int) -> Any:
            return open_engine(folder, Settings(engine=engine, dtype="float32", batch_size=size), {})

        return check_padding(opened, {"toy": questions}, 8)["toy"]

    return checked


ROLLING = [RollingLoglikelihood(text="Q:" + word) for word in WORDS]


@pytest.mark.models
@pytest.mark.parametrize("questions", [QUESTIONS, ROLLING], ids=["choices", "texts"])
@pytest.mark.parametrize("engine", ["local", "hf"])
def test_the_engines_mask_rightly(
    engine: str, check_tiny: Callable[..., Any], questions: Sequence[Any]
) -> None:
    result = check_tiny(questions, engine)
    assert result.n == len(questions)
    assert result.largest < 1e-4


@pytest.mark.models
@pytest.mark.parametrize("questions", [QUESTIONS, ROLLING], ids=["choices", "texts"])
def test_padding_on_the_wrong_side_is_found(
    check_tiny: Callable[..., Any], questions: Sequence[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake that such code has made: pads before the text, and no mask that hides them."""
    import lm_eval.models.huggingface as harness

    right = harness.pad_and_concat

    def wrong(length: int, tensors: Any, padding_side: str = "right") -> Any:
        return right(length, tensors, padding_side="left")

    monkeypatch.setattr(harness, "pad_and_concat", wrong)
    result = check_tiny(questions, "hf")
    assert not result.sound
