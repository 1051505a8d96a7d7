"""Several versions of a model on one task: each pair as a comparison of its own would judge it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.comparison.estimates import basic
from regress.comparison.judged import judged
from regress.comparison.matrix import cross, mirrored, pooled, task_matrix
from regress.comparison.pooling import pool
from regress.comparison.rows import summarise
from regress.errors import NotComparable
from regress.pairing import pair
from regress.types import Notice

GOLD = "AABBAABBAABB"
ANSWERS = {"v1": "AABBAABBAAAA", "v2": "AAABAABBBBAA", "v3": "BBBBAABBAABB"}


def nothing_known(old, new):
    return None


def whole(runs, instances=nothing_known, **options):
    return task_matrix(cross(runs, instances, **options))


@pytest.fixture
def toys(make_run, make_choices):
    """Three versions of the toy task."""
    return {name: make_run(make_choices(text, GOLD), model=name) for name, text in ANSWERS.items()}


@pytest.fixture
def scored(make_run, make_scores, make_task):
    """Three versions of a task with scores."""
    task = make_task("sums", kind="generation", scale="bounded", metric="rouge1")
    scores = {"v1": [0.5, 0.2, 0.9, 0.4], "v2": [0.6, 0.2, 0.7, 0.4], "v3": [0.1, 0.9, 0.9, 0.3]}
    return {name: make_run(make_scores(values), task=task, model=name) for name, values in scores.items()}


def in_twos(instance_table):
    """Every two instances in a row form a cluster."""
    return instance_table.set_column(
        instance_table.column_names.index("cluster"),
        "cluster",
        pa.array([f"c{i // 2}" for i in range(len(instance_table))]),
    )


# ── the same numbers as a comparison of two ──────────────────────────────────────────────────────


def test_every_pair_is_what_comparing_these_two_says(toys):
    matrix = whole(toys)
    for old, first in enumerate(toys.values()):
        for new, second in enumerate(toys.values()):
            if old == new:
                continue
            row = summarise(pair(first, second))
            found = matrix.pair(old, new)
            assert found.estimates == {name: row.estimates[name] for name in found.estimates}
            assert set(found.estimates) == {"old", "new", "delta", "nfr", "pfr"}
            assert found.n == row.n


def test_every_pair_with_clusters_or_scores_is_what_comparing_these_two_says(toys, scored, make_instances):
    clusters = in_twos(make_instances(toys["v1"]))
    for runs, known in ((toys, clusters), (scored, None)):
        matrix = whole(runs, lambda old, new, known=known: known)
        for found in matrix.pairs:
            old, new = (list(runs.values())[place] for place in (found.old, found.new))
            expected = basic(judged(pair(old, new), known))
            assert found.estimates.keys() == expected.keys()
            for name, one in expected.items():
                assert found.estimates[name].value == one.value
                # the mirror image of Student's interval may differ in the last digit
                assert found.estimates[name].low == pytest.approx(one.low, abs=1e-12, nan_ok=True)
                assert found.estimates[name].high == pytest.approx(one.high, abs=1e-12, nan_ok=True)
                assert found.estimates[name].method == one.method


def test_how_a_version_does_is_its_side_of_any_comparison(toys):
    matrix = whole(toys)
    for found in matrix.pairs:
        assert matrix.standings[found.old].accuracy == found.estimates["old"]
        assert matrix.standings[found.new].accuracy == found.estimates["new"]


def test_pairs_come_row_by_row(toys):
    places = [(one.old, one.new) for one in whole(toys).pairs]
    assert places == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    with pytest.raises(KeyError):
        whole(toys).pair(1, 1)


right = st.lists(st.sampled_from("AB"), min_size=12, max_size=12).map("".join)


@settings(max_examples=40)
@given(texts=st.lists(right, min_size=3, max_size=4))
def test_whatever_is_answered(make_run, make_choices, texts):
    """What one step loses the step back gains, and a detour loses at least what the direct way does."""
    runs = {f"v{i}": make_run(make_choices(text, GOLD), model=f"v{i}") for i, text in enumerate(texts)}
    matrix = whole(runs)
    size = range(len(texts))
    nfr = np.array(
        [[matrix.pair(a, b).estimates["nfr"].value if a != b else 0.0 for b in size] for a in size]
    )
    for one in matrix.pairs:
        back = matrix.pair(one.new, one.old).estimates
        assert one.estimates["nfr"] == back["pfr"]
        assert one.estimates["old"] == back["new"]
        assert one.estimates["delta"].value == -back["delta"].value
        assert (one.estimates["delta"].low, one.estimates["delta"].high) == (
            -back["delta"].high,
            -back["delta"].low,
        )
        assert mirrored(mirrored(one)) == one
        assert all(nfr[one.old, one.new] <= nfr[one.old, c] + nfr[c, one.new] + 1e-12 for c in size)


def test_no_change_mirrored_is_no_change_and_not_minus_zero(make_run, make_choices):
    runs = {name: make_run(make_choices(GOLD, GOLD), model=name) for name in ("v1", "v2")}
    for one in whole(runs).pairs:
        assert math.copysign(1, one.estimates["delta"].value) == 1


# ── what must not be compared ────────────────────────────────────────────────────────────────────


def test_a_pair_that_must_not_be_compared_is_empty_and_the_others_go_on(toys, make_run, make_choices):
    other = {**toys, "v3": make_run(make_choices("AABB", "AABB"), model="v3")}
    matrix = whole(other)
    assert matrix.pair(0, 1).refused is None
    for old, new in ((0, 2), (2, 1)):
        refused = matrix.pair(old, new)
        assert refused.estimates == {}
        assert "different items of toy" in refused.refused
    assert matrix.standings[2].accuracy.value == 1.0


def test_a_version_without_a_run_is_named_in_all_its_pairs(toys):
    matrix = whole({**toys, "v2": None})
    assert matrix.standings[1].accuracy is None
    assert "v2 has no run of toy" in matrix.standings[1].refused
    assert {one.refused for one in matrix.pairs if 1 in (one.old, one.new)} == {matrix.standings[1].refused}
    assert matrix.pair(0, 2).refused is None


def test_rows_without_an_answer_make_a_version_unusable_and_say_whose(toys, make_run, make_choices):
    broken = make_choices(ANSWERS["v2"], GOLD)
    broken[3] = dataclasses.replace(broken[3], status="error", error="timed out", correct=None)
    matrix = whole({**toys, "v2": make_run(broken, model="v2")})
    assert "the v2 run of toy has no answer to 1 of its 12 instances" in matrix.standings[1].refused
    assert matrix.pair(2, 1).refused == matrix.standings[1].refused
    assert matrix.pair(2, 0).refused is None


def test_what_is_known_of_instances_may_refuse_a_pair(toys):
    def refuses(old, new):
        if {old.spec.model.name, new.spec.model.name} == {"v1", "v3"}:
            raise NotComparable("the targets differ", field="task.targets")

    matrix = whole(toys, refuses)
    assert [one.refused for one in matrix.pairs if one.refused] == ["the targets differ."] * 2
    assert matrix.pair(0, 1).refused is None


def test_an_overridden_refusal_is_recorded_in_the_direction_of_the_pair(
    toys, make_run, make_choices, make_task
):
    newer = make_run(make_choices(ANSWERS["v3"], GOLD), model="v3", task=make_task(version="2"))
    matrix = whole({**toys, "v3": newer}, allow=["task"])
    (there,), (back,) = matrix.pair(0, 2).overridden, matrix.pair(2, 0).overridden
    assert (there.field, there.old, there.new) == ("task.version", "1", "2")
    assert (back.old, back.new) == ("2", "1")
    assert matrix.pair(0, 1).overridden == ()


# ── what to know ─────────────────────────────────────────────────────────────────────────────────


def test_settings_that_differ_are_listed_by_version(toys, make_run, make_choices):
    other = make_run(make_choices(ANSWERS["v2"], GOLD), model="v2", engine={"batch_size": 16})
    matrix = whole({**toys, "v2": other})
    assert matrix.settings == {"engine.batch_size": {0: 1, 1: 16, 2: 1}}


def test_what_concerns_the_task_is_said_once(toys):
    assert [notice.code for notice in whole(toys).warnings] == ["few-items"]


def test_two_versions_that_are_one_and_the_same_are_told(toys, make_run, make_choices, make_model):
    weights = make_model("v1", fingerprint="f" * 64)
    runs = [
        make_run(make_choices(GOLD, GOLD), model=dataclasses.replace(weights, name=name))
        for name in ("v1", "copy")
    ]
    matrix = whole({"v1": runs[0], "copy": runs[1], "v2": toys["v2"]})
    assert [one.code for one in matrix.pair(0, 1).warnings] == ["same-run"]
    assert matrix.pair(0, 2).warnings == ()


# ── groups ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def law(toys, make_run, make_choices, make_task):
    """A second binary task of the same versions."""
    task = make_task("law")
    answers = {"v1": "ABAB", "v2": "AAAA", "v3": "BBAA"}
    return {
        name: make_run(make_choices(text, "AAAA"), model=name, task=task) for name, text in answers.items()
    }


def test_a_group_is_pooled_as_a_comparison_pools_it(toys, law):
    crossed = {"toy": cross(toys, nothing_known), "law": cross(law, nothing_known)}
    matrix = task_matrix(pooled("mmlu", ["law", "toy"], crossed))
    assert (matrix.task.name, matrix.members) == ("mmlu", ("law", "toy"))
    for one in matrix.pairs:
        pairs = {
            name: pair(*(list(runs.values())[place] for place in (one.old, one.new)))
            for name, runs in (("law", law), ("toy", toys))
        }
        columns = {name: judged(aligned) for name, aligned in pairs.items()}
        rows = {name: summarise(aligned) for name, aligned in pairs.items()}
        row = pool("mmlu", ["law", "toy"], columns, rows)
        assert one.estimates == {name: row.estimates[name] for name in one.estimates}
        assert one.n == row.n == 16


def test_scales_are_never_pooled(toys, scored):
    crossed = {"toy": cross(toys, nothing_known), "sums": cross(scored, nothing_known)}
    assert pooled("all", ["toy", "sums"], crossed) == Notice(
        code="pool-skipped", data={"group": "all", "reason": "scales differ"}
    )


def test_what_one_member_refuses_the_group_refuses(toys, law):
    crossed = {"toy": cross({**toys, "v2": None}, nothing_known), "law": cross(law, nothing_known)}
    matrix = task_matrix(pooled("mmlu", ["law", "toy"], crossed))
    assert "v2 has no run of toy" in matrix.pair(0, 1).refused
    assert matrix.pair(0, 2).n == 16


def test_a_member_that_nobody_has_is_said(toys):
    matrix = task_matrix(pooled("mmlu", ["toy", "law"], {"toy": cross(toys, nothing_known)}))
    assert [notice.code for notice in matrix.warnings] == ["pool-partial"]
