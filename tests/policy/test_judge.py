"""The decision rule: pass needs proof, fail needs proof, and everything else is undecided."""

from __future__ import annotations

import math
from dataclasses import replace

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest

from regress.errors import UnknownName, UsageError
from regress.policy.judge import judge
from regress.policy.parse import preset
from regress.types import SideCounts, Subset

DROP = {"preset": "none", "default": {"max_accuracy_drop": 0.02}}


# ── three answers ────────────────────────────────────────────────────────────────────────────────


def test_sixty_flips_each_way_pass_at_two_points_and_are_undecided_at_one(case, flips, held, result):
    even = case(flips(60, 60, 1319))
    two = held(even, preset="none", default={"max_accuracy_drop": 0.02})
    one = held(even, preset="none", default={"max_accuracy_drop": 0.01})
    assert (two.outcome, two.exit_code) == ("pass", 0)
    assert (one.outcome, one.exit_code) == ("undecided", 3)
    assert result(one, "max_accuracy_drop").code == "straddles"


def test_a_loss_that_is_clearly_over_the_limit_fails(case, flips, held, result):
    verdict = held(case(flips(132, 66, 1319)), **DROP)
    assert (verdict.outcome, verdict.exit_code) == ("fail", 1)
    drop = result(verdict, "max_accuracy_drop")
    assert drop.estimate == pytest.approx(66 / 1319)
    assert drop.low > 0.02
    assert drop.p_fail_holm < 0.05 < drop.p_pass


def test_not_significantly_worse_is_no_pass(case, flips, held, result):
    """Fifty items cannot show that less than two points were lost, though nothing was."""
    verdict = held(case(flips(0, 0, 50)), **DROP)
    assert verdict.outcome == "undecided"
    assert result(verdict, "max_accuracy_drop").p_pass > 0.05


def test_a_real_drop_below_the_limit_passes_and_is_said(case, flips, held, result):
    verdict = held(case(flips(150, 50, 10042)), **DROP)
    drop = result(verdict, "max_accuracy_drop")
    assert (drop.outcome, [w.code for w in drop.warnings]) == ("pass", ["significant-drop"])


@hypothesis.given(
    lost=st.integers(0, 60),
    gained=st.integers(0, 60),
    n=st.integers(120, 2000),
    limit=st.floats(0.005, 0.2),
)
def test_bounds_and_outcome_say_the_same(case, flips, held, result, lost, gained, n, limit):
    """PASS exactly where the upper bound is at most the limit; FAIL exactly where the lower is above."""
    verdict = held(
        case(flips(lost, gained, n)),
        preset="none",
        default={"max_accuracy_drop": {"limit": limit}, "max_nfr": {"limit": limit, "tier": "advisory"}},
    )
    for rule in ("max_accuracy_drop", "max_nfr"):
        one = result(verdict, rule)
        assert one.low <= one.estimate <= one.high
        if abs(one.high - limit) > 1e-9:
            assert (one.outcome == "pass") == (one.high <= limit)
        if abs(one.low - limit) > 1e-9:
            assert (one.outcome == "fail") == (one.low > limit)


@hypothesis.given(lost=st.integers(0, 80), n=st.integers(160, 1500))
def test_gains_never_pay_for_a_limit_on_losses(case, flips, held, result, lost, n):
    """However many answers are gained, the rule on negative flips says the same."""
    rules = {"preset": "none", "default": {"max_nfr": 0.05}}
    alone, repaid = (held(case(flips(lost, gained, n)), **rules) for gained in (0, 80))
    assert result(alone, "max_nfr").outcome == result(repaid, "max_nfr").outcome
    assert result(alone, "max_nfr").p_pass == result(repaid, "max_nfr").p_pass


@hypothesis.given(seed=st.integers(0, 10))
def test_more_variance_of_the_new_model_makes_nothing_easier(case, columns, held, result, seed):
    """Same mean, noisier: the p-value of passing does not fall."""
    rng = np.random.default_rng(seed)
    old = np.clip(rng.normal(0.4, 0.1, 800), 0, 1)
    calm = old - 0.005 + rng.normal(0, 0.02, 800)
    wild = calm + (spread := rng.normal(0, 0.3, 800)) - spread.mean()
    rules = {"preset": "none", "default": {"max_score_drop": 0.02}}
    p = [
        result(held(case(columns(old, new, scale="bounded")), **rules), "max_score_drop").p_pass
        for new in (calm, wild)
    ]
    assert p[0] <= p[1]


