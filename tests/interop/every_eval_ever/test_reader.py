"""Every Eval Ever 0.3: what its converters write can be read, what we write comes back whole."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import DataError, RegressError, StoreError, UnknownName, UsageError
from regress.interop.every_eval_ever import reader as every_eval_ever
from regress.interop.every_eval_ever.writer import write_run
from regress.interop.records import Reading
from regress.schema import instance_table, prediction_table
from regress.types import Instance

MODEL = "EleutherAI/pythia-1b"


def sample(sample_id: str = "0", score: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A row as the converters write one."""
    row = {
        "schema_version": "0.3.0",
        "evaluation_id": f"gsm8k/{MODEL}/1700000000",
        "model_id": MODEL,
        "evaluation_name": "gsm8k",
        "evaluation_result_id": "exact_match",
        "sample_id": sample_id,
        "sample_hash": "ab" * 32,
        "interaction_type": "single_turn",
        "input": {"raw": f"Q{sample_id}", "formatted": None, "reference": ["42"], "choices": None},
        "output": {"raw": ["It is 42."], "reasoning_trace": None},
        "messages": None,
        "answer_attribution": [
            {
                "turn_idx": 0,
                "source": "output.raw",
                "extracted_value": "42",
                "extraction_method": "regex",
                "is_terminal": True,
            }
        ],
        "evaluation": {"score": score, "is_correct": score == 1.0, "num_turns": None},
        "token_usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
        "error": None,
        "metadata": None,
    }
    return row | changes


def results(**changes: Any) -> dict[str, Any]:
    """A results file as the converters write one."""
    document = {
        "schema_version": "0.3.0",
        "evaluation_id": f"gsm8k/{MODEL}/1700000000",
        "retrieved_timestamp": "1700000000",
        "source_metadata": {
            "source_type": "evaluation_run",
            "source_organization_name": "",
            "evaluator_relationship": "first_party",
        },
        "eval_library": {"name": "lm_eval", "version": "0.4.9"},
        "model_info": {
            "name": MODEL,
            "id": MODEL,
            "inference_engine": {"name": "transformers", "version": "4.57"},
            "additional_details": {
                "deployment_type": "unknown",
                "model_availability": "unknown",
                "dtype": "torch.bfloat16",
            },
        },
        "evaluation_results": [
            {
                "evaluation_result_id": "exact_match",
                "evaluation_name": "gsm8k",
                "source_data": {"dataset_name": "gsm8k", "source_type": "other"},
                "metric_config": {"lower_is_better": False, "score_type": "binary"},
                "score_details": {"score": 0.5},
                "generation_config": {
                    "generation_args": {"temperature": 0.0, "max_tokens": 256, "top_p": None},
                    "additional_details": {"num_fewshot": "5"},
                },
            }
        ],
    }
    return document | changes


@pytest.fixture(name="written")
def _written(tmp_path):
    """Writes rows, and a results file if given one, and returns the path to give."""

    def written(rows, document=None, name="a"):
        samples = tmp_path / f"{name}_samples.jsonl"
        samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if document is None:
            return samples
        (tmp_path / f"{name}.json").write_text(json.dumps(document, indent=2))
        return tmp_path / f"{name}.json"

    return written


def read(path, **reading):
    """The only run at a path, and its records."""
    assert every_eval_ever.recognises(path)
    (source,) = every_eval_ever.sources(path, Reading(**reading))
    return source.heading, list(source.records())


# ── what is read ─────────────────────────────────────────────────────────────────────────────────


def test_a_row_is_an_answer_with_its_judgement(written):
    _, (record,) = read(written([sample("g17")]))
    assert (record.id, record.prompt, record.targets) == ("g17", "Qg17", ("42",))
    assert (record.output, record.answer, record.status) == ("It is 42.", "42", "scored")
    assert (record.correct, record.scores) == (True, {"exact_match": 1.0})
    assert (record.prompt_tokens, record.output_tokens, record.finish) == (7, 3, None)
    assert record.where == "a_samples.jsonl:1"


def test_the_results_file_tells_of_model_and_engine(written):
    heading, _ = read(written([sample()], results()))
    assert (heading.task, heading.metric, heading.scale) == ("gsm8k", "exact_match", "binary")
    assert (heading.model.name, heading.model.dtype) == (MODEL, "torch.bfloat16")
    assert (heading.engine.name, heading.engine.version, heading.engine.batch_size) == (
        "transformers",
        "4.57",
        None,
    )
    assert heading.engine.settings == {"temperature": 0.0, "max_tokens": 256}
    assert (heading.producer, heading.num_fewshot) == ("lm_eval 0.4.9", 5)
    assert {"model.fingerprint", "engine.batch_size", "choice_logprobs"} <= set(heading.unknown)
    assert not {"model.dtype", "task.num_fewshot"} & set(heading.unknown)


