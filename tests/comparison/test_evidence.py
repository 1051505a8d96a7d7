"""Is it more than chance, and what could have been missed?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from regress.comparison.estimates import estimates
from regress.comparison.evidence import about, evidence, suite
from regress.comparison.rows import summarise
from regress.comparison.table import assemble
from regress.pairing import pair


def said(columns, seed=0):
    rng = np.random.default_rng(seed)
    return evidence(columns, estimates(columns, rng), rng)


def codes(columns):
    return [notice.code for notice in about(columns)]


def test_a_difference_is_detected_where_the_interval_leaves_out_nothing(flips):
    assert said(flips(80, 40, 1319)).detected
    assert not said(flips(60, 55, 1319)).detected


@pytest.mark.parametrize("fell", [15, 400], ids=["too few for an interval", "all alike"])
def test_where_there_is_no_interval_the_test_detects(columns, fell):
    old = np.full(400, 0.5)
    drop = np.where(np.arange(400) < fell, 0.1, 0.0)
    assert said(columns(old, old - drop, scale="bounded")).detected
    assert not said(columns(old, old, scale="bounded")).detected


def test_flips_are_tested_by_mcnemar(flips):
    one = said(flips(80, 40, 1319))
    assert one.test == "mcnemar"
    assert one.p_worse == pytest.approx(stats.binomtest(80, 120, 0.5, alternative="greater").pvalue)
    assert one.p_worse < one.p_differs
    assert one.p_exact == pytest.approx(stats.binomtest(80, 120, 0.5).pvalue)


def test_better_is_not_worse(flips):
    assert said(flips(40, 80, 1319)).p_worse > 0.99


def test_clustered_flips_are_tested_by_cluster(flips):
    """Every flip of a cluster at once: ten times the answers, not ten times the evidence."""
    alone = said(flips(80, 40, 1320))
    clustered = said(flips(80, 40, 1320, cluster=np.arange(1320) // 10))
    assert clustered.test == "mcnemar-clustered"
    assert clustered.p_differs > alone.p_differs
    assert clustered.mde > alone.mde
    assert np.isnan(clustered.p_exact)


def test_what_could_have_been_missed_is_in_points(flips):
    """METRICS: GSM8K at a churn of 10 %: 2.44 points."""
    assert said(flips(66, 66, 1319)).mde == pytest.approx(0.0244, abs=5e-5)


def test_that_nothing_flipped_does_not_mean_that_nothing_can(flips):
    one = said(flips(0, 0, 1319))
    assert 0 < one.mde < 0.02
    assert one.p_differs == 1


def test_scores_are_tested_by_flipping_signs(columns):
    rng = np.random.default_rng(0)
    old = rng.uniform(0.2, 0.8, 300)
    one = said(columns(old, old - 0.02 + rng.normal(0, 0.05, 300), scale="bounded"))
    assert (one.test, one.detected) == ("sign-flip", True)
    assert one.p_worse < 0.01


def test_p_values_are_adjusted_over_the_tasks(make_run, make_choices, make_task):
    def task(name, new):
        spec = make_task(name)
        gold = "A" * len(new)
        return pair(
            make_run(make_choices(gold, gold), task=spec),
            make_run(make_choices(new, gold), task=spec, model="b"),
        )

    rows = assemble([task("a", "B" * 8 + "A" * 300), task("b", "B" * 6 + "A" * 300)]).tasks
    first, second = (row.evidence for row in rows)
    assert first.p_differs_holm == pytest.approx(2 * first.p_differs)
    assert second.p_differs_holm == second.p_differs


def test_a_suite_is_worse_where_no_single_task_shows_it(flips):
    tasks = {name: flips(30, 18, 1000) for name in "abcd"}
    assert all(said(one).p_worse > 0.05 for one in tasks.values())
    together = suite(tasks, np.random.default_rng(0))
    assert together.tasks == tuple("abcd")
    assert together.pooled < 0.01
    assert together.fisher < 0.05 < together.max_z


def test_one_task_is_no_suite_and_scores_are_not_in_it(flips, columns):
    scores = columns(np.linspace(0, 1, 50), np.linspace(0, 1, 50), scale="bounded")
    assert suite({"a": flips(3, 3, 100), "s": scores}, np.random.default_rng(0)) is None


def test_few_flips_many_ties_and_few_clusters_are_said(flips, columns):
    assert codes(flips(4, 5, 1000)) == ["few-discordant"]
    assert codes(flips(5, 5, 1000)) == []
    tied = np.linspace(0, 1, 100)
    moved = np.where(np.arange(100) < 60, tied, tied / 2)
    assert codes(columns(tied, moved, scale="bounded")) == ["ties"]
    assert codes(flips(20, 20, 1000, cluster=np.arange(1000) % 12)) == ["clustered", "few-clusters"]
    assert codes(flips(20, 20, 1000, cluster=np.arange(1000) % 50)) == ["clustered"]


def test_a_model_that_answers_everything_alike_is_said(make_run, make_choices):
    gold = "ABCD" * 100
    pairs = pair(make_run(make_choices("A" * 400, gold)), make_run(make_choices(gold, gold), model="b"))
    notices = {notice.code: notice.data for notice in summarise(pairs).warnings}
    assert notices["constant-answers"] == {"side": "old", "share": 1.0}


def test_of_nothing_nothing_is_said(flips):
    assert said(flips(0, 0, 0)) is None
    assert math.isnan(estimates(flips(0, 0, 0), np.random.default_rng(0))["nfr"].value)