# ── multiplicity ─────────────────────────────────────────────────────────────────────────────────


def test_a_rule_that_fails_only_before_holm_is_undecided(case, flips, held, result):
    """One of four tasks is significant alone; among four that is what chance does."""
    bad = case(flips(52, 12, 1319), "bad")
    alone = held(bad, **DROP)
    assert result(alone, "max_accuracy_drop").outcome == "fail"
    others = [case(flips(40, 20, 1319), f"even{i}") for i in range(3)]
    verdict = held([bad, *others], **DROP)
    drop = result(verdict, "max_accuracy_drop", "bad")
    assert (drop.outcome, drop.code) == ("undecided", "holm")
    assert drop.p_fail < 0.05 < drop.p_fail_holm
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 3)


def test_a_rule_that_cannot_fail_on_these_items_counts_all_the_same(case, columns, flips, held, result):
    """Whether it has a test of failing depends on what is observed, so it never leaves the family."""
    scores = np.full(819, 0.5)
    still = case(columns(scores, scores, scale="bounded"), "still")
    rules = {"preset": "none", "default": {"max_accuracy_drop": 0.02, "max_score_drop": 0.02}}
    verdict = held([case(flips(60, 12, 1319), "bad"), still], **rules)
    bad, other = result(verdict, "max_accuracy_drop", "bad"), result(verdict, "max_score_drop", "still")
    assert bad.p_fail_holm == pytest.approx(2 * bad.p_fail)
    assert math.isnan(other.p_fail)
    assert math.isnan(other.p_fail_holm)


def test_advisory_rules_stand_outside(case, flips, held, result):
    """They neither block nor enter the family that is adjusted for."""
    table = {
        "preset": "none",
        "default": {"max_accuracy_drop": 0.02, "max_nfr": {"limit": 0.01, "tier": "advisory"}},
    }
    verdict = held(case(flips(60, 60, 1319)), **table)
    nfr = result(verdict, "max_nfr")
    assert (nfr.outcome, nfr.tier) == ("fail", "advisory")
    assert math.isnan(nfr.p_fail_holm)
    assert verdict.outcome == "pass"


def test_every_blocking_rule_must_pass(case, flips, held):
    cases = [case(flips(0, 0, 1319), "fine"), case(flips(60, 60, 100), "unclear")]
    assert held(cases, **DROP).outcome == "undecided"


def test_a_failure_outweighs_an_undecided_rule_and_missing_evidence_outweighs_both(case, flips, held):
    bad, unclear = case(flips(300, 0, 1319), "bad"), case(flips(60, 60, 130), "unclear")
    assert held([bad, unclear], **DROP).exit_code == 1
    few = {"preset": "none", "default": {"max_accuracy_drop": 0.02, "minimum_n": 200}}
    assert held([bad, unclear], **few).exit_code == 2


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


def test_rouge_that_falls_by_fifteen_points_fails(case, columns, held, result):
    rng = np.random.default_rng(0)
    old = np.clip(rng.normal(0.45, 0.15, 819), 0.2, 1)
    new = np.clip(old - 0.15 + rng.normal(0, 0.1, 819), 0.01, 1)
    verdict = judge([case(columns(old, new, scale="bounded"), "samsum")], preset("balanced"))
    drop = result(verdict, "max_score_drop")
    assert (verdict.exit_code, drop.outcome, drop.method) == (1, "fail", "bca")


def test_twenty_equal_items_are_no_pass_at_two_points(case, columns, held, result):
    """A bootstrap of them would have width zero."""
    scores = np.full(20, 0.4)
    verdict = held(
        case(columns(scores, scores, scale="bounded")), preset="none", default={"max_score_drop": 0.02}
    )
    drop = result(verdict, "max_score_drop")
    assert (drop.outcome, drop.method) == ("undecided", "upper-bound")
    assert drop.high > 0.1
    assert math.isnan(drop.p_fail)


