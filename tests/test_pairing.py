"""Which runs pair, which are refused and what is said; and how the judged columns are made."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.errors import NotComparable, UnknownName
from regress.pairing import pair
from regress.types import Subset

GOLD = "AAAA"


def fields(differences):
    return [difference.field for difference in differences]


@pytest.fixture
def refuse(make_run):
    """Pairs two runs that must not pair; gives back the refusal."""

    def refused(old, new, **options) -> NotComparable:
        with pytest.raises(NotComparable) as caught:
            pair(old, new, **options)
        return caught.value

    return refused


@pytest.fixture
def old(make_run, make_choices):
    return make_run(make_choices("AAAB", GOLD))


def retasked(run, **changes):
    """The same run, of a task that differs in `changes`."""
    task = dataclasses.replace(run.spec.task, **changes)
    return dataclasses.replace(run, spec=dataclasses.replace(run.spec, task=task))


# ── what pairs ───────────────────────────────────────────────────────────────────────────────────


def test_rows_answer_the_same_instance(make_run, make_choices, old):
    pairs = pair(old, make_run(make_choices("ABAA", GOLD), model="demo-v2"))
    assert pairs.n == 4
    assert pairs.old["instance_id"].to_pylist() == pairs.new["instance_id"].to_pylist()
    assert pairs.old_correct.tolist() == [True, True, True, False]
    assert pairs.new_correct.tolist() == [True, False, True, True]
    assert pairs.same_answer.tolist() == [True, False, True, False]
    assert pairs.differences == pairs.overridden == ()


@given(order=st.permutations(range(6)), other=st.permutations(range(6)))
def test_row_order_does_not_matter(make_run, make_choices, order, other):
    old, new = make_choices("ABCABC", "AAABBB"), make_choices("ABBACC", "AAABBB")
    straight = pair(make_run(old), make_run(new))
    shuffled = pair(make_run([old[i] for i in order]), make_run([new[i] for i in other]))
    assert shuffled.old.equals(straight.old)
    assert shuffled.new.equals(straight.new)
    assert shuffled.same_answer.tolist() == straight.same_answer.tolist()


def test_repeats_pair_with_repeats(make_run, make_prediction):
    rows = [
        make_prediction(name, index=i, repeat=repeat, answer=f"{name}{repeat}", correct=True, score=1.0)
        for i, name in enumerate("xy")
        for repeat in (0, 1)
    ]
    pairs = pair(make_run(rows), make_run(rows[::-1]))
    assert pairs.new["answer"].to_pylist() == ["x0", "x1", "y0", "y1"]
    assert pairs.same_answer.all()


def test_parts_of_different_size_pair(make_run, make_choices, old):
    parts = [old.predictions.slice(0, 3), old.predictions.slice(3)]
    assert pair(old, dataclasses.replace(old, predictions=pa.concat_tables(parts))).same_answer.all()


def test_columns_of_a_later_schema_are_carried_along(old):
    wider = old.predictions.append_column("later", pa.array([1, 2, 3, 4]))
    pairs = pair(dataclasses.replace(old, predictions=wider), old)
    assert pairs.old["later"].to_pylist() == [1, 2, 3, 4]


# ── how answers are judged ───────────────────────────────────────────────────────────────────────


def test_unreadable_is_not_right_and_the_same_only_as_unreadable(make_run, make_choices):
    pairs = pair(
        make_run(make_choices([None, None, "A", "B"], GOLD)),
        make_run(make_choices([None, "A", None, "B"], GOLD)),
    )
    assert pairs.same_answer.tolist() == [True, False, False, True]
    assert pairs.old_correct.tolist() == [False, False, True, False]
    assert pairs.new_correct.tolist() == [False, True, False, False]
    assert pairs.old_readable.tolist() == [False, False, True, True]
    assert pairs.new_readable.tolist() == [False, True, False, True]


def test_unreadable_is_not_right_whatever_the_file_says(make_run, make_prediction):
    row = make_prediction("x", status="unparsable", correct=True, score=1.0)
    assert not pair(make_run([row]), make_run([row])).old_correct.any()


def test_answers_judged_differently_are_different_answers(make_run, make_prediction):
    old = make_prediction("x", answer="42", correct=True, score=1.0)
    new = make_prediction("x", answer="42", correct=False, score=0.0)
    assert not pair(make_run([old]), make_run([new])).same_answer.any()


def test_likelihoods_that_have_no_answers_do_not_change_them(make_run, make_task, make_scores):
    task = make_task(scale="unbounded", kind="likelihood")
    old, new = make_scores([-1.0, -2.0], answer=None), make_scores([-1.5, -2.5], answer=None)
    assert pair(make_run(old, task=task), make_run(new, task=task)).same_answer.all()


def test_scores_have_no_right_and_wrong(make_run, make_task, make_scores):
    task = make_task(scale="bounded", kind="generation", metric="rouge1")
    pairs = pair(make_run(make_scores([0.1, 0.2]), task=task), make_run(make_scores([0.1, 0.3]), task=task))
    assert pairs.old_correct is None
    assert pairs.new_score.tolist() == [0.1, 0.3]


def test_an_unreadable_answer_without_a_score_earns_nothing(make_run, make_task, make_prediction):
    task = make_task(scale="bounded", kind="generation")
    run = make_run([make_prediction("x", status="unparsable")], task=task)
    assert pair(run, run).old_score.tolist() == [0.0]


# ── missing evidence ─────────────────────────────────────────────────────────────────────────────

EVERYTHING = ("prompts", "task", "scorer")


def test_empty_runs_are_refused(make_run, refuse):
    error = refuse(make_run([]), make_run([]), allow=EVERYTHING)
    assert error.field == "rows"
    assert str(error) == (
        "the old run of toy holds 0 predictions. Allowed: at least one. "
        "Evaluate that model again; missing answers cannot be waived."
    )


def test_a_run_with_fewer_rows_than_it_says_is_refused(make_run, make_choices, old, refuse):
    error = refuse(old, make_run(make_choices("AAA", "AAA"), n=4), allow=EVERYTHING)
    assert error.field == "rows"
    assert "the new run of toy holds 3 predictions. Allowed: 4 of them." in str(error)


def test_rows_with_errors_are_refused(make_run, make_prediction, make_choices, old, refuse):
    rows = make_choices("AAAA", GOLD)
    rows[2] = make_prediction("id002", index=2, status="error", error="logits are nan")
    error = refuse(old, make_run(rows), allow=EVERYTHING)
    assert error.field == "status"
    assert str(error) == (
        "the new run of toy has no answer to 1 of its 4 instances (first: id002: logits are nan). "
        "Evaluate that model again; missing answers cannot be waived."
    )


@pytest.mark.parametrize("score", [None, float("nan"), float("inf")])
def test_scores_that_are_no_numbers_are_refused(
    make_run, make_task, make_scores, make_prediction, refuse, score
):
    task = make_task(scale="unbounded", kind="likelihood", metric="perplexity")
    whole = make_run(make_scores([1.0, 2.0]), task=task)
    broken = make_run([*make_scores([1.0]), make_prediction("id001", index=1, score=score)], task=task)
    error = refuse(whole, broken, allow=EVERYTHING)
    assert error.field == "score"
    assert "no finite perplexity for 1 of its 2 instances (first: id001)" in str(error)


def test_duplicate_ids_are_refused(make_run, make_choices, old, refuse):
    rows = make_choices("AAAA", GOLD)
    rows[3] = dataclasses.replace(rows[3], instance_id="id001")
    twice = make_run(rows)
    error = refuse(old, twice, allow=EVERYTHING)
    assert error.field == "items"
    assert "the new run of toy answers 1 of its 3 instances more than once (first: id001)" in str(error)
    assert "the old run" in str(refuse(twice, twice))


# ── other questions ──────────────────────────────────────────────────────────────────────────────


def test_missing_and_extra_items_are_refused_and_counted(make_run, make_choices, refuse):
    rows = make_choices("ABCDABCD", "AAAAAAAA")
    error = refuse(make_run(rows[:6]), make_run(rows[5:]), allow=EVERYTHING)
    assert error.field == "items"
    assert str(error) == (
        "old and new answer different items of toy: "
        "5 of the 6 rows of old have no partner (first: id000, id001, id002, …); "
        "2 of the 3 rows of new have no partner (first: id006, id007). "
        "Evaluate both on the same items; rows without a partner cannot be waived."
    )


def test_ids_that_differ_only_in_white_space_are_said_to(make_run, make_prediction, refuse):
    old, new = (
        make_run([make_prediction(f"item {i}{end}", index=i, correct=True, score=1.0) for i in range(3)])
        for end in ("", "\u00a0")
    )
    assert "3 of these ids differ only in white space" in str(refuse(old, new))


def test_another_subset_is_named(make_run, make_choices, refuse):
    rows = make_choices("ABCD", GOLD)
    error = refuse(make_run(rows[:2], subset=Subset(limit=2)), make_run(rows))
    assert "the runs were asked for limit 2 against none" in str(error)


def test_other_prompts_are_refused_naming_the_shots(make_run, make_choices, make_task, refuse):
    rows = make_choices("AAAA", GOLD)
    other = [dataclasses.replace(row, prompt_hash="0") if row.index in (1, 3) else row for row in rows]
    error = refuse(make_run(rows), make_run(other, task=make_task(num_fewshot=5)))
    assert error.field == "prompts"
    assert str(error) == (
        "old and new disagree on 2 of 4 instances of toy (first: id001): "
        "prompts differ (num_fewshot 0 against 5). "
        "Re-run one of them, or compare settings instead of models with --allow prompts "
        '(a gate: with allow = ["prompts"] in its policy).'
    )


def test_allowed_prompts_are_recorded(make_run, make_choices, make_task):
    rows = make_choices("AAAA", GOLD)
    other = [dataclasses.replace(row, prompt_hash="0") for row in rows]
    pairs = pair(make_run(rows), make_run(other, task=make_task(num_fewshot=5)), allow=["prompts"])
    assert [(d.field, d.old, d.new) for d in pairs.overridden] == [("task.num_fewshot", 0, 5)]
    assert pairs.differences == ()
    reworded = pair(make_run(rows), make_run(other, task=make_task(prompts="q")), allow=["prompts"])
    assert fields(reworded.overridden) == ["task.prompts"]


def test_other_questions_under_the_same_ids_are_refused_even_if_prompts_may_differ(
    make_run, make_choices, make_task, refuse
):
    rows = make_choices("AAAA", GOLD)
    other = [dataclasses.replace(row, prompt_hash="0") for row in rows]
    error = refuse(make_run(rows), make_run(other, task=make_task(items="j")), allow=EVERYTHING)
    assert error.field == "items"
    assert "the source items differ" in str(error)


def test_other_source_fields_behind_the_same_prompts_are_only_said(old):
    assert fields(pair(old, retasked(old, items="j")).differences) == ["task.items"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"targets": "u"}, "targets"), ({"scale": "bounded"}, "task.scale")],
)
def test_other_targets_and_scales_are_never_waived(old, refuse, changes, field):
    assert refuse(old, retasked(old, **changes), allow=EVERYTHING).field == field


@pytest.mark.parametrize(
    ("changes", "field", "allow", "said"),
    [
        ({"name": "piqa"}, "task.name", "task", "runs of different tasks (name toy against piqa)"),
        ({"version": "2"}, "task.version", "task", "different versions of toy (version 1 against 2)"),
        ({"definition": "e" * 64}, "task.definition", "task", "different definitions of toy"),
        ({"kind": "generation"}, "task.kind", "task", "(kind choice against generation)"),
        (
            {"metric": "acc_norm"},
            "task.metric",
            "scorer",
            "judge toy differently (metric acc against acc_norm)",
        ),
        ({"higher_is_better": False}, "task.higher_is_better", "scorer", "judge toy differently"),
        ({"scorer": {"regex": "x"}}, "task.scorer", "scorer", "(scorer.regex none against x)"),
    ],
)
def test_another_task_or_scorer_is_refused_by_name_and_may_be_allowed(
    old, refuse, changes, field, allow, said
):
    new = retasked(old, **changes)
    others = [name for name in EVERYTHING if name != allow]
    error = refuse(old, new, allow=others)
    assert error.field == field
    assert said in str(error)
    assert f"with --allow {allow} " in str(error)
    assert fields(pair(old, new, allow=[allow]).overridden) == [field]


def test_a_refusal_names_everything_that_would_have_to_be_allowed(old, refuse):
    error = refuse(old, retasked(old, definition="e", scorer={"regex": "x"}))
    assert "with --allow task --allow scorer (" in str(error)


def test_only_named_refusals_can_be_allowed(old):
    with pytest.raises(UnknownName, match="prompts"):
        pair(old, old, allow=["prompt"])


# ── settings that may differ ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["tokenizer", "chat_template", "system", "dtype", "quantization", "adapter"])
def test_model_settings_that_differ_are_said(make_run, make_model, make_choices, old, name):
    new = make_run(make_choices("AAAA", GOLD), model=make_model(**{name: "other"}))
    (difference,) = pair(old, new).differences
    assert (difference.field, difference.new) == (f"model.{name}", "other")


def test_what_is_being_compared_is_no_difference(make_run, make_model, make_choices, old):
    model = make_model("demo-v2", revision="abc", parameters=7, context_length=512)
    assert pair(old, make_run(make_choices("AAAA", GOLD), model=model)).differences == ()


def test_engine_run_and_recorded_settings_that_differ_are_said(make_run, make_choices):
    rows = make_choices("AAAA", GOLD)
    old = make_run(rows, recorded={"device": "cpu", "versions": {"torch": "2.6"}, "seconds": 1})
    new = make_run(
        rows,
        engine={
            "name": "hf",
            "version": "2",
            "batch_size": 8,
            "settings": {"softmax": "fp32", "a": {"b": 1}},
        },
        recorded={"device": "cuda:0", "versions": {"torch": "2.7", "peft": "0.17"}, "seconds": 2},
        replica=1,
        chunk_size=64,
    )
    differences = {d.field: (d.old, d.new) for d in pair(old, new).differences}
    assert differences == {
        "engine.name": ("scripted", "hf"),
        "engine.version": ("1", "2"),
        "engine.batch_size": (1, 8),
        "engine.settings.softmax": (None, "fp32"),
        "engine.settings.a.b": (None, 1),
        "replica": (0, 1),
        "chunk_size": (256, 64),
        "recorded.device": ("cpu", "cuda:0"),
        "recorded.versions.torch": ("2.6", "2.7"),
        "recorded.versions.peft": (None, "0.17"),
    }


def test_generation_settings_and_data_that_differ_are_said(old):
    new = retasked(old, generation={"until": ["\n"], "max_gen_toks": 64}, data="dir")
    assert fields(pair(old, new).differences) == [
        "task.data",
        "task.generation.until",
        "task.generation.max_gen_toks",
    ]


def test_tuples_and_the_lists_that_json_makes_of_them_are_equal(old):
    one, other = retasked(old, generation={"until": ("a",)}), retasked(old, generation={"until": ["a"]})
    assert pair(one, other).differences == ()


def test_correct_is_plain_numpy_bool(old):
    assert pair(old, old).old_correct.dtype == np.bool_
