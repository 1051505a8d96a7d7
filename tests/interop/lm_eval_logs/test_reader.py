"""Logs of lm-eval: which files, which metric, what an answer is, and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import DataError, RegressError, UnknownName, UsageError
from regress.identity import text_hash
from regress.interop.draft import Draft, draft
from regress.interop.lm_eval_logs import reader as lm_eval_logs
from regress.interop.records import Heading, Reading, Record, Source

Json = dict[str, Any]

DATE, LATER = "2026-01-02T03-04-05.678901", "2026-01-03T00-00-00"
CONTEXT = "Question: To open a jar,\nAnswer:"
ACC = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
PIQA: Json = {
    "doc_to_text": "Question: {{goal}}\nAnswer:",
    "doc_to_target": "label",
    "doc_to_choice": "{{[sol1, sol2]}}",
    "target_delimiter": " ",
    "metric_list": [ACC, {**ACC, "metric": "acc_norm"}],
    "output_type": "multiple_choice",
    "metadata": {"version": 1.0},
}
SHORT: Json = {
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "ignore_case": True}],
    "output_type": "generate_until",
    "filter_list": [
        {
            "name": "strict-match",
            "filter": [
                {"function": "regex", "regex_pattern": "is (.*)", "fallback": "?"},
                {"function": "take_first"},
            ],
        }
    ],
}
LIKELIHOOD: Json = {
    "doc_to_text": "{{text}}",
    "doc_to_target": "{{last}}",
    "output_type": "loglikelihood",
    "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}, ACC],
}
ROLLING: Json = {
    "doc_to_text": "",
    "doc_to_target": "{{page}}",
    "output_type": "loglikelihood_rolling",
    "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
}


def _choice(doc_id: int = 0, **changes: Any) -> Json:
    """A row about two solutions, of which the first is right and chosen."""
    return {
        "doc_id": doc_id,
        "doc": {"goal": "To open a jar,", "sol1": "twist it", "sol2": "smash the whole jar", "label": 0},
        "target": "0",
        "arguments": _asked((CONTEXT, " twist it"), (CONTEXT, " smash the whole jar")),
        "resps": [[["-2.0", "True"]], [["-3.0", "False"]]],
        "filtered_resps": [["-2.0", "True"], ["-3.0", "False"]],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "acc": 1.0,
        "acc_norm": 0.0,
    } | changes


def _text(doc_id: int = 0, **changes: Any) -> Json:
    """A row about a question that was answered rightly."""
    return {
        "doc_id": doc_id,
        "doc": {"question": "Which way?", "answer": "Up"},
        "target": "Up",
        "arguments": _asked(("Which way?", {"until": ["\n"], "max_gen_toks": 8})),
        "resps": [["It is up "]],
        "filtered_resps": ["Up "],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "exact_match": 1.0,
    } | changes


def _asked(*requests: tuple[Any, ...]) -> Json:
    return {f"gen_args_{i}": {f"arg_{j}": part for j, part in enumerate(r)} for i, r in enumerate(requests)}


def _results(tasks: dict[str, Json], **changes: Any) -> Json:
    return {
        "results": {task: {"alias": task} for task in tasks},
        "configs": tasks,
        "versions": dict.fromkeys(tasks, 1.0),
        "n-shot": dict.fromkeys(tasks, 0),
        "n-samples": {task: {"original": 9, "effective": 1} for task in tasks},
        "config": {"model": "hf", "model_args": {"pretrained": "org/model"}, "batch_size": 1},
        "chat_template": None,
        "system_instruction": None,
    } | changes


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run: its samples, `task=rows`, and its results; returns the folder."""

    def write(
        *, date: str = DATE, configs: dict[str, Json] | None = None, results: Any = None, **tasks: list[Json]
    ) -> Path:
        folder = tmp_path / "org__model"
        folder.mkdir(exist_ok=True)
        for task, rows in tasks.items():
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"samples_{task}_{date}.jsonl").write_text(lines, encoding="utf-8")
        given = {"piqa": PIQA, "short": SHORT} | (configs or {})
        told = _results({task: given[task] for task in tasks if task in given}) | (results or {})
        if results is not False:
            (folder / f"results_{date}.json").write_text(json.dumps(told), encoding="utf-8")
        return folder

    return write