def test_scores_that_all_fall_alike_still_fail(case, columns, held, result):
    """No spread to resample; what the population can hold besides is bounded."""
    old = np.linspace(0.3, 0.9, 819)
    verdict = held(
        case(columns(old, old - 0.15, scale="bounded")), preset="none", default={"max_score_drop": 0.02}
    )
    drop = result(verdict, "max_score_drop")
    assert drop.outcome == "fail"
    assert 0.02 < drop.low < drop.estimate < drop.high


def test_few_falls_are_bounded_by_their_number(case, columns, held, result):
    old = np.full(819, 0.5)
    new = old.copy()
    new[:5] = 0.4
    drop = result(
        held(case(columns(old, new, scale="bounded")), preset="none", default={"max_score_drop": 0.02}),
        "max_score_drop",
    )
    assert (drop.method, drop.outcome) == ("upper-bound", "pass")
    assert drop.high == pytest.approx(0.012787, abs=1e-4)  # Clopper-Pearson, 5 of 819


def test_a_score_without_bounds_needs_a_limit_of_its_own(case, columns, held, result):
    rng = np.random.default_rng(0)
    old = rng.normal(-3, 1, 500)
    likely = case(
        columns(old, old - 0.5 + rng.normal(0, 0.1, 500), scale="unbounded"), "wikitext", kind="likelihood"
    )
    with pytest.raises(UsageError, match="no blocking rule for wikitext"):
        held(likely, preset="none", default={"max_score_drop": 0.02})
    named = held(likely, preset="none", tasks={"wikitext": {"max_score_drop": 0.1}})
    assert named.outcome == "fail"


def test_without_bounds_few_differences_say_nothing(case, columns, held, result):
    scores = np.full(500, -3.0)
    verdict = held(
        case(columns(scores, scores, scale="unbounded"), "wikitext", kind="likelihood"),
        preset="none",
        tasks={"wikitext": {"max_score_drop": 0.1}},
    )
    assert (verdict.exit_code, result(verdict, "max_score_drop").code) == (2, "no-range")


# ── noise floors ─────────────────────────────────────────────────────────────────────────────────

EXCESS = {"preset": "none", "noise_kinds": ["rerun"], "default": {"max_excess_nfr": 0.02}}


def test_without_a_floor_excess_is_not_gateable(case, flips, held, result):
    verdict = held(case(flips(60, 60, 1319)), **EXCESS)
    excess = result(verdict, "max_excess_nfr")
    assert (verdict.exit_code, excess.code) == (2, "no-floor")
    assert excess.data["missing"] == ["rerun"]


def test_every_kind_that_the_policy_names_must_be_stored(case, flips, floor, held, result):
    columns = flips(60, 60, 1319)
    known = flips(60, 60, 1319, old_floor=floor(columns.old_correct, rerun=[[], []]))
    both = {**EXCESS, "noise_kinds": ["rerun", "batch"]}
    assert result(held(case(known), **both), "max_excess_nfr").data["missing"] == ["batch"]


def test_excess_is_what_exceeds_the_floor(case, flips, floor, held, result):
    """40 of 1319 lost; the old model loses the 30 of them by itself half of the time."""
    columns = flips(40, 40, 1319)
    reruns = floor(columns.old_correct, rerun=[range(30), []])
    excess = result(held(case(flips(40, 40, 1319, old_floor=reruns)), **EXCESS), "max_excess_nfr")
    # of three runs two get these 30 right: 2 * 1 / (3 * 2) of ordered pairs flip negatively
    assert excess.estimate == pytest.approx((40 - 30 / 3) / 1319)
    assert excess.method == "bca"
    assert excess.low < excess.estimate < excess.high


def test_noise_of_the_new_model_raises_no_limit(case, flips, floor, held, result):
    columns = flips(60, 20, 1319)
    noisy = floor(columns.new_correct, rerun=[range(400), range(400, 800)])
    quiet = floor(columns.old_correct, rerun=[[], []])
    alone = held(case(flips(60, 20, 1319, old_floor=quiet)), **EXCESS)
    beside = held(case(flips(60, 20, 1319, old_floor=quiet, new_floor=noisy)), **EXCESS)
    assert repr(result(alone, "max_excess_nfr")) == repr(result(beside, "max_excess_nfr"))


