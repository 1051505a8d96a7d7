"""Planning: how likely a harmless update passes, and the items that takes, from what changes alone."""

from __future__ import annotations

import dataclasses
import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from regress.errors import UsageError
from regress.plans import RulePlan
from regress.policy import pilot
from regress.policy.judge import judge
from regress.policy.outlook import Scenario, Subject, outlook
from regress.policy.parse import parse, preset
from regress.policy.planning import MAXIMUM, gate_plans, rule_plans
from regress.statistics.passing import pass_probability_drop, pass_probability_rate
from regress.statistics.rates import upper_bound
from regress.types import NoiseFloor, Reruns
from regress.verdicts import Policy


def policy(**default) -> Policy:
    return parse({"preset": "none", "default": default}, name="test.toml")


def planned(cases, held: Policy, *, basis="pilot", delta=0.0, churn=None, power=0.8) -> list[RulePlan]:
    subjects = [Subject(case=case, basis=basis) for case in (cases if isinstance(cases, list) else [cases])]
    return rule_plans(subjects, held, [Scenario(delta=delta, churn=churn)], power)


def one(*arguments, **options) -> RulePlan:
    (plan,) = planned(*arguments, **options)
    return plan


def swapped(columns):
    """The same pilot, old for new."""
    return dataclasses.replace(
        columns,
        old_correct=columns.new_correct,
        new_correct=columns.old_correct,
        old_score=columns.new_score,
        new_score=columns.old_score,
    )


def scored(columns, n=819, sd=0.2, seed=0, mean=0.0, **changes):
    rng = np.random.default_rng(seed)
    old = rng.uniform(0.3, 0.6, n)
    return columns(old, old + mean + rng.normal(0, sd, n), scale="bounded", **changes)


# ── probabilities ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("n", "limit", "expected"), [(1319, 0.01, 0.31), (1838, 0.02, 0.854)])
def test_unchanged_models_pass_as_often_as_printed(case, flips, n, limit, expected):
    """GSM8K at a limit of 1 point and PIQA at 2, both at a churn of 10 %."""
    plan = one(case(flips(0, 0, n)), policy(max_accuracy_drop=limit), basis="assumed", churn=0.10)
    assert plan.pass_at_hand == plan.pass_whole == pytest.approx(expected, abs=5e-3)
    assert plan.harm == 0.0


def test_churn_is_the_upper_bound_of_what_changed(case, flips):
    """60 lost and 40 gained of 1,000: the one-sided 95 % bound of 100 changes."""
    plan = one(case(flips(60, 40, 1000)), policy(max_accuracy_drop=0.02))
    assert plan.churn == upper_bound(100, 1000, 0.95)
    assert plan.pass_at_hand == pass_probability_drop(1000, plan.churn, 0.02)


def test_half_of_what_changes_is_lost(case, flips):
    """At no true change; a true loss of a point adds half a point to the negative flips."""
    held = policy(max_nfr=0.08)
    even, worse = (one(case(flips(10, 90, 1000)), held, delta=delta) for delta in (0.0, -0.01))
    assert even.harm == even.churn / 2
    assert worse.harm == pytest.approx(even.harm + 0.005)
    assert even.pass_at_hand == pass_probability_rate(1000, even.harm, 0.08)
    assert worse.pass_at_hand < even.pass_at_hand


def test_answers_wrong_otherwise_come_on_top_of_lost_ones(case, flips):
    """NFR_mc: half the churn, and the bound of those wrong on both sides with another answer."""
    same = np.ones(1000, dtype=bool)
    same[200:230] = False  # of those that stay wrong
    plan = one(case(flips(50, 50, 1000, wrong=400, same=same)), policy(max_nfr_mc=0.2))
    assert plan.harm == plan.churn / 2 + upper_bound(30, 1000, 0.95)


def test_on_scores_half_of_those_that_move_beyond_tau_fall(case, columns):
    judged = scored(columns)
    plan = one(case(judged), policy(max_nfr={"limit": 0.4, "tau": 0.1}))
    moved = int((np.abs(judged.new_score - judged.old_score) > 0.1).sum())
    assert plan.harm == upper_bound(moved, 819, 0.95) / 2
    assert plan.tau == 0.1