def _source(folder: Path, **reading: Any) -> Source:
    (source,) = lm_eval_logs.sources(folder, Reading(**reading))
    return source


def _heading(folder: Path, **reading: Any) -> Heading:
    return _source(folder, **reading).heading


def _record(folder: Path, **reading: Any) -> Record:
    return next(iter(_source(folder, **reading).records()))


# ── which files ──────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_found_by_its_samples_its_results_its_folder_and_the_folder_above(
    log: Callable[..., Path],
) -> None:
    folder = log(piqa=[_choice()])
    for path in (
        folder / f"samples_piqa_{DATE}.jsonl",
        folder / f"results_{DATE}.json",
        folder,
        folder.parent,
    ):
        assert lm_eval_logs.recognises(path)
        assert _heading(path) == _heading(folder)


def test_each_task_is_a_source(log: Callable[..., Path]) -> None:
    folder = log(piqa=[_choice()], short=[_text()])
    found = lm_eval_logs.sources(folder, Reading())
    assert [one.heading.task for one in found] == ["piqa", "short"]


def test_one_task_of_several_is_chosen_by_name(log: Callable[..., Path]) -> None:
    folder = log(piqa=[_choice()], short=[_text()])
    assert _heading(folder, task="short").task == "short"
    with pytest.raises(UnknownName, match="did you mean 'short'"):
        lm_eval_logs.sources(folder, Reading(task="shorts"))


def test_two_runs_of_a_task_in_one_folder_are_refused_naming_both(log: Callable[..., Path]) -> None:
    log(piqa=[_choice()])
    folder = log(piqa=[_choice()], date=LATER)
    with pytest.raises(DataError, match=f"samples_piqa_{DATE}.* and .*samples_piqa_{LATER}.*Name one"):
        lm_eval_logs.sources(folder, Reading())


def test_results_stand_for_the_samples_of_their_date(log: Callable[..., Path]) -> None:
    log(piqa=[_choice()])
    folder = log(piqa=[_choice()], date=LATER)
    files = _heading(folder / f"results_{LATER}.json").files
    assert [file.name for file in files] == [f"samples_piqa_{LATER}.jsonl", f"results_{LATER}.json"]


def test_two_models_in_one_folder_are_two_sources(log: Callable[..., Path], tmp_path: Path) -> None:
    log(piqa=[_choice()]).rename(tmp_path / "org__old")
    log(piqa=[_choice()], results={"config": {"model_args": {"pretrained": "org/new"}}})
    found = lm_eval_logs.sources(tmp_path, Reading())
    assert sorted(one.heading.model.name for one in found) == ["org/model", "org/new"]


def test_results_without_samples_are_refused_naming_the_option(log: Callable[..., Path]) -> None:
    folder = log(results={})
    assert lm_eval_logs.recognises(folder)
    with pytest.raises(DataError, match="--log_samples"):
        lm_eval_logs.sources(folder, Reading())


def test_samples_without_results_are_read_with_less_known(log: Callable[..., Path]) -> None:
    source = _source(log(piqa=[_choice()], results=False))
    heading = source.heading
    assert {"engine.name", "task.version", "task.num_fewshot", "model.dtype"} <= set(heading.unknown)
    assert heading.model.name == "org/model"  # the folder is named after it
    assert (heading.task, heading.version, heading.num_fewshot, heading.n) == ("piqa", "", None, None)
    assert any("no results beside" in remark for remark in heading.remarks)
    assert any("piqa is taken to be the task that comes with regress" in one for one in heading.remarks)
    assert next(iter(source.records())).question == CONTEXT