def test_with_few_flips_the_floor_is_taken_for_nothing(case, flips, floor, held, result):
    columns = flips(5, 5, 1319)
    reruns = floor(columns.old_correct, rerun=[[], []])
    excess = result(held(case(flips(5, 5, 1319, old_floor=reruns)), **EXCESS), "max_excess_nfr")
    assert (excess.method, excess.outcome) == ("upper-bound", "pass")
    assert math.isnan(excess.p_fail)


def test_fewer_than_three_runs_of_old_are_said(case, flips, floor, held, result):
    columns = flips(60, 20, 1319)
    two = floor(columns.old_correct, rerun=[[]])
    excess = result(held(case(flips(60, 20, 1319, old_floor=two)), **EXCESS), "max_excess_nfr")
    assert [warning.code for warning in excess.warnings] == ["floor-conditional"]


# ── extraction ───────────────────────────────────────────────────────────────────────────────────


def test_a_verdict_that_hangs_on_unreadable_answers_is_undecided(case, flips, held, result):
    """All that was lost became unreadable: is it the model, or how its answers are read?"""
    readable = np.ones(1319, dtype=np.bool_)
    readable[:100] = False
    verdict = held(case(flips(100, 0, 1319, readable=readable)), **DROP)
    drop = result(verdict, "max_accuracy_drop")
    assert (drop.outcome, drop.code) == ("undecided", "extraction")
    assert drop.data["readable_outcome"] == "pass"
    assert drop.data["readable_n"] == 1219


@pytest.mark.parametrize(("lost", "outcome"), [(0, "not gateable"), (700, "fail")])
def test_where_nothing_is_readable_there_is_no_second_opinion_that_could_help(
    case, flips, held, result, lost, outcome
):
    verdict = held(case(flips(lost, 0, 1319, readable=np.zeros(1319, dtype=np.bool_))), **DROP)
    assert verdict.outcome == outcome


def test_what_hangs_on_reading_is_not_waived(case, flips, held):
    readable = np.ones(1319, dtype=np.bool_)
    readable[:100] = False
    verdict = held(case(flips(100, 0, 1319, readable=readable)), **DROP, undecided="warn")
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 3)


def test_advisory_rules_ask_no_second_opinion(case, flips, held, result):
    readable = np.ones(1319, dtype=np.bool_)
    readable[:100] = False
    table = {
        "preset": "none",
        "default": {"max_accuracy_drop": 0.2, "max_nfr": {"limit": 0.02, "tier": "advisory"}},
    }
    nfr = result(held(case(flips(100, 0, 1319, readable=readable)), **table), "max_nfr")
    assert (nfr.outcome, nfr.data["readable_outcome"]) == ("fail", "pass")


# ── clusters and repeats ─────────────────────────────────────────────────────────────────────────


