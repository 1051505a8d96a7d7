"""What a task's extractors make of the same outputs, and whether they disagree about the update."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.comparison.readings import RATES
from regress.comparison.rows import summarise
from regress.comparison.table import assemble
from regress.pairing import pair

STRICT, FLEXIBLE = "exact_match/strict-match", "exact_match/flexible-extract"


@pytest.fixture(scope="session")
def read(make_run, make_prediction, make_task):
    """Pairs from right-or-wrong by each extractor: `read({STRICT: old, …}, {STRICT: new, …})`."""

    def paired(old, new, *, scale="binary", metric=STRICT, repeats=1):
        task = make_task("sums", kind="generation", scale=scale, metric=metric)
        sides = []
        for model, by_key in (("demo-v1", old), ("demo-v2", new)):
            n = len(next(iter(by_key.values())))
            rows = [
                make_prediction(
                    f"id{i // repeats}",
                    index=i // repeats,
                    repeat=i % repeats,
                    answer="x",
                    correct=bool(by_key[metric][i]) if scale == "binary" else None,
                    score=float(by_key[metric][i]),
                    scores={key: float(column[i]) for key, column in by_key.items() if column[i] is not None},
                )
                for i in range(n)
            ]
            sides.append(make_run(rows, task=task, model=model))
        return pair(*sides)

    return paired


def strictly_gained(read, differing, n=400, **settings):
    """Strictly read the update gains `differing` answers, flexibly read none."""
    right = [i < n // 2 for i in range(n)]
    gained = [i < n // 2 + differing for i in range(n)]
    return read({STRICT: right, FLEXIBLE: right}, {STRICT: gained, FLEXIBLE: right}, **settings)


def test_each_extractor_has_its_rates_the_headline_first(read):
    right, wrong = [True, True, False, False], [False, True, True, False]
    row = summarise(read({STRICT: right, FLEXIBLE: right}, {STRICT: wrong, FLEXIBLE: right}))
    headline, flexible = row.readings
    assert (headline.metric, flexible.metric) == (STRICT, FLEXIBLE)
    assert headline.estimates == {name: row.estimates[name] for name in RATES}
    assert headline.delta_gap is None
    assert not headline.disagrees
    assert {name: one.value for name, one in flexible.estimates.items()} == {
        "old": 0.5,
        "new": 0.5,
        "delta": 0.0,
        "nfr": 0.0,
        "pfr": 0.0,
    }
    assert flexible.estimates["old"].method == "wilson"


def test_the_gap_is_the_other_delta_less_the_headlines(read):
    _, flexible = summarise(strictly_gained(read, 40)).readings
    gap = flexible.delta_gap
    assert gap.value == pytest.approx(-0.1)
    assert (gap.n, gap.method) == (400, "miller-t")
    assert gap.low < gap.value < gap.high < 0
    assert flexible.disagrees


def test_extractors_that_always_agree_leave_no_gap(read):
    right = [True, False] * 200
    same = {STRICT: right, FLEXIBLE: right}
    _, flexible = summarise(read(same, dict.fromkeys(same, right[::-1]))).readings
    assert (flexible.delta_gap.value, flexible.disagrees) == (0.0, False)


def test_a_gap_that_few_instances_make_up_has_no_interval_however_they_fall(read):
    gaps = {k: summarise(strictly_gained(read, k)).readings[1].delta_gap for k in (9, 10)}
    assert np.isnan([gaps[9].low, gaps[9].high]).all()
    (notice,) = gaps[9].warnings
    assert (notice.code, notice.data["nonzero"], notice.data["minimum"]) == ("few-differences", 9, 10)
    assert gaps[10].high < 0
    assert gaps[10].warnings == ()


def test_a_gap_that_falls_both_ways_is_no_disagreement(read):
    """Flexibly read, 20 answers more are gained and 20 more are lost."""
    right = [i < 200 for i in range(400)]
    flexibly = [20 <= i < 220 for i in range(400)]
    _, flexible = summarise(
        read({STRICT: right, FLEXIBLE: right}, {STRICT: right, FLEXIBLE: flexibly})
    ).readings
    assert flexible.delta_gap.low < 0 < flexible.delta_gap.high
    assert flexible.estimates["nfr"].value == 0.05
    assert not flexible.disagrees


def test_clusters_are_respected(read, make_instances, make_run):
    pairs = strictly_gained(read, 40)
    # all that differ lie in ten clusters of four
    instances = make_instances(make_run(pairs.old), cluster=lambda i: str(i // 4))
    alone, together = (summarise(pairs, instances=known).readings[1] for known in (None, instances))
    assert together.delta_gap.value == alone.delta_gap.value
    assert together.delta_gap.high > alone.delta_gap.high
    assert together.estimates["old"].method == "korn-graubard"


def test_what_is_sampled_together_counts_once_towards_the_ten(read, make_instances, make_run):
    """Twelve answers that differ, of four instances asked three times each, or of three clusters."""
    repeated = strictly_gained(read, 12, n=600, repeats=3)
    clustered = strictly_gained(read, 12)
    four = make_instances(make_run(clustered.old), cluster=lambda i: str(i // 4))
    for pairs, instances, nonzero, unit in (
        (repeated, None, 4, "instances"),
        (clustered, four, 3, "clusters"),
    ):
        _, flexible = summarise(pairs, instances=instances).readings
        (notice,) = flexible.delta_gap.warnings
        assert (notice.data["nonzero"], notice.data["unit"]) == (nonzero, unit)
        assert not flexible.disagrees
    assert summarise(clustered).readings[1].disagrees


def test_sides_judged_by_other_headlines_have_no_readings(read):
    """The headline's reading would bear the name of one extractor and the numbers of two."""
    pairs = strictly_gained(read, 40)
    loosely = replace(pairs.new_spec.task, metric=FLEXIBLE)
    assert summarise(replace(pairs, new_spec=replace(pairs.new_spec, task=loosely))).readings == ()


