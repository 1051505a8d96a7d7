"""Predictions of our tasks carry what lm-eval would score, and what the engine told."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.errors import EngineError
from regress.identity import text_hash
from regress.tasks.load import load_tasks
from regress.tasks.task import Task
from regress.types import Logprob, Text

pytestmark = pytest.mark.models

relaxed = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Task]:
    import json

    from .conftest import SAMPLES

    folder = tmp_path_factory.mktemp("data")
    for name, splits in SAMPLES.items():
        (folder / name).mkdir()
        for split, items in splits.items():
            (folder / name / f"{split}.jsonl").write_text("\n".join(json.dumps(one) for one in items))
    return {task.spec.name: task for task in load_tasks(list(SAMPLES), data=folder).tasks}


@relaxed
@given(
    name=st.sampled_from(["piqa", "hellaswag"]),
    index=st.integers(0, 5),
    values=st.lists(
        st.sampled_from([-9.5, -8.0, -8.0, -3.25, -0.5]) | st.floats(-90, 0), min_size=4, max_size=4
    ),
)
def test_choices_are_scored_as_lm_eval_scores_them(
    tasks: dict[str, Task], name: str, index: int, values: list[float]
) -> None:
    task: Any = tasks[name]
    told = values[: len(task.requests(index))]
    prediction = task.score(index, [Logprob(value=value) for value in told])
    theirs = task._judge._task
    assert prediction.scores == theirs.process_results(
        theirs.task_docs[index], [(value, False) for value in told]
    )
    assert prediction.correct == (prediction.scores["acc"] == 1.0)
    assert prediction.output == task.instances[index].choices[int(prediction.answer)]
    assert prediction.choice_lengths == tuple(map(len, task.instances[index].choices))


@relaxed
@given(
    name=st.sampled_from(["gsm8k", "samsum"]),
    index=st.integers(0, 3),
    text=st.one_of(
        st.text(),
        st.text(alphabet="#0123 ,.$"),
        st.builds("x #### 1,{:03}{}".format, st.integers(0, 5), st.sampled_from(["", ".", "!"])),
        st.sampled_from(["Ann greets Bob 1 times.", "Ann greeting Bob"]),
    ),
)
def test_generations_are_scored_as_lm_eval_scores_them(
    tasks: dict[str, Task], name: str, index: int, text: str
) -> None:
    task: Any = tasks[name]
    prediction = task.score(index, [Text(text=text)])
    theirs = task._judge._task
    (asked,) = task._renderer.requests(index, task._contexts[index])
    asked.resps = [text]
    expected = {}
    for ensemble in theirs._filters:
        ensemble.apply([asked])
        given_ = theirs.process_results(theirs.task_docs[index], [asked.filtered_resps[ensemble.name]])
        ending = "" if ensemble.name == "none" else f"/{ensemble.name}"
        expected |= {metric + ending: float(value) for metric, value in given_.items()}
    assert prediction.scores == expected
    assert prediction.score == expected[task.spec.metric]
    if name == "gsm8k":
        assert prediction.correct == (prediction.score == 1.0)
        assert (prediction.answer is None) == (prediction.status == "unparsable")


def test_what_the_engine_told_is_kept(tasks: dict[str, Task]) -> None:
    task = tasks["piqa"]
    told = [
        Logprob(value=-2.0, prompt_tokens=9, output_tokens=3, left_truncated=0, shown="aa"),
        Logprob(value=-1.0, prompt_tokens=9, output_tokens=5, left_truncated=4, shown="bb"),
    ]
    prediction = task.score(1, told)
    assert (prediction.prompt_tokens, prediction.output_tokens, prediction.left_truncated) == (9, 5, 4)
    assert prediction.shown_hash is not None
    assert prediction.finish is None
    assert prediction.prompt_hash == text_hash(task.instances[1].prompt)
    assert (prediction.instance_id, prediction.index) == (task.instances[1].id, 1)
    assert (prediction.choice_logprobs, prediction.gold_margin) == ((-2.0, -1.0), 1.0)
    unknown = task.score(1, [told[0], Logprob(value=-1.0)])
    assert (unknown.shown_hash, unknown.output_tokens) == (None, None)


@pytest.mark.parametrize("finish", ["stop", "length", None])
def test_a_truncated_answer_is_scored_like_any_other_and_says_so(tasks: dict[str, Task], finish: Any) -> None:
    prediction = tasks["gsm8k"].score(0, [Text(text="#### 1001", finish=finish, output_tokens=256)])
    assert (prediction.finish, prediction.status, prediction.correct) == (finish, "scored", True)
    assert prediction.output_tokens == 256


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_likelihood_that_is_no_number_is_an_error(tasks: dict[str, Task], value: float) -> None:
    prediction = tasks["piqa"].score(0, [Logprob(value=value), Logprob(value=-1.0)])
    assert (prediction.status, prediction.correct, prediction.score, prediction.answer) == (
        "error",
        None,
        None,
        None,
    )
    assert prediction.scores == {}
    assert prediction.choice_logprobs is None
    assert "log-likelihood is" in (prediction.error or "")


def test_an_answer_that_the_engine_did_not_give_is_an_error(tasks: dict[str, Task]) -> None:
    prediction = tasks["samsum"].score(0, [Text(text="", error="out of memory")])
    assert (prediction.status, prediction.error, prediction.output) == ("error", "out of memory", None)


def test_another_number_of_responses_than_requests_is_refused(tasks: dict[str, Task]) -> None:
    with pytest.raises(EngineError, match="has 2 requests and 1 responses"):
        tasks["piqa"].score(0, [Logprob(value=-1.0)])


def test_a_blank_summary_is_unreadable_and_scores_nothing(tasks: dict[str, Task]) -> None:
    prediction = tasks["samsum"].score(0, [Text(text=" \n")])
    assert (prediction.status, prediction.answer, prediction.score, prediction.correct) == (
        "unparsable",
        None,
        0.0,
        None,
    )


def test_stored_outputs_are_judged_again_without_lm_eval(tasks: dict[str, Task]) -> None:
    from regress.scoring.score import score

    gsm8k, piqa = tasks["gsm8k"], tasks["piqa"]
    first = gsm8k.score(2, [Text(text="#### 1,003")])
    again = score(
        gsm8k.spec.scorer,
        gsm8k.spec.metric,
        outputs=[first.output or ""],
        targets=[gsm8k.instances[2].target],
    )
    assert (
        (again.answer, again.correct, again.scores)
        == (first.answer, first.correct, first.scores)
        == (
            "1003",
            True,
            {"exact_match/strict-match": 1.0, "exact_match/flexible-extract": 1.0},
        )
    )
    chose = piqa.score(2, [Logprob(value=-3.0), Logprob(value=-2.0)])
    item = piqa.instances[2]
    once_more = score(
        piqa.spec.scorer,
        piqa.spec.metric,
        logprobs=chose.choice_logprobs or (),
        choices=item.choices or (),
        golds=item.golds,
    )
    assert (once_more.answer, once_more.scores, once_more.gold_margin) == (
        chose.answer,
        chose.scores,
        chose.gold_margin,
    )


@pytest.mark.shared
def test_the_four_recorded_systems_score_what_their_authors_counted(shared: Any) -> None:
    """The published totals, where the strict pattern can read the answer the systems wrote as `A: 42`."""
    import json

    (task,) = load_tasks(["gsm8k"], data=shared("data")).tasks
    lines = shared("data/gsm8k/example_model_solutions.jsonl").read_text(encoding="utf-8").split("\n")
    right = {"6b_finetuning": 0, "175b_verification": 0}
    for index, line in enumerate(line for line in lines if line):
        for system in right:
            text = json.loads(line)[system]["solution"].replace("\nA: ", "\n#### ")
            right[system] += bool(task.score(index, [Text(text=text)]).correct)
    assert right["6b_finetuning"] == pytest.approx(286, abs=3)
    assert right["175b_verification"] == pytest.approx(742, abs=3)
