"""What the gate says of each rule: sentences for somebody who has not read the design."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from regress.types import Comparison, Difference
from regress.views.gate.reasons import result_sentence
from regress.views.gate.view import build, headline

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
        "observed 0.4 %, at most 1.2 (95 % one-sided; an exact bound: too few differ for a bootstrap), "
        "n 1,319"
    )
    undecided = made("max_excess_nfr", "undecided", "straddles", **{**few, "high": 0.03})
    assert said(undecided).endswith(
        "the bound is over the limit, and so few differences allow no test of the contrary"
    )


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
        "run `regress noise 'my model' --tasks gsm8k --kinds rerun,order`",
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
        "1 of 3 was right and is not any more: a; reruns of the old model lose a too",
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
        "the engine does not tell how many there are on the new side",
    ),
    ("max_truncated", "not applicable", "not-a-generation"): ({"limit": 0.1}, "no written answers"),
    ("minimum_n", "pass", "enough"): ({"limit": 200}, "at least 200 instances: n 1,319"),
    ("minimum_n", "not gateable", "few-items"): (
        {"data": {"n": 12, "minimum": 200}},
        "at least 200 instances: n 12 is fewer",
    ),
    ("evidence", "not gateable", "limit-not-sample"): (
        {"data": {"limit": 200, "n": 1838}},
        "only the first 200 of 1,838 instances were asked",
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


@pytest.mark.parametrize("key", REASONS, ids=" ".join)
def test_data_that_is_missing_breaks_no_sentence(key: tuple[str, str, str], made: Any) -> None:
    assert result_sentence(made(*key))


def test_advisory_rules_and_slices_are_marked(made: Any) -> None:
    result = made("max_nfr", "fail", "over-limit", limit=0.05, tier="advisory", slice="hard", **MEASURED)
    assert result_sentence(result).startswith("(advisory) [slice hard] lost answers (NFR) at most 5 %: ")


def test_the_headline_names_what_decided(verdicts: Any) -> None:
    assert {name: headline(verdict) for name, verdict in verdicts.items() if name != "hostile"} == {
        "pass": "PASS: all 4 blocking rules hold",
        "fail": "FAIL: 2 of 5 blocking rules fail: accuracy drop on gsm8k, items that must not flip on gsm8k",
        "undecided": "UNDECIDED: 1 of 3 blocking rules is undecided, none fails: accuracy drop on piqa",
        "warned": "UNDECIDED: 1 of 3 blocking rules is undecided, none fails: accuracy drop on piqa",
        "not-gateable": "NOT GATEABLE: 3 of 5 blocking rules lack evidence: excess NFR on gsm8k, "
        "excess NFR on piqa, evidence on piqa; besides, 1 of 5 blocking rules fails: accuracy drop on gsm8k",
    }


def test_many_rules_are_named_up_to_three(made: Any, judged_as: Any) -> None:
    results = [made("max_nfr", "fail", "over-limit", f"t{i}", **MEASURED) for i in range(9)]
    assert headline(judged_as("fail", *results)) == (
        "FAIL: 9 of 9 blocking rules fail: NFR on t0, NFR on t1, NFR on t2 and 6 more"
    )


def test_tasks_that_lack_the_same_floor_share_one_command(verdicts: Any, judged: Comparison) -> None:
    steps = build(verdicts["not-gateable"], judged).steps
    assert steps[0] == (
        "Measure the noise floor: `regress noise llama1 --tasks gsm8k,piqa --kinds rerun,batch`."
    )
    assert "--sample in place of --limit" in steps[1]


def test_a_pass_or_fail_needs_no_next_step(verdicts: Any, judged: Comparison) -> None:
    assert not build(verdicts["pass"], judged).steps
    assert not build(verdicts["fail"], judged).steps


def test_names_are_quoted_in_commands(verdicts: Any, judged: Comparison) -> None:
    evil = replace(judged, old=replace(judged.old, name="$(rm -rf /)"))
    assert any("'$(rm -rf /)'" in step for step in build(verdicts["undecided"], evil).steps)


def test_a_policy_that_was_not_given_says_so(verdicts: Any) -> None:
    assert build(verdicts["pass"], assumed=True).basis[0] == "Policy: balanced, because none was given."
    assert build(verdicts["pass"]).basis[0] == "Policy: balanced."
    assert build(verdicts["warned"]).basis[0] == "Policy: release/regress.toml, built upon strict."


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