def test_a_lower_mean_score_shifts_every_score(case, columns):
    """With a loss of half a point, scores fall beyond tau that else fell by tau less half a point."""
    judged = scored(columns)
    plan = one(case(judged), policy(max_nfr={"limit": 0.4, "tau": 0.1}), delta=-0.005)
    moved = int((np.abs(judged.new_score - judged.old_score) > 0.095).sum())
    assert plan.harm == upper_bound(moved, 819, 0.95) / 2


def test_a_drop_of_the_mean_score_takes_the_bound_of_its_spread(case, columns):
    """Above the observed standard deviation; near the oracle of 620 items at 0.2."""
    plan = one(case(scored(columns)), policy(max_score_drop=0.02))
    assert 0.2 < plan.sd < 0.22
    assert math.isnan(plan.churn)
    assert 600 < plan.needed < 760


def test_an_excess_is_what_is_lost_beyond_the_floor(case, flips, floor):
    judged = flips(50, 50, 1000)
    noisy = floor(judged.old_correct, rerun=[range(500, 520)])
    held = parse(
        {"preset": "none", "noise_kinds": ["rerun"], "default": {"max_excess_nfr": 0.06}}, name="test.toml"
    )
    plan = one(case(dataclasses.replace(judged, old_floor=noisy)), held)
    own = 0.5 * 20 / 1000  # right in one of two runs: lost in one order of them, gained in the other
    assert plan.harm == pytest.approx(plan.churn / 2 - own, abs=1e-3)
    assert plan.sd > 0
    assert one(case(judged), held).code == "needs-floor"


@pytest.mark.parametrize("measure", ["max_accuracy_drop", "max_nfr"])
def test_the_gate_passes_as_often_as_planned(case, flips, measure):
    """Simulated: updates of the assumed churn, judged by the gate itself."""
    held, n, churn, limit = policy(**{measure: 0.03}), 600, 0.04, 0.03
    plan = one(case(flips(0, 0, n)), held, basis="assumed", churn=churn)
    rng, passed = np.random.default_rng(7), 0
    for _ in range(200):
        lost, gained, _ = rng.multinomial(n, [churn / 2, churn / 2, 1 - churn])
        passed += judge([case(flips(lost, gained, n))], held).outcome == "pass"
    assert plan.limit == limit
    assert passed / 200 == pytest.approx(plan.pass_at_hand, abs=3 * math.sqrt(0.25 / 200))


# ── the observed change is never used ────────────────────────────────────────────────────────────


@hypothesis.settings(max_examples=8)
@hypothesis.given(lost=st.integers(0, 60), gained=st.integers(0, 60), delta=st.sampled_from([0.0, -0.005]))
def test_old_for_new_gives_the_same_plan(case, flips, lost, gained, delta):
    """Whatever a pilot lost or gained."""
    held = policy(max_accuracy_drop=0.02, max_nfr=0.05, max_nfr_mc=0.2)
    judged = flips(lost, gained, 500)
    there, back = (planned(case(side), held, delta=delta) for side in (judged, swapped(judged)))
    assert repr(there) == repr(back)  # nan is not itself


@pytest.mark.parametrize("scale", ["binary", "bounded"])
def test_old_for_new_gives_the_same_plan_with_clusters_and_scores(case, columns, flips, scale):
    cluster = np.arange(600) // 3
    if scale == "binary":
        judged, held = flips(50, 10, 600, cluster=cluster), policy(max_accuracy_drop=0.02, max_nfr=0.05)
    else:
        judged = scored(columns, n=600, mean=-0.05, cluster=cluster)
        held = policy(max_score_drop=0.02, max_nfr={"limit": 0.3, "tau": 0.1})
    for there, back in zip(planned(case(judged), held), planned(case(swapped(judged)), held), strict=True):
        for field in dataclasses.fields(RulePlan):
            mine, other = getattr(there, field.name), getattr(back, field.name)
            assert mine == (pytest.approx(other, nan_ok=True) if isinstance(other, float) else other)


