"""A table becomes records: what is asked, what is right, what was answered, and how it is to be judged."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regress.definitions.known import shipped
from regress.errors import DataError, TaskError, UnknownName, UsageError
from regress.identity import item_id
from regress.interop.draft import draft
from regress.interop.records import Heading, Reading, Record
from regress.interop.tables import reader as table
from regress.scoring.score import score

SYSTEMS = {
    "6b_finetuning": (286, 4),
    "6b_verification": (515, 1),
    "175b_finetuning": (458, 5),
    "175b_verification": (742, 1),
}
"""Right and unreadable answers of the four recorded systems, of 1,319."""


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case ".parquet":
            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
        case _:
            with open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, [*rows[0]])
                writer.writeheader()
                for row in rows:
                    told = {k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()}
                    writer.writerow(told)
    return path


def _read(path: Path, **reading: Any) -> tuple[Heading, list[Record]]:
    [source] = table.sources(path, Reading(**reading))
    return source.heading, list(source.records())


@pytest.fixture(params=["csv", "jsonl", "parquet"])
def read(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., tuple[Heading, list[Record]]]:
    """Heading and records of rows in each of the three formats."""

    def made(*rows: Mapping[str, Any], **reading: Any) -> tuple[Heading, list[Record]]:
        return _read(_write(tmp_path / f"answers.{request.param}", rows), **reading)

    return made


def _items(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


# ── recognising ──────────────────────────────────────────────────────────────────────────────────


def test_tables_are_recognised_by_how_their_names_end() -> None:
    assert all(table.recognises(Path(f"a.{end}")) for end in ("csv", "TSV", "jsonl", "ndjson", "parquet"))
    assert not any(table.recognises(Path(name)) for name in ("a.json", "a.txt", "csv", ".", "a.csv.gz"))


def test_what_a_table_does_not_tell_is_unknown(read: Callable[..., Any]) -> None:
    heading, _ = read({"id": 1, "correct": True})
    assert heading.model.name == "answers"
    assert (heading.engine.name, heading.engine.batch_size) == ("unknown", None)
    assert {"model.fingerprint", "model.dtype", "engine.batch_size", "task.num_fewshot"} <= {*heading.unknown}
    assert (heading.task, heading.version, heading.n, heading.expected) == ("table", "", None, None)
    assert any("`table`" in remark for remark in heading.remarks)


# ── right and wrong ──────────────────────────────────────────────────────────────────────────────


def test_a_column_of_right_and_wrong(read: Callable[..., Any]) -> None:
    heading, records = read({"id": "a", "correct": True}, {"id": "b", "correct": False})
    assert (heading.scale, heading.judge, heading.metric) == ("binary", False, None)
    assert [(one.own["id"], one.correct) for one in records] == [("a", True), ("b", False)]


def test_a_column_that_is_named_for_a_metric_is_that_metric(read: Callable[..., Any]) -> None:
    heading, [record] = read({"id": "a", "em": 1})
    assert (heading.metric, record.scores) == ("exact_match", {"exact_match": 1.0})
    heading, [record] = read({"id": "a", "em": 1}, metric="exact_match/strict-match")
    assert (heading.metric, record.filter) == ("exact_match/strict-match", "strict-match")


def test_right_and_wrong_decides_where_free_text_could_only_be_compared(read: Callable[..., Any]) -> None:
    row = {"id": "a", "prediction": "It is 4.", "target": "4", "correct": True}
    heading, [record] = read(row)
    assert (heading.judge, record.correct, record.output, record.targets) == (False, True, "It is 4.", ("4",))


def test_an_answer_that_could_not_be_read_is_unparsable(read: Callable[..., Any]) -> None:
    rows = [{"id": i, "extracted_answer": one, "correct": False} for i, one in enumerate(["4", None])]
    _, records = read(*rows)
    assert [(one.answer, one.status) for one in records] == [("4", "scored"), (None, "unparsable")]


def test_another_truth_value_is_refused_by_its_row(read: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"answers\.\w+:[23] has 'maybe' in the column 'correct'"):
        read({"id": "a", "correct": "yes"}, {"id": "b", "correct": "maybe"})


# ── texts ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "right"),
    [("Paris", True), (" Paris\n", True), ("New  York", False), ("paris", False), ("", False)],
)
def test_without_a_task_the_reference_itself_is_right_white_space_aside(
    read: Callable[..., Any], said: str, right: bool
) -> None:
    heading, [record] = read({"question": "?", "prediction": f'{said}"'[:-1] or " ", "target": "Paris"})
    judged = score(heading.scorer, heading.metric, outputs=[record.output], targets=record.targets)
    assert judged.correct is right
    assert any("white space aside" in remark for remark in heading.remarks)


def test_runs_of_white_space_count_once(read: Callable[..., Any]) -> None:
    heading, [record] = read({"question": "?", "prediction": " New \n York ", "target": "New  York"})
    judged = score(heading.scorer, "exact_match", outputs=[record.output], targets=record.targets)
    assert (judged.correct, judged.answer) == (True, "New York")


def test_a_known_task_judges_what_was_written(read: Callable[..., Any]) -> None:
    row = {"question": "2+2?", "answer": "two and two #### 4", "output": "So #### 4.", "correct": "no"}
    heading, [record] = read(row, task="gsm8k")
    known = shipped("gsm8k")
    assert known is not None
    assert (heading.scorer, heading.judge, heading.metric) == (known.scorer, True, "exact_match/strict-match")
    assert (record.question, record.targets) == ("Question: 2+2?\nAnswer:", ("two and two #### 4",))
    assert record.correct is False, "what was recorded is there to be compared with the scorer's judgement"
    assert json.loads(record.source or "") == {"question": "2+2?", "answer": "two and two #### 4"}


def test_another_metric_of_the_task_can_decide(read: Callable[..., Any]) -> None:
    row = {"question": "2+2?", "answer": "#### 4", "output": "4"}
    heading, [record] = read(row, task="gsm8k", metric="exact_match/flexible-extract")
    assert (heading.metric, record.filter) == ("exact_match/flexible-extract", "flexible-extract")
    with pytest.raises(UnknownName, match="unknown metric 'f1'"):
        read(row, task="gsm8k", metric="f1")
    with pytest.raises(UnknownName, match="unknown metric 'f1'"):
        read(row, metric="f1")


def test_summaries_are_judged_by_rouge(read: Callable[..., Any]) -> None:
    row = {"id": 7, "dialogue": "A: hi", "summary": "They greet.", "prediction": "They greet each other."}
    heading, [record] = read(row, task="samsum")
    assert (heading.metric, heading.scale) == ("rouge1", "bounded")
    assert (record.question, record.targets) == ("Dialogue:\nA: hi\nSummary:", ("They greet.",))
    assert record.own == {"id": "7"}
    judged = score(heading.scorer, "rouge1", outputs=[record.output], targets=record.targets)
    assert judged.score == pytest.approx(2 / 3)


def test_a_task_of_ones_own_judges_too(read: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "task: mine\noutput_type: generate_until\ndoc_to_text: '{{q}}?'\ndoc_to_target: '{{golds}}'\n"
        "metric_list: [{metric: exact_match, ignore_case: true}]\nmetadata: {tags: [level]}\n"
    )
    heading, [record] = read(
        {"q": "2+2", "golds": ["4", "four"], "level": "easy", "output": "FOUR"}, task=str(path)
    )
    assert (heading.task, record.question, record.tags) == ("mine", "2+2?", {"level": "easy"})
    assert record.targets == ("4", "four")
    judged = score(heading.scorer, heading.metric, outputs=["FOUR"], targets=record.targets)
    assert judged.correct is True


def test_a_field_of_the_task_may_have_another_name(read: Callable[..., Any]) -> None:
    """The id is that of the item, whatever its columns are called; the source item is then unknown."""
    _, [record] = read({"problem": "2+2?", "gold": "#### 4", "output": "4"}, task="gsm8k")
    assert (record.question, record.source) == ("Question: 2+2?\nAnswer:", None)


def test_a_missing_prediction_is_no_answer_and_an_empty_one_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,prediction,target\n1,"",x\n2,,x\n')
    _, records = _read(path)
    assert [(one.output, one.status) for one in records] == [("", "scored"), (None, "error")]
    assert "'prediction'" in str(records[1].error)


def test_a_missing_target_is_refused_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,prediction,target\n1,x,x\n2,x,\n")
    with pytest.raises(DataError, match=r"a\.csv:3 has no target: nothing stands in the column 'target'"):
        _read(path)


def test_rows_that_say_what_went_wrong_have_no_answer(read: Callable[..., Any]) -> None:
    rows = [
        {"id": 1, "prediction": "x", "target": "x", "error": ""},
        {"id": 2, "prediction": None, "target": "x", "error": "timed out"},
    ]
    _, records = read(*rows)
    assert [(one.status, one.error) for one in records] == [("scored", None), ("error", "timed out")]


# ── the marker ───────────────────────────────────────────────────────────────────────────────────


def test_a_marker_takes_the_place_of_the_tasks_own(read: Callable[..., Any]) -> None:
    row = {"question": "2+2?", "gold": "so\nA: 1,004", "output": "thus\nA: 1004."}
    heading, [record] = read(row, task="gsm8k", marker="A: ")
    assert heading.read["marker"] == "A: "
    judged = score(heading.scorer, heading.metric, outputs=[record.output], targets=record.targets)
    assert (judged.correct, judged.answer) == (True, "1004")
    assert score(heading.scorer, heading.metric, outputs=["#### 4"], targets=["A: 4"]).status == "unparsable"


def test_a_marker_is_text_and_no_pattern(read: Callable[..., Any]) -> None:
    row = {"question": "?", "gold": "(*) 4", "output": "(*) 4"}
    heading, [record] = read(row, task="gsm8k", marker="(*) ")
    assert score(heading.scorer, heading.metric, outputs=[record.output], targets=record.targets).correct


@pytest.mark.parametrize(
    ("task", "marker"), [(None, "A: "), ("samsum", "A: "), ("piqa", "A: "), ("gsm8k", " ")]
)
def test_a_marker_that_no_scorer_looks_for_is_refused(
    read: Callable[..., Any], task: str | None, marker: str
) -> None:
    with pytest.raises(UsageError, match="marker"):
        read({"question": "?", "target": "4", "output": "4"}, task=task, marker=marker)


# ── choices ──────────────────────────────────────────────────────────────────────────────────────

PIQA = {"goal": "open a jar", "sol1": "twist it", "sol2": "smash it", "label": 0}


def test_log_probabilities_and_what_is_right(read: Callable[..., Any]) -> None:
    heading, [record] = read({"ind": 3, "label": 1, "choice_0": -2.5, "choice_1": -1.5})
    assert (heading.scorer, heading.judge) == ({"kind": "choice", "metrics": ["acc"]}, True)
    assert (heading.kind, heading.scale) == ("choice", "binary")
    assert (record.logprobs, record.golds, record.own) == ((-2.5, -1.5), (1,), {"ind": "3"})


def test_where_lengths_or_texts_are_known_they_are_taken_into_account(read: Callable[..., Any]) -> None:
    row = {"ind": 3, "label": 1, "lp_0": -2.5, "lp_1": -1.5}
    heading, [record] = read(row | {"length_0": 10, "length_1": 4})
    assert heading.scorer["metrics"] == ["acc", "acc_norm"]
    assert record.lengths == (10, 4)
    heading, [record] = read(row | {"endings": ["ab", "c"]})
    assert heading.scorer["metrics"] == ["acc", "acc_norm"]
    assert record.choices == ("ab", "c")
    with pytest.raises(DataError, match="'acc_norm' cannot be told"):
        read(row, metric="acc_norm")
    assert read(row | {"endings": ["ab", "c"]}, metric="acc_norm")[0].metric == "acc_norm"


def test_an_item_has_the_id_that_it_has_where_it_is_asked(read: Callable[..., Any]) -> None:
    heading, [record] = read({**PIQA, "logprob_0": -1.0, "logprob_1": -2.0}, task="piqa")
    known = shipped("piqa")
    assert known is not None
    assert record.question == known.question(PIQA) == "Question: open a jar\nAnswer:"
    assert (record.choices, record.golds, record.cluster) == (("twist it", "smash it"), (0,), "open a jar")
    assert heading.scorer == known.scorer
    assert {**json.loads(record.source or ""), "label": 0} == PIQA


@pytest.mark.parametrize("label", ["B", "(b)", "smash it", 1, "1", "1.0"])
def test_what_is_right_may_be_an_index_a_letter_or_a_text(read: Callable[..., Any], label: Any) -> None:
    row = {"id": 1, "A": "twist it", "B": "smash it", "target": label, "lp_0": -1.0, "lp_1": -2.0}
    assert read(row)[1][0].golds == (1,)


def test_several_choices_may_be_right(tmp_path: Path) -> None:
    row = {"id": 1, "target": [0, 2], "logprobs": [-1.0, -2.0, -3.0]}
    assert _read(_write(tmp_path / "a.jsonl", [row]))[1][0].golds == (0, 2)


@pytest.mark.parametrize("label", [2, -1, "C", "open it", "", None])
def test_what_names_no_choice_is_refused_by_its_row(read: Callable[..., Any], label: Any) -> None:
    rows = [{**PIQA, "label": one, "lp_0": -1.0, "lp_1": -2.0} for one in ([0] * 9 + [label])]
    if isinstance(label, (str, type(None))):
        rows = [row | {"label": None if row["label"] is None else str(row["label"])} for row in rows]
    with pytest.raises(DataError, match=r"answers\.\w+:1[01] has (.* in the column 'label'|no target)"):
        read(*rows, task="piqa")


def test_numbers_that_are_indices_and_texts_of_choices_are_refused(read: Callable[..., Any]) -> None:
    row = {"id": 1, "options": ["0", "2", "1"], "target": "1", "logprobs": [-1.0, -2.0, -3.0]}
    with pytest.raises(DataError, match="may be indices of choices or their texts"):
        read(row)


def test_the_model_may_have_named_a_choice(read: Callable[..., Any]) -> None:
    rows = [
        {"id": i, "choices": ["no", "yes"], "answer": "B", "prediction": said}
        for i, said in enumerate(["B", "A", "(b)", "I do not know"])
    ]
    heading, records = read(*rows)
    assert (heading.kind, heading.metric, heading.judge) == ("choice", "acc", False)
    assert [(one.answer, one.status, one.correct) for one in records] == [
        ("1", "scored", True),
        ("0", "scored", False),
        ("1", "scored", True),
        (None, "unparsable", False),
    ]


def test_texts_that_name_no_choice_are_not_taken_for_choices(read: Callable[..., Any]) -> None:
    rows = [{"id": i, "choices": ["no", "yes"], "answer": "B", "prediction": "Well, …"} for i in range(3)]
    with pytest.raises(DataError, match=r":[12] has 'Well, …' in the column 'prediction'"):
        read(*rows)


def test_choices_may_differ_in_number_from_item_to_item(tmp_path: Path) -> None:
    rows = [{"id": i, "target": 0, "logprobs": [-1.0] * (i + 2)} for i in range(3)]
    _, records = _read(_write(tmp_path / "a.jsonl", rows))
    assert [len(one.logprobs or ()) for one in records] == [2, 3, 4]


@pytest.mark.parametrize("value", ["nan", "-inf", "", "x"])
def test_a_log_probability_that_is_none_is_refused_by_its_row(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"ind,label,logprob_0,logprob_1\n1,0,-1,-2\n2,0,-1,{value}\n")
    with pytest.raises(DataError, match=r"a\.csv:3 has .* in the column 'logprob_1'"):
        _read(path)


def test_as_many_choices_as_log_probabilities(read: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"has 3 log-probabilities and 2 choices"):
        read({"id": 1, "target": 0, "choices": ["a", "b"], "logprobs": [-1.0, -2.0, -3.0]})
    with pytest.raises(DataError, match=r"has the lengths \[4\]"):
        read({"id": 1, "target": 0, "lengths": [4], "logprobs": [-1.0, -2.0]})
    with pytest.raises(DataError, match="one from 1 to 1000000 for each"):
        read({"id": 1, "target": 0, "lengths": [4, 2_000_000_000], "logprobs": [-1.0, -2.0]})


def test_log_probabilities_need_to_know_what_is_right(read: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="nothing that says which choice is right"):
        read({"id": 1, "logprobs": [-1.0, -2.0]})


def test_a_column_whose_sign_is_wrong_is_refused_with_what_to_type(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for i in range(300):
        gold = int(rng.integers(2))
        right = rng.random() < 0.79
        scores = [5.0, 9.0] if (gold == 1) == right else [9.0, 5.0]
        rows.append({"id": i, "label": gold, "nll_0": scores[0], "nll_1": scores[1]})
    path = _write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match=r"`nll_0\+nll_1` ranks the right choice first in 16 % of 300 rows"):
        _read(path)
    heading, records = _read(path, columns={"logprobs": "nll_0+nll_1"})
    assert records[0].logprobs == (rows[0]["nll_0"], rows[0]["nll_1"])
    assert any("higher is better in it" in remark for remark in heading.remarks)


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


def test_scores_are_taken_as_they_are(read: Callable[..., Any]) -> None:
    rows = [{"id": 1, "rouge1": 0.5, "rougeL": 0.25}]
    heading, [record] = read(*rows, columns={"score": "rougeL+rouge1"})
    assert (heading.metric, heading.scale, heading.judge) == ("rougeL", None, False)
    assert record.scores == {"rougeL": 0.25, "rouge1": 0.5}
    assert record.correct is None


def test_a_score_may_bear_the_name_of_a_metric(read: Callable[..., Any]) -> None:
    heading, [record] = read({"id": 1, "score": 0.5}, metric="rouge1", task="samsum")
    assert (heading.metric, heading.scale, record.scores) == ("rouge1", "bounded", {"rouge1": 0.5})


def test_of_losses_lower_is_better_and_it_is_said(read: Callable[..., Any]) -> None:
    heading, [record] = read({"id": 1, "perplexity": 12.5})
    assert (heading.higher_is_better, record.scores) == (False, {"perplexity": 12.5})
    assert any("lower is better" in remark for remark in heading.remarks)


# ── what cannot be meant ─────────────────────────────────────────────────────────────────────────


def test_a_row_that_nothing_identifies_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("item_id,correct\na,1\n,1\n")
    with pytest.raises(DataError, match=r"a\.csv:3 has nothing in the column 'item_id'"):
        _read(path)
    path.write_text("text,correct\na,1\n")
    with pytest.raises(DataError, match=r"nothing in a\.csv:2 tells which item.*--map id="):
        _read(path)


def test_a_prompt_identifies_an_item_where_nothing_else_does(read: Callable[..., Any]) -> None:
    _, [record] = read({"prompt": "Q: 2+2\nA:", "correct": True})
    assert record.question == record.prompt == "Q: 2+2\nA:"


def test_a_task_that_only_its_own_code_can_judge_is_refused_or_has_its_verdicts(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "coded.yaml"
    path.write_text(
        "task: coded\noutput_type: generate_until\ndoc_to_text: '{{q}}'\ndoc_to_target: '{{a}}'\n"
        "process_results: !function code.judge\nmetric_list: [{metric: exact_match}]\n"
    )
    row = {"q": "2+2", "target": "4", "output": "4"}
    with pytest.raises(TaskError, match="is judged by its own code"):
        read(row, task=str(path))
    assert read(row | {"correct": True}, task=str(path))[0].judge is False


def test_choices_beside_a_task_without_any_do_not_change_its_items(read: Callable[..., Any]) -> None:
    row = {"question": "2+2?", "answer": "#### 4", "output": "#### 4"}
    _, [record] = read(row | {"options": ["3", "4"], "lp_0": -2.0, "lp_1": -1.0}, task="gsm8k")
    assert (record.choices, record.logprobs, record.output) == (None, None, "#### 4")


def test_log_probabilities_do_not_fit_a_task_without_choices(read: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="'gsm8k' has no choices"):
        read({"id": 1, "target": 0, "logprobs": [-1.0, -2.0]}, task="gsm8k")


def test_a_field_that_a_task_needs_and_a_row_lacks_is_named(tmp_path: Path) -> None:
    rows = [{"question": "?", "answer": "#### 1", "output": "1"}, {"question": None, "answer": "#### 1"}]
    with pytest.raises(DataError, match=r"a\.jsonl:2 has nothing in the column 'question'"):
        _read(_write(tmp_path / "a.jsonl", rows), task="gsm8k")


# ── from end to end ──────────────────────────────────────────────────────────────────────────────


def test_from_a_table_to_a_run(tmp_path: Path) -> None:
    rows = [{**PIQA, "goal": f"open jar {i}", "lp_0": -1.0, "lp_1": -2.0 + i % 2} for i in range(6)]
    [source] = table.sources(_write(tmp_path / "a.csv", rows), Reading(task="piqa"))
    made = draft(source, tmp_path)
    known = shipped("piqa")
    assert known is not None
    ids = made.predictions(made.indices)["instance_id"].to_pylist()
    assert ids == [item_id(known.question(row) or "", known.choices(row) or ()) for row in rows]
    assert (made.spec.task.name, made.spec.task.kind, made.spec.task.scale) == ("piqa", "choice", "binary")


def test_tables_are_imported_and_compared_on_the_command_line(
    world: Path, command: Callable[..., Any]
) -> None:
    for name, right in (("old", {0, 1, 2}), ("new", {1, 2, 3})):
        rows = [{"uid": f"q{i}", "is_correct": "yes" if i in right else "no"} for i in range(5)]
        _write(world / f"{name}.csv", rows)
        done = command("import", f"{name}.csv", "--as", name, "--task", "mine")
        assert done.code == 0, done.err
        assert "Read id from `uid`, correct from `is_correct`" in " ".join(done.out.split())
    compared = command("compare", "old", "new", "--json")
    assert compared.code == 0, compared.err
    [row] = json.loads(compared.out)["tasks"]
    assert (row["n"], row["counts"]["negative_flips"], row["counts"]["positive_flips"]) == (5, 1, 1)


def test_a_refused_table_leaves_nothing_behind(world: Path, command: Callable[..., Any]) -> None:
    (world / "bad.csv").write_text("id,correct\na,1\nb,perhaps\n")
    done = command("import", "bad.csv", "--as", "bad")
    assert (done.code, done.out) == (2, "")
    assert "bad.csv:3 has 'perhaps' in the column 'correct'" in done.err
    assert not any((world / "reports/runs").glob("bad*"))


@pytest.mark.models
@pytest.mark.parametrize("name", ["piqa", "hellaswag", "samsum", "gsm8k"])
@pytest.mark.parametrize("end", ["csv", "jsonl", "parquet"])
def test_ids_equal_those_of_runs_made_here(name: str, end: str, tmp_path: Path) -> None:
    from regress.demo.pair import items_folder
    from regress.tasks.load import load_tasks

    instances = load_tasks([name], data=items_folder(), data_label="demo").tasks[0].instances[:40]
    rows = []
    for instance in instances:
        count = len(instance.choices or ())
        said = {f"logprob_{i}": -1.0 - i for i in range(count)} or {"prediction": "So #### 4"}
        rows.append({**json.loads(instance.source or ""), **said})
    [source] = table.sources(_write(tmp_path / f"a.{end}", rows), Reading(task=name))
    made = draft(source, tmp_path)
    assert made.predictions(made.indices)["instance_id"].to_pylist() == [one.id for one in instances]
    [told] = list(made.instances())
    assert told["golds"].to_pylist() == [list(one.golds) for one in instances]
    assert told["target"].to_pylist() == [one.target for one in instances]
    assert told["choices"].to_pylist() == [list(one.choices) if one.choices else None for one in instances]
    assert told["cluster"].to_pylist() == [one.cluster for one in instances]
    assert [dict(one) for one in told["tags"].to_pylist()] == [dict(one.tags) for one in instances]


# ── real data ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.shared
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_strict_extractor_agrees_with_the_recorded_judgement(system: str, shared: Any) -> None:
    path = shared("data/gsm8k/example_model_solutions.jsonl")
    columns = {
        "question": "question",
        "target": "ground_truth",
        "prediction": f"{system}.solution",
        "correct": f"{system}.is_correct",
    }
    heading, records = _read(path, task="gsm8k", marker="A: ", columns=columns)
    judged = [
        score(heading.scorer, heading.metric or "", outputs=[one.output or ""], targets=one.targets)
        for one in records
    ]
    assert len(records) == 1319
    assert [one.correct for one in judged] == [one.correct for one in records]
    unreadable = [one for one in judged if one.status == "unparsable"]
    assert (sum(bool(one.correct) for one in judged), len(unreadable)) == SYSTEMS[system]


@pytest.mark.shared
def test_all_of_hellaswag_is_read(shared: Any, tmp_path: Path) -> None:
    items = _items(shared("data/hellaswag/validation.jsonl"))
    rng = np.random.default_rng(5)
    scores = -rng.uniform(1, 99, (len(items), 4))
    rows = [
        {**item, **{f"choice_{i}": one[i] for i in range(4)}} for item, one in zip(items, scores, strict=True)
    ]
    heading, records = _read(_write(tmp_path / "hellaswag.csv", rows), task="hellaswag")
    known = shipped("hellaswag")
    assert known is not None
    assert heading.scorer == known.scorer
    assert [one.own["ind"] for one in records] == [str(item["ind"]) for item in items]
    assert [one.golds for one in records] == [(int(item["label"]),) for item in items]
    assert np.array_equal([one.logprobs for one in records], scores)
    for item, one in zip(items[::500], records[::500], strict=True):
        assert (one.question, one.choices) == (known.question(item), known.choices(item))


@pytest.mark.shared
def test_all_of_piqa_is_read(shared: Any, tmp_path: Path) -> None:
    items = _items(shared("data/piqa/validation.jsonl"))
    path = _write(tmp_path / "piqa.csv", [{**item, "lp_0": -1.0, "lp_1": -2.0} for item in items])
    _, records = _read(path, task="piqa")
    known = shipped("piqa")
    assert known is not None
    made = [item_id(one.question or "", one.choices or ()) for one in records]
    assert made == [item_id(known.question(item) or "", known.choices(item) or ()) for item in items]
    assert len({*made}) == 1838


def test_a_summary_beside_a_prediction_is_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("dialogue,summary,pred\nA: hi,A says hi,A greets\n")
    (source,) = table.sources(path, Reading())
    (record,) = source.records()
    assert (record.question, record.targets, record.output) == ("A: hi", ("A says hi",), "A greets")
