"""Ensembles: the theorem about an old and a new model, bit for bit where members agree, votes, texts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.composed.ensemble import By, Ensemble, Member, shares
from regress.config import Settings
from regress.engines.ensemble import EnsembleEngine, mean_of
from regress.errors import EngineError, ModelError
from regress.types import (
    EngineSpec,
    Footprint,
    Generation,
    Loglikelihood,
    Logprob,
    ModelSpec,
    Request,
    Response,
    TaskSpec,
    Text,
)

BYS: tuple[By, ...] = ("mean", "product", "vote")
TASK = TaskSpec(name="quiz", version="1", kind="choice", scale="binary", metric="acc")


class Told:
    """An engine that answers instance i with `answers[i]`, one a request."""

    chat = None

    def __init__(self, answers: Sequence[Sequence[Response]], **model: Any) -> None:
        self.answers = answers
        self.model = ModelSpec(**{"name": "told", "source": "told", "fingerprint": "f", **model})
        self.resumed: Mapping[str, Any] | None = None
        self.tuned: dict[str, Any] = {}

    def spec(self, task: TaskSpec) -> EngineSpec:
        return EngineSpec(name="told", version="1", batch_size=1, settings={"name": self.model.name})

    def recorded(self) -> Mapping[str, Any]:
        size = Footprint(parameters=10, materialised=12, memory_bytes={"float32": 40})
        return {"footprint": vars(size), "fallback": {"generation": "no reason"}}

    def state(self) -> Mapping[str, Any]:
        return self.tuned

    def resume(self, state: Mapping[str, Any]) -> None:
        self.resumed = state

    def load(self) -> None: ...

    def close(self) -> None: ...

    def answer(self, requests: Sequence[Sequence[Request]]) -> list[list[Response]]:
        return [list(each[: len(group)]) for each, group in zip(self.answers, requests, strict=True)]


def no_writing(*_: Any) -> list[Text]:
    raise AssertionError("nothing is to be written")


def together(
    engines: Sequence[Any], by: By = "mean", weights: tuple[float, ...] | None = None
) -> EnsembleEngine:
    members = tuple(Member(model=engine.model.name) for engine in engines)
    made = Ensemble(by=by, weights=shares(weights, len(engines)), members=members)
    return EnsembleEngine("both", made, engines, no_writing)


def choices(values: Sequence[Sequence[float]]) -> list[list[Logprob]]:
    return [[Logprob(value=value) for value in row] for row in values]


def answered(engine: Any, values: Sequence[Sequence[float]]) -> list[list[float]]:
    requests = [[Loglikelihood(context="q", continuation=str(i)) for i in range(len(row))] for row in values]
    told = engine.answer(requests)
    return [[each.value for each in group] for group in told]


def chosen(values: Sequence[Sequence[float]], lengths: Sequence[float] | None = None) -> list[int]:
    scores = [[v / (lengths[i] if lengths else 1.0) for i, v in enumerate(row)] for row in values]
    return [row.index(max(row)) for row in scores]


LOGS = st.floats(-60, -1e-3)
TABLES = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.tuples(st.lists(LOGS, min_size=k, max_size=k), st.lists(LOGS, min_size=k, max_size=k)),
        min_size=1,
        max_size=6,
    )
)


@given(TABLES, st.sampled_from(BYS), st.floats(0.05, 0.95), st.data())
def test_what_changes_against_the_old_model_is_part_of_what_the_new_one_changes(
    table: list[tuple[list[float], list[float]]], by: By, share: float, data: st.DataObject
) -> None:
    """And so are the answers lost: the rate of negative flips can only fall."""
    old, new = ([pair[side] for pair in table] for side in (0, 1))
    both = answered(together([Told(choices(old)), Told(choices(new))], by, (share, 1 - share)), old)
    before, after, joint = chosen(old), chosen(new), chosen(both)
    gold = data.draw(st.lists(st.integers(0, len(old[0]) - 1), min_size=len(old), max_size=len(old)))
    for was, now, one, right in zip(before, after, joint, gold, strict=True):
        if one != was:
            assert now != was
        if was == right and one != right:
            assert now != right


@given(TABLES, st.data())
def test_of_choices_compared_by_character_that_holds_for_the_product(
    table: list[tuple[list[float], list[float]]], data: st.DataObject
) -> None:
    old, new = ([pair[side] for pair in table] for side in (0, 1))
    lengths = data.draw(st.lists(st.integers(1, 30), min_size=len(old[0]), max_size=len(old[0])))
    both = answered(together([Told(choices(old)), Told(choices(new))], "product"), old)
    per_character = list(map(float, lengths))
    options = zip(*(chosen(each, per_character) for each in (old, new, both)), both, strict=True)
    for was, now, one, row in options:
        scores = [value / length for value, length in zip(row, lengths, strict=True)]
        if was == now:
            assert one == was or math.isclose(scores[one], scores[was], rel_tol=1e-12)


def test_and_for_the_mean_of_probabilities_it_does_not() -> None:
    """Both prefer the short choice by character, and their mean does not: why there is a product."""
    old, new = [[-1.0, -10.1]], [[-6.0, -60.1]]
    lengths = [1.0, 10.0]
    both = answered(together([Told(choices(old)), Told(choices(new))]), old)
    assert chosen(old, lengths) == chosen(new, lengths) == [0]
    assert chosen(both, lengths) == [1]


@given(st.lists(st.lists(LOGS, min_size=3, max_size=3), min_size=1), st.sampled_from(BYS), st.integers(2, 5))
def test_of_equal_members_it_is_the_member_bit_for_bit(values: list[list[float]], by: By, count: int) -> None:
    assert answered(together([Told(choices(values)) for _ in range(count)], by), values) == values


def test_the_mean_is_that_of_probabilities_by_weight() -> None:
    told = answered(
        together([Told(choices([[math.log(0.2)]])), Told(choices([[math.log(0.6)]]))], "mean", (3, 1)),
        [[0.0]],
    )
    assert told[0][0] == pytest.approx(math.log(0.3))
    assert mean_of([math.log(0.2), math.log(0.6)], [0.75, 0.25], geometric=True) == pytest.approx(
        0.75 * math.log(0.2) + 0.25 * math.log(0.6)
    )


def test_impossible_texts_stay_so_and_what_is_undefined_is_not_hidden() -> None:
    assert mean_of([-math.inf, -math.inf], [0.5, 0.5], geometric=False) == -math.inf
    assert mean_of([-math.inf, -2.0], [0.5, 0.5], geometric=True) == -math.inf
    assert math.isnan(mean_of([math.nan, -2.0], [0.5, 0.5], geometric=False))


def test_by_vote_the_choice_of_most_wins_though_the_mean_would_not() -> None:
    """Two are barely for 0, one is sure of 1."""
    values = [[[-1.0, -1.1]], [[-1.0, -1.1]], [[-50.0, -0.01]]]
    engines = [Told(choices(each)) for each in values]
    assert chosen(answered(together(engines, "vote"), values[0])) == [0]
    assert chosen(answered(together(engines, "mean"), values[0])) == [1]
    heavy = together(engines, "vote", (1.0, 1.0, 3.0))
    assert chosen(answered(heavy, values[0])) == [1]


def test_a_tied_vote_is_decided_by_the_mean() -> None:
    values = [[[-1.0, -1.1]], [[-50.0, -0.01]]]
    assert chosen(answered(together([Told(choices(each)) for each in values], "vote"), values[0])) == [1]


@pytest.mark.parametrize(
    ("texts", "weights", "most"),
    [
        (["a", "b", "b"], None, "b"),
        (["b", "a"], None, "b"),  # the first of as many votes
        (["c", "a", "b", "a", "b"], None, "a"),
        (["a", "b"], (1.0, 2.0), "b"),
    ],
)
def test_by_vote_the_text_of_most_wins_and_of_several_the_first(
    texts: list[str], weights: tuple[float, ...] | None, most: str
) -> None:
    engines = [Told([[Text(text=text, finish="stop")]]) for text in texts]
    told = together(engines, "vote", weights).answer([[Generation(prompt="q", until=(), max_tokens=4)]])
    assert [[each.text for each in group if isinstance(each, Text)] for group in told] == [[most]]


def test_an_answer_that_one_member_does_not_have_is_an_error() -> None:
    broken = [[Logprob(value=math.nan, error="timed out"), Logprob(value=-1.0)]]
    engine = together([Told(choices([[-1.0, -2.0]])), Told(broken)])
    (told,) = engine.answer([[Loglikelihood(context="q", continuation=each) for each in "ab"]])
    assert [each.error for each in told] == ["timed out", None]


def test_what_is_told_of_an_answer_is_what_members_tell_alike() -> None:
    one = Logprob(value=-1.0, greedy=True, prompt_tokens=5, output_tokens=2, left_truncated=1, shown="x")
    other = Logprob(value=-1.0, greedy=False, prompt_tokens=5, output_tokens=3, left_truncated=2, shown="y")
    ((told,),) = together([Told([[one]]), Told([[other]])]).answer(
        [[Loglikelihood(context="q", continuation="a")]]
    )
    assert told == Logprob(value=-1.0, greedy=False, prompt_tokens=5, left_truncated=2)


# ── what it is ───────────────────────────────────────────────────────────────────────────────────


def keys(engine: EnsembleEngine) -> tuple[str | None, str]:
    return engine.model.fingerprint, repr(engine.spec(TASK))


def test_everything_that_changes_an_answer_is_keyed() -> None:
    a, b, c = (Told([], name=name, fingerprint=name) for name in "abc")
    variants = [
        together([a, b]),
        together([a, b], "product"),
        together([a, b], "mean", (1.0, 2.0)),
        together([b, a], "mean", (1.0, 2.0)),
        together([a, c]),
    ]
    for one, other in itertools.combinations(variants, 2):
        assert one.model.fingerprint != other.model.fingerprint
        assert keys(one) != keys(other)
    assert keys(together([a, b])) == keys(variants[0])
    hidden = Told([], name="h", fingerprint=None)
    assert together([a, hidden]).model.fingerprint is None


def test_a_member_that_has_changed_is_refused() -> None:
    made = Ensemble(
        by="mean", weights=(0.5, 0.5), members=(Member(model="a", fingerprint="x"), Member(model="b"))
    )
    with pytest.raises(ModelError, match="a, a member of both, is no longer what it was"):
        EnsembleEngine("both", made, [Told([]), Told([])], no_writing)


def test_prompts_must_be_rendered_alike() -> None:
    with pytest.raises(ModelError, match="different chat templates"):
        together([Told([], chat_template="x"), Told([], chat_template="y")])


def test_limits_that_members_halved_are_told_and_taken_up_again() -> None:
    members = [Told([]), Told([])]
    engine = together(members)
    assert engine.state() == {}
    members[1].tuned = {"slots": 4}
    assert engine.state() == {"members": [{}, {"slots": 4}]}
    engine.resume(engine.state())
    assert [member.resumed for member in members] == [{}, {"slots": 4}]
    engine.resume({})
    assert [member.resumed for member in members] == [{}, {}]


def test_sizes_and_fallbacks_of_all_members_are_recorded() -> None:
    told = together([Told([], name="a"), Told([], name="b")]).recorded()
    assert told["footprint"]["parameters"] == 20
    assert told["footprint"]["memory_bytes"] == {"float32": 80}
    assert told["footprint"]["disk_bytes"] is None
    assert set(told["fallback"]) == {"a: generation", "b: generation"}


# ── writing token by token ───────────────────────────────────────────────────────────────────────

WRITE = Generation(prompt=" a b c", until=(), max_tokens=12)


@pytest.fixture
def open_together(tmp_path: Path) -> Callable[..., Any]:
    """Open an ensemble of models in folders as any model is opened."""
    from regress.composed.ensemble import describe_ensemble
    from regress.engines.open import open_engine

    def opened(*folders: Path, by: By = "mean", engine: str = "local") -> Any:
        home = tmp_path / f"both-{by}"
        home.mkdir(exist_ok=True)
        members = tuple(Member(model=str(folder)) for folder in folders)
        describe_ensemble(home, Ensemble(by=by, weights=shares(None, len(folders)), members=members))
        return open_engine(str(home), Settings(engine=engine), {})

    return opened


def alone(folder: Path, engine: str = "local") -> Any:
    from regress.engines.open import open_engine

    return open_engine(str(folder), Settings(engine=engine), {})


def by_hand(folders: Sequence[Path], text: str, count: int, *, geometric: bool) -> list[int]:
    """Tokens that the mean of probabilities ranks first, each from a whole forward pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    models = [AutoModelForCausalLM.from_pretrained(str(folder)).eval() for folder in folders]
    ids = AutoTokenizer.from_pretrained(str(folders[0]))(text)["input_ids"]
    start = len(ids)
    while len(ids) < start + count:
        with torch.no_grad():
            rows = [model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1) for model in models]
        stacked = torch.stack(rows)
        ids.append(int((stacked if geometric else stacked.exp()).mean(0).argmax()))
    return ids[start:]