def test_a_renamed_file_needs_the_name_of_its_task(log: Callable[..., Path], tmp_path: Path) -> None:
    folder = log(piqa=[_choice()], results=False)
    renamed = next(folder.iterdir()).rename(tmp_path / "old.jsonl")
    with pytest.raises(DataError, match="--task"):
        lm_eval_logs.sources(renamed, Reading())
    assert _heading(renamed, task="piqa").task == "piqa"


def test_a_definition_named_by_its_path_is_the_one_used(log: Callable[..., Path], tmp_path: Path) -> None:
    yaml = tmp_path / "mine.yaml"
    yaml.write_text(json.dumps({**PIQA, "task": "mine", "doc_to_text": "Goal: {{goal}}"}))
    folder = log(piqa=[_choice()])
    assert _heading(folder, task=str(yaml)).task == "mine"
    assert _record(folder, task=str(yaml)).question == "Goal: To open a jar,"


def test_columns_and_markers_do_not_concern_it(log: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="says itself what its fields mean"):
        lm_eval_logs.sources(log(piqa=[_choice()]), Reading(columns={"id": "doc_id"}))
    with pytest.raises(UsageError):
        lm_eval_logs.sources(log(piqa=[_choice()]), Reading(marker="A: "))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"id": 1, "prediction": "a"}',
        '{"doc_id": 1, "answer": "a"}',
        "[1, 2]",
        "\x00",
        '{"results": 3}',
    ],
)
def test_other_files_are_not_recognised(text: str, tmp_path: Path) -> None:
    for name in ("answers.jsonl", "answers.json"):
        (tmp_path / name).write_text(text)
        assert not lm_eval_logs.recognises(tmp_path / name)
    assert not lm_eval_logs.recognises(tmp_path)
    assert not lm_eval_logs.recognises(tmp_path / "absent")


def test_nothing_is_read_before_it_is_asked_for(log: Callable[..., Path]) -> None:
    """A file of any length is read a line at a time: what is wrong below does not hold up the first."""
    folder = log(piqa=[_choice()])
    with open(next(folder.glob("*.jsonl")), "a") as file:
        file.write("no JSON\n")
    records: Iterator[Record] = _source(folder).records()
    assert next(records).position == 0
    with pytest.raises(DataError, match=r"samples_piqa_.*:2 is not JSON"):
        next(records)


def test_an_array_that_ends_in_a_row_was_cut_off(log: Callable[..., Path]) -> None:
    folder = log(piqa=[_choice()])
    file = next(folder.glob("*.jsonl"))
    file.write_text(json.dumps([_choice(), _choice(1)], indent=2)[:-200])
    with pytest.raises(DataError, match="cut off"):
        list(_source(folder).records())


def test_an_array_that_is_indented_otherwise_is_read_too(log: Callable[..., Path]) -> None:
    folder = log(piqa=[_choice()])
    next(folder.glob("*.jsonl")).write_text(json.dumps([_choice(), _choice(1)]))
    assert [record.position for record in _source(folder).records()] == [0, 1]


# ── what the run was ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "name", "source"),
    [
        ("pretrained=org/model,dtype=auto", "org/model", "org/model"),
        ({"pretrained": "/disk/checkpoints/step-9/"}, "step-9", "/disk/checkpoints/step-9/"),
        ({"pretrained": "org/base", "peft": "me/lora"}, "me/lora", "org/base"),
        ("model=gpt-x,base_url=http://host/v1", "gpt-x", "gpt-x"),
        ("", "org/model", "unknown"),
        (None, "org/model", "unknown"),
    ],
)
def test_the_model_is_named_as_its_arguments_name_it(
    log: Callable[..., Path], arguments: Any, name: str, source: str
) -> None:
    model = _heading(log(piqa=[_choice()], results={"config": {"model_args": arguments}})).model
    assert (model.name, model.source) == (name, source)


