"""`regress plan`: from stored runs alone, whatever they are called, and without evaluating anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import regress
from regress.commands import plan as command
from regress.errors import RegressError, UnknownName, UsageError
from regress.options import Parser
from regress.types import Notice
from regress.workflows import evaluate as evaluation
from regress.workflows.plan import plan

N = {"piqa": 60, "gsm8k": 50}
OLD = {"piqa": set(range(40)), "gsm8k": set(range(25))}
NEW = {"piqa": set(range(6, 46)), "gsm8k": set(range(5, 25))}
POLICY = """
preset = "none"
[default]
max_accuracy_drop = 0.1
minimum_n = 10
"""


@pytest.fixture
def pair(here, model, write_data) -> tuple[str, str]:
    """Two models in a world of 60 PIQA and 50 GSM8K items, and a policy that judges so few."""
    write_data(here / "data", **N)
    (here / "mine.toml").write_text(POLICY)
    return model("old.jsonl", n=N, **OLD), model("new.jsonl", n=N, **NEW)


@pytest.fixture
def evaluated(pair, ask):
    """Evaluates both models (or one) and returns their names."""

    def evaluate(*names: str, tasks="piqa,gsm8k", **settings) -> tuple[str, ...]:
        for name in names or pair:
            regress.evaluate(name, tasks=tasks, **{**ask, "chunk_size": 64, **settings})
        return names or pair

    return evaluate


@pytest.fixture
def nothing_runs(monkeypatch):
    """From now on, to evaluate is an error."""

    def refuse():
        for name in ("evaluate", "evaluate_tasks", "load"):
            monkeypatch.setattr(evaluation, name, None)

    return refuse


def planned(*names, **options):
    return plan(*names, **{"policy": "mine.toml", "store": "runs", **options})


def rules(made):
    return {(one.task, one.rule): one for one in made.rules}


def codes(made) -> set[str]:
    return {one.code for one in made.warnings}


# ── where the churn comes from ───────────────────────────────────────────────────────────────────


def test_two_stored_models_are_a_pilot(evaluated, nothing_runs):
    names = evaluated()
    nothing_runs()
    made = planned(*names)
    assert (made.old, made.new, made.assumed) == (*names, False)
    found = rules(made)
    assert list(found) == [("gsm8k", "max_accuracy_drop"), ("piqa", "max_accuracy_drop")]
    piqa = found["piqa", "max_accuracy_drop"]
    assert (piqa.basis, piqa.n, piqa.whole, piqa.limit) == ("pilot", 60, 60, 0.1)
    assert piqa.churn > 12 / 60
    (gate,) = made.gate
    assert gate.pass_at_hand == piqa.pass_at_hand * found["gsm8k", "max_accuracy_drop"].pass_at_hand
    assert codes(made) == {"pilot-small", "pilot-few-changes", "no-pilot"}


def test_the_plan_is_the_same_with_old_and_new_swapped(evaluated):
    """What the pilot lost is what the gate will judge, and no business of a plan."""
    names = evaluated()
    assert repr(planned(*names).rules) == repr(planned(*names[::-1]).rules)


def test_a_sample_is_found_without_saying_so(evaluated):
    names = evaluated(sample=30, seed=7)
    one = rules(planned(*names, tasks="piqa"))["piqa", "max_accuracy_drop"]
    assert (one.n, one.whole) == (30, 60)
    assert one.pass_whole > one.pass_at_hand


def test_of_several_subsets_the_one_that_both_have_is_taken(evaluated, pair):
    """The old model's whole run has no counterpart, the sample has."""
    evaluated(sample=30)
    evaluated(pair[0])
    assert {one.n for one in planned(*pair).rules} == {30}
    evaluated(pair[1])
    assert {one.n for one in planned(*pair).rules} == {60, 50}
    assert {one.n for one in planned(*pair, sample=30).rules} == {30}


def test_the_first_items_are_no_sample_and_that_is_said(evaluated):
    made = planned(*evaluated(limit=40))
    limits = [one for one in made.warnings if one.code == "limit-not-sample"]
    assert limits[0] == Notice(code="limit-not-sample", data={"task": "gsm8k", "n": 40, "limit": 40})


def test_runs_and_folders_of_runs_are_named_by_path(evaluated):
    evaluated()
    folders = planned("runs/old.jsonl", "runs/new.jsonl")
    one_task = planned(*(next(Path("runs", name).glob("piqa@*")) for name in ("old.jsonl", "new.jsonl")))
    assert one_task.rules == tuple(one for one in folders.rules if one.task == "piqa")


def test_a_task_that_one_side_lacks_is_left_out_and_named(evaluated, pair):
    evaluated(pair[0])
    evaluated(pair[1], tasks="gsm8k")
    made = planned(*pair)
    assert {one.task for one in made.rules} == {"gsm8k"}
    assert Notice(code="one-side-missing", data={"task": "piqa", "side": "new"}) in made.warnings


def test_the_old_model_alone_gets_a_grid_of_churns(evaluated, pair):
    made = planned(*evaluated(pair[0]))
    assert made.new is None
    assert [gate.assumed_churn for gate in made.gate] == [0.02, 0.05, 0.10, 0.20]
    assert {one.basis for one in made.rules} == {"assumed"}
    chances = [one.pass_at_hand for one in made.rules if one.task == "piqa"]
    assert chances == sorted(chances, reverse=True)