@pytest.mark.models
@pytest.mark.parametrize("engine", ["local", "hf"])
@pytest.mark.parametrize("by", ["mean", "product"])
def test_every_token_written_is_what_the_mean_ranks_first(
    by: By, engine: str, make_checkpoint: Callable[..., Path], open_together: Callable[..., Any]
) -> None:
    from transformers import AutoTokenizer

    folders = [
        make_checkpoint(f"m{seed}", seed=seed, initializer_range=0.6, eos_token_id=None) for seed in (1, 2)
    ]
    ((told,),) = open_together(*folders, by=by, engine=engine).answer([[WRITE]])
    tokens = by_hand(folders, WRITE.prompt, WRITE.max_tokens, geometric=by == "product")
    tokenizer = AutoTokenizer.from_pretrained(str(folders[0]))
    ends = {tokenizer.eos_token_id}
    upto = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    assert told.text == tokenizer.decode(tokens[:upto], skip_special_tokens=True)
    assert told.output_tokens == upto
    each = [alone(folder, engine).answer([[WRITE]])[0][0].text for folder in folders]
    assert told.text not in each or each[0] == each[1]


@pytest.mark.models
@pytest.mark.parametrize("by", BYS)
def test_of_a_model_with_itself_all_answers_are_the_model_s(
    by: By, make_checkpoint: Callable[..., Path], open_together: Callable[..., Any]
) -> None:
    folder = make_checkpoint(initializer_range=0.6)
    asked = [[Loglikelihood(context=" a b", continuation=each) for each in (" c", " d e", " f")], [WRITE]]
    assert open_together(folder, folder, by=by).answer(asked) == alone(folder).answer(asked)


