"""Instances picked out of a comparison, and one of them whole."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from regress.comparison.compared import Compared
from regress.comparison.paired import find
from regress.comparison.selected import Wanted, select
from regress.comparison.table import assemble
from regress.errors import UnknownName, UsageError
from regress.pairing import pair
from regress.types import QUADRANTS

GOLD = "AAAAAA"


@pytest.fixture
def compared(make_run, make_choices, make_scores, make_task, make_instances) -> Compared:
    """A task of choices with margins, levels and quadrants of every kind, and one of scores."""

    def margins(answers, values):
        rows = make_choices(answers, GOLD)
        return [replace(row, gold_margin=value) for row, value in zip(rows, values, strict=True)]

    nan = math.nan
    quiz, sums = make_task("quiz"), make_task("sums", kind="generation", scale="bounded", metric="rouge1")
    old = make_run(margins("AABBAB", [3.0, 1.0, -1.0, -1.0, 2.0, -1.0]), task=quiz)
    new = make_run(margins("BBABAC", [-1.0, -9.0, 8.0, -2.0, nan, -3.0]), task=quiz, model="demo-v2")
    scores = (make_run(make_scores(s), task=sums) for s in ([0.5, 0.5, 0.5], [0.4, 0.5, 0.7]))
    pairs = {"quiz": pair(old, new), "sums": pair(*scores)}
    instances = {
        "quiz": make_instances(old, tags=lambda i: {"level": "hard" if i % 2 else "easy"}, golds=(0,))
    }
    return Compared.of(assemble(list(pairs.values()), instances=instances), pairs, instances)


def picked(compared: Compared, **wanted) -> list[list[int]]:
    return [one.rows["index"].to_pylist() for one in select(compared, Wanted(**wanted))]


def test_flips_come_furthest_moved_first(compared: Compared) -> None:
    assert picked(compared) == [[1, 2, 0], [2, 0]]
    assert [one.n for one in select(compared, Wanted())] == [6, 3]


def test_of_equals_the_first_comes_first_and_an_unknown_distance_last(compared: Compared) -> None:
    assert picked(compared, quadrants=QUADRANTS)[0] == [1, 2, 0, 5, 3, 4]


@pytest.mark.parametrize(
    ("quadrant", "indices"),
    [("negative flip", [1, 0]), ("both right", [4]), ("both wrong same", [3]), ("both wrong different", [5])],
)
def test_only_the_quadrants_asked_for(compared: Compared, quadrant: str, indices: list[int]) -> None:
    assert picked(compared, quadrants=[quadrant])[0] == indices


def test_only_the_kinds_asked_for(compared: Compared) -> None:
    assert picked(compared, kinds=["answer"]) == picked(compared)
    assert picked(compared, kinds=["truncated", "coin toss"]) == [[], []]


def test_only_those_whose_tags_say_so(compared: Compared) -> None:
    """A task without the tag has none."""
    assert picked(compared, tags={"level": "hard"}) == [[1], []]


def test_a_tag_or_value_that_nothing_has_is_refused_with_those_there_are(compared: Compared) -> None:
    with pytest.raises(UnknownName, match=r"unknown tag 'subject'\. Allowed: level"):
        select(compared, Wanted(tags={"subject": "x"}))
    with pytest.raises(UnknownName, match=r"unknown value of tag level 'hart'; did you mean 'hard'"):
        select(compared, Wanted(tags={"level": "hart"}))


# ── one of them ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("named", ["id001", "1"])
def test_an_instance_is_found_by_id_and_by_index(compared: Compared, named: str) -> None:
    (found,) = find(compared, f"quiz/{named}")
    assert (found.instance.id, found.instance.index, found.instance.prompt) == ("id001", 1, "Q1")
    assert (found.quadrant, found.kind, found.delta) == ("negative flip", "answer", -10.0)
    assert (found.old.answer, found.new.answer) == ("A", "B")
    assert (found.old.correct, found.new.correct) == (True, False)
    assert found.instance.tags == {"level": "hard"}


def test_what_is_not_known_of_an_instance_stays_null(compared: Compared) -> None:
    (found,) = find(compared, "sums/1")
    assert (found.quadrant, found.kind, found.instance.prompt, found.instance.choices) == (None,) * 4


def test_an_instance_is_found_by_the_beginning_of_its_id(make_run, make_prediction, make_task) -> None:
    rows = [
        make_prediction(name, index=i, answer="A", correct=True, score=1.0)
        for i, name in enumerate(("ab12", "ab34", "2", "c/d", "2x"))
    ]
    pairs = {"quiz": pair(*(make_run(rows, task=make_task("quiz"), model=one) for one in ("a", "b")))}
    compared = Compared.of(assemble(list(pairs.values())), pairs)

    def found(named: str) -> list[str]:
        return [one.instance.id for one in find(compared, f"quiz/{named}")]

    assert (found("ab1"), found("c"), found("c/d")) == (["ab12"], ["c/d"], ["c/d"])
    assert (found("2"), found("1"), found("3")) == (["2"], ["ab34"], ["c/d"]), "an id comes before an index"
    with pytest.raises(UsageError, match=r"2 instances of quiz .* 'ab'. Allowed: ab12, ab34"):
        found("ab")
    for unknown in ("abc", "99", ""):
        with pytest.raises(UnknownName, match="unknown instance of quiz"):
            found(unknown)
    with pytest.raises(UnknownName, match="unknown task 'quz'; did you mean 'quiz'"):
        find(compared, "quz/1")


def test_every_repeat_of_an_instance_is_found(make_run, make_prediction) -> None:
    rows = [
        make_prediction(f"id{i}", index=i, repeat=r, answer="A", correct=True, score=1.0)
        for i in range(2)
        for r in range(3)
    ]
    pairs = {"toy": pair(make_run(rows), make_run(rows, model="demo-v2"))}
    found = find(Compared.of(assemble(list(pairs.values())), pairs), "toy/id1")
    assert [(one.old.repeat, one.new.repeat) for one in found] == [(0, 0), (1, 1), (2, 2)]