@pytest.mark.parametrize("given", ["results", "samples", "folder"])
def test_any_of_the_two_files_or_their_folder_may_be_given(given, written, tmp_path):
    path = written([sample()], results())
    heading, records = read(
        {"results": path, "samples": tmp_path / "a_samples.jsonl", "folder": tmp_path}[given]
    )
    assert (heading.producer, len(records)) == ("lm_eval 0.4.9", 1)
    assert heading.files == (tmp_path / "a.json", tmp_path / "a_samples.jsonl")


def test_samples_alone_are_enough(written):
    heading, records = read(written([sample(), sample("1", 0.0)]))
    assert (heading.model.source, heading.engine.name, heading.scale) == (MODEL, "unknown", None)
    assert [record.correct for record in records] == [True, False]


def test_rows_of_several_metrics_are_one_answer_with_several_scores(written):
    rows = [
        sample("0", 0.3, evaluation_result_id="f1"),
        sample("0", 1.0, evaluation_result_id="exact_match"),
    ]
    heading, records = read(written(rows))
    assert heading.metric == "exact_match"
    assert [(record.filter, record.scores) for record in records] == [
        ("f1", {"f1": 0.3}),
        ("none", {"exact_match": 1.0}),
    ]
    assert "'f1'" in heading.remarks[0]
    chosen, records = read(written(rows), metric="f1")
    assert chosen.metric == "f1"
    assert [record.filter for record in records] == ["none", "exact_match"]


def test_filters_of_lm_eval_are_readings_of_one_task(written):
    rows = [
        sample(evaluation_name=f"gsm8k/{name}", evaluation_result_id=f"exact_match:{name}")
        for name in ("strict-match", "flexible-extract")
    ]
    heading, records = read(written(rows))
    assert (heading.task, heading.metric) == ("gsm8k", "exact_match/strict-match")
    assert [record.filter for record in records] == ["strict-match", "exact_match/flexible-extract"]


def test_an_answer_that_lm_eval_could_not_read_is_unparsable(written):
    invalid = [{**sample()["answer_attribution"][0], "extracted_value": "[invalid]"}]
    _, (record,) = read(written([sample(score=0.0, answer_attribution=invalid)]))
    assert (record.answer, record.status, record.correct) == (None, "unparsable", False)


@pytest.mark.parametrize(
    ("reference", "said", "metadata"),
    [
        ("blue", "blue", None),
        ("B", "B", {"epoch": "1"}),
        ("1", "blue", {"lm_eval_metrics": "{}"}),
    ],
)
def test_choices_are_named_by_text_letter_or_index(reference, said, metadata, written):
    row = sample(
        input={"raw": "Sky?", "reference": [reference], "choices": ["red", "blue"]},
        output={"raw": [said]},
        answer_attribution=[],
        metadata=metadata,
    )
    _, (record,) = read(written([row]))
    assert (record.choices, record.golds, record.answer) == (("red", "blue"), (1,), "1")


def test_what_inspect_ai_tells_besides(written):
    rows = [
        sample("a", score, metadata={"stop_reason": reason, "epoch": epoch})
        for epoch, reason, score in [("1", "stop", 1.0), ("2", "max_tokens", 0.0)]
    ]
    _, records = read(written(rows))
    assert [(record.repeat, record.finish) for record in records] == [(0, "stop"), (1, "length")]


def test_of_a_conversation_the_last_reply_is_the_output(written):
    messages = [
        {"turn_idx": 0, "role": "user", "content": "2+2"},
        {"turn_idx": 1, "role": "assistant", "content": "5"},
        {"turn_idx": 2, "role": "user", "content": "sure?"},
        {"turn_idx": 3, "role": "assistant", "content": "4"},
    ]
    row = sample(interaction_type="multi_turn", output=None, messages=messages, answer_attribution=[])
    _, (record,) = read(written([row]))
    assert (record.output, record.answer) == ("4", "4")


def test_an_error_is_no_answer(written):
    _, (record,) = read(written([sample(score=0.0, error="timeout")]))
    assert (record.status, record.error) == ("error", "timeout")


def test_several_tasks_are_several_runs(written):
    path = written([sample(), sample(evaluation_name="piqa", evaluation_result_id="acc")])
    found = every_eval_ever.sources(path, Reading())
    assert [(one.heading.task, one.heading.metric) for one in found] == [
        ("gsm8k", "exact_match"),
        ("piqa", "acc"),
    ]
    assert [len(list(one.records())) for one in found] == [1, 1]
    (only,) = every_eval_ever.sources(path, Reading(task="piqa"))
    assert only.heading.task == "piqa"