@pytest.mark.models
def test_sampling_is_refused(make_checkpoint: Callable[..., Path], open_together: Callable[..., Any]) -> None:
    folder = make_checkpoint()
    asked = Generation(prompt=" a", until=(), max_tokens=4, options={"do_sample": True, "temperature": 0.7})
    with pytest.raises(EngineError, match="sampling"):
        open_together(folder, folder).answer([[asked]])


@pytest.mark.models
def test_models_of_other_tokens_choose_together_but_do_not_write(
    make_checkpoint: Callable[..., Path], open_together: Callable[..., Any]
) -> None:
    one, other = make_checkpoint("one"), make_checkpoint("other")
    config = other / "tokenizer_config.json"
    config.write_text(config.read_text().replace('"<unk>"', '"<pad>"'))
    engine = open_together(one, other)
    ((told,),) = engine.answer([[Loglikelihood(context=" a", continuation=" b")]])
    assert math.isfinite(told.value)
    with pytest.raises(EngineError, match="different tokenizers"):
        engine.answer([[WRITE]])
    assert open_together(one, other, by="vote").answer([[WRITE]])[0][0].text


def test_engines_without_probabilities_do_not_write_together(tmp_path: Path) -> None:
    from regress.composed.ensemble import describe_ensemble
    from regress.engines.open import open_engine

    table = tmp_path / "told.jsonl"
    table.write_text('{"match": "", "text": "x"}\n')
    made = Ensemble(
        by="mean", weights=(0.5, 0.5), members=(Member(model=str(table)), Member(model=str(table)))
    )
    describe_ensemble(tmp_path, made)
    engine = open_engine(str(tmp_path), Settings(engine="scripted"), {})
    with pytest.raises(EngineError, match="do not hand out next-token probabilities"):
        engine.answer([[WRITE]])
