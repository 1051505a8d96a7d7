"""What is said below the tables, each once, and after whom it is about."""

from __future__ import annotations

from dataclasses import replace

from regress.types import Difference, Notice, SideCounts
from regress.views.matrix.sentences import notes
from regress.views.matrix.view import build

NAMES = ("v1", "v2", "v3")


def changed(matrix, place=0, **changes):
    """The matrix with these fields of one task changed."""
    tasks = list(matrix.tasks)
    tasks[place] = replace(tasks[place], **changes)
    return replace(matrix, tasks=tuple(tasks))


def test_settings_are_listed_by_version_after_their_task(make_matrix):
    matrix = changed(make_matrix(NAMES), settings={"engine.batch_size": {0: 8, 1: 16, 2: 8}})
    assert "toy: batch size differs: 8 in 1, 3; 16 in 2." in list(notes(matrix))


def test_what_concerns_all_tasks_is_said_once_and_without_their_names(make_matrix):
    (said,) = notes(make_matrix(NAMES))
    assert said == "Fewer than 300 instances: a few flips more or less change the picture."


def test_unreadable_answers_are_counted_for_each_version(make_matrix):
    matrix = make_matrix(NAMES)
    standings = [
        replace(one, side=SideCounts(unreadable=count, truncated=None, left_truncated=0))
        for one, count in zip(matrix.tasks[0].standings, (0, 4, 0), strict=True)
    ]
    told = list(notes(changed(matrix, standings=tuple(standings))))
    assert "toy: unreadable answers, which count as not right: 0 in 1, 3; 4 in 2." in told


def test_a_pair_is_named_by_its_numbers(make_matrix):
    matrix = make_matrix(NAMES)
    pairs = [
        replace(one, warnings=(Notice(code="moon-phase", data={"phase": "full"}),))
        if {one.old, one.new} == {0, 2}
        else one
        for one in matrix.tasks[0].pairs
    ]
    told = list(notes(changed(matrix, pairs=tuple(pairs))))
    assert told.count("toy: 1 with 3: Notice moon-phase: phase full.") == 1


def test_a_group_that_could_not_be_pooled_is_said(make_matrix):
    skipped = Notice(code="pool-skipped", data={"group": "all", "reason": "scales differ"})
    (first, *_) = notes(replace(make_matrix(NAMES), warnings=(skipped,)))
    assert "all" in first
    assert "scales differ" in first


def test_a_comparison_of_settings_is_headed_so_and_each_setting_said_once(make_matrix):
    matrix = make_matrix(NAMES)
    shots = Difference(field="task.num_fewshot", old=0, new=5)
    pairs = [
        replace(one, overridden=(shots if one.old < one.new else replace(shots, old=5, new=0),))
        for one in matrix.tasks[0].pairs
    ]
    heading = build(changed(matrix, pairs=tuple(pairs))).heading
    assert heading == "a comparison of settings, not of models: worked examples 0 → 5"


def test_reasons_of_different_tasks_have_notes_of_their_own(make_matrix):
    matrix = make_matrix(NAMES, without=[0, 2])
    marks = [note.mark for note in build(matrix).footnotes]
    assert marks == ["a", "b", ""]
    block = build(matrix).blocks[1]
    assert [step.level.mark for step in block.steps] == ["a", "", "b"]
