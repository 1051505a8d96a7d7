"""Every number carries an interval, made the way its kind of number asks for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from regress.comparison.estimates import estimates
from regress.comparison.judged import judged
from regress.statistics import bootstrap


def made(columns, seed=0):
    return estimates(columns, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def scores(columns):
    rng = np.random.default_rng(5)
    old = rng.uniform(0.2, 0.7, 400)
    new = np.where(rng.uniform(size=400) < 0.4, old, np.clip(old + rng.normal(0, 0.1, 400), 0, 1))
    return columns(old, new, scale="bounded")


def test_every_estimate_of_a_binary_task_has_an_interval_around_it(flips):
    for name, one in made(flips(60, 40, 1319)).items():
        assert one.low < one.value < one.high, name
        assert one.confidence == 0.95


def test_every_estimate_of_a_scored_task_has_an_interval_around_it(scores):
    for name, one in made(scores).items():
        assert one.low < one.value < one.high, name


def test_the_paired_difference_is_tangos(flips):
    """Altman's table in Tango 1998: n = 32, 9 gained and 3 lost."""
    delta = made(flips(3, 9, 32))["delta"]
    assert (delta.method, round(delta.low, 4), round(delta.high, 4)) == ("tango", -0.0271, 0.3897)


def test_rates_are_wilsons_on_their_own_denominator(flips):
    one = made(flips(60, 40, 1000))["btc"]
    k, n = round(one.value * one.n), one.n
    low, high = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (one.method, one.low, one.high) == ("wilson", pytest.approx(low), pytest.approx(high))


def test_a_rate_of_very_few_or_nearly_all_is_said_to_be_rough(flips):
    few, many = made(flips(4, 40, 1000))["nfr"], made(flips(5, 40, 1000))["nfr"]
    assert [notice.code for notice in few.warnings] == ["interval-rough"]
    assert many.warnings == ()


def test_with_clusters_no_interval_ignores_them(flips):
    alone, clustered = flips(100, 60, 1000), flips(100, 60, 1000, cluster=np.arange(1000) // 10)
    one, other = made(alone), made(clustered)
    assert {estimate.method for estimate in other.values()} == {"korn-graubard", "miller-t", "bca-clustered"}
    for name in ("delta", "nfr", "pfr", "nfi"):
        assert other[name].value == one[name].value
        assert other[name].high - other[name].low > one[name].high - one[name].low


def test_repeats_of_an_instance_are_no_further_instances(flips):
    """Ten equal answers to each of 100 instances say what one does."""
    once = made(flips(10, 10, 100))["nfr"]
    old = flips(10, 10, 100)
    tenfold = made(
        type(old)(
            **{
                **{k: np.repeat(v, 10) if isinstance(v, np.ndarray) else v for k, v in vars(old).items()},
                "repeated": True,
            }
        )
    )["nfr"]
    assert tenfold.n == 100
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.15)


def test_mean_change_is_a_paired_bootstrap(scores):
    delta = made(scores)["delta"]
    change = scores.new_score - scores.old_score
    theirs = stats.bootstrap(
        (change,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    assert delta.method == "bca"
    width = theirs.high - theirs.low
    assert delta.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert delta.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_no_bootstrap_of_too_few_differences(columns):
    old = np.full(400, 0.5)
    new = old.copy()
    new[: bootstrap.MINIMUM_ITEMS - 1] = 0.4
    delta = made(columns(old, new, scale="bounded"))["delta"]
    assert math.isnan(delta.low)
    assert [notice.code for notice in delta.warnings] == ["few-differences"]


def test_whole_clusters_of_scores_are_resampled(columns, scores):
    """As the gate does it: t on few skewed clusters misses a large fall too often."""
    cluster = np.arange(400) // 10
    shared = np.random.default_rng(0).normal(0, 0.05, 40)[cluster]
    new = scores.new_score + shared
    alone, together = (
        made(columns(scores.old_score, new, scale="bounded", **more))["delta"]
        for more in ({}, {"cluster": cluster})
    )
    assert (alone.method, together.method) == ("bca", "bca-clustered")
    assert together.value == alone.value
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_few_differences_are_counted_in_what_is_resampled(columns):
    """297 of 400 scores fell, in 9 of 12 clusters."""
    old, cluster = np.full(400, 0.5), np.minimum(np.arange(400) // 33, 11)
    delta = made(columns(old, old - 0.1 * (cluster < 9), scale="bounded", cluster=cluster))["delta"]
    (notice,) = delta.warnings
    assert (notice.code, notice.data) == (
        "few-differences",
        {"nonzero": 9, "minimum": 10, "unit": "clusters"},
    )


def test_scores_that_all_changed_alike_are_not_called_few(columns):
    old = np.full(400, 0.5)
    delta = made(columns(old, old - 0.1, scale="bounded"))["delta"]
    assert math.isnan(delta.low)
    assert delta.warnings == ()


def test_no_interval_has_no_width(columns):
    same = np.full(400, 0.5)
    assert all(
        math.isnan(one.low) or one.low < one.high
        for one in made(columns(same, same, scale="bounded")).values()
    )


def test_same_seed_same_digits_other_seed_other_digits(scores):
    assert repr(made(scores, 1)) == repr(made(scores, 1))
    assert made(scores, 1)["delta"].low != made(scores, 2)["delta"].low


# ── clusters from instances ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def paired(make_run, make_choices):
    from regress.pairing import pair

    return pair(
        make_run(make_choices("ABABAB", "AAAAAA")),
        make_run(make_choices("AABBAB", "AAAAAA"), model="demo-v2"),
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "b", "b", "c", "c"], 3),
        (["a", "a", "b", "b", None, None], 4),
        (["a", "b", "c", "d", "e", "f"], None),
        ([None] * 6, None),
    ],
)
def test_instances_that_name_a_cluster_were_sampled_together(
    paired, make_run, make_choices, make_instances, names, expected
):
    """One that names none was sampled alone; and if all were, there are no clusters."""
    run = make_run(make_choices("ABABAB", "AAAAAA"))
    instances = make_instances(run, cluster=lambda index: names[index])
    assert judged(paired, instances).clusters == expected


def test_without_instances_nothing_is_known_of_clusters(paired):
    assert judged(paired).clusters is None
