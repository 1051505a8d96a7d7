"""The local engine: nothing computed twice, the same digits whatever happens, nothing lost without memory."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regress.config import Settings
from regress.engines.local import LocalEngine
from regress.engines.open import open_engine
from regress.errors import EngineError, UsageError
from regress.store.runs import read_run
from regress.types import Generation, Loglikelihood, Request, TaskSpec, Text
from regress.workflows.evaluate import evaluate
from regress.workflows.progress import Remark

pytestmark = pytest.mark.models

Make = Callable[..., Path]
WORDS = (" a", " b", " c", " d", " e", " f")
SHOTS = "Q:" + "".join(WORDS) * 4


def engine(folder: Path | str, **settings: Any) -> LocalEngine:
    opened = open_engine(str(folder), Settings(engine="local", **settings), {})
    assert isinstance(opened, LocalEngine)
    return opened


def words(draw: random.Random, least: int, most: int) -> str:
    return "".join(draw.choices(WORDS, k=draw.randint(least, most)))


def choices(n: int = 12, seed: int = 0, shots: str = "Q:") -> list[list[Request]]:
    draw = random.Random(seed)
    contexts = [shots + words(draw, 1, 9) for _ in range(n)]
    return [
        [Loglikelihood(context=context, continuation=words(draw, 1, 5)) for _ in range(4)]
        for context in contexts
    ]


def prompts(n: int = 9, seed: int = 0, **options: Any) -> list[list[Request]]:
    draw = random.Random(seed)
    return [
        [Generation(prompt=SHOTS + words(draw, 1, 6), max_tokens=8 + number, options=dict(options))]
        for number in range(n)
    ]


@pytest.fixture
def model(make_checkpoint: Make) -> Path:
    return make_checkpoint(initializer_range=0.5)


# ── every shared token once ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens of each forward pass."""
    from regress.engines.native import NativeModel

    passes: list[int] = []
    original = NativeModel.hidden

    def counting(self: Any, tokens: Any, positions: Any, layout: Any) -> Any:
        passes.append(len(tokens))
        return original(self, tokens, positions, layout)

    monkeypatch.setattr(NativeModel, "hidden", counting)
    return passes


def test_worked_examples_are_computed_once_a_task(model: Path, computed: list[int]) -> None:
    one = engine(model)
    one.answer([])
    one.answer(choices(1))  # loads, and tries
    computed.clear()
    one.answer(choices(12, seed=1, shots=SHOTS))
    one.answer(choices(12, seed=2, shots=SHOTS))
    shots = 1 + 1 + len(WORDS) * 4  # the start token and `Q:`
    assert computed.count(shots) == 1
    assert len(computed) == 3
    assert sum(computed) < 2 * 12 * (9 + 4 * 4) + shots


def test_a_context_is_computed_once_for_all_its_choices(model: Path, computed: list[int]) -> None:
    one = engine(model)
    one.answer(choices(1))
    computed.clear()
    context = "Q:" + "".join(WORDS)
    one.answer([[Loglikelihood(context=context, continuation=word) for word in WORDS]])
    assert computed == [2 + len(WORDS)]


def test_a_prompt_is_computed_once_and_then_one_token_a_step(model: Path, computed: list[int]) -> None:
    one = engine(model)
    one.answer(prompts(1))
    computed.clear()
    asked = [[Generation(prompt=SHOTS + word, max_tokens=5)] for word in WORDS]
    answers = [group[0] for group in one.answer(asked)]
    shots = 2 + len(WORDS) * 4
    assert computed[:2] == [shots, len(WORDS)]
    assert all(tokens <= len(WORDS) for tokens in computed[2:])
    longest = max(answer.output_tokens or 0 for answer in answers if isinstance(answer, Text))
    assert len(computed[2:]) <= longest


