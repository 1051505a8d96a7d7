"""Stored outputs are judged again without the model, both sides together, and what that changed is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.definitions.known import shipped
from regress.errors import NotComparable, RegressError, StoreError, TaskError
from regress.schema import targets_of
from regress.store.manifest import read_spec
from regress.store.runs import Store, read_instances, read_run
from regress.types import Instance, Prediction, TaskSpec
from regress.workflows.compare import compare
from regress.workflows.imports import import_runs
from regress.workflows.progress import Event, Reused
from regress.workflows.rescore import rescore
from regress.workflows.stored import questions

LOOSE = {
    "kind": "text",
    "filters": [{"name": "strict-match", "filter": [{"function": "take_first"}]}],
    "metrics": [{"metric": "exact_match", "function": "exact_match"}],
}
"""How an earlier version may have judged: the whole output has to equal the target."""


@pytest.fixture
def gsm8k(
    tmp_path: Path, store_run: Callable[..., Path], make_task: Any, monkeypatch: Any
) -> Callable[..., Path]:
    """A stored run of GSM8K by a model that wrote these outputs, judged by an earlier extractor."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGRESS_STORE", str(tmp_path / "runs"))

    def made(label: str, outputs: Sequence[str], **changes: Any) -> Path:
        asked = {"kind": "generation", "metric": "exact_match/strict-match", "version": "1.0", "data": "dir"}
        task: TaskSpec = make_task("gsm8k", n=len(outputs), scorer=LOOSE, **asked)
        rows = [
            Prediction(
                instance_id=f"q{i}",
                index=i,
                prompt_hash="p",
                output=output,
                answer=output.strip(),
                status="scored",
                correct=False,
                score=0.0,
                scores={"exact_match/strict-match": 0.0},
            )
            for i, output in enumerate(outputs)
        ]
        items = [
            Instance(id=f"q{i}", index=i, prompt=f"Q{i}", target=f"so it is #### {i}")
            for i in range(len(outputs))
        ]
        return store_run(tmp_path / "runs", label, rows, task=task, instances=items, **changes)

    return made


def test_the_present_extractor_reads_the_stored_outputs(gsm8k: Callable[..., Path]) -> None:
    path = gsm8k("old", ["#### 0", "#### 7", "two"])
    (found,) = rescore("old")
    run = read_run(found.path)
    assert run.predictions["correct"].to_pylist() == [True, False, False]
    assert run.predictions["status"].to_pylist() == ["scored", "scored", "unparsable"]
    assert run.predictions["output"].equals(read_run(path).predictions["output"])
    assert (found.gained, found.lost, found.old_unreadable, found.new_unreadable) == (1, 0, 0, 1)


def test_the_new_run_says_what_it_is(gsm8k: Callable[..., Path]) -> None:
    before = read_spec(gsm8k("old", ["#### 0"]))
    (found,) = rescore("old", task="gsm8k")
    spec, definition = read_spec(found.path), shipped("gsm8k")
    assert definition is not None
    assert spec.origin is not None
    assert spec.origin.format == "rescored"
    assert spec.origin.name.startswith("old/gsm8k@")
    assert spec.model.name == "old-rescored"
    assert spec.task.scorer == definition.scorer
    assert (spec.task.prompts, spec.task.targets) == (before.task.prompts, before.task.targets)
    assert read_instances(read_run(found.path)) is not None


def test_both_sides_are_judged_alike_and_then_compared_by_name(gsm8k: Callable[..., Path]) -> None:
    """The change of harness is told by `rescore`; what is left is the models'."""
    gsm8k("old", ["#### 0", "#### 1", "#### 9"])
    gsm8k("new", ["#### 0", "#### 8", "#### 2"])
    assert len(rescore("old", "new")) == 2
    counts = compare("old-rescored", "new-rescored", tasks="gsm8k").tasks[0].counts
    assert counts is not None
    assert (counts.both_right, counts.negative_flips, counts.positive_flips) == (1, 1, 1)


def test_compare_refuses_another_extractor_and_offers_this(gsm8k: Callable[..., Path]) -> None:
    path = gsm8k("old", ["#### 0"])
    (found,) = rescore("old")
    with pytest.raises(NotComparable, match="regress rescore OLD NEW") as refused:
        compare(str(path), str(found.path))
    assert refused.value.field in ("task.version", "task.scorer")


def test_where_nothing_changes_nothing_is_written(gsm8k: Callable[..., Path], tmp_path: Path) -> None:
    gsm8k("old", ["#### 0"])
    (first,) = rescore("old")
    (again,) = rescore(str(first.path))
    assert first.changed
    assert not again.changed
    assert again.path == first.path
    assert len(Store(tmp_path / "runs").runs()) == 2