def test_the_only_task_may_be_called_otherwise(written):
    heading, records = read(written([sample()]), task="my_gsm8k")
    assert (heading.task, len(records)) == ("my_gsm8k", 1)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation_name": None}, "a_samples.jsonl:1 has no evaluation_name"),
        ({"sample_id": None}, "a_samples.jsonl:1 has no sample_id"),
        ({"evaluation": {"score": "high"}}, "has 'high' for evaluation.score. Allowed: a number"),
        ({"evaluation": {"score": True}}, "has True for evaluation.score"),
        ({"evaluation": {"score": 1, "is_correct": "yes"}}, "has 'yes' for evaluation.is_correct"),
        ({"evaluation": 1}, "has 1 for evaluation.score. Allowed: an object on the way there"),
        ({"input": {"raw": 3}}, "has 3 for input.raw. Allowed: a text"),
        ({"input": {"reference": [1]}}, "has [1] for input.reference"),
        ({"token_usage": {"input_tokens": -1}}, "has -1 for token_usage.input_tokens"),
        ({"metadata": {"regress": "{"}}, "metadata.regress is not JSON"),
        ({"metadata": {"regress": "{}"}}, "has no instance_id"),
    ],
)
def test_a_row_that_cannot_be_is_named(changes, message, written):
    with pytest.raises(DataError) as refusal:
        read(written([sample() | changes]))
    assert message in str(refusal.value)


def test_answers_of_two_models_are_refused(written):
    with pytest.raises(DataError, match="is by the model 'other', the rows before by"):
        read(written([sample(), sample("1", model_id="other")]))


def test_samples_that_are_cut_off_are_refused_unless_asked_for(written):
    document = results(
        detailed_evaluation_results={
            "format": "jsonl",
            "file_path": "data/g/e/p/a_samples.jsonl",
            "total_rows": 2,
        }
    )
    path = written([sample()], document)
    with pytest.raises(DataError, match=r"has 1 rows, a.json says 2"):
        every_eval_ever.sources(path, Reading())
    _, records = read(path, partial=True)
    assert len(records) == 1


@pytest.mark.parametrize(
    "place", ["../secret_samples.jsonl", "/etc/passwd", "data/../../x_samples.jsonl", "a\0b"]
)
def test_samples_that_leave_the_folder_are_refused(place, written):
    document = results(detailed_evaluation_results={"format": "jsonl", "file_path": place})
    with pytest.raises(DataError, match="leaves its folder"):
        every_eval_ever.sources(written([sample()], document), Reading())


def test_results_without_samples_are_refused(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(results()))
    assert every_eval_ever.recognises(tmp_path / "a.json")
    with pytest.raises(
        DataError, match=r"no answers to single ones\. Put its samples beside it, as a_samples.jsonl"
    ):
        every_eval_ever.sources(tmp_path / "a.json", Reading())


def test_what_does_not_concern_the_format_or_is_not_there_is_refused(written):
    path = written([sample(), sample(evaluation_name="piqa", evaluation_result_id="acc")])
    for reading, error in [
        (Reading(columns={"id": "x"}), UsageError),
        (Reading(marker="A:"), UsageError),
        (Reading(where={"model": "x"}), UsageError),
        (Reading(metric="bleu"), UnknownName),
        (Reading(task="hellaswag"), UnknownName),
    ]:
        with pytest.raises(error):
            every_eval_ever.sources(path, reading)