# ── items needed ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "churn", "delta"),
    [
        ({"max_accuracy_drop": 0.02}, 0.05, 0.0),
        ({"max_accuracy_drop": 0.02}, 0.10, -0.005),
        ({"max_nfr": 0.05}, 0.06, 0.0),
    ],
)
def test_the_items_needed_are_enough_and_fewer_are_not(case, flips, rules, churn, delta):
    """At the number printed the rule passes with the power asked for; with a tenth fewer it does not."""
    held, subject = policy(**rules), case(flips(0, 0, 400), n=50_000)
    plan = one(subject, held, basis="assumed", churn=churn, delta=delta)
    (rule,) = held.default.rules
    seen = outlook(Subject(case=subject, basis="assumed"), rule, held, Scenario(delta=delta, churn=churn))
    assert plan.reachable
    assert seen.passes(plan.needed, plan.limit) >= 0.8
    assert seen.passes(int(0.9 * plan.needed), plan.limit) < 0.8


def test_more_power_needs_more_items(case, flips):
    needed = [
        one(case(flips(20, 20, 1000)), policy(max_accuracy_drop=0.02), power=power).needed
        for power in (0.8, 0.9, 0.95)
    ]
    assert needed == sorted(set(needed))


def test_what_is_not_reachable_names_the_smallest_limit_that_is(case, flips):
    """GSM8K at 1 point and 10 % churn: 2.2 points can be had, and then really are."""
    subject = case(flips(0, 0, 300), n=1319)
    plan = one(subject, policy(max_accuracy_drop=0.01), basis="assumed", churn=0.10)
    assert not plan.reachable
    assert plan.needed > plan.whole == 1319
    assert plan.smallest_limit == pytest.approx(0.0218, abs=1e-4)
    again = one(subject, policy(max_accuracy_drop=plan.smallest_limit), basis="assumed", churn=0.10)
    assert again.reachable
    assert again.pass_whole >= 0.8
    assert math.isnan(again.smallest_limit)


def test_a_harm_at_the_limit_is_reached_by_no_number_of_items(case, flips):
    """Half of a churn of 10 % is an NFR of 5 %."""
    plan = one(case(flips(0, 0, 1000)), policy(max_nfr=0.05), basis="assumed", churn=0.10)
    assert plan.needed is None
    assert not plan.reachable
    assert plan.smallest_limit > 0.05


def test_a_policy_that_wants_more_items_passes_nothing_below(case, flips):
    """On fewer than minimum_n the gate does not judge, however small the churn."""
    held = policy(max_accuracy_drop=0.10, minimum_n=300)
    small = one(case(flips(0, 0, 100), n=1000), held, basis="assumed", churn=0.02)
    assert (small.pass_at_hand, small.needed) == (0.0, 300)
    assert small.pass_whole > 0.99
    never = one(case(flips(0, 0, 100), n=200), held, basis="assumed", churn=0.02)
    assert never.needed == 300
    assert math.isnan(never.smallest_limit)


def test_scores_without_bounds_have_limits_above_one(case, columns):
    rng = np.random.default_rng(0)
    old = rng.normal(-30, 5, 400)
    judged = columns(old, old + rng.normal(0, 4, 400), scale="unbounded")
    held = parse({"preset": "none", "tasks": {"gsm8k": {"max_score_drop": 0.2}}}, name="test.toml")
    plan = one(case(judged), held)
    assert not plan.reachable
    assert 0.4 < plan.smallest_limit < 0.7
    assert MAXIMUM > plan.needed > 2000