def test_clusters_make_the_interval_wider_and_are_named(case, flips, held, result):
    alone = result(held(case(flips(80, 40, 1320)), **DROP), "max_accuracy_drop")
    clustered = result(
        held(case(flips(80, 40, 1320, cluster=np.arange(1320) // 10)), **DROP), "max_accuracy_drop"
    )
    assert (clustered.method, clustered.clusters) == ("miller-t", 132)
    assert clustered.high - clustered.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("clusters", "outcome", "warned"), [(9, "not gateable", False), (20, "pass", True), (40, "pass", False)]
)
def test_few_clusters_are_said_and_very_few_not_gateable(
    case, flips, held, result, clusters, outcome, warned
):
    cluster = np.arange(2000) % clusters
    table = {"preset": "none", "default": {"max_nfr": 0.2}}
    nfr = result(held(case(flips(40, 40, 2000, cluster=cluster)), **table), "max_nfr")
    assert nfr.outcome == outcome
    assert ("few-clusters" in [warning.code for warning in nfr.warnings]) == warned


def test_with_few_discordant_clusters_the_spread_is_not_trusted(case, flips, held, result):
    """Two lost in 200 clusters: Student's t would call a true loss of 2 points a pass too often."""
    drop = result(held(case(flips(2, 0, 200, cluster=np.arange(200) // 1)), **DROP), "max_accuracy_drop")
    assert (drop.method, drop.outcome) == ("upper-bound", "undecided")


def test_repeats_are_averaged_and_n_counts_instances(case, flips, held, result):
    """Two in three answers of every thirtieth instance: their averages are fractions, and no clusters."""
    rows = np.arange(900) % 90 < 2
    old, new = np.ones(900, dtype=np.bool_), ~rows
    three = flips(0, 0, 900, item=np.repeat(np.arange(300), 3), repeated=True)
    three = replace(three, old_correct=old, new_correct=new)
    verdict = held(case(three), preset="none", default={"max_nfr": 0.2, "max_accuracy_drop": 0.2})
    nfr, drop = result(verdict, "max_nfr"), result(verdict, "max_accuracy_drop")
    assert (nfr.n, nfr.method, nfr.clusters) == (300, "korn-graubard", None)
    assert nfr.estimate == drop.estimate == pytest.approx(20 / 900)
    assert (drop.n, drop.method, drop.clusters) == (300, "upper-bound", None)


def test_of_repeats_too_twenty_instances_must_differ(case, flips, held, result):
    rows = np.arange(900) % 30 < 2
    three = flips(0, 0, 900, item=np.repeat(np.arange(300), 3), repeated=True)
    three = replace(three, old_correct=np.ones(900, dtype=np.bool_), new_correct=~rows)
    drop = result(held(case(three), **DROP), "max_accuracy_drop")
    assert drop.method == "miller-t"


# ── populations ──────────────────────────────────────────────────────────────────────────────────


def test_a_limit_is_not_gateable_and_a_sample_is(case, flips, held):
    columns = flips(0, 0, 800)
    limited = held(case(columns, n=1319, subset=Subset(limit=800)), **DROP)
    sampled = held(case(columns, n=1319, subset=Subset(sample=800, seed=1)), **DROP)
    assert [result.code for result in limited.results if result.rule == "evidence"] == ["limit-not-sample"]
    assert (limited.exit_code, sampled.exit_code) == (2, 0)


def test_scope_items_judges_what_was_observed(case, flips, held, result):
    """A list of regression tests: nothing is inferred, and a limit of 0 makes sense."""
    table = {"preset": "none", "scope": "items", "default": {"max_nfr": 0}}
    kept, lost = held(case(flips(0, 5, 50)), **table), held(case(flips(1, 5, 50)), **table)
    assert (kept.outcome, lost.outcome) == ("pass", "fail")
    assert (result(lost, "max_nfr").method, result(lost, "max_nfr").confidence) == ("observed", None)


def test_scope_items_needs_every_item(case, flips, held):
    table = {"preset": "none", "scope": "items", "default": {"max_nfr": 0.5}}
    part = held(case(flips(0, 0, 50), n=60, subset=Subset(sample=50, seed=1)), **table)
    assert (part.exit_code, [r.code for r in part.results if r.rule == "evidence"]) == (2, ["not-every-item"])


def test_fewer_instances_than_the_data_set_has_are_missing_unless_they_were_drawn(case, flips, held):
    part = held(case(flips(0, 0, 719), n=1319), **DROP)
    assert (part.exit_code, [r.code for r in part.results if r.rule == "evidence"]) == (2, ["rows-missing"])


# ── counts ───────────────────────────────────────────────────────────────────────────────────────


def _sides(old: int, new: int, **changes):
    given = {"truncated": 0, "left_truncated": 0}
    return tuple(SideCounts(**({"unreadable": n} | given | changes)) for n in (old, new))


@pytest.mark.parametrize(
    ("old", "new", "outcome", "code"),
    [
        (0, 100, "pass", "within-limit"),
        (0, 101, "fail", "over-limit"),
        (101, 0, "not gateable", "old-over-limit"),
    ],
)
def test_unreadable_answers_are_limited_on_either_side(case, flips, held, result, old, new, outcome, code):
    table = {"preset": "none", "default": {"max_accuracy_drop": 0.5, "max_unreadable": 0.1}}
    one = result(held(case(flips(0, 0, 1000), sides=_sides(old, new)), **table), "max_unreadable")
    assert (one.outcome, one.code) == (outcome, code)


def test_unknown_truncation_is_not_gateable_unless_the_policy_lets_it_go(case, flips, held, result):
    hidden = case(flips(0, 0, 1000), sides=_sides(0, 0, truncated=None))
    table = {"preset": "none", "default": {"max_accuracy_drop": 0.5, "max_truncated": 0.1}}
    assert result(held(hidden, **table), "max_truncated").code == "unknown"
    assert held(hidden, preset="balanced", default={"max_truncated": False}).exit_code == 0


def test_a_choice_cannot_be_truncated(case, flips, held, result):
    chosen = case(flips(0, 0, 1000), kind="choice")
    assert result(judge([chosen], preset("balanced")), "max_truncated").outcome == "not applicable"


# ── must not flip ────────────────────────────────────────────────────────────────────────────────


def test_one_lost_id_on_the_list_fails_whatever_is_gained(case, flips, held, result):
    verdict = held(
        case(flips(20, 20, 1319)),
        preset="balanced",
        tasks={"gsm8k": {"must_not_flip": ["id1300", "id7"]}},
    )
    listed = result(verdict, "must_not_flip")
    assert (verdict.exit_code, listed.outcome, listed.data["ids"]) == (1, "fail", ["id7"])
    assert result(verdict, "max_accuracy_drop").outcome == "pass"


def test_ids_that_old_got_wrong_are_warned_about(case, flips, held, result):
    verdict = held(
        case(flips(0, 20, 1319)), preset="balanced", tasks={"gsm8k": {"must_not_flip": ["id0", "id1300"]}}
    )
    listed = result(verdict, "must_not_flip")
    assert (listed.outcome, listed.warnings[0].code, listed.warnings[0].data) == (
        "pass",
        "listed-not-right",
        {"ids": ["id0"]},
    )


def test_the_result_says_when_reruns_of_old_flip_it_too(case, flips, floor, held, result):
    columns = flips(20, 20, 1319)
    reruns = floor(columns.old_correct, rerun=[[3]])
    verdict = held(
        case(flips(20, 20, 1319, old_floor=reruns)),
        preset="balanced",
        tasks={"gsm8k": {"must_not_flip": ["id3", "id4"]}},
    )
    assert result(verdict, "must_not_flip").data == {"listed": 2, "ids": ["id3", "id4"], "noisy": ["id3"]}


def test_an_unknown_id_is_an_error(case, flips, held):
    with pytest.raises(UnknownName, match="id99999"):
        held(case(flips(0, 0, 1319)), tasks={"gsm8k": {"must_not_flip": ["id99999"]}})


@pytest.mark.parametrize(
    ("old", "new", "outcome", "warned"),
    [
        ((1, 1, 0), (0, 0, 0), "fail", False),
        ((1, 1, 1), (1, 1, 0), "fail", False),
        ((1, 0, 0), (1, 1, 0), "pass", False),
        ((0, 0, 0), (0, 0, 0), "pass", True),
    ],
)
def test_of_an_id_with_repeats_no_more_may_go_wrong_than_before(
    case, columns, held, result, old, new, outcome, warned
):
    rest = np.ones(897, dtype=np.bool_)
    sides = (np.concatenate([np.array(side, dtype=np.bool_), rest]) for side in (old, new))
    one = case(columns(*sides, item=np.repeat(np.arange(300), 3), repeated=True))
    listed = result(held(one, tasks={"gsm8k": {"must_not_flip": ["id0"]}}), "must_not_flip")
    assert (listed.outcome, bool(listed.warnings)) == (outcome, warned)


def test_an_id_that_two_tasks_of_a_group_use_is_lost_if_either_loses_it(case, columns, held, result):
    """What the other gains under the same id pays for nothing."""
    old, new = np.ones(400, dtype=np.bool_), np.ones(400, dtype=np.bool_)
    new[3], old[203] = False, False
    one = case(columns(old, new))
    one = replace(one, ids=pa.chunked_array([[f"id{i % 200}" for i in range(400)]]))
    listed = result(held(one, tasks={"gsm8k": {"must_not_flip": ["id3", "id4"]}}), "must_not_flip")
    assert (listed.outcome, listed.data["ids"]) == ("fail", ["id3"])


def test_ids_of_scored_answers_cannot_be_right(case, columns, held):
    scores = np.linspace(0, 1, 400)
    with pytest.raises(UsageError, match="scored, not right or wrong"):
        held(
            case(columns(scores, scores, scale="bounded"), "samsum"),
            tasks={"samsum": {"must_not_flip": ["id1"]}},
        )


# ── which rules apply ────────────────────────────────────────────────────────────────────────────


def test_a_default_rule_that_a_scale_does_not_define_is_listed_as_such(case, flips, result):
    verdict = judge([case(flips(0, 0, 1319))], preset("balanced"))
    assert result(verdict, "max_score_drop").outcome == "not applicable"
    assert verdict.outcome == "pass"


def test_the_same_rule_under_the_tasks_own_name_is_an_error(case, flips, held):
    with pytest.raises(UsageError, match="max_score_drop for gsm8k, which is judged on a binary scale"):
        held(case(flips(0, 0, 1319)), tasks={"gsm8k": {"max_score_drop": 0.1}})


def test_a_rule_for_another_scale_under_the_tasks_own_name_is_an_error(case, columns, held):
    scores = np.linspace(0, 1, 400)
    with pytest.raises(UsageError, match="max_nfr on a binary scale for samsum"):
        held(
            case(columns(scores, scores, scale="bounded"), "samsum"),
            tasks={"samsum": {"max_nfr": {"binary": 0.05}}},
        )


def test_a_limit_that_no_score_can_exceed_is_an_error(case, columns, held):
    scores = np.linspace(0, 1, 400)
    with pytest.raises(UsageError, match="lie between 0 and 1"):
        held(case(columns(scores, scores, scale="bounded"), "samsum"), default={"max_score_drop": 2})


def test_a_task_without_a_blocking_rule_is_an_error(case, flips, held):
    table = {"preset": "none", "default": {"max_nfr": {"limit": 0.1, "tier": "advisory"}}}
    with pytest.raises(UsageError, match="no blocking rule for gsm8k"):
        held(case(flips(0, 0, 1319)), **table)


def test_a_task_that_the_policy_names_and_nobody_compared_is_an_error(case, flips, held):
    with pytest.raises(UnknownName, match="samsum"):
        held(case(flips(0, 0, 1319)), tasks={"samsum": {"max_score_drop": 0.1}})


def test_undecided_may_warn_but_stays_undecided(case, flips, held):
    verdict = held(
        case(flips(60, 60, 1319)), **{**DROP, "undecided": "warn", "default": {"max_accuracy_drop": 0.01}}
    )
    assert (verdict.outcome, verdict.exit_code) == ("undecided", 0)


def test_missing_evidence_cannot_be_waived(case, flips, held):
    verdict = held(case(flips(0, 0, 50)), preset="permissive")
    assert verdict.exit_code == 2


# ── slices ───────────────────────────────────────────────────────────────────────────────────────


def _tagged(n):
    return [{"topic": "sums" if i < n // 2 else "words"} for i in range(n)]


def test_a_declared_slice_is_judged_by_its_own_and_only_reported(case, flips, held, result):
    """All 40 lost lie in the first half."""
    verdict = held(
        case(flips(40, 40, 1000), tags=_tagged(1000)),
        preset="none",
        default={"max_accuracy_drop": 0.02, "max_nfr": 0.2},
        slices=[{"name": "sums", "tags": {"topic": "sums"}, "max_nfr": 0.03}],
    )
    part = result(verdict, "max_nfr", slice="sums")
    assert (part.outcome, part.tier, part.n, part.estimate) == ("fail", "advisory", 500, 0.08)
    assert verdict.outcome == "pass"


def test_a_blocking_slice_joins_the_family(case, flips, held, result):
    verdict = held(
        case(flips(40, 40, 1000), tags=_tagged(1000)),
        preset="none",
        default={"max_nfr": 0.2},
        slices=[{"name": "sums", "tags": {"topic": "sums"}, "tier": "blocking", "max_nfr": 0.03}],
    )
    part = result(verdict, "max_nfr", slice="sums")
    assert verdict.outcome == "fail"
    assert part.p_fail_holm == pytest.approx(2 * part.p_fail)


def test_a_slice_without_rules_is_held_to_its_tasks(case, flips, held, result):
    verdict = held(
        case(flips(0, 0, 1000), tags=_tagged(1000)), slices=[{"name": "w", "tags": {"topic": "words"}}]
    )
    assert {one.rule for one in verdict.results if one.slice == "w"} == {"max_accuracy_drop", "max_nfr"}


def test_a_slice_is_held_only_to_what_its_scale_defines(case, columns, held, result):
    """The preset's limit for right and wrong answers is not one for summaries."""
    rng = np.random.default_rng(0)
    old = rng.uniform(0.3, 0.6, 1000)
    new = np.where(rng.uniform(size=1000) < 0.07, old - 0.2, old)
    one = case(columns(old, new, scale="bounded"), "samsum", tags=[{"all": "yes"}] * 1000)
    verdict = held(one, preset="strict", slices=[{"name": "all", "tags": {"all": "yes"}, "tier": "blocking"}])
    assert result(verdict, "max_nfr", slice="all").limit == 0.10
    named = {"name": "all", "tags": {"all": "yes"}, "tasks": ["samsum"], "max_accuracy_drop": 0.02}
    with pytest.raises(UsageError, match="max_accuracy_drop for samsum"):
        held(one, slices=[named])


def test_a_blocking_slice_without_evidence_is_not_gateable(case, flips, held, result):
    table = {
        "default": {"max_excess_nfr": {"limit": 0.1, "tier": "advisory"}},
        "slices": [{"name": "sums", "tags": {"topic": "sums"}, "tier": "blocking"}],
    }
    verdict = held(case(flips(0, 0, 1000), tags=_tagged(1000)), **table)
    assert result(verdict, "max_excess_nfr", slice="sums").code == "no-floor"
    assert verdict.exit_code == 2


def test_a_small_blocking_slice_is_not_gateable(case, flips, held):
    verdict = held(
        case(flips(0, 0, 1000), tags=[{"topic": "rare" if i < 5 else "rest"} for i in range(1000)]),
        slices=[{"name": "rare", "tags": {"topic": "rare"}, "tier": "blocking"}],
    )
    assert verdict.exit_code == 2


def test_a_tag_that_no_instance_bears_is_an_error(case, flips, held):
    with pytest.raises(UsageError, match="no instance of gsm8k bears topic = nothing"):
        held(
            case(flips(0, 0, 1000), tags=_tagged(1000)), slices=[{"name": "x", "tags": {"topic": "nothing"}}]
        )


# ── randomness ───────────────────────────────────────────────────────────────────────────────────


def test_same_seed_same_digits_other_seed_other_digits(case, columns):
    rng = np.random.default_rng(0)
    old = rng.uniform(size=400)
    one = case(columns(old, np.clip(old + rng.normal(0, 0.1, 400), 0, 1), scale="bounded"), "samsum")
    first, again, other = (judge([one], preset("balanced"), seed=seed) for seed in (1, 1, 2))
    assert repr(first) == repr(again)
    assert repr(first) != repr(other)


def test_a_tasks_digits_do_not_depend_on_the_tasks_beside_it(case, columns, flips, result):
    rng = np.random.default_rng(0)
    old = rng.uniform(size=400)
    one = case(columns(old, np.clip(old + rng.normal(0, 0.1, 400), 0, 1), scale="bounded"), "samsum")
    alone = judge([one], preset("balanced"))
    beside = judge([case(flips(0, 0, 1319)), one], preset("balanced"))
    assert result(alone, "max_score_drop", "samsum").high == result(beside, "max_score_drop", "samsum").high