def test_settings_that_change_answers_are_the_engines(log: Callable[..., Path]) -> None:
    arguments = "pretrained=org/m,dtype=bfloat16,softmax_dtype=float32"
    config = {"model": "vllm", "model_args": arguments, "batch_size": "auto:4"}
    heading = _heading(log(piqa=[_choice()], results={"config": config}))
    assert heading.engine.name == "vllm"
    assert heading.engine.batch_size is None
    assert heading.engine.settings == {"softmax_dtype": "float32", "batch_size": "auto:4"}
    assert heading.model.dtype == "bfloat16"
    assert "engine.batch_size" in heading.unknown


def test_after_a_chat_template_the_prompt_is_unknown(log: Callable[..., Path]) -> None:
    changed = {"chat_template": "{{messages}}", "system_instruction": "Be brief."}
    source = _source(log(piqa=[_choice()], results=changed))
    assert source.heading.model.chat_template == text_hash("{{messages}}")
    assert source.heading.model.system == "Be brief."
    assert any("chat template" in remark for remark in source.heading.remarks)
    record = next(iter(source.records()))
    assert record.prompt is None
    assert record.question == CONTEXT


def test_messages_to_a_chat_model_are_no_prompt(log: Callable[..., Path]) -> None:
    """Engines of chat models log a list, and no template of their own."""
    row = _text(arguments=_asked(([{"role": "user", "content": "Which way?"}], {"until": []})))
    source = _source(log(short=[row], results={"chat_template": ""}))
    assert next(iter(source.records())).prompt is None
    assert "model.chat_template" in source.heading.unknown


# ── which metric ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("asked", "answer", "correct"), [(None, "0", True), ("acc_norm", "1", False)])
def test_the_answer_is_chosen_as_the_deciding_metric_chooses(
    log: Callable[..., Path], asked: str | None, answer: str, correct: bool
) -> None:
    """By sums the first solution; by character the longer one."""
    folder = log(piqa=[_choice()])
    record = _record(folder, metric=asked)
    assert _heading(folder, metric=asked).metric == (asked or "acc")
    assert (record.answer, record.correct) == (answer, correct)


def test_a_filter_is_chosen_with_its_metric(log: Callable[..., Path]) -> None:
    two = {**SHORT, "filter_list": [*SHORT["filter_list"], {**SHORT["filter_list"][0], "name": "last"}]}
    rows = [_text(), _text(filter="last", exact_match=0.0)]
    folder = log(short=rows, configs={"short": two})
    assert (
        _heading(folder).metric == _heading(folder, metric="exact_match").metric == "exact_match/strict-match"
    )
    assert _heading(folder, metric="exact_match/last").metric == "exact_match/last"
    told = [record.correct for record in _source(folder, metric="exact_match/last").records()]
    assert told == [None, False]


def test_a_metric_that_is_not_recorded_is_refused(log: Callable[..., Path]) -> None:
    with pytest.raises(UnknownName, match=r"unknown metric 'f1'.*acc, acc_norm"):
        lm_eval_logs.sources(log(piqa=[_choice()]), Reading(metric="f1"))


def test_where_no_definition_is_known_acc_decides_and_that_is_said(log: Callable[..., Path]) -> None:
    row = _choice(metrics=["acc_norm", "acc"])
    heading = _heading(log(strange=[row], results=False))
    assert (heading.metric, heading.kind, heading.scale) == ("acc", "choice", None)
    assert heading.scorer == {"kind": "recorded"}
    assert any("acc decides; --metric takes another: acc_norm" in remark for remark in heading.remarks)


def test_without_a_definition_filters_are_those_that_the_results_name(log: Callable[..., Path]) -> None:
    results = {"results": {"odd": {"exact_match,flexible-extract": 0.5, "exact_match,strict-match": 0.5}}}
    row = _text(filter="flexible-extract")
    heading = _heading(log(odd=[row], results=results))
    assert heading.metric == "exact_match/strict-match"
    assert heading.read["filters"] == ["flexible-extract", "strict-match"]