def test_a_run_with_an_unreadable_answer_is_judged_alike(gsm8k: Callable[..., Path]) -> None:
    """Statuses are stored as codes, in the order in which they come; it is the words that count."""
    gsm8k("old", ["nothing", "#### 1"])
    (first,) = rescore("old")
    told: list[Event] = []
    (again,) = rescore(str(first.path), progress=told.append)
    assert not again.changed
    assert again.path == first.path
    assert told == [Reused(model="old-rescored", task="gsm8k", path=str(first.path))]


def test_what_to_compare_next_is_said_so_that_it_can_be_typed(
    gsm8k: Callable[..., Path], command: Callable[..., Any]
) -> None:
    """Also when the names stand for several judgements of the task by then."""
    gsm8k("old", ["#### 0"])
    gsm8k("new", ["#### 1"])
    rescore("old", "new", metric="exact_match/flexible-extract")
    outcome = command("rescore", "old", "new", "--task", "gsm8k")
    assert outcome.code == 0, outcome.err
    *_, told = outcome.out.strip().splitlines()
    assert told.startswith("Now: regress compare ")
    assert command("compare", *told.split()[3:]).code == 0


def test_choices_are_judged_again_from_their_log_likelihoods(
    tmp_path: Path, store_run: Callable[..., Path], make_task: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGRESS_STORE", str(tmp_path / "runs"))
    task = make_task("piqa", n=1, scorer={"kind": "choice", "metrics": ["acc_norm"]}, metric="acc_norm")
    row = Prediction(
        instance_id="g",
        index=0,
        prompt_hash="p",
        output="bb",
        answer="1",
        status="scored",
        correct=False,
        score=0.0,
        scores={"acc_norm": 0.0},
        choice_logprobs=(-1.0, -1.5),
        choice_lengths=(1, 2),
    )
    item = Instance(id="g", index=0, prompt="G", target="a", choices=("a", "bb"), golds=(0,))
    store_run(tmp_path / "runs", "old", [row], task=task, instances=[item])
    (found,) = rescore("old", task="piqa")
    (judged,) = read_run(found.path).predictions.to_pylist()
    assert (judged["correct"], judged["answer"], judged["gold_margin"]) == (True, "0", 0.5)
    assert dict(judged["scores"]) == {"acc": 1.0, "acc_norm": 0.0}


def test_another_metric_can_decide(gsm8k: Callable[..., Path]) -> None:
    gsm8k("old", ["it is 0."])
    (found,) = rescore("old", metric="exact_match/flexible-extract")
    assert read_run(found.path).predictions["correct"].to_pylist() == [True]


def test_a_definition_by_path_judges(gsm8k: Callable[..., Path], tmp_path: Path) -> None:
    gsm8k("old", ["answer: 0"])
    from regress.definitions.yaml_files import tasks_folder

    mine = tmp_path / "mine.yaml"
    mine.write_text(
        f"include: {tasks_folder() / 'gsm8k' / 'gsm8k.yaml'}\n"
        "filter_list:\n  - name: said\n    filter:\n"
        "      - {function: regex, regex_pattern: 'answer: ([0-9]+)'}\n      - {function: take_first}\n"
        "metadata: {version: 9}\n"
    )
    (found,) = rescore("old", task=str(mine))
    spec = read_spec(found.path)
    assert (spec.task.metric, spec.task.version) == ("exact_match/said", "9")
    assert read_run(found.path).predictions["correct"].to_pylist() == [True]


def test_nothing_is_written_unless_all_runs_can_be_judged(gsm8k: Callable[..., Path], tmp_path: Path) -> None:
    gsm8k("old", ["#### 0"])
    gsm8k("new", ["#### 0"], text=False)
    with pytest.raises(StoreError, match="hashes instead of texts"):
        rescore("old", "new")
    assert {run.label for run in Store(tmp_path / "runs").runs()} == {"old", "new"}


def test_runs_of_two_definitions_are_both_written_even_if_they_judge_alike(
    tmp_path: Path, gsm8k: Callable[..., Path], store_run: Callable[..., Path], make_task: Any
) -> None:
    """Else comparing them would be refused, and this offered, for ever."""
    gsm8k("older", ["#### 0"])
    judged = read_run(rescore("older")[0].path)
    for label, definition in (("old", "d" * 64), ("new", "e" * 64)):
        changes = {name: getattr(judged.spec.task, name) for name in ("scorer", "version", "metric", "kind")}
        task = make_task("gsm8k", n=1, data="dir", definition=definition, **changes)
        rows = [Prediction(**row | {"scores": dict(row["scores"])}) for row in judged.predictions.to_pylist()]
        item = Instance(id="q0", index=0, prompt="Q0", target="so it is #### 0")
        store_run(tmp_path / "runs", label, rows, task=task, instances=[item])
    assert not rescore("old")[0].changed
    with pytest.raises(NotComparable, match="different definitions"):
        compare("old", "new")
    assert all(one.changed for one in rescore("old", "new"))
    assert compare("old-rescored", "new-rescored").tasks[0].n == 1


def test_another_metric_that_says_the_same_is_another_judgement(gsm8k: Callable[..., Path]) -> None:
    gsm8k("old", ["#### 0"])
    (first,) = rescore("old")
    (again,) = rescore(str(first.path), metric="exact_match/flexible-extract")
    assert again.spec.task.metric == "exact_match/flexible-extract"
    assert again.changed


def test_by_which_metric_a_run_is_judged_now_is_remembered(tmp_path: Path, monkeypatch: Any) -> None:
    """A model that is compared with it is asked by that one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGRESS_STORE", str(tmp_path / "runs"))
    Path("old.csv").write_text('question,prediction,answer\nQ0,"it is 4","#### 4"\n')
    import_runs("old.csv", task="gsm8k", columns={"target": "answer"})
    (found,) = rescore("old", metric="exact_match/flexible-extract")
    assert questions({"gsm8k": found.path})["metric"] == "exact_match/flexible-extract"


def test_the_marker_of_an_imported_table_is_still_read(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGRESS_STORE", str(tmp_path / "runs"))
    Path("old.csv").write_text('question,prediction,answer\nQ0,"so A: 4","#### 4"\nQ1,"so A: 5","#### 4"\n')
    (made,) = import_runs("old.csv", task="gsm8k", marker="A: ", columns={"target": "answer"})
    (found,) = rescore("old")
    assert made.value == found.old == found.new == 0.5
    assert not found.changed


def test_a_definition_that_asks_otherwise_is_refused(gsm8k: Callable[..., Path]) -> None:
    run = gsm8k("old", ["#### 0"])
    with pytest.raises(TaskError, match="was asked as generation, and its definition judges choice"):
        rescore(run, task="piqa")
    with pytest.raises(RegressError, match="piqa"):  # by its name, no run of that task is found
        rescore("old", task="piqa")


def test_a_run_that_is_not_there_is_named(gsm8k: Callable[..., Path]) -> None:
    gsm8k("old", ["#### 0"])
    with pytest.raises(RegressError, match="'odl'; did you mean 'old'"):
        rescore("odl")


@pytest.mark.models
def test_a_table_of_no_known_task_is_to_be_imported_with_its_task(tmp_path: Path, command: Any) -> None:
    source = tmp_path / "mine.csv"
    source.write_text("id,prediction,target\n1,a,b\n")
    outcome = command("rescore", source, "--store", tmp_path / "runs")
    assert outcome.code == 2
    assert "nobody here has a scorer for, 'table'" in outcome.err
    assert "regress import SOURCE --task T" in outcome.err


@pytest.mark.models
def test_what_only_lm_eval_can_judge_is_judged_by_it(world: Path, command: Callable[..., Any]) -> None:
    """A task whose own code reads the answer; its items are those that it was asked."""
    from regress.definitions.yaml_files import tasks_folder

    (world / "judge.py").write_text(
        "def judge(doc, results):\n    return {'hit': float('1001' in results[0])}\n"
    )
    (world / "own.yaml").write_text(
        f"include: {tasks_folder() / 'gsm8k' / 'gsm8k.yaml'}\n"
        "task: own\nfilter_list: null\nprocess_results: !function judge.judge\n"
        "metric_list:\n  - {metric: hit, aggregation: mean, higher_is_better: true}\n"
        "metadata: {version: 1, scale: binary, data: gsm8k}\n"
    )
    given = ("--data", "data", "--engine", "scripted", "--trust-task-code")
    assert command("evaluate", "old.jsonl", "--tasks", "own.yaml", *given).code == 0
    refused = command("rescore", "old.jsonl", "--task", "own.yaml")
    assert (refused.code, "--trust-task-code" in refused.err) == (2, True)
    (world / "judge.py").write_text(
        "def judge(doc, results):\n    return {'hit': float('1002' in results[0])}\n"
    )
    done = command("rescore", "old.jsonl", "--task", "own.yaml", "--trust-task-code", "--json")
    (found,) = json.loads(done.out)
    assert (found["task"], found["lost"], found["gained"]) == ("own", 1, 1)
    assert found["changed"]
    (world / "judge.py").write_text("def judge(doc, results):\n    return {'hit': 0.0}\n")
    done = command("rescore", found["before"], "--task", "own.yaml", "--trust-task-code", "--json")
    (third,) = json.loads(done.out)
    assert third["path"] != found["path"], "the same run by other code is another run"
    assert not any(read_run(third["path"]).predictions["correct"].to_pylist())


def test_targets_come_back_out_of_their_text() -> None:
    assert targets_of('["a", "b"]') == ("a", "b")
    assert targets_of('["a", broken"]') == ('["a", broken"]',)
