"""Runs that were not asked here: what is unknown of them refuses nothing, and hides nothing that is known."""

from __future__ import annotations

import dataclasses

import pytest

from regress.comparable import require_same_targets
from regress.comparison.notices import from_pairs
from regress.comparison.sides import sides
from regress.errors import NotComparable
from regress.pairing import pair
from regress.types import Origin

GOLD = "AAAA"
UNKNOWN = {"version": "", "definition": "", "items": "", "targets": "", "prompts": "", "num_fewshot": None}
ORIGIN = Origin(format="lm-eval", digest="d", producer="lm-eval 0.4.13", unknown=("finish", "model.dtype"))


@pytest.fixture
def asked(make_run, make_choices):
    """A run that was asked here."""
    return make_run(make_choices("AAAB", GOLD))


@pytest.fixture
def imported(make_run, make_choices, make_task, make_model):
    """The same answers, imported; `changes` are fields of the task."""

    def made(prompts="", origin=ORIGIN, **changes):
        rows = [dataclasses.replace(row, prompt_hash=prompts) for row in make_choices("ABAB", GOLD)]
        task = make_task(**(UNKNOWN | {"data": "", "fewshot": "", "n": 4} | changes))
        model = make_model("demo-v2", fingerprint=None, tokenizer=None, dtype=None)
        engine = {"name": "hf", "batch_size": None}
        return make_run(rows, model=model, task=task, engine=engine, origin=origin)

    return made


def test_what_is_unknown_refuses_nothing(asked, imported):
    assert pair(asked, imported()).n == 4
    assert pair(imported(), asked).n == 4


def test_what_is_unknown_is_no_difference(asked, imported):
    said = {difference.field for difference in pair(asked, imported()).differences}
    assert not said & {
        "model.dtype",
        "task.num_fewshot",
        "task.fewshot",
        "task.data",
        "task.items",
        "chunk_size",
    }
    assert "engine.name" in said


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": "2"}, "task.version"),
        ({"scorer": {"kind": "recorded"}}, "task.scorer"),
        ({"metric": "acc_norm"}, "task.metric"),
        ({"scale": "bounded"}, "task.scale"),
    ],
)
def test_what_is_known_still_refuses(asked, imported, changes, field):
    run = imported(**changes)
    if field == "task.scale":
        scored = run.predictions.set_column(
            run.predictions.schema.get_field_index("score"), "score", [[0.5] * 4]
        )
        run = dataclasses.replace(run, predictions=scored)
    with pytest.raises(NotComparable) as refused:
        pair(asked, run)
    assert refused.value.field == field


def test_another_judgement_offers_to_judge_again(asked, imported):
    with pytest.raises(NotComparable, match="regress rescore OLD NEW"):
        pair(asked, imported(scorer={"kind": "recorded"}))


def test_prompts_that_are_known_on_both_sides_must_agree(asked, imported):
    with pytest.raises(NotComparable) as refused:
        pair(asked, imported(prompts="another"))
    assert refused.value.field == "prompts"


def test_other_questions_under_the_same_ids_are_refused_where_prompts_are_unknown(imported):
    with pytest.raises(NotComparable) as refused:
        pair(imported(items="a" * 64), imported(items="b" * 64))
    assert refused.value.field == "items"


def test_a_side_that_does_not_tell_its_questions_refuses_nothing(imported):
    assert pair(imported(items="a" * 64), imported()).n == 4


def test_hashes_over_other_things_are_not_compared(asked, imported):
    """Of what was asked here they are over the full data set, of what was imported over what is there."""
    assert pair(asked, imported(targets="e" * 64, items="f" * 64)).n == 4
    with pytest.raises(NotComparable) as refused:
        pair(imported(targets="e" * 64), imported(targets="f" * 64))
    assert refused.value.field == "targets"


def test_targets_are_compared_one_by_one_where_hashes_cannot_be(asked, make_instances):
    same = make_instances(asked, target="a  b")
    require_same_targets("toy", same, make_instances(asked, target="a b"))
    require_same_targets("toy", same, make_instances(asked, target=None))
    require_same_targets("toy", same, make_instances(asked, target="a b").slice(2))
    with pytest.raises(NotComparable, match=r"on 4 of 4 instances of toy \(first: id000, id001, id002, …\)"):
        require_same_targets("toy", same, make_instances(asked, target="c"))
    golds = make_instances(asked, golds=(0,)), make_instances(asked, golds=lambda i: (i % 2,))
    with pytest.raises(NotComparable, match="on 2 of 4"):
        require_same_targets("toy", *golds)


def test_targets_are_compared_as_the_scorer_does(asked, make_instances):
    def number(text: str) -> str:
        return text.rpartition("#### ")[2]

    long, short = make_instances(asked, target="so #### 4"), make_instances(asked, target="4")
    require_same_targets("toy", long, short, reference=number)
    with pytest.raises(NotComparable, match="on 4 of 4"):
        require_same_targets("toy", long, short)
    require_same_targets("toy", make_instances(asked, golds=(1, 0)), make_instances(asked, golds=(0, 1)))


def test_where_answers_come_from_is_said_once_for_both(asked, imported):
    def said(old, new):
        pairs = pair(old, new)
        return [n for n in from_pairs(pairs, *sides(pairs)) if n.code in ("imported", "rescored")]

    (one,) = said(asked, imported())
    assert one.data == {"side": "new", "from": "lm-eval 0.4.13", "unknown": ["finish", "model.dtype"]}
    (both,) = said(imported(), imported())
    assert both.data["side"] == "old and new"
    rescored = dataclasses.replace(ORIGIN, format="rescored")
    assert [one.code for one in said(imported(origin=rescored), imported())] == ["rescored", "imported"]
