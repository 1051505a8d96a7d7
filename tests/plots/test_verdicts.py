"""What a gate says under several policies."""

from __future__ import annotations

import math

import pytest

from regress.errors import UsageError
from regress.plots.verdicts import gate

NFR = {"task": "quiz", "rule": "max_nfr"}
DROP = {"task": "quiz", "rule": "max_accuracy_drop"}
ENOUGH = {"task": "quiz", "rule": "minimum_n"}


def test_rules_lie_below_each_other_and_policies_side_by_side(verdict, said):
    strict = verdict("fail", DROP | PASS | {"limit": 0.01}, NFR | {"outcome": "fail", "limit": 0.05})
    loose = verdict(
        "undecided", NFR | {"outcome": "undecided", "limit": 0.1, "tier": "advisory"}, DROP | PASS
    )
    (axes,) = gate({"strict": strict, "own.toml": loose}).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["strict", "own.toml"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["quiz: accuracy drop", "quiz: NFR"]
    cells = {(text.get_position()): text.get_text() for text in axes.texts}
    assert cells == {
        (0, -1.05): "✗ FAIL",
        (0, 0): "✓ pass ≤ 1 %",
        (0, 1): "✗ fail ≤ 5 %",
        (1, -1.05): "? OPEN",
        (1, 0): "✓ pass",
        (1, 1): "? open ≤ 10 %",
    }
    framed = [bars[0] for bars in axes.containers if not bars[0].get_fill()]
    assert len(framed) == 1, "the advisory rule alone"


def test_what_lets_a_task_be_judged_is_shown_only_where_it_does_not_hold(verdict, said):
    few = {"outcome": "not gateable", "limit": 300}
    held = gate({"a": verdict("pass", ENOUGH | PASS | {"limit": 200}, DROP | PASS)})
    missing = gate({"a": verdict("pass", ENOUGH | PASS), "b": verdict("not gateable", ENOUGH | few)})
    assert [tick.get_text() for tick in held.axes[0].get_yticklabels()] == ["quiz: accuracy drop"]
    assert [tick.get_text() for tick in missing.axes[0].get_yticklabels()] == ["quiz: instances"]
    assert "! missing ≥ 300" in said(missing.axes[0])


def test_rules_that_apply_to_nothing_are_left_out(verdict):
    none = {"outcome": "not applicable", "limit": 0.01}
    (axes,) = gate({"a": verdict("pass", NFR | none, DROP | PASS)}).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["quiz: accuracy drop"]


def test_many_policies_have_room_for_marks_alone(verdict, said):
    failed = verdict("fail", NFR | {"outcome": "fail", "limit": 0.05})
    assert "✗ fail ≤ 5 %" in said(gate(dict.fromkeys("abc", failed)).axes[0])
    assert "✗ ≤ 5 %" in said(gate(dict.fromkeys("abcd", failed)).axes[0])


def test_the_limit_of_a_score_keeps_its_unit(verdict, said):
    score = {"task": "wiki", "rule": "max_score_drop", "outcome": "pass", "limit": 1.5}
    assert "✓ pass ≤ 1.5" in said(gate({"a": verdict("pass", score)}).axes[0])


def test_no_verdict_is_no_figure():
    with pytest.raises(UsageError, match="no verdict to draw"):
        gate({})


PASS = {"outcome": "pass", "limit": math.nan}
