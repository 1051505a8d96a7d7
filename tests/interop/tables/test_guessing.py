"""Columns are guessed by exact names, only where one could be meant, and then shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regress.errors import DataError, UsageError
from regress.interop.records import Heading, Reading, Record
from regress.interop.tables import reader as table


def _read(tmp_path: Path, rows: list[dict[str, Any]], **reading: Any) -> tuple[Heading, list[Record]]:
    path = tmp_path / "answers.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    [source] = table.sources(path, Reading(**reading))
    return source.heading, list(source.records())


def _columns(tmp_path: Path, *rows: dict[str, Any], **reading: Any) -> dict[str, str]:
    return dict(_read(tmp_path, list(rows), **reading)[0].read["columns"])


@pytest.mark.parametrize(
    "name", ["correct", "is_correct", "Is Correct", "isCorrect", "acc", "exact_match", "EM", "right", "hit"]
)
def test_names_count_without_case_spaces_and_underscores(tmp_path: Path, name: str) -> None:
    assert _columns(tmp_path, {"id": "a", name: True}) == {"correct": name}


@pytest.mark.parametrize("name", ["corrects", "correctness_rate", "was_correct_before", "accuracy@5"])
def test_names_that_only_resemble_one_do_not_count(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not tell which answers are right; its columns are id"):
        _read(tmp_path, [{"id": "a", name: True}])


def test_what_could_be_mapped_is_listed_with_what_objects_hold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"its columns are id, doc\.gold, resp\.text, resp\.tokens\."):
        _read(tmp_path, [{"id": "a", "doc": {"gold": "1"}, "resp": {"text": "one", "tokens": 3}}])


@pytest.mark.parametrize(
    "prediction", ["prediction", "pred", "output", "response", "model_output", "completion"]
)
@pytest.mark.parametrize("target", ["target", "gold", "label", "reference", "ground_truth", "expected"])
def test_prediction_and_target(tmp_path: Path, prediction: str, target: str) -> None:
    found = _columns(tmp_path, {"question": "?", prediction: "a", target: "b"})
    assert found == {"question": "question", "prediction": prediction, "target": target}


def test_what_was_guessed_is_shown_and_what_was_said_is_not(tmp_path: Path) -> None:
    heading, _ = _read(
        tmp_path, [{"question_id": "a", "q": "?", "gold": "x", "out": "x"}], columns={"prediction": "out"}
    )
    assert heading.remarks[0] == (
        "Read id from `question_id`, target from `gold`; say --map ROLE=COLUMN,… to read otherwise."
    )
    assert heading.read["columns"] == {"prediction": "out", "target": "gold"}


def test_two_columns_that_could_be_the_prediction_are_refused_with_what_to_type(tmp_path: Path) -> None:
    rows = [{"id": "a", "output": "x", "response": "y", "target": "x"}]
    with pytest.raises(UsageError) as error:
        _read(tmp_path, rows)
    assert "`output` and `response` could be the prediction" in str(error.value)
    assert "--map prediction=output or --map prediction=response" in str(error.value)
    assert _columns(tmp_path, *rows, columns={"prediction": "response"})["prediction"] == "response"


def test_a_role_that_is_mapped_to_nothing_is_not_guessed(tmp_path: Path) -> None:
    row = {"id": "a", "position": 7, "question": "?", "correct": True}
    assert "index" in _columns(tmp_path, row)
    _, [record] = _read(tmp_path, [row], columns={"index": "", "id": ""})
    assert (record.position, record.own, record.question) == (None, {}, "?")


# ── `answer` ─────────────────────────────────────────────────────────────────────────────────────


def test_answer_is_what_is_right_where_something_else_is_the_prediction(tmp_path: Path) -> None:
    found = _columns(tmp_path, {"question": "?", "answer": "4", "output": "it is 4"})
    assert (found["target"], found["prediction"]) == ("answer", "output")


def test_answer_is_what_the_model_said_where_something_else_is_right(tmp_path: Path) -> None:
    found = _columns(tmp_path, {"question": "?", "answer": "it is 4", "gold": "4"})
    assert (found["target"], found["prediction"]) == ("gold", "answer")


def test_answer_alone_is_refused_with_both_ways_to_read_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="may be what is right or what the model said") as error:
        _read(tmp_path, [{"question": "?", "answer": "4"}])
    assert "--map target=answer,prediction=COLUMN" in str(error.value)


def test_what_was_read_from_an_answer_stands_for_it_where_nothing_else_does(tmp_path: Path) -> None:
    row = {"question": "?", "gold": "4", "extracted_answer": "4"}
    assert _columns(tmp_path, row)["prediction"] == "extracted_answer"
    found = _columns(tmp_path, row | {"output": "It is 4."})
    assert (found["prediction"], found["answer"]) == ("output", "extracted_answer")
    found = _columns(tmp_path, row | {"correct": True})
    assert "prediction" not in found


def test_answer_is_left_alone_where_nobody_needs_it(tmp_path: Path) -> None:
    row = {"question": "?", "answer": "4", "correct": True}
    assert _columns(tmp_path, row) == {"question": "question", "correct": "correct"}
    _, [record] = _read(tmp_path, [row], task="gsm8k")
    assert (record.targets, record.source) == ((), None)


def test_a_plain_name_for_what_is_right_wins_over_answer_with_a_task_too(tmp_path: Path) -> None:
    row = {"question": "?", "answer": "#### 4", "ground_truth": "#### 4", "output": "#### 4"}
    found = _columns(tmp_path, row, task="gsm8k")
    assert (found["prediction"], found["target"]) == ("output", "ground_truth")
    del row["output"]
    found = _columns(tmp_path, row, task="gsm8k")
    assert (found["prediction"], found["target"]) == ("answer", "ground_truth")


def test_a_field_of_the_task_and_a_plain_name_could_both_be_right(tmp_path: Path) -> None:
    row = {"dialogue": "?", "summary": "a", "reference": "b", "output": "c"}
    with pytest.raises(UsageError, match="--map target=summary or --map target=reference"):
        _read(tmp_path, [row], task="samsum")
    del row["output"]
    found = _columns(tmp_path, row, task="samsum")
    assert (found["prediction"], found["target"]) == ("summary", "reference")


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "own", "declared"),
    [
        (["id"], {"id"}, None),
        (["Question ID", "idx"], {"question_id", "idx"}, None),
        (["_id"], {"id"}, None),
        (["item_id"], set(), "v"),
        (["instance_id", "id"], {"id"}, None),
    ],
)
def test_fields_that_data_sets_number_items_by_are_tried_and_others_are_declared(
    tmp_path: Path, names: list[str], own: set[str], declared: str | None
) -> None:
    _, [record] = _read(tmp_path, [{**dict.fromkeys(names, "v"), "correct": True}])
    assert (set(record.own), record.id) == (own, declared)


def test_an_id_that_the_user_names_is_declared(tmp_path: Path) -> None:
    _, [record] = _read(tmp_path, [{"id": 3, "correct": 1}], columns={"id": "id"})
    assert (record.id, record.own) == ("3", {})


# ── choices ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "names",
    [["choice_0", "choice_1"], ["lp_A", "lp_B"], ["logprob1", "logprob2"], ["ll_0", "ll_1"], ["A", "B"]],
)
def test_counted_columns_of_numbers_are_log_probabilities(tmp_path: Path, names: list[str]) -> None:
    found = _columns(tmp_path, {"ind": 1, "label": 0, **dict(zip(names, (-1.5, -2.5), strict=True))})
    assert found["logprobs"] == "+".join(names)


@pytest.mark.parametrize(
    "names", [["choice_0", "choice_1"], ["option a", "option b"], ["sol1", "sol2"], ["A", "B"]]
)
def test_counted_columns_of_texts_are_the_choices(tmp_path: Path, names: list[str]) -> None:
    row = {"ind": 1, "label": 0, **dict(zip(names, ("x", "y"), strict=True)), "lp_0": -1.0, "lp_1": -2.0}
    found = _columns(tmp_path, row)
    assert (found["choices"], found["logprobs"]) == ("+".join(names), "lp_0+lp_1")


def test_choices_that_are_numbers_are_texts_where_the_model_chose_one(tmp_path: Path) -> None:
    row = {"id": 1, "A": "0.5", "B": "12", "answer": "A", "prediction": "B"}
    heading, [record] = _read(tmp_path, [row])
    assert heading.read["columns"]["choices"] == "A+B"
    assert (record.choices, record.golds, record.answer) == (("0.5", "12"), (0,), "1")


def test_columns_that_are_not_counted_through_are_no_choices(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not tell which answers are right"):
        _read(tmp_path, [{"id": 1, "label": 0, "choice_0": -1.0, "choice_2": -2.0}])


@pytest.mark.parametrize("name", ["logprobs", "choice_logprobs", "loglikelihoods", "lls"])
def test_lists_of_log_probabilities(tmp_path: Path, name: str) -> None:
    row = {"id": 1, "label": 1, "endings": ["x", "yy"], name: [-1.0, -2.0]}
    found = _columns(tmp_path, row)
    assert (found["logprobs"], found["choices"]) == (name, "endings")


def test_negative_log_likelihoods_are_known_by_their_name_and_by_their_sign(tmp_path: Path) -> None:
    for name in ("nll", "loss", "choice"):
        row = {"id": 1, "label": 1, f"{name}_0": 2.5, f"{name}_1": 1.5}
        heading, [record] = _read(tmp_path, [row])
        assert heading.read["columns"]["nll"] == f"{name}_0+{name}_1"
        assert record.logprobs == (-2.5, -1.5)


def test_two_sets_of_log_probabilities_are_refused_with_what_to_type(tmp_path: Path) -> None:
    row = {"id": 1, "label": 1, "lp_0": -1.0, "lp_1": -2.0, "logprobs": [-1.0, -2.0]}
    with pytest.raises(UsageError, match=r"--map logprobs=lp_0\+lp_1 or --map logprobs=logprobs"):
        _read(tmp_path, [row])


# ── the rest ─────────────────────────────────────────────────────────────────────────────────────


def test_scores_count_where_nothing_else_tells(tmp_path: Path) -> None:
    row = {"id": 1, "rouge1": 0.5, "rougeL": 0.25}
    with pytest.raises(UsageError, match="--map score=rouge1 or --map score=rougeL"):
        _read(tmp_path, [row])
    assert _columns(tmp_path, row, metric="rougeL") == {"score": "rougeL"}
    assert _columns(tmp_path, row | {"correct": True}) == {"correct": "correct"}
    assert _columns(tmp_path, {"question": "?", "answer": "x", "f1": 0.5})["score"] == "f1"


def test_what_stands_beside_an_answer_is_taken_along(tmp_path: Path) -> None:
    row = {
        **{"id": 1, "correct": True, "prompt_tokens": 7, "completion_tokens": 3, "finish_reason": "length"},
        **{"cluster": "c", "subject": "law", "index": 4, "repeat": 1, "prompt": "Q: ?"},
    }
    _, [record] = _read(tmp_path, [row])
    assert (record.prompt_tokens, record.output_tokens, record.finish) == (7, 3, "length")
    assert (record.cluster, record.tags, record.position, record.repeat) == ("c", {"subject": "law"}, 4, 1)
    assert record.prompt == "Q: ?"


def test_minor_columns_that_could_be_two_are_not_read(tmp_path: Path) -> None:
    row = {"id": 1, "correct": True, "finish": "stop", "stop_reason": "length"}
    assert _columns(tmp_path, row) == {"correct": "correct"}