def test_a_definition_that_is_code_leaves_the_recorded_metric(log: Callable[..., Path]) -> None:
    coded = {**PIQA, "process_results": "def process_results(doc, results):\n    ...\n"}
    coded |= {"doc_to_text": "def doc_to_text(doc):\n    ...\n"}
    source = _source(log(piqa=[_choice()], configs={"piqa": coded}))
    assert source.heading.scorer == {"kind": "lm-eval"}
    assert source.heading.metric == "acc"
    assert next(iter(source.records())).question == CONTEXT  # without examples, the prompt is the question


def test_without_definition_and_with_examples_the_item_identifies_itself(log: Callable[..., Path]) -> None:
    """All of it but what equals the target, so that the target is not part of the id."""
    coded = {**SHORT, "doc_to_text": "def doc_to_text(doc):\n    ...\n"}
    record = _record(log(short=[_text()], configs={"short": coded}, results={"n-shot": {"short": 5}}))
    assert record.question == json.dumps({"question": "Which way?"})


def test_metrics_that_are_functions_are_known_by_their_names(log: Callable[..., Path]) -> None:
    source = "def mine(references, predictions):\n    return 0.5\n"
    config = {**SHORT, "metric_list": [{"metric": source, "aggregation": "mean", "higher_is_better": True}]}
    row = {**_text(metrics=["mine"], mine=0.25), "exact_match": None}
    heading = _heading(log(short=[row], configs={"short": config}))
    assert (heading.metric, heading.scale) == ("mine/strict-match", "bounded")


def test_a_corpus_metric_gives_way_to_one_that_each_item_has(log: Callable[..., Path]) -> None:
    config = {**SHORT, "metric_list": [{"metric": "bleu"}, *SHORT["metric_list"]]}
    row = _text(metrics=["bleu", "exact_match", "f1"], bleu=[["Up"], "Up"], f1=0.5)
    heading = _heading(log(short=[row], configs={"short": config}))
    assert heading.metric == "exact_match/strict-match"
    assert any("exact_match/strict-match decides; --metric takes another" in one for one in heading.remarks)


def test_answers_that_were_not_judged_are_refused(log: Callable[..., Path]) -> None:
    row = _text(metrics=["bypass"], bypass=999)
    with pytest.raises(DataError, match="--predict_only"):
        lm_eval_logs.sources(log(short=[row]), Reading())


# ── choices ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "golds"),
    [
        (1, (1,)),
        ("1", (1,)),
        ("smash the whole jar", (1,)),
        ([0, 1], (0, 1)),
        ("[0, 1]", (0, 1)),
        ("['twist it']", (0,)),
    ],
)
def test_a_target_is_an_index_or_a_text_or_several(
    log: Callable[..., Path], target: Any, golds: tuple[int, ...]
) -> None:
    assert _record(log(piqa=[_choice(target=target, acc=float(0 in golds))])).golds == golds


def test_a_target_that_the_verdict_contradicts_is_not_believed(log: Callable[..., Path]) -> None:
    """Of two choices the verdict tells the right one, of three nobody does."""
    assert _record(log(piqa=[_choice(target=1, acc=1.0)])).golds == (0,)
    three = {
        "arguments": _asked((CONTEXT, " a"), (CONTEXT, " b"), (CONTEXT, " c")),
        "resps": [[["-2.0", "True"]], [["-3.0", "False"]], [["-4.0", "False"]]],
    }
    assert _record(log(piqa=[_choice(**three, target="2", acc=1.0)])).golds == ()
    assert _record(log(piqa=[_choice(**three, target="2", acc=0.0)])).golds == (2,)


def test_of_choices_that_are_numbers_a_target_is_the_text_where_the_item_holds_a_text(
    log: Callable[..., Path],
) -> None:
    numbers = {"arguments": _asked((CONTEXT, " 1"), (CONTEXT, " 0")), "target": "1"}
    by_text = _choice(**numbers, doc={"goal": "g", "sol1": "1", "sol2": "0", "label": "1"})
    by_index = _choice(**numbers, doc={"goal": "g", "sol1": "1", "sol2": "0", "label": 1}, acc=0.0)
    assert _record(log(piqa=[by_text])).golds == (0,)
    assert _record(log(piqa=[by_index])).golds == (1,)