@pytest.mark.parametrize("suffix", ["_samples.jsonl", ".json", ".jsonl", ".eval"])
@given(raw=st.binary())
def test_any_bytes_are_recognised_or_not(suffix, raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / f"some{suffix}"
    path.write_bytes(raw)
    assert every_eval_ever.recognises(path) is False
    assert every_eval_ever.recognises(path.parent) is False


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(data=st.data())
def test_any_value_in_any_field_gives_a_record_or_a_clear_error(data, tmp_path_factory):
    row, document = sample(), results()
    for target in (row, row["input"], row["evaluation"], document, document["model_info"]):
        if data.draw(st.booleans()):
            target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    folder = tmp_path_factory.mktemp("mutated")
    (folder / "a_samples.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "a.json").write_text(json.dumps(document))
    with contextlib.suppress(RegressError):
        for source in every_eval_ever.sources(folder / "a.json", Reading()):
            assert len(list(source.records())) <= 1


# ── what is written ──────────────────────────────────────────────────────────────────────────────

# the fields that version 0.3.0 of the two schemas requires, and all that it allows
REQUIRED_OF_SAMPLES = {
    *("schema_version", "evaluation_id", "model_id", "evaluation_name", "sample_id", "interaction_type"),
    *("input", "answer_attribution", "evaluation"),
}
ALLOWED_OF_SAMPLES = REQUIRED_OF_SAMPLES | {
    *("evaluation_result_id", "sample_hash", "output", "messages", "token_usage", "performance", "error"),
    "metadata",
}
REQUIRED_OF_RESULTS = {
    *("schema_version", "evaluation_id", "retrieved_timestamp", "source_metadata", "model_info"),
    *("eval_library", "evaluation_results"),
}
ALLOWED_OF_RESULTS = REQUIRED_OF_RESULTS | {"evaluation_timestamp", "detailed_evaluation_results"}
FILE_PATH = re.compile(
    r"^data/[^/]+/[^/]+/[^/]+/[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-4[0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}"
    r"-[0-9A-Fa-f]{12}_samples\.jsonl$"
)


@pytest.fixture(name="run")
def _run(make_run, make_choices, make_prediction):
    """A run with everything that the format has no field for, and a row without an answer."""
    told = {"choice_logprobs": (-1.5, -2.0), "choice_lengths": (3, 4), "gold_margin": 0.5, "finish": "stop"}
    told |= {
        "scores": {"acc": 1.0, "acc_norm": 0.0},
        "prompt_tokens": 5,
        "output_tokens": 2,
        "shown_hash": "s",
    }
    failed = make_prediction("failed", index=2, status="error", error="out of memory")
    return make_run([*make_choices(["0", None], gold="01", **told), failed])


def test_a_run_comes_back_whole(run, tmp_path):
    known = instance_table(
        [Instance(id="id000", index=0, prompt="Q", target="a", choices=("a", "b"), golds=(0,))]
    )
    written_results, samples = write_run(run, known, tmp_path)
    for path in (written_results, samples, tmp_path):
        heading, records = read(path)
        assert prediction_table([record.verbatim for record in records]).equals(run.predictions)
        assert (heading.subset, heading.task, heading.metric) == (run.spec.subset, "toy", "acc")
        assert (heading.expected, heading.n, heading.kind) == (3, 1000, "choice")
    first, second, _ = records
    assert (first.prompt, first.targets, first.choices, first.golds) == ("Q", ("a",), ("a", "b"), (0,))
    assert (second.prompt, second.targets, second.choices) == (None, (), None)


@given(
    output=st.none() | st.text(),
    answer=st.none() | st.text(),
    score=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_answer_comes_back(output, answer, score, make_run, make_prediction, tmp_path_factory):
    run = make_run([make_prediction("a", output=output, answer=answer, score=score)])
    _, samples = write_run(run, None, tmp_path_factory.mktemp("eee"))
    _, records = read(samples)
    assert prediction_table([record.verbatim for record in records]).equals(run.predictions)


def test_both_files_have_the_fields_of_version_0_3_0_and_no_others(run, tmp_path):
    written_results, samples = write_run(run, None, tmp_path)
    document = json.loads(written_results.read_text())
    assert REQUIRED_OF_RESULTS <= set(document) <= ALLOWED_OF_RESULTS
    pointer = document["detailed_evaluation_results"]
    assert FILE_PATH.match(pointer["file_path"])
    assert pointer["file_path"].endswith(samples.name)
    assert pointer["total_rows"] == 3
    assert {"deployment_type", "model_availability"} <= set(document["model_info"]["additional_details"])
    assert document["evaluation_results"][0]["metric_config"] == {
        "metric_name": "acc",
        "lower_is_better": False,
        "score_type": "binary",
    }
    for line in samples.read_text().splitlines():
        row = json.loads(line)
        assert REQUIRED_OF_SAMPLES <= set(row) <= ALLOWED_OF_SAMPLES
        assert isinstance(row["output"]["raw"][0], str)
        assert isinstance(row["evaluation"]["score"], float)
        assert all(isinstance(value, str) for value in row["metadata"].values())


def test_writing_twice_writes_the_same(run, tmp_path):
    first = [path.read_bytes() for path in write_run(run, None, tmp_path)]
    assert [path.read_bytes() for path in write_run(run, None, tmp_path)] == first


def test_the_folder_is_made_and_holds_nothing_else(run, tmp_path):
    written = write_run(run, None, tmp_path / "new" / "folder")
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(written)


def test_a_place_that_cannot_be_a_folder_is_refused(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write into"):
        write_run(run, None, tmp_path / "file")