def test_repeats_count_instances(read):
    pairs = strictly_gained(read, 40, repeats=2)
    assert summarise(pairs).readings[1].delta_gap.n == 200


@pytest.mark.parametrize(
    ("scores", "metric"),
    [
        ({STRICT: [1, 0]}, STRICT),
        ({STRICT: [1, 0], "f1/flexible-extract": [1, 0]}, STRICT),
        ({"acc": [1, 0], "acc_norm": [0, 1]}, "acc"),
        ({STRICT: [1, 0], FLEXIBLE: [1, None]}, STRICT),
        ({STRICT: [1, 0], FLEXIBLE: [1, 0.5]}, STRICT),
    ],
    ids=["one extractor", "another metric", "another choice", "not on every answer", "not right or wrong"],
)
def test_without_a_second_verdict_on_every_answer_there_are_no_readings(read, scores, metric):
    assert summarise(read(scores, scores, metric=metric)).readings == ()


def test_a_bare_key_is_read_without_a_filter(read):
    scores = {"exact_match": [1, 0], STRICT: [1, 0]}
    assert [one.metric for one in summarise(read(scores, scores)).readings] == [STRICT, "exact_match"]


def test_scores_and_pooled_rows_have_no_readings(read):
    scores = {STRICT: [0.5, 1.0], FLEXIBLE: [0.5, 0.0]}
    assert summarise(read(scores, scores, scale="bounded")).readings == ()
    table = assemble([strictly_gained(read, 40)], groups={"all": ["sums"]}).tasks
    assert [len(row.readings) for row in table] == [2, 0]


@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=2, max_size=30))
def test_the_gap_is_a_difference_of_deltas(read, rows):
    strict_old, strict_new, flexible_old, flexible_new = (list(column) for column in zip(*rows, strict=True))
    pairs = read({STRICT: strict_old, FLEXIBLE: flexible_old}, {STRICT: strict_new, FLEXIBLE: flexible_new})
    headline, flexible = summarise(pairs).readings
    deltas = [reading.estimates["delta"].value for reading in (headline, flexible)]
    assert flexible.delta_gap.value == pytest.approx(deltas[1] - deltas[0])
    for reading in (headline, flexible):
        rates = {name: one.value for name, one in reading.estimates.items()}
        assert rates["delta"] == pytest.approx(rates["pfr"] - rates["nfr"])
