"""Answers to choice tasks by class: labels or positions, several right choices, and what is not known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from regress.comparison.classes import classes
from regress.comparison.table import assemble
from regress.pairing import pair

Choices = Sequence[Sequence[str] | None]


@pytest.fixture
def compared(make_run, make_choices, make_instances) -> Callable[..., Any]:
    """The classes of two sides' answers, each a position or null, to items with these right choices."""

    def made(
        old: Sequence[str | None], new: Sequence[str | None], golds: Sequence[tuple[int, ...]], **known: Any
    ):
        gold = [
            answer if answer and int(answer) in right else "none"
            for answer, right in zip(old, golds, strict=True)
        ]
        gold_new = [
            answer if answer and int(answer) in right else "none"
            for answer, right in zip(new, golds, strict=True)
        ]
        runs = make_run(make_choices(old, gold)), make_run(make_choices(new, gold_new), model="demo-v2")
        instances = make_instances(
            runs[0],
            golds=lambda i: golds[i],
            **{name: (lambda i, v=value: v[i]) for name, value in known.items()},
        )
        return classes(pair(*runs), instances)

    return made


def test_classes_are_positions_where_every_instance_has_choices_of_its_own(compared) -> None:
    choices: Choices = [("twist", "smash"), ("lift", "drop"), ("cut", "tear"), ("fold", "roll")]
    found = compared("0011", "0111", [(0,), (0,), (1,), (0,)], choices=choices)
    assert (found.names, found.labels, found.support, found.left_out) == (("0", "1"), False, (3, 1), 0)
    assert found.old.recall == pytest.approx((2 / 3, 1.0))
    assert found.new.recall == pytest.approx((1 / 3, 1.0))
    assert found.new.precision == pytest.approx((1.0, 1 / 3))


def test_classes_are_labels_where_all_have_the_same_choices_in_whatever_order(compared) -> None:
    choices: Choices = [("no", "yes"), ("yes", "no"), ("no", "yes"), ("yes", "no")]
    # right: yes, yes, no, no; the old side always answers yes, the new one always the first choice
    found = compared("1010", "0000", [(1,), (0,), (0,), (1,)], choices=choices)
    assert (found.names, found.labels, found.support) == (("no", "yes"), True, (2, 2))
    assert found.old.recall == (0.0, 1.0)
    assert found.new.recall == (0.5, 0.5)


def test_an_instance_with_several_right_choices_is_left_out_on_both_sides(compared) -> None:
    found = compared("010", "011", [(0,), (0, 1), (1,)])
    assert (found.left_out, found.n) == (1, 2)
    assert (found.old.macro_recall, found.new.macro_recall) == (0.5, 1.0)


def test_an_unreadable_answer_misses_its_class(compared) -> None:
    found = compared([None, "1"], ["0", "1"], [(0,), (1,)])
    assert found.old.recall == (0.0, 1.0)
    assert found.old.never_answered == 1


def test_an_answer_that_is_nowhere_right_is_no_class(compared) -> None:
    found = compared("02", "01", [(0,), (1,)], choices=[("a", "b", "c"), ("d", "e", "f")])
    assert found.names == ("0", "1")
    assert found.old.precision[0] == 1.0
    assert found.old.recall == (1.0, 0.0)


@pytest.mark.parametrize("golds", [[(), ()], [(0, 1), (0, 1)]])
def test_nothing_where_no_instance_has_one_right_choice(compared, golds) -> None:
    assert compared("01", "01", golds) is None


def test_nothing_where_answers_are_no_positions(make_run, make_choices, make_instances) -> None:
    """Letters, as some tables hold them: which choice they mean nobody said."""
    old, new = (make_run(make_choices(answers, "AB")) for answers in ("AB", "AA"))
    assert classes(pair(old, new), make_instances(old, golds=lambda i: (i,))) is None


def test_nothing_of_generations_and_where_instances_are_unknown(make_run, make_choices, make_task) -> None:
    task = make_task(kind="generation")
    written = [make_run(make_choices("01", "01"), task=task) for _ in range(2)]
    assert classes(pair(*written), None) is None
    chosen = [make_run(make_choices("01", "01")) for _ in range(2)]
    assert classes(pair(*chosen), None) is None


def test_a_row_of_the_table_bears_them_and_a_pooled_one_does_not(
    make_run, make_choices, make_instances, make_task
) -> None:
    pairs = [
        pair(*(make_run(make_choices(answers, "0101"), task=make_task(name)) for answers in ("0101", "0111")))
        for name in ("a", "b")
    ]
    known = {
        one.old_spec.task.name: make_instances(
            make_run(make_choices("0101", "0101")), golds=lambda i: (i % 2,)
        )
        for one in pairs
    }
    a, _, both = assemble(pairs, instances=known, groups={"both": ["a", "b"]}).tasks
    assert a.classes is not None
    assert a.classes.new.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert both.classes is None