def test_of_equals_the_first_is_chosen(log: Callable[..., Path]) -> None:
    assert _record(log(piqa=[_choice(resps=[[["-2.0", "True"]], [["-2.0", "True"]]])])).answer == "0"


def test_choices_asked_without_the_question_too_are_not_more_choices(log: Callable[..., Path]) -> None:
    config = {**PIQA, "metric_list": [{**ACC, "metric": "acc_mutual_info"}]}
    asked = [(CONTEXT, " a"), (CONTEXT, " b"), ("", " a"), ("", " b")]
    row = _choice(
        arguments=_asked(*asked),
        resps=[[["-2.0", "True"]], [["-3.0", "False"]], [["-1.0", "True"]], [["-9.0", "False"]]],
        metrics=["acc_mutual_info"],
        acc_mutual_info=0.0,
    )
    record = _record(log(piqa=[row], configs={"piqa": config}))
    assert record.logprobs == (-2.0, -3.0)
    assert record.choices == ("a", "b")
    assert record.answer == "1"  # -3 - -9 against -2 - -1


def test_choices_that_stand_in_the_prompt(log: Callable[..., Path]) -> None:
    """Winogrande: the contexts differ, what follows is the same; of two, right or wrong tells the gold."""
    asked = [
        ("The cup was small because Ann", " was thirsty."),
        ("The cup was small because Eve", " was thirsty."),
    ]
    config = {**PIQA, "doc_to_text": "def doc_to_text(doc):\n    ...\n"}
    row = _choice(arguments=_asked(*asked), target="was thirsty.", acc=0.0)
    record = _record(log(piqa=[row], configs={"piqa": config}))
    assert record.choices == tuple(context for context, _ in asked)
    assert record.question == "was thirsty."
    assert record.prompt == "\n".join(context for context, _ in asked)
    assert (record.answer, record.golds) == ("0", (1,))


def test_after_worked_examples_choices_that_stand_in_the_prompt_cannot_be_told_from_it(
    log: Callable[..., Path],
) -> None:
    asked = [
        ("Shot. Ann drank because Ann", " was thirsty."),
        ("Shot. Ann drank because Eve", " was thirsty."),
    ]
    row = _choice(
        arguments=_asked(*asked), target="was thirsty.", doc={"text": "Ann drank", "end": "was thirsty."}
    )
    config = {**PIQA, "doc_to_text": "def doc_to_text(doc):\n    ...\n"}
    folder = log(piqa=[row], configs={"piqa": config}, results={"n-shot": {"piqa": 1}})
    record = _record(folder)
    assert (record.choices, record.logprobs, record.golds) == (None, (-2.0, -3.0), (0,))
    assert record.question == json.dumps({"text": "Ann drank"})


# ── generations ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("read", ["?", " ? ", "", "  ", None, "None", []])
def test_what_no_filter_could_read_is_unparsable(log: Callable[..., Path], read: Any) -> None:
    """The filter's own fallback, nothing, or nothing written as text."""
    record = _record(log(short=[_text(filtered_resps=[read], exact_match=0.0)]))
    assert (record.status, record.answer, record.correct) == ("unparsable", None, False)
    assert record.output == "It is up "


def test_none_that_was_said_is_an_answer(log: Callable[..., Path]) -> None:
    row = _text(resps=[["It is None"]], filtered_resps=["None"], exact_match=0.0)
    assert _record(log(short=[row])).answer == "none"


def test_a_blank_that_counts_as_right_was_an_answer(log: Callable[..., Path]) -> None:
    record = _record(log(short=[_text(filtered_resps=[""], exact_match=1.0)]))
    assert (record.status, record.correct) == ("scored", True)


def test_an_answer_is_normalised_as_the_task_compares_it(log: Callable[..., Path]) -> None:
    declared = {"metric": "exact_match", "aggregation": "mean", "regexes_to_ignore": [",", "\\$"]}
    row = _text(filtered_resps=["$1,000"])
    record = _record(log(short=[row], configs={"short": {**SHORT, "metric_list": [declared]}}))
    assert record.answer == "1000"