def test_the_vocabulary_is_projected_in_blocks_and_only_where_something_is_asked(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.engines import native

    rows: list[int] = []
    original = native.NativeModel.logits

    def noting(self: Any, states: Any) -> Any:
        rows.append(len(states))
        return original(self, states)

    one = engine(model)
    expected = one.answer(choices())
    monkeypatch.setattr(native.NativeModel, "logits", noting)
    monkeypatch.setattr(native, "HEAD_ELEMENTS", {"cpu": 5 * 18})  # five rows of this vocabulary
    assert [[a.value for a in group] for group in one.answer(choices())] == [  # type: ignore[union-attr]
        pytest.approx([a.value for a in group], abs=1e-5)  # type: ignore[union-attr]
        for group in expected
    ]
    assert max(rows) <= 5
    asked = {
        (q.context, q.continuation[: 2 * n])
        for g in choices()
        for q in g
        for n in range(len(q.continuation) // 2)
    }  # type: ignore[union-attr]
    assert sum(rows) <= len(asked)


# ── the same digits ──────────────────────────────────────────────────────────────────────────────


def test_the_same_chunk_has_the_same_digits_in_any_order_and_after_any_other(model: Path) -> None:
    chunk = [*choices(), *prompts(5), *choices(4, seed=3, shots=SHOTS)]
    first = engine(model).answer(chunk)
    other = engine(model)
    other.answer([*choices(7, seed=9), *prompts(3, seed=9)])
    order = list(range(len(chunk)))
    random.Random(0).shuffle(order)
    shuffled = other.answer([chunk[place] for place in order])
    assert [shuffled[order.index(place)] for place in range(len(chunk))] == first
    assert other.answer(chunk) == first


def test_other_limits_move_log_likelihoods_by_no_more_than_rounding(model: Path) -> None:
    chunk = choices(20)
    values = [
        [answer.value for group in engine(model, batch_size=size).answer(chunk) for answer in group]  # type: ignore[union-attr]
        for size in (1, 3, 64)
    ]
    assert values[1] == pytest.approx(values[0], abs=2e-4)
    assert values[2] == pytest.approx(values[0], abs=2e-4)


@pytest.mark.parametrize("options", [{}, {"do_sample": True, "temperature": 0.9}])
def test_texts_do_not_depend_on_slots_or_neighbours(options: Mapping[str, Any], model: Path) -> None:
    chunk = prompts(**options)
    many, few = engine(model), engine(model, engine_args={"slots": 2, "token_budget": 30})
    together = many.answer(chunk)
    assert few.answer(chunk) == together
    assert [many.answer([group])[0] for group in chunk] == together


def test_equal_requests_get_equal_answers(model: Path) -> None:
    chunk = [*choices(5), *prompts(4)]
    answers = engine(model).answer([*chunk, *reversed(chunk)])
    assert answers[: len(chunk)] == answers[len(chunk) :][::-1]


def test_repeats_of_one_sampled_request_differ_and_another_seed_draws_others(model: Path) -> None:
    asked = Generation(prompt="Q: a", max_tokens=12, options={"do_sample": True, "temperature": 1.0})
    one, other = engine(model), engine(model, seed=5)
    ((first, second, third),) = one.answer([[asked] * 3])
    assert len({answer.text for answer in (first, second, third)}) == 3  # type: ignore[union-attr]
    assert one.answer([[asked], [asked]]) == [[first], [first]]  # two instances that ask the same
    assert other.answer([[asked]]) != [[first]]


# ── what lm-eval's engine answers instead ────────────────────────────────────────────────────────


def test_beams_are_left_to_lm_eval_and_the_rest_is_not(model: Path) -> None:
    one = engine(model)
    beams = [[Generation(prompt="Q: a", max_tokens=5, options={"num_beams": 2})]]
    hf = open_engine(str(model), Settings(engine="hf"), {})
    assert one.answer(beams) == hf.answer(beams)
    one.answer(choices(2))
    assert one.recorded()["fallback"] == {"generation": "num_beams = 2 is asked for"}
    one.resume({})  # another chunk, of another task perhaps
    one.answer(choices(2))
    assert one.recorded()["fallback"] == {}


@pytest.mark.parametrize(
    ("where", "name", "broken"),
    [
        (
            "_Alike",
            "_reads",
            lambda self, window: np.ones_like(self._reads_rightly(window)),
        ),  # trees read their neighbours
        ("Slots", "begin", None),  # a slot forgets its last token
        ("Prefix", "attend", None),  # half of the prefix is forgotten
    ],
)
def test_a_model_that_answers_otherwise_at_the_trial_is_left_to_lm_eval(
    where: str, name: str, broken: Any, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.engines import layouts

    kind = getattr(layouts, where)
    original = getattr(kind, name)
    if where == "Slots":
        broken = lambda self, lengths: original(self, lengths - 1)  # noqa: E731
    elif where == "Prefix":

        def broken(self: Any, layer: int, q: Any, positions: Any, asked: Any) -> Any:
            halved = {
                at: (k[:, : self.length // 2], v[:, : self.length // 2]) for at, (k, v) in self.layers.items()
            }
            return original(layouts.Prefix(self.length // 2, halved), layer, q, positions, asked)

    monkeypatch.setattr(kind, "_reads_rightly", original, raising=False)
    monkeypatch.setattr(kind, name, broken)
    one = engine(model)
    hf = open_engine(str(model), Settings(engine="hf"), {})
    assert one.answer(choices(3)) == hf.answer(choices(3))
    assert "log-likelihoods are off lm-eval's" in one.recorded()["fallback"]["everything"]


def test_a_run_says_what_lm_eval_answered(model: Path, piqa: Path, tmp_path: Path) -> None:
    said: list[Any] = []
    given: dict[str, Any] = {"tasks": "piqa", "data": str(piqa), "store": tmp_path / "runs"}
    (folder,) = evaluate(
        str(model), progress=said.append, engine_args={"mixed_precision_dtype": "bfloat16"}, **given
    )
    recorded = json.loads((folder / "manifest.json").read_text())["recorded"]
    assert recorded["fallback"] == {"everything": "mixed_precision_dtype is set"}
    (remark,) = [each.text for each in said if isinstance(each, Remark)]
    assert "lm-eval's engine answered everything (mixed_precision_dtype is set)" in remark


# ── too little memory ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Forward passes of more than `most` tokens fail; notes the limits that were tried."""
    from regress.engines import local

    told: dict[str, Any] = {"most": 10**9, "budgets": [], "slots": []}
    score, write = local.score, local.write

    def scoring(model: Any, windows: Any, budget: int) -> Any:
        told["budgets"].append(budget)
        if budget > told["most"]:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return score(model, windows, budget)

    def writing(*args: Any, slots: int, budget: int, **further: Any) -> None:
        told["slots"].append(slots)
        write(*args, slots=slots, budget=budget, **further)
        if budget > told["most"]:  # after some of it was written
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(local, "score", scoring)
    monkeypatch.setattr(local, "write", writing)
    return told


def test_out_of_memory_halves_the_limits_and_goes_on(model: Path, memory: dict[str, Any]) -> None:
    expected = engine(model, batch_size=16).answer([*choices(), *prompts()])
    one = engine(model)
    one.answer([])
    memory.update(most=1024, budgets=[], slots=[])
    answers = one.answer([*choices(), *prompts()])
    assert memory["budgets"] == [4096, 2048, 1024]
    assert set(memory["slots"]) == {16}
    assert answers == expected
    assert one.state() == {"slots": 16, "token_budget": 1024}
    assert one.recorded()["slots"] == 16


def test_texts_too_lose_nothing_when_memory_runs_out(model: Path, memory: dict[str, Any]) -> None:
    expected = engine(model, batch_size=16).answer(prompts())
    one = engine(model)
    memory.update(most=1024, slots=[])
    assert one.answer(prompts()) == expected
    assert memory["slots"][:3] == [64, 32, 16]


def test_when_nothing_is_left_to_halve_it_says_what_to_do(model: Path, memory: dict[str, Any]) -> None:
    memory["most"] = 0
    with pytest.raises(EngineError, match=r"ran out of memory .*--batch-size"):
        engine(model).answer(choices(2))
    assert memory["budgets"][-1] == 64


@pytest.fixture
def piqa(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "piqa").mkdir(parents=True)
    draw = random.Random(0)
    items = [
        {
            "goal": words(draw, 2, 6),
            "sol1": words(draw, 1, 4)[1:],
            "sol2": words(draw, 1, 4)[1:],
            "label": i % 2,
        }
        for i in range(12)
    ]
    (folder / "piqa" / "validation.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return folder


def test_limits_halved_for_a_chunk_are_written_with_it_and_taken_up_by_a_resumed_run(
    model: Path, piqa: Path, memory: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"tasks": "piqa", "data": str(piqa), "chunk_size": 3}
    memory["most"] = 1024
    (whole,) = evaluate(str(model), store=tmp_path / "whole", **given)
    assert memory["budgets"] == [4096, 2048, 1024, 1024, 1024, 1024]

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    memory["budgets"].clear()
    answer = LocalEngine.answer
    calls: list[int] = []

    def twice(self: Any, requests: Any) -> Any:
        calls.append(1)
        return answer(self, requests) if len(calls) < 3 else stopped()

    monkeypatch.setattr(LocalEngine, "answer", twice)
    with pytest.raises(KeyboardInterrupt):
        evaluate(str(model), store=tmp_path / "parts", **given)
    monkeypatch.setattr(LocalEngine, "answer", answer)
    memory["budgets"].clear()
    (resumed,) = evaluate(str(model), store=tmp_path / "parts", **given)
    assert memory["budgets"] == [1024, 1024]
    assert read_run(resumed).predictions.equals(read_run(whole).predictions)


# ── what is keyed ────────────────────────────────────────────────────────────────────────────────

CHOICE = TaskSpec(name="t", version="1", kind="choice", scale="binary", metric="acc")


def test_slots_and_token_budget_are_keyed(model: Path) -> None:
    spec = engine(model, batch_size=8).spec(CHOICE)
    assert (spec.name, spec.batch_size, spec.settings) == ("local", 8, {"token_budget": 512})
    given = engine(model, engine_args={"token_budget": 1000, "max_length": 32}).spec(CHOICE)
    assert (given.batch_size, given.settings) == (64, {"token_budget": 1000, "max_length": 32})
    assert engine(model, engine_args={"slots": 5}).spec(CHOICE).batch_size == 5
    assert [part.split()[0] for part in spec.version.split(", ")] == ["1", "lm_eval", "transformers", "torch"]


@pytest.mark.parametrize("value", [0, -1, 2.5, "many", True])
def test_limits_that_cannot_be_meant_are_refused(value: Any, model: Path) -> None:
    with pytest.raises(UsageError, match=r"engine argument slots is .*a whole number from 1"):
        engine(model, engine_args={"slots": value})


def test_how_linear_layers_were_computed_is_recorded(model: Path) -> None:
    one = engine(model)
    assert "linear" not in one.recorded()
    one.answer(choices(1))
    assert one.recorded()["linear"] in ("torch", "onednn")
    assert one.recorded()["fallback"] == {}
