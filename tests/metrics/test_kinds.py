"""Which rule explains a flip, and whether it is the model's own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.metrics import kinds as rules
from regress.types import FLIP_KINDS

RULES = ("runaway", "truncated", "unreadable", "format", "toss")


def kind(**holding):
    """The kind of one flip of which these rules hold."""
    (code,) = rules.kinds([True], **{rule: [holding.get(rule, False)] for rule in RULES})
    return FLIP_KINDS[code]


def test_each_rule_gives_its_kind():
    assert [kind(**{rule: True}) for rule in RULES] == [
        "runaway",
        "truncated",
        "unreadable",
        "format",
        "coin toss",
    ]
    assert kind() == "answer"


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(RULES, 2)))
def test_the_first_rule_that_holds_decides(first, second):
    assert kind(**{first: True, second: True}) == kind(**{first: True})


def test_a_runaway_of_which_no_more_is_known_is_the_last_explanation_and_the_models_own():
    nothing = {rule: [False, False] for rule in RULES}
    codes = rules.kinds([True, True], **(nothing | {"truncated": [True, False]}), unstopped=[True, True])
    assert [FLIP_KINDS[code] for code in codes] == ["truncated", "runaway"]
    assert rules.model_flips(codes, [False, False]).tolist() == [False, True]


def test_what_did_not_flip_has_no_kind():
    everything = {rule: [True, True] for rule in RULES}
    assert rules.kinds([False, True], **everything).tolist() == [-1, 0]


def test_the_wrong_side_is_the_new_one_of_what_was_lost_and_the_old_one_of_what_was_gained():
    lost, gained = [True, True, False, False, False], [False, False, True, True, False]
    old, new = [True, False, True, False, True], [False, True, False, True, True]
    assert rules.wrong_side(lost, gained, old, new).tolist() == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("name", "recoverable", "own"),
    [
        ("runaway", False, True),
        ("runaway", True, False),
        ("truncated", False, False),
        ("unreadable", False, True),
        ("unreadable", True, False),
        ("format", True, False),
        ("coin toss", False, False),
        ("answer", False, True),
        ("answer", True, True),
    ],
)
def test_a_flip_is_the_models_own_unless_there_is_evidence_that_it_is_not(name, recoverable, own):
    assert rules.model_flips([FLIP_KINDS.index(name)], [recoverable]).tolist() == [own]


def test_counts_are_kept_apart_by_direction_and_empty_kinds_left_out():
    names = ["unreadable", "unreadable", "truncated", "answer", "unreadable"]
    codes = [*(FLIP_KINDS.index(name) for name in names), -1]
    lost = [True, True, True, True, False, False]
    found = rules.counts(codes, lost, recoverable=[True, False, False, False, True, True])
    assert found.negative == {"truncated": 1, "unreadable": 2, "answer": 1}
    assert found.positive == {"unreadable": 1}
    assert (found.recoverable, found.not_the_models) == (1, 2)


def test_of_no_instances_nothing_is_known():
    nothing = rules.kinds([], **{rule: [] for rule in RULES})
    assert nothing.size == 0
    assert rules.counts(nothing, [], []).negative == {}
    assert np.isnan(rules.model_flip_rate([], []))


@pytest.mark.parametrize(
    "call",
    [
        lambda: rules.kinds([True], **{rule: [True, False] for rule in RULES}),
        lambda: rules.wrong_side([True], [False], [True], [True, True]),
        lambda: rules.model_flips([5, 5], [True]),
        lambda: rules.counts([5], [True, False], [True, False]),
        lambda: rules.model_flip_rate([True], [True, True]),
    ],
)
def test_vectors_of_different_lengths_are_refused(call):
    with pytest.raises(ValueError, match="vectors of one length"):
        call()


@st.composite
def flips(draw):
    """Which of up to 30 instances were lost and gained, what holds of them, and which are recoverable."""
    n = draw(st.integers(0, 30))
    bools = st.lists(st.booleans(), min_size=n, max_size=n).map(lambda values: np.array(values, np.bool_))
    lost = draw(bools)
    gained = draw(bools) & ~lost
    held = {rule: draw(bools) for rule in RULES}
    # a runaway is one because it is right by what comes before
    return lost, gained, held, draw(bools) | held["runaway"]


@given(flips())
def test_kinds_sum_to_the_flips_and_the_models_own_never_exceed_them(case):
    lost, gained, held, recoverable = case
    codes = rules.kinds(lost | gained, **held)
    found, own = rules.counts(codes, lost, recoverable), rules.model_flips(codes, recoverable)
    assert sum(found.negative.values()) == lost.sum()
    assert sum(found.positive.values()) == gained.sum()
    assert found.not_the_models == lost.sum() - (lost & own).sum()
    assert 0 <= found.recoverable <= found.negative.get("unreadable", 0)
    assert not own[~(lost | gained)].any()
    if lost.size:
        assert rules.model_flip_rate(lost, own) <= lost.mean()


@given(flips())
def test_more_evidence_never_makes_a_flip_the_models_own(case):
    """Whatever is found out about wrong sides, flips only ever stop being the model's."""
    lost, gained, held, recoverable = case
    nothing = {rule: np.zeros_like(lost) for rule in RULES}
    for rule in ("runaway", "truncated", "toss"):
        without = rules.kinds(lost | gained, **{**held, rule: nothing[rule]})
        with_it = rules.kinds(lost | gained, **held)
        before, after = (rules.model_flips(codes, recoverable) for codes in (without, with_it))
        assert not (after & ~before).any()