def test_several_references_are_several_targets(log: Callable[..., Path]) -> None:
    assert _record(log(short=[_text(target="['Up', 'North']")])).targets == ("Up", "North")
    assert _record(log(short=[_text(target=["Up", "North"])])).targets == ("Up", "North")
    assert _record(log(short=[_text(target="[sic] Up")])).targets == ("[sic] Up",)


def test_of_several_answers_the_first_is_kept_and_that_is_said(log: Callable[..., Path]) -> None:
    source = _source(log(short=[_text(resps=[["one", "two"]])]))
    assert next(iter(source.records())).output == "one"
    assert any("answered 2 times" in remark for remark in source.heading.remarks)


# ── likelihoods ──────────────────────────────────────────────────────────────────────────────────


def test_a_likelihood_is_a_score_and_no_choice(log: Callable[..., Path]) -> None:
    row = _choice(
        doc={"text": "The cat", "last": "sat"},
        target=" sat",
        arguments=_asked(("The cat", " sat")),
        resps=[[["-0.5", "True"]]],
        metrics=["perplexity", "acc"],
        perplexity=-0.5,
    )
    source = _source(log(lambada=[row], configs={"lambada": LIKELIHOOD}))
    record = next(iter(source.records()))
    assert (source.heading.kind, source.heading.higher_is_better) == ("likelihood", False)
    assert record.scores == pytest.approx({"perplexity": math.exp(0.5), "acc": 1.0, "loglikelihood": -0.5})
    assert record.logprobs is record.answer is None
    assert record.targets == ("sat",)


def test_a_rolling_likelihood_is_made_as_the_task_aggregates_it(log: Callable[..., Path]) -> None:
    row = _choice(
        doc={"page": "one two"},
        target="one two",
        arguments=_asked(("one two",)),
        resps=[["-2.0"]],
        metrics=["word_perplexity", "bits_per_byte"],
        word_perplexity=[-2.0, 2],
        bits_per_byte=["-2.0", "7"],
    )
    record = _record(log(wiki=[row], configs={"wiki": ROLLING}))
    assert record.scores["word_perplexity"] == pytest.approx(math.e)
    assert record.scores["bits_per_byte"] == pytest.approx(2 / (7 * math.log(2)))
    assert record.question == record.prompt == "one two"


# ── items ────────────────────────────────────────────────────────────────────────────────────────


def test_ids_clusters_and_tags_are_those_that_the_definition_declares(log: Callable[..., Path]) -> None:
    metadata = {"cluster": "{{goal | trim(',')}}", "tags": ["label"], "id": "label"}
    record = _record(log(piqa=[_choice()], configs={"piqa": {**PIQA, "metadata": metadata}}))
    assert (record.cluster, record.tags, record.id) == ("To open a jar", {"label": "0"}, "0")


def test_fields_that_may_be_ids_are_handed_on(log: Callable[..., Path]) -> None:
    doc = {**_choice()["doc"], "idx": 7, "uid": "a", "id": None, "qid": " ", "ind": True}
    assert _record(log(piqa=[_choice(doc=doc)])).own == {"idx": "7", "uid": "a"}


