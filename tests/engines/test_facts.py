"""The engine tells what lm-eval did: why an answer ended, what was cut off, what could not be computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.config import Settings
from regress.engines.harness import HarnessEngine
from regress.engines.open import open_engine
from regress.types import Generation, Loglikelihood, Logprob, RollingLoglikelihood, TaskSpec, Text

pytestmark = pytest.mark.models

Make = Callable[..., Path]
ENGINE = "local"


@pytest.fixture(autouse=True, params=["local", "hf"])
def both_engines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ENGINE", request.param)


def engine(folder: Path, **settings: Any) -> HarnessEngine:
    opened = open_engine(str(folder), Settings(**{"engine": ENGINE, **settings}), {})
    assert isinstance(opened, HarnessEngine)
    return opened


def write(
    folder: Path, *prompts: str, max_tokens: int = 8, until: Sequence[str] = (), **settings: Any
) -> list[Text]:
    asked = [[Generation(prompt=prompt, until=tuple(until), max_tokens=max_tokens)] for prompt in prompts]
    answers = [group[0] for group in engine(folder, **settings).answer(asked)]
    assert all(isinstance(answer, Text) for answer in answers)
    return answers  # type: ignore[return-value]


def judge(folder: Path, *pairs: tuple[str, str], **settings: Any) -> list[Logprob]:
    asked = [[Loglikelihood(context=context, continuation=continuation) for context, continuation in pairs]]
    (answers,) = engine(folder, **settings).answer(asked)
    assert all(isinstance(answer, Logprob) for answer in answers)
    return answers  # type: ignore[return-value]


def slowly(
    folder: Path, context: Sequence[int], continuation: Sequence[int], window: int
) -> tuple[float, bool]:
    """Log-likelihood token by token, each from what its window shows before it.

    What fits is one window, cut on the left. Else the first window starts at the last token of the
    context, the following ones at the token before them, and the last is filled up on the left.
    """
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    total, greedy, n = 0.0, True, len(continuation)
    fits = [*context, *continuation][-(window + 1) : -n]
    with torch.no_grad():
        for place, token in enumerate(continuation):
            start = place - place % window
            if n <= window:
                seen = [*fits, *continuation[:place]]
            elif start == 0:
                seen = [context[-1], *continuation[:place]]
            else:
                seen = [*continuation[min(start + window, n) - window - 1 : place]]
            logits = model(torch.tensor([seen])).logits[0, -1].double()
            total += float(torch.log_softmax(logits, dim=-1)[token])
            greedy &= int(logits.argmax()) == token
    return total, greedy


# ── why an answer ended ──────────────────────────────────────────────────────────────────────────


def test_an_answer_that_the_model_ended(make_writer: Make) -> None:
    model = make_writer([" a", " b", " c", "</s>"])
    (answer,) = write(model, "Q: a")
    assert (answer.text, answer.finish, answer.output_tokens) == (" b c", "stop", 2)
    assert (answer.prompt_tokens, answer.left_truncated, answer.error) == (3, 0, None)


def test_an_answer_that_a_stop_string_ended_in_the_middle_of_tokens(make_writer: Make) -> None:
    """` St` + `op` + `!` hold `top`: counted up to the token that completes it, and nothing of it is kept."""
    model = make_writer([" a", " b", " St", "op", "!", " c", " d"])
    (answer,) = write(model, "Q: a", until=["top"])
    assert (answer.text, answer.finish, answer.output_tokens) == (" b S", "stop", 3)


def test_an_answer_that_the_longest_length_ended(make_writer: Make) -> None:
    model = make_writer([" a", " b", " c", " a"])
    (answer,) = write(model, "Q: a", max_tokens=5, until=["!"])
    assert (answer.text, answer.finish, answer.output_tokens) == (" b c a b c", "length", 5)


def test_a_stop_string_completed_by_the_very_last_token_is_a_stop(make_writer: Make) -> None:
    model = make_writer([" a", " b", " c", "!"])
    (answer,) = write(model, "Q: a", max_tokens=3, until=["!"])
    assert (answer.text, answer.finish, answer.output_tokens) == (" b c", "stop", 3)


def test_each_row_of_a_batch_ends_for_itself(make_writer: Make) -> None:
    model = make_writer([" a", " b", "</s>"], [" c", " d", "!", " e"], [" f", "x", " f"])
    answers = write(model, "Q: f", "Q: a", "Q:\nQ: c", max_tokens=6, until=["!"])
    told = [(answer.text, answer.finish, answer.output_tokens, answer.prompt_tokens) for answer in answers]
    assert told == [("x fx fx f", "length", 6, 3), (" b", "stop", 1, 3), (" d", "stop", 2, 5)]


def test_an_empty_answer(make_writer: Make) -> None:
    model = make_writer([" a", "</s>"])
    (answer,) = write(model, "Q: a")
    assert (answer.text, answer.finish, answer.output_tokens) == ("", "stop", 0)


def test_one_prompt_asked_twice_is_answered_twice(make_writer: Make) -> None:
    model = make_writer([" a", " b", "</s>"], [" c", " d", " c"])
    answers = write(model, "Q: a", "Q: c", "Q: a", max_tokens=4)
    assert [(a.text, a.finish) for a in answers] == [(" b", "stop"), (" d c d c", "length"), (" b", "stop")]


# ── what was cut off ─────────────────────────────────────────────────────────────────────────────


def test_a_prompt_that_is_too_long_is_cut_on_the_left_and_counted(make_writer: Make) -> None:
    """Context 64, 8 tokens to write: 56 of 1 + 70 prompt tokens are shown."""
    model = make_writer([" a", " b", "</s>"])
    answers = write(model, " c" * 69 + " a", "Q: a")
    told = [(answer.prompt_tokens, answer.left_truncated, answer.text) for answer in answers]
    assert told == [(56, 15, " b"), (3, 0, " b")]


def test_what_was_shown_is_hashed_after_the_cut(make_writer: Make) -> None:
    model = make_writer([" a", "</s>"])
    long, longer, other = write(model, " c" * 69 + " a", " c" * 79 + " a", " d" * 69 + " a")
    assert long.shown == longer.shown != other.shown


def test_a_context_that_is_too_long_is_cut_as_lm_eval_cuts_it(make_checkpoint: Make) -> None:
    """64 positions predict 65 tokens: 63 of context, 2 of continuation."""
    model = make_checkpoint()
    (answer,) = judge(model, (" c" * 80, " d e"))
    assert (answer.prompt_tokens, answer.left_truncated, answer.output_tokens) == (63, 81 - 63, 2)
    value, _ = slowly(model, [8] * 81, [9, 10], window=64)  # the BOS is cut off too
    assert answer.value == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("length", [63, 64, 65, 130, 200])
def test_a_continuation_longer_than_the_context_is_scored_in_windows(
    length: int, make_checkpoint: Make, tokenizer: Any
) -> None:
    """lm-eval stops with an assertion there."""
    model = make_checkpoint(seed=3)
    words = [" a", " b", " c", " d", " e"]
    continuation = "".join(words[i * i % 5] for i in range(length))
    ids = tokenizer.encode(continuation, add_special_tokens=False)
    (answer,) = judge(model, ("Q:", continuation))
    value, greedy = slowly(model, [1, 4], ids, window=64)
    assert answer.value == pytest.approx(value, abs=1e-3)
    assert (answer.greedy, answer.output_tokens, answer.error) == (greedy, length, None)
    assert answer.left_truncated == max(0, min(1, 2 + length - 65))


def test_greedy_says_whether_the_model_would_have_written_just_this(make_writer: Make) -> None:
    model = make_writer([" a", " b", " c", " d"])
    told = judge(model, ("Q: a", " b c"), ("Q: a", " b d"), ("Q: a", " b"))
    assert [answer.greedy for answer in told] == [True, False, True]


def test_an_answer_length_that_does_not_fit_is_halved_and_recorded(make_writer: Make) -> None:
    """Context 64, 100 tokens asked: lm-eval refuses; 32 are written, from 32 of prompt."""
    model = make_writer([" a", " b", " a"])
    (answer,) = write(model, " c" * 40 + " a", max_tokens=100)
    assert (answer.output_tokens, answer.finish, answer.prompt_tokens) == (32, "length", 32)
    task = TaskSpec(
        name="t", version="1", kind="generation", scale="binary", metric="m", generation={"max_gen_toks": 100}
    )
    assert engine(model).spec(task).settings["max_gen_toks_reduced"] == {"asked": 100, "used": 32}


def test_an_answer_length_that_fits_is_left_alone(make_writer: Make) -> None:
    model = make_writer([" a", " b", " a"])
    (answer,) = write(model, "Q: a", max_tokens=63)
    assert (answer.output_tokens, answer.prompt_tokens, answer.left_truncated) == (63, 1, 2)


# ── what could not be computed ───────────────────────────────────────────────────────────────────


def broken(folder: Path, edit_weights: Callable[..., None], value: float) -> Path:
    edit_weights(folder, lambda tensors: tensors["model.norm.weight"].fill_(value))
    return folder


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_weights_make_every_answer_an_error(
    value: float, make_checkpoint: Make, edit_weights: Callable[..., None]
) -> None:
    model = broken(make_checkpoint(), edit_weights, value)
    assert all(answer.error for answer in write(model, "Q: a", "Q: b", max_tokens=4))
    assert all(answer.error for answer in judge(model, ("Q:", " a"), ("Q:", " b c")))
    ((rolled,),) = engine(model).answer([[RollingLoglikelihood(text=" a b c")]])
    assert rolled.error is not None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_broken_weights_are_an_error_in_sampling_too(
    value: float, make_checkpoint: Make, edit_weights: Callable[..., None]
) -> None:
    model = broken(make_checkpoint(), edit_weights, value)
    asked = Generation(prompt="Q: a", max_tokens=4, options={"do_sample": True, "temperature": 1.0})
    ((answer,),) = engine(model).answer([[asked]])
    assert answer.error is not None


def test_a_continuation_that_melts_into_the_context_is_an_error_of_its_own(make_checkpoint: Make) -> None:
    """` a` + `x` is the one token ` ax`: nothing is left to score, and the other requests are answered."""
    melted, sound = judge(make_checkpoint(), ("Q: a", "x"), ("Q: a", " b"))
    assert melted.error == "the continuation has no token of its own"
    assert (sound.error, sound.value < 0) == (None, True)


@pytest.mark.parametrize(("context", "continuation"), [("", ""), ("Q:", "")])
def test_an_empty_continuation_is_an_error_of_its_own(
    context: str, continuation: str, make_checkpoint: Make
) -> None:
    empty, sound = judge(make_checkpoint(), (context, continuation), ("Q: a", " b"))
    assert empty.error == "the continuation has no token of its own"
    assert sound.error is None


def test_without_a_context_the_start_token_is_the_context(make_checkpoint: Make) -> None:
    model = make_checkpoint()
    (answer,) = judge(model, ("", " a b"))
    value, _ = slowly(model, [1], [6, 7], window=64)
    assert answer.value == pytest.approx(value, abs=1e-4)
    assert (answer.prompt_tokens, answer.output_tokens) == (1, 2)