# ── clusters, repeats ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rules", [{"max_accuracy_drop": 0.03}, {"max_nfr": 0.05}])
def test_items_that_change_together_are_worth_fewer(case, flips, rules):
    """The same flips in clusters of four that flip as one."""
    alone = one(case(flips(20, 20, 2000)), policy(**rules))
    together = one(case(flips(20, 20, 2000, cluster=np.arange(2000) // 4)), policy(**rules))
    assert together.churn > alone.churn
    assert together.needed > 2 * alone.needed
    assert together.pass_at_hand < alone.pass_at_hand


def test_too_few_clusters_are_not_planned_with(case, flips):
    plan = one(case(flips(20, 20, 400, cluster=np.arange(400) % 9)), policy(max_accuracy_drop=0.02))
    assert (plan.code, plan.needed) == ("few-clusters", None)
    assert math.isnan(plan.pass_at_hand)


def test_repeats_are_averaged_and_n_counts_instances(case, flips):
    """Four answers an item say more than one, but are not four items."""
    rng = np.random.default_rng(1)
    order = rng.permutation(1600)
    judged = flips(80, 80, 1600).rows(np.ones(1600, bool))
    judged = dataclasses.replace(judged, item=order // 4, repeated=True)
    single = one(case(flips(20, 20, 400)), policy(max_accuracy_drop=0.03))
    repeated = one(case(judged), policy(max_accuracy_drop=0.03))
    assert repeated.n == 400
    assert repeated.pass_at_hand > single.pass_at_hand


# ── what is not known ────────────────────────────────────────────────────────────────────────────


def test_an_assumed_churn_does_not_say_how_far_scores_move(case, columns, flips):
    held = policy(max_score_drop=0.02, max_nfr={"limit": 0.2, "tau": 0.1}, max_nfr_mc=0.2)
    codes = {
        plan.rule: plan.code for plan in planned(case(scored(columns)), held, basis="assumed", churn=0.1)
    }
    assert codes == {"max_score_drop": "needs-pilot", "max_nfr": "planned"}
    (nfr, mc) = planned(case(flips(0, 0, 400)), held, basis="assumed", churn=0.1)
    assert (nfr.code, mc.code) == ("planned", "needs-pilot")


def test_rules_that_mean_nothing_for_the_scale_are_left_out(case, flips):
    rules = [plan.rule for plan in planned(case(flips(20, 20, 400)), preset("balanced"))]
    assert rules == ["max_accuracy_drop", "max_nfr"]


def test_observed_items_leave_nothing_to_plan(case, flips):
    held = parse({"scope": "items"}, name="list.toml")
    with pytest.raises(UsageError, match=r"list\.toml judges the items as observed"):
        planned(case(flips(20, 20, 400)), held)


def test_the_rerun_that_moved_most_stands_in_for_an_update(flips, floor):
    judged = flips(0, 0, 400)
    assert pilot.of_reruns(judged) is None
    noisy = floor(judged.old_correct, rerun=[[1], [2, 3, 4]], batch=[[5, 6]])
    beside = pilot.of_reruns(dataclasses.replace(judged, old_floor=noisy))
    assert np.flatnonzero(pilot.changed(beside)).tolist() == [2, 3, 4]


def test_reruns_of_scores_stand_in_by_how_far_they_moved(columns):
    judged = scored(columns, n=50, sd=0.0)
    stack = np.stack([judged.old_score, judged.old_score + 0.1, judged.old_score - 0.3])
    noisy = NoiseFloor(reruns={"rerun": Reruns(kind="rerun", correct=None, score=stack, margin=None)})
    beside = pilot.of_reruns(dataclasses.replace(judged, old_floor=noisy))
    assert np.allclose(beside.new_score - beside.old_score, -0.3)


# ── the whole gate ───────────────────────────────────────────────────────────────────────────────


def test_the_gate_is_the_product_of_its_blocking_rules(case, flips):
    """Advisory rules stand outside; each scenario has its own."""
    scenarios = [Scenario(), Scenario(delta=-0.005)]
    subjects = [Subject(case=case(flips(10, 10, 600), name, n=900)) for name in ("gsm8k", "piqa")]
    rules = rule_plans(subjects, preset("balanced"), scenarios, 0.8)
    for gate, scenario in zip(gate_plans(rules, scenarios), scenarios, strict=True):
        blocking = [
            plan for plan in rules if plan.rule == "max_accuracy_drop" and plan.delta == scenario.delta
        ]
        assert gate.pass_at_hand == blocking[0].pass_at_hand * blocking[1].pass_at_hand
        assert gate.pass_whole == blocking[0].pass_whole * blocking[1].pass_whole


def test_a_gate_with_an_unplanned_blocking_rule_has_no_probability(case, columns):
    rules = planned(case(scored(columns)), preset("balanced"), basis="assumed", churn=0.1)
    (gate,) = gate_plans(rules, [Scenario(churn=0.1)])
    assert math.isnan(gate.pass_at_hand)
    assert math.isnan(gate_plans([], [Scenario()])[0].pass_at_hand)