# ── what cannot be read ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"doc": "To open a jar"}, "doc"),
        ({"doc": None}, "doc"),
        ({"doc": {"other": 1}}, "goal"),
        ({"doc_id": None}, "doc_id"),
        ({"doc_id": -1}, "doc_id"),
        ({"doc_id": "first"}, "doc_id"),
        ({"doc_id": True}, "doc_id"),
        ({"arguments": None}, "arguments"),
        ({"arguments": {}}, "arguments"),
        ({"arguments": _asked((CONTEXT,), (CONTEXT,))}, "arguments"),
        ({"resps": None}, "resps"),
        ({"resps": "-2.0"}, "resps"),
        ({"resps": [[["-2.0", "True"]]]}, "1 resps to 2 arguments"),
        ({"resps": [[["low", "True"]], [["-3.0", "False"]]]}, "resps"),
        ({"resps": [[], [["-3.0", "False"]]]}, "resps"),
        ({"filter": 3}, "filter"),
        ({"acc": "nan"}, "acc"),
        ({"acc": None}, "acc"),
        ({"acc": "yes"}, "acc"),
        ({"acc": [1.0]}, "acc"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_with_its_field(
    log: Callable[..., Path], changed: Json, named: str
) -> None:
    folder = log(piqa=[_choice(), _choice(1) | changed])
    with pytest.raises(DataError) as caught:
        list(_source(folder).records())
    assert f"samples_piqa_{DATE}.jsonl:2" in str(caught.value)
    assert named in str(caught.value)


def test_other_metrics_need_not_be_numbers(log: Callable[..., Path]) -> None:
    assert _record(log(piqa=[_choice(acc_norm=float("nan"))])).scores == {"acc": 1.0}


def test_rows_that_repeat_are_not_taken_for_another_filters(log: Callable[..., Path]) -> None:
    """Without names and without results, a second row about an item could be either."""
    row = {name: value for name, value in _text().items() if name not in ("filter", "metrics")}
    folder = log(odd=[row, row], results=False)
    with pytest.raises(DataError, match=r":2 is about doc_id 0 again.*results"):
        list(_source(folder).records())


def _draft(folder: Path, spool: Path) -> Draft:
    return draft(_source(folder), spool)


def test_fewer_answers_than_the_results_count_were_cut_off(log: Callable[..., Path], tmp_path: Path) -> None:
    counts = {"n-samples": {"piqa": {"original": 9, "effective": 3}}}
    with pytest.raises(DataError, match="holds 2 of 3 instances: it was cut off"):
        _draft(log(piqa=[_choice(), _choice(1)], results=counts), tmp_path)


def test_an_item_that_is_answered_twice_is_refused(log: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":1 and .*:3 are about one instance"):
        _draft(log(piqa=[_choice(), _choice(1), _choice()]), tmp_path)


# ── anything ─────────────────────────────────────────────────────────────────────────────────────

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("{{x.y}}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON value something can be replaced."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield (*above, name)
        yield from _places(inner, (*above, name))


def _replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    if not place:
        return by
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[place[0]] = _replaced(value[place[0]], place[1:], by)
    return copied


def _read(path: Path) -> None:
    """A run or a clear error; never anything else."""
    assert lm_eval_logs.recognises(path) in (True, False)
    with contextlib.suppress(RegressError):
        for source in lm_eval_logs.sources(path, Reading()):
            assert all(isinstance(record, Record) for record in source.records())


@given(
    st.binary(max_size=200), st.sampled_from([b"", b'{"doc_id": 0, "doc": {', b"[\n  {\n", b'{"results": {'])
)
def test_any_bytes_give_records_or_an_error(tmp_path_factory: Any, told: bytes, start: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "bytes"
    folder.mkdir(exist_ok=True)
    for name in ("samples_piqa_x.jsonl", "results.json"):
        (folder / name).write_bytes(start + told)
        _read(folder / name)
    _read(folder)


@given(st.data())
def test_any_value_anywhere_gives_records_or_an_error(tmp_path_factory: Any, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "values"
    folder.mkdir(exist_ok=True)
    task, row, config = data.draw(st.sampled_from([("piqa", _choice(), PIQA), ("short", _text(), SHORT)]))
    told = {"row": row, "results": _results({task: config})}
    told = _replaced(told, data.draw(st.sampled_from([*_places(told)][2:])), data.draw(_JSON))
    for file in folder.iterdir():
        file.unlink()
    (folder / f"results_{DATE}.json").write_text(json.dumps(told["results"]))
    (folder / f"samples_{task}_{DATE}.jsonl").write_text(json.dumps(told["row"]) + "\n")
    _read(folder)