def test_reruns_of_the_old_model_stand_in_and_are_said_to_be_a_lower_bound(evaluated, pair, ask):
    evaluated(pair[0])
    regress.noise(pair[0], tasks="piqa,gsm8k", kinds="rerun", reruns=1, **{**ask, "chunk_size": 64})
    made = planned(pair[0])
    assert {one.basis for one in made.rules} == {"reruns"}
    assert [gate.assumed_churn for gate in made.gate] == [None]
    assert "churn-of-reruns" in codes(made)


def test_a_churn_that_is_given_overrides_the_pilot(evaluated):
    names = evaluated()
    one = planned(*names, churn=0.3).rules[0]
    assert (one.churn, one.assumed_churn) == (0.3, 0.3)
    assert [gate.assumed_churn for gate in planned(*names, churn=[0.1, 0.3]).gate] == [0.1, 0.3]


def test_true_changes_are_planned_for_beside_none(evaluated):
    made = planned(*evaluated(), assume_delta=[-0.01, 0.0, -0.02])
    assert [gate.delta for gate in made.gate] == [0.0, -0.01, -0.02]
    chances = [one.pass_at_hand for one in made.rules if one.task == "piqa"]
    assert chances == sorted(chances, reverse=True)


# ── policies ─────────────────────────────────────────────────────────────────────────────────────


def test_without_a_policy_balanced_holds_and_that_is_known(evaluated):
    made = planned(*evaluated(), policy=None)
    assert (made.policy.name, made.assumed) == ("balanced", True)
    assert "below-minimum" in codes(made)
    assert {one.pass_at_hand for one in made.rules} == {0.0}


def test_what_the_policy_judges_beyond_the_plan_is_said(evaluated, here):
    more = """
    [tasks.samsum]
    max_score_drop = 0.02
    [[slices]]
    name = "easy"
    tags = { level = "1" }
    """
    (here / "more.toml").write_text(POLICY + more)
    made = planned(*evaluated(), policy="more.toml")
    assert Notice(code="task-not-planned", data={"task": "samsum"}) in made.warnings
    assert Notice(code="slices-not-planned", data={"slices": ["easy"]}) in made.warnings


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_stored_is_not_evaluated_but_the_pilot_is_named(evaluated, pair, nothing_runs):
    evaluated(pair[0])
    nothing_runs()
    with pytest.raises(
        UsageError, match=r"no finished run of old\.jsonl and new\.jsonl on the same"
    ) as error:
        planned(*pair)
    assert "`regress evaluate new.jsonl --sample 200`" in str(error.value)
    with pytest.raises(UsageError, match=r"regress evaluate demo-v1 --sample 200 --tasks piqa`"):
        planned("demo-v1", tasks="piqa")


def test_runs_of_other_tasks_are_no_pilot(evaluated, pair, here, model):
    evaluated(pair[0])
    other = model("other.jsonl", samsum={1}, hellaswag={2})
    evaluated(other, tasks="hellaswag,samsum")
    with pytest.raises(UsageError, match="the new one of samsum, hellaswag"):
        planned(pair[0], other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"power": 1.0}, "power is 1.0"),
        ({"power": 80}, "power is 80"),
        ({"churn": 10}, "churn is 10.0"),
        ({"churn": [0.1, 0.0]}, "churn is 0.0"),
        ({"assume_delta": -5}, "assumed change is -5.0"),
        ({"assume_delta": float("nan")}, "assumed change is nan"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(here, options, message):
    with pytest.raises(UsageError, match=message):
        planned("old.jsonl", policy="balanced", **options)


def test_an_unknown_policy_is_refused_before_anything_is_read(here):
    with pytest.raises(UnknownName, match="unknown policy 'strictt'"):
        planned("nobody", policy="strictt")


# ── the command ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def call(capsys):
    """The command as the door calls it: exit code and standard output."""

    def run(*arguments: str) -> tuple[int, str]:
        parser = Parser(prog="regress")
        command.add(parser.add_subparsers())
        options = parser.parse_args(["plan", *arguments])
        capsys.readouterr()
        return options.command(options), capsys.readouterr().out

    return run


def test_the_command_prints_tables_and_exits_0_whatever_it_finds(evaluated, call):
    code, out = call(*evaluated(), "--store", "runs")
    assert code == 0
    assert out.startswith("Plan for old.jsonl → new.jsonl\n")
    assert "not reachable with this task (max n 60)" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_the_command_prints_json(evaluated, call):
    arguments = (*evaluated(), "--store", "runs", "--policy", "mine.toml", "--json", "--power", "0.9")
    code, out = call(*arguments, "--assume-delta", "-0.01", "--churn", "0.1", "--churn", "0.2")
    told = json.loads(out)
    assert (code, told["schema"], told["power"]) == (0, "regress.plan/1", 0.9)
    assert [(one["delta"], one["assumed_churn"]) for one in told["gate"]] == [
        (delta, churn) for delta in (0.0, -0.01) for churn in (0.1, 0.2)
    ]


def test_a_word_for_a_number_is_refused(call):
    with pytest.raises(RegressError, match="'half' is not a number"):
        call("old", "--power", "half")


def test_a_task_that_a_gate_would_judge_and_nobody_stored_is_named(model, ask):
    """Or the probability of passing would be of less than the gate."""
    names = model("old.jsonl", piqa={0, 1, 2}), model("new.jsonl", piqa={2, 3})
    for name in names:
        regress.evaluate(name, tasks="piqa", **ask)
    planned = regress.plan(*names, policy={"default": {"minimum_n": 1}}, store="runs")
    left_out = [notice.data["task"] for notice in planned.warnings if notice.code == "no-pilot"]
    assert left_out == ["gsm8k", "samsum", "hellaswag"]
