"""What the gate says of each rule: sentences for somebody who has not read the design."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from regress.types import Comparison, Difference, Notice
from regress.views.gate.headline import headline
from regress.views.gate.reasons import result_notes, result_sentence
from regress.views.gate.view import build
from regress.views.sentences import sentence

MEASURED = {"estimate": 0.05, "low": 0.036, "high": 0.064, "confidence": 0.95}


def said(result: Any, scale: Any = None) -> str:
    return result_sentence(result, scale).split(": ", 1)[1]


def test_a_failed_drop_names_estimate_bound_limit_and_n(made: Any) -> None:
    result = made("max_accuracy_drop", "fail", "over-limit", limit=0.02, **MEASURED)
    assert result_sentence(result) == (
        "accuracy drop at most 2 points: fell by 5.0 points, at least 3.6 (95 % one-sided), n 1,319"
    )


@pytest.mark.parametrize(
    ("estimate", "high", "shown"),
    [
        (0.003, 0.014, "fell by 0.3 points, at most 1.4"),
        (0.0, 0.014, "did not change; if it fell at all, by at most 1.4"),
        (-0.005, 0.004, "rose by 0.5 points; if it fell at all, by at most 0.4"),
        (-0.05, -0.03, "rose by 5.0 points, at least 3.0"),
        (0.0, 0.0004, "did not change; if it fell at all, by less than 0.1"),
        (0.0003, 0.0004, "fell by less than 0.1 points, less than 0.1"),
        (-0.05, -0.0003, "rose by 5.0 points, more than 0"),
    ],
)
def test_a_passed_drop_is_bounded_in_its_own_direction(
    estimate: float, high: float, shown: str, made: Any
) -> None:
    result = made(
        "max_accuracy_drop", "pass", "within-limit", limit=0.02, estimate=estimate, low=-0.09, high=high
    )
    assert said(result) == f"{shown} (95 % one-sided), n 1,319"


def test_an_undecided_drop_says_from_where_to_where(made: Any) -> None:
    result = made(
        "max_accuracy_drop", "undecided", "straddles", limit=0.02, estimate=0.01, low=-0.01, high=0.03
    )
    assert said(result) == (
        "fell by 1.0 points, between a rise of 1.0 and a fall of 3.0 (95 % one-sided), n 1,319: "
        "the interval straddles the limit"
    )


def test_a_rate_is_in_percent_and_its_name_is_explained(made: Any) -> None:
    result = made("max_nfr", "undecided", "straddles", limit=0.05, **MEASURED)
    assert result_sentence(result) == (
        "lost answers (NFR) at most 5 %: observed 5.0 %, between 3.6 and 6.4 (95 % one-sided), n 1,319: "
        "the interval straddles the limit"
    )


def test_on_scores_the_fall_that_counts_is_named_and_a_unit_stays_a_unit(made: Any) -> None:
    fall = made("max_nfr", "fail", "over-limit", limit=0.2, tau=0.1, **MEASURED)
    assert result_sentence(fall, "bounded").startswith(
        "answers lower by more than 10 points (NFR, τ = 0.1) at most 20 %: "
    )
    assert result_sentence(fall, "binary").startswith("lost answers (NFR) at most 20 %: ")
    drop = made("max_score_drop", "fail", "over-limit", limit=0.5, data={"scale": "unbounded"}, **MEASURED)
    assert result_sentence(drop).startswith("mean score drop at most 0.5: fell by 0.05000, at least 0.03600 ")


def test_an_exact_bound_in_place_of_a_bootstrap_is_said(made: Any) -> None:
    few = {"limit": 0.02, "estimate": 0.004, "high": 0.012, "confidence": 0.95, "method": "upper-bound"}
    passed = made("max_excess_nfr", "pass", "within-limit", **few)
    assert said(passed) == (
        "observed 0.4 %, at most 1.2 (95 % one-sided; an exact bound: too few instances differ), n 1,319"
    )
    undecided = made("max_excess_nfr", "undecided", "straddles", **{**few, "high": 0.03})
    assert said(undecided).endswith(
        "the bound is over the limit, and so few differences allow no test of the contrary"
    )


def test_with_clusters_it_is_they_that_are_too_few(made: Any) -> None:
    few = {"limit": 0.02, "estimate": 0.004, "high": 0.03, "method": "upper-bound", "clusters": 400}
    undecided = made("max_accuracy_drop", "undecided", "straddles", **few)
    assert said(undecided) == (
        "fell by 0.4 points, at most 3.0 (95 % one-sided; an exact bound: too few clusters differ), n 1,319 "
        "in 400 clusters: the bound is over the limit, and differences in so few clusters allow no test of "
        "the contrary"
    )


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("max_score_drop", "every score changed by the same amount"),
        ("max_accuracy_drop", "every instance changed alike"),
    ],
)
def test_where_nothing_varies_what_stayed_the_same_is_said(rule: str, shown: str, made: Any) -> None:
    constant = {"limit": 0.02, "estimate": 1.0, "low": 0.9, "high": 1.0, "method": "constant"}
    assert said(made(rule, "fail", "over-limit", **constant)).endswith(f"(95 % one-sided; {shown}), n 1,319")


def test_tangos_exact_half_reads_like_the_other(made: Any) -> None:
    held = {"limit": 0.02, "estimate": 0.01, "low": 0.0, "high": 0.014}
    tango, exact = (
        made("max_accuracy_drop", "pass", "within-limit", **held, method=method)
        for method in ("tango", "tango-exact")
    )
    assert said(tango) == said(exact) == "fell by 1.0 points, at most 1.4 (95 % one-sided), n 1,319"


def test_an_excess_is_shown_with_what_it_is_the_difference_of(made: Any) -> None:
    excess = {"limit": 0.02, "estimate": 0.111, "low": 0.098, "high": 0.12}
    result = made("max_excess_nfr", "fail", "over-limit", data={"nfr": 0.122, "floor": 0.011}, **excess)
    assert said(result).startswith("observed 11.1 % (of 12.2 % lost, 1.1 % is noise), at least 9.8 ")
    scores = replace(result, tau=0.1, data={"nfr": 0.122, "floor": 0.0001})
    assert "(of 12.2 % lower, less than 0.1 % is noise)" in result_sentence(scores, "bounded")
    less = replace(result, estimate=-0.006, data={"nfr": 0.005, "floor": 0.011})
    assert said(less).startswith("observed −0.6 % (0.5 % lost, by noise alone 1.1 %), ")


def test_an_excess_below_nothing_is_shown_as_it_is(made: Any) -> None:
    result = made(
        "max_excess_nfr", "pass", "within-limit", limit=0.02, estimate=-0.004, low=-0.01, high=0.002
    )
    assert said(result).startswith("observed −0.4 %, at most 0.2")


def test_observed_rates_of_these_items_have_no_bounds(made: Any) -> None:
    result = made("max_nfr", "fail", "over-limit", limit=0.0, estimate=0.01, method="observed")
    assert result_sentence(result) == (
        "lost answers (NFR) at most 0 %: observed 1.0 % (on these instances, without sampling error), n 1,319"
    )


REASONS: dict[tuple[str, str, str], tuple[dict[str, Any], str]] = {
    ("max_accuracy_drop", "undecided", "holm"): (
        {"limit": 0.02, **MEASURED, "p_fail": 0.03, "p_fail_holm": 0.12},
        "over the limit if it were the only rule (p = 0.030), but not once all blocking rules are counted "
        "(Holm, p = 0.120)",
    ),
    ("max_accuracy_drop", "undecided", "extraction"): (
        {
            "limit": 0.02,
            **MEASURED,
            "data": {"readable_outcome": "pass", "readable_n": 900, "readable_estimate": 0.001},
        },
        "on the 900 readable on both sides it would pass (fell by 0.1 points): what could be read decides",
    ),
    ("max_nfr_mc", "not applicable", "not-defined"): (
        {"data": {"scale": "bounded"}},
        "not defined for answers that are scored rather than right or wrong",
    ),
    ("max_score_drop", "not applicable", "not-defined"): (
        {"data": {"scale": "binary"}},
        "not defined for answers that are right or wrong",
    ),
    ("max_excess_nfr", "not gateable", "no-floor"): (
        {"limit": 0.02, "data": {"missing": ["rerun", "order"], "model": "my model", "task": "gsm8k"}},
        "no reruns of the old model are stored for rerun, order: run `regress noise 'my model' --tasks gsm8k "
        "--kinds rerun,order` with the options of the run (--engine, --data …), or leave the kind out of "
        "noise_kinds in the policy, where the engine cannot vary it",
    ),
    ("max_nfr", "not gateable", "few-clusters"): (
        {"limit": 0.05, "data": {"clusters": 8, "minimum": 10}},
        "8 clusters only; with fewer than 10 nothing can be said beyond these instances",
    ),
    ("max_score_drop", "not gateable", "no-range"): ({"limit": 0.5}, "too few of the scores differ"),
    ("max_nfr", "not gateable", "few-items"): (
        {"limit": 0.05, "data": {"n": 12, "minimum": 200}},
        "n 12 is fewer than the 200 that it takes",
    ),
    ("must_not_flip", "pass", "kept"): (
        {"data": {"listed": 12}},
        "12 listed instances must not flip: none of them was lost",
    ),
    ("must_not_flip", "fail", "flipped"): (
        {"data": {"ids": ["a"], "noisy": ["a"], "listed": 3}},
        "1 of 3 was lost (right before, and now not, or in fewer repeats): a; reruns of the old model are "
        "not always right on a either",
    ),
    ("max_unreadable", "fail", "over-limit"): (
        {"limit": 0.1, "data": {"old": 0.01, "new": 0.12}},
        "unreadable answers at most 10 % on either side: old 1.0 %, new 12.0 %, n 1,319",
    ),
    ("max_truncated", "not gateable", "old-over-limit"): (
        {"limit": 0.1, "data": {"old": 0.2, "new": 0.1}},
        "already the old model is over the limit",
    ),
    ("max_truncated", "not gateable", "unknown"): (
        {"limit": 0.1, "data": {"side": "new"}},
        "it is not known how many there are on the new side",
    ),
    ("max_truncated", "not applicable", "not-a-generation"): ({"limit": 0.1}, "no written answers"),
    ("minimum_n", "pass", "enough"): ({"limit": 200}, "at least 200 instances: n 1,319"),
    ("minimum_n", "not gateable", "few-items"): (
        {"data": {"n": 12, "minimum": 200}},
        "at least 200 instances: n 12 is fewer",
    ),
    ("evidence", "not gateable", "limit-not-sample"): (
        {"n": 200, "data": {"limit": 200, "n": 1838}},
        "only the first 200 of 1,838 instances were asked, which are no random sample of them",
    ),
    ("evidence", "not gateable", "rows-missing"): (
        {"data": {"n": 1200, "of": 1319}},
        "only 1,200 of the 1,319 instances of the data set are there, though no sample was drawn",
    ),
    ("evidence", "not gateable", "members-missing"): (
        {"data": {"missing": ["law", "anatomy"], "of": 57}},
        "2 tasks of the group were not compared: law, anatomy",
    ),
    ("max_nfr", "not gateable", "none-readable"): (
        {"limit": 0.05, "estimate": 0.01, "high": 0.03, "data": {"readable_code": "few-clusters"}},
        "observed 1.0 %, n 1,319; what there is hangs on unreadable answers: instances of too few clusters "
        "are readable on both sides",
    ),
    ("evidence", "not gateable", "not-every-item"): (
        {"data": {"n": 200, "of": 1838}},
        "needs all 1,838 of the data set; 200 were asked",
    ),
    ("max_moons", "undecided", "moon-phase"): (
        {"data": {"phase": "full"}},
        "max_moons: moon-phase: phase full",
    ),
}


@pytest.mark.parametrize("key", REASONS, ids=" ".join)
def test_every_outcome_has_its_reason(key: tuple[str, str, str], made: Any) -> None:
    fields, shown = REASONS[key]
    assert shown in result_sentence(made(*key, **fields))


def test_the_first_of_each_task_of_a_group_are_not_the_first_of_all(made: Any) -> None:
    result = made("evidence", "not gateable", "limit-not-sample", n=800, data={"limit": 400, "n": 3157})
    assert said(result).startswith("only the first 400 of each task were asked, 800 of 3,157 instances")


@pytest.mark.parametrize("key", REASONS, ids=" ".join)
def test_data_that_is_missing_breaks_no_sentence(key: tuple[str, str, str], made: Any) -> None:
    assert result_sentence(made(*key))


def test_advisory_rules_and_slices_are_marked(made: Any) -> None:
    result = made("max_nfr", "fail", "over-limit", limit=0.05, tier="advisory", slice="hard", **MEASURED)
    assert result_sentence(result).startswith("(advisory) [slice hard] lost answers (NFR) at most 5 %: ")


def test_the_headline_names_what_decided(verdicts: Any) -> None:
    assert {name: headline(verdict) for name, verdict in verdicts.items() if name != "hostile"} == {
        "pass": "PASS: all 4 blocking rules hold; 1 advisory limit is exceeded: NFR on gsm8k",
        "fail": "FAIL: 2 of 5 blocking rules fail: accuracy drop on gsm8k, items that must not flip on gsm8k",
        "undecided": "UNDECIDED: 1 of 3 blocking rules is undecided, none fails: accuracy drop on piqa",
        "warned": "UNDECIDED: 1 of 3 blocking rules is undecided, none fails: accuracy drop on piqa",
        "not-gateable": "NOT GATEABLE: 3 of 5 blocking rules lack evidence: excess NFR on gsm8k (no noise "
        "floor), excess NFR on piqa (no noise floor), only the first 200 instances of piqa were asked; "
        "besides, 1 of 5 blocking rules fails: accuracy drop on gsm8k",
    }


def test_a_pass_names_the_advisory_limits_that_are_exceeded(verdicts: Any, judged_as: Any, made: Any) -> None:
    loud = [
        made("max_nfr", "fail", "over-limit", task, tier="advisory", **MEASURED) for task in ("piqa", "boolq")
    ]
    assert headline(judged_as("pass", *verdicts["undecided"].results[:2], *loud)) == (
        "PASS: all 2 blocking rules hold; 2 advisory limits are exceeded: NFR on piqa, NFR on boolq"
    )


LACKING: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("evidence", "limit-not-sample"): (
        {"n": 400, "data": {"limit": 400, "n": 1319}},
        "only the first 400 instances of gsm8k were asked",
    ),
    ("evidence", "not-every-item"): (
        {"data": {"n": 200, "of": 1838}},
        "only 200 of the 1,838 instances of gsm8k were asked",
    ),
    ("evidence", "rows-missing"): (
        {"data": {"n": 1200, "of": 1319}},
        "only 1,200 of the 1,319 instances of gsm8k are there",
    ),
    ("evidence", "members-missing"): ({}, "not every task of gsm8k was compared"),
    ("max_nfr", "none-readable"): ({}, "NFR on gsm8k (hardly any instance is readable on both sides)"),
    ("max_nfr", "few-clusters"): ({}, "NFR on gsm8k (too few clusters)"),
    ("minimum_n", "few-items"): ({}, "number of instances on gsm8k (too few instances)"),
    ("max_score_drop", "no-range"): ({}, "mean score drop on gsm8k (too few scores differ)"),
    ("max_unreadable", "old-over-limit"): (
        {},
        "unreadable answers on gsm8k (already the old model is over the limit)",
    ),
    ("max_truncated", "unknown"): ({}, "answers cut off on gsm8k (nobody knows)"),
    ("max_moons", "moon-phase"): ({}, "max_moons on gsm8k"),
}


@pytest.mark.parametrize("key", LACKING, ids=" ".join)
def test_the_headline_names_the_evidence_that_is_lacking(
    key: tuple[str, str], made: Any, judged_as: Any
) -> None:
    (rule, code), (fields, shown) = key, LACKING[key]
    lacking = made(rule, "not gateable", code, **fields)
    assert headline(judged_as("not gateable", lacking)) == (
        f"NOT GATEABLE: 1 of 1 blocking rule lacks evidence: {shown}"
    )


def test_many_rules_are_named_up_to_three(made: Any, judged_as: Any) -> None:
    results = [made("max_nfr", "fail", "over-limit", f"t{i}", **MEASURED) for i in range(9)]
    assert headline(judged_as("fail", *results)) == (
        "FAIL: 9 of 9 blocking rules fail: NFR on t0, NFR on t1, NFR on t2 and 6 more"
    )


def test_tasks_that_lack_the_same_floor_share_one_command(verdicts: Any, judged: Comparison) -> None:
    steps = build(verdicts["not-gateable"], judged).steps
    assert steps[0] == (
        "Measure the noise floor: `regress noise llama1 --tasks gsm8k,piqa --kinds rerun,batch` with the "
        "options of the run."
    )
    assert "--sample in place of --limit" in steps[1]


def test_a_pass_or_fail_needs_no_next_step(verdicts: Any, judged: Comparison) -> None:
    assert not build(verdicts["pass"], judged).steps
    assert not build(verdicts["fail"], judged).steps


def test_names_are_quoted_in_commands(made: Any, judged_as: Any) -> None:
    floorless = made("max_excess_nfr", "not gateable", "no-floor", data={"model": "$(rm -rf /)"})
    (step,) = build(judged_as("not gateable", floorless)).steps
    assert "'$(rm -rf /)'" in step


@pytest.mark.parametrize("code", ["extraction", "none-readable"])
def test_what_hangs_on_unreadable_answers_is_to_be_looked_at(code: str, made: Any, judged_as: Any) -> None:
    outcome = "undecided" if code == "extraction" else "not gateable"
    (step,) = build(judged_as(outcome, made("max_nfr", outcome, code))).steps
    assert "`regress compare` with the same models and tasks" in step


@pytest.mark.parametrize("code", ["rows-missing", "members-missing"])
def test_missing_evidence_comes_with_what_to_do(code: str, made: Any, judged_as: Any) -> None:
    assert len(build(judged_as("not gateable", made("evidence", "not gateable", code))).steps) == 1


def test_a_drop_that_is_more_than_chance_is_bounded_below_in_its_own_unit(made: Any) -> None:
    warned = (Notice(code="significant-drop", data={"low": 0.003}),)
    result = made("max_score_drop", "pass", "within-limit", limit=0.5, warnings=warned, **MEASURED)
    for scale, least in (("bounded", "0.3 points"), (None, "0.3 points"), ("unbounded", "0.003000")):
        (note,) = result_notes(result, scale)
        assert sentence(note).endswith(f"but more than chance: at least {least}.")


def test_a_policy_that_was_not_given_says_so(verdicts: Any) -> None:
    assert build(verdicts["pass"], assumed=True).basis[0] == "Policy: balanced, because none was given."
    assert build(verdicts["pass"]).basis[0] == "Policy: balanced."
    assert build(verdicts["warned"]).basis[0] == "Policy: release/regress.toml, built upon strict."


def test_what_is_not_waived_is_said(verdicts: Any, made: Any, judged_as: Any) -> None:
    warns = verdicts["warned"]
    assert build(warns).basis[-1].endswith("the exit code is 0, the verdict stays.")
    extraction = judged_as("undecided", made("max_nfr", "undecided", "extraction"), policy=warns.policy)
    assert build(extraction).basis[-1].endswith("hangs on what could be read is not waived.")


def test_a_group_that_is_judged_as_one_task_says_so(made: Any, judged_as: Any, full: Comparison) -> None:
    group = made("max_nfr", "pass", "within-limit", "reasoning", limit=0.05, **MEASURED)
    said_of = "reasoning is judged as one task, over all items of gsm8k, piqa"
    assert f"{said_of}; name a task in --tasks or in the policy to judge it by itself." in (
        build(judged_as("pass", group), full).basis
    )
    members = [replace(group, task=task) for task in ("gsm8k", "piqa")]
    assert f"{said_of}." in build(judged_as("pass", group, *members), full).basis
    assert not any("as one task" in text for text in build(judged_as("pass", *members), full).basis)


def test_the_scope_names_itself(verdicts: Any) -> None:
    passed = verdicts["pass"]
    items = replace(passed, policy=replace(passed.policy, scope="items"))
    assert "population" in build(passed).basis[1]
    assert "these very items" in build(items).basis[1]


def test_a_verdict_on_settings_says_that_it_is_none_on_models(verdicts: Any, judged: Comparison) -> None:
    overridden = replace(judged, settings_compared=(Difference(field="task.num_fewshot", old=0, new=5),))
    assert build(verdicts["pass"], overridden).heading == (
        "a comparison of settings, not of models: worked examples 0 → 5"
    )


def test_gains_are_not_mentioned_beside_losses(verdicts: Any, judged: Comparison) -> None:
    words = " ".join(line.sentence for line in build(verdicts["fail"], judged).lines)
    assert "gain" not in words
