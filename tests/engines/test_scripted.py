"""An engine that answers from a table: no torch, no chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.engines.scripted import ScriptedEngine, open_table
from regress.errors import EngineError, UnknownName
from regress.types import Generation, Loglikelihood, Logprob, ModelSpec, RollingLoglikelihood, TaskSpec, Text


def scripted(*rows: Mapping[str, Any]) -> ScriptedEngine:
    return ScriptedEngine(ModelSpec(name="table", source="table"), rows)


def ask(engine: ScriptedEngine, *requests: Any) -> list[Any]:
    (answers,) = engine.answer([requests])
    return answers


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        (tmp_path / "table.jsonl").write_text(text, encoding="utf-8")
        return str(tmp_path / "table.jsonl")

    return write


def test_a_whole_prompt_wins_over_a_piece_of_it() -> None:
    engine = scripted({"match": "2", "text": "piece"}, {"prompt": "2 + 2", "text": "whole"})
    assert [
        answer.text for answer in ask(engine, Generation(prompt="2 + 2"), Generation(prompt="2 + 3"))
    ] == [
        "whole",
        "piece",
    ]


def test_the_piece_nearest_the_end_wins_so_that_worked_examples_do_not_match() -> None:
    engine = scripted({"match": "first?", "text": "1"}, {"match": "second?", "text": "2"})
    shots = "Question: first?\nAnswer: 1\n\nQuestion: second?\nAnswer:"
    assert ask(engine, Generation(prompt=shots)) == [Text(text="2", finish="stop")]


def test_an_empty_piece_is_the_last_resort() -> None:
    engine = scripted({"match": "", "text": "no idea"}, {"match": "known", "text": "yes"})
    answers = ask(engine, Generation(prompt="known"), Generation(prompt="other"))
    assert [answer.text for answer in answers] == ["yes", "no idea"]


def test_likelihoods_by_context_and_continuation() -> None:
    engine = scripted(
        {"match": "dresser", "continuation": " knob", "logprob": -1.5},
        {"match": "dresser", "logprob": -4},
        {"match": "whole text", "logprob": -9.5},
    )
    pairs = [Loglikelihood(context="a dresser", continuation=word) for word in (" knob", " nail")]
    answers = ask(engine, *pairs, RollingLoglikelihood(text="the whole text"))
    assert [answer.value for answer in answers] == [-1.5, -4.0, -9.5]


def test_how_an_answer_ended_and_errors_can_be_scripted() -> None:
    engine = scripted(
        {"match": "long", "text": "and so on", "finish": "length"}, {"match": "bad", "error": "timed out"}
    )
    assert ask(engine, Generation(prompt="long")) == [Text(text="and so on", finish="length")]
    assert ask(engine, Generation(prompt="bad"))[0].error == "timed out"


def test_what_the_table_does_not_hold_is_an_error_of_that_request() -> None:
    text, likelihood = ask(scripted(), Generation(prompt="x"), Loglikelihood(context="x", continuation="y"))
    assert text.error == likelihood.error == "the table has no row for this request"
    assert isinstance(likelihood, Logprob)
    assert math.isnan(likelihood.value)


def test_a_likelihood_without_a_number_is_nan_and_so_an_error_row() -> None:
    (answer,) = ask(scripted({"match": "x", "text": "y"}), Loglikelihood(context="x", continuation="y"))
    assert math.isnan(answer.value)


def test_a_table_is_its_own_model(table: Callable[[str], str]) -> None:
    one = open_table(table('{"match": "a", "text": "b"}\n\n'))
    other = open_table(table('{"match": "a", "text": "c"}\n'))
    assert one.model.fingerprint != other.model.fingerprint
    task = TaskSpec(name="t", version="1", kind="choice", scale="binary", metric="acc")
    assert (one.spec(task).name, one.chat, one.recorded()) == ("scripted", None, {})
    assert ask(one, Generation(prompt="a")) == [Text(text="b", finish="stop")]
    one.close()


@pytest.mark.parametrize(
    ("row", "error", "said"),
    [
        ("{", EngineError, r"table\.jsonl, line 1 is not JSON"),
        ("[1]", EngineError, "line 1 is not an object"),
        ('{"promt": "a", "text": "b"}', UnknownName, "'promt' in .*; did you mean 'prompt'"),
        ('{"text": "b"}', EngineError, "says neither `prompt` nor `match`"),
        ('{"prompt": "a"}', EngineError, r"has no answer.*text, logprob, or error"),
    ],
)
def test_a_bad_row_is_named(row: str, error: type[Exception], said: str, table: Callable[[str], str]) -> None:
    with pytest.raises(error, match=said):
        open_table(table(row + "\n"))


def test_a_table_that_is_not_there_gets_the_nearest_one(table: Callable[[str], str]) -> None:
    path = Path(table('{"match": "", "text": ""}'))
    with pytest.raises(UnknownName, match=r"did you mean '.*table\.jsonl'"):
        open_table(str(path.with_name("tabel.jsonl")))


def test_rows_are_checked_without_a_file_too() -> None:
    with pytest.raises(EngineError, match="row 2 of table has no answer"):
        scripted({"match": "", "text": ""}, {"match": ""})
