"""Parts of a task: planted damage is found, chance is not, and what cannot be known is said."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, fisher_exact

from regress.comparison.judged import judged
from regress.comparison.rows import summarise
from regress.comparison.slices import sliced, slices
from regress.comparison.table import assemble
from regress.pairing import pair
from regress.statistics.multiplicity import holm
from regress.statistics.permutation import sign_flip

N = 360
TOPICS = ("algebra", "biology", "chess", "dance", "egypt", "food")


def topic(index):
    return TOPICS[index % 6]


@pytest.fixture
def paired(make_run, make_choices, make_task):
    """Pairs of `old` and `new`, [n] booleans; an item's prompt tokens are its index // 4."""

    def build(old, new, *, old_run=None, **task):
        def run(right, **changes):
            rows = make_choices(["A" if one else "B" for one in right], "A" * len(right))
            rows = [replace(row, prompt_tokens=row.index // 4) for row in rows]
            return make_run(rows, task=make_task(**task), **changes)

        return pair(run(old, **(old_run or {})), run(new, model="demo-v2"))

    return build


@pytest.fixture
def cut(make_run, make_instances):
    """`slices` of pairs whose instances have these fields."""

    def build(pairs, *, by=None, min_n=20, clustered=False, **fields):
        table = make_instances(make_run(pairs.old), **fields)
        whole = summarise(pairs, instances=table, worst=0)
        return slices(whole, pairs, table, by=by, min_n=min_n)

    return build


def tagged(index):
    return {"topic": topic(index)}


def damaged(part, share=0.4, noise=0.03, seed=0):
    """[N] old and new: both mostly right, and the new one loses this share of one topic besides noise."""
    rng = np.random.default_rng(seed)
    inside = np.array([topic(index) == part for index in range(N)])
    old = rng.random(N) < 0.8
    lost = old & (rng.random(N) < np.where(inside, share, noise))
    gained = ~old & (rng.random(N) < 4 * noise)
    return old, (old & ~lost) | gained


def marked(found):
    return [(row.value, row.worse, row.concentrated) for row in found.rows if row.worse or row.concentrated]


def codes(found):
    return [notice.code for notice in found.warnings]


# ── what is found ────────────────────────────────────────────────────────────────────────────────


def test_the_one_tag_that_loses_is_first_and_marked_and_no_other(paired, cut):
    found = cut(paired(*damaged("chess")), tags=tagged)
    assert found.rows[0].value == "chess"
    assert marked(found) == [("chess", True, True)]
    assert {row.by for row in found.rows} == {"tag", "prompt length"}


def test_every_number_of_a_part_by_other_means(paired, cut):
    """Counts by hand, tests by scipy, Holm over all parts."""
    old, new = damaged("food", share=0.3)
    found = cut(paired(old, new), by=("tag",), tags=tagged)
    lost, gained = old & ~new, new & ~old
    for row in found.rows:
        here = np.array([topic(index) == row.value for index in range(N)])
        b, c = int((lost & here).sum()), int((gained & here).sum())
        outside = int((lost & ~here).sum())
        assert row.n == here.sum() == 60
        values = {name: one.value for name, one in row.estimates.items()}
        expected = {
            "old": old[here].mean(),
            "new": new[here].mean(),
            "delta": (c - b) / 60,
            "nfr": b / 60,
            "pfr": c / 60,
        }
        assert values == pytest.approx(expected)
        assert row.p_worse == pytest.approx(binom.sf(b - 1, b + c, 0.5))
        table = [[b, 60 - b], [outside, 300 - outside]]
        assert row.p_concentrated == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
    for name in ("p_worse", "p_concentrated"):
        adjusted = holm([getattr(row, name) for row in found.rows])
        assert [getattr(row, f"{name}_holm") for row in found.rows] == adjusted.tolist()


def test_parts_come_by_the_lower_end_of_their_nfr(paired, cut):
    found = cut(paired(*damaged("dance", share=0.2)), by=("tag", "prompt length"), tags=tagged)
    lows = [row.estimates["nfr"].low for row in found.rows]
    assert lows == sorted(lows, reverse=True)


def test_a_loss_that_is_the_same_everywhere_is_concentrated_nowhere(paired, cut):
    """The new model is worse, and in every part; that is no finding about any of them."""
    rng = np.random.default_rng(3)
    old = rng.random(N) < 0.9
    found = cut(paired(old, old & (rng.random(N) < 0.6)), tags=tagged)
    assert all(row.worse for row in found.rows)
    assert not any(row.concentrated for row in found.rows)


@pytest.mark.parametrize("clusters", [False, True])
def test_where_nothing_is_concentrated_a_false_alarm_is_as_rare_as_promised(
    paired, make_run, make_instances, clusters
):
    """The share of updates in which any of ten parts bears a mark, at 5 %; without Holm it is larger."""
    rng = np.random.default_rng(4)
    template = paired(np.ones(N, dtype=bool), np.ones(N, dtype=bool))
    fields = {"cluster": lambda i: f"c{i // 12} {i % 3}"} if clusters else {}
    table = make_instances(make_run(template.old), tags=tagged, **fields)
    whole = summarise(template, instances=table, worst=0)
    alarms, updates = Counter(), 120
    for _ in range(updates):
        fate = rng.random(N)
        old, new = fate >= 0.08, (fate < 0.08) | (fate >= 0.16)
        pairs = replace(template, old_correct=old, new_correct=new, same_answer=old == new)
        rows = slices(whole, pairs, table, by=("tag", "prompt length")).rows
        assert len(rows) == 10
        alarms["worse"] += any(row.worse for row in rows)
        alarms["concentrated"] += any(row.concentrated for row in rows)
        alarms["unadjusted"] += any(min(row.p_worse, row.p_concentrated) < 0.05 for row in rows)
    most = updates * 0.05 + 3 * math.sqrt(updates * 0.05 * 0.95)
    assert max(alarms["worse"], alarms["concentrated"]) <= most < alarms["unadjusted"]


# ── by what ──────────────────────────────────────────────────────────────────────────────────────


def test_prompts_are_measured_in_tokens_where_the_old_side_tells_them(paired, cut):
    found = cut(paired(*damaged("chess")), by=("prompt length",))
    assert {row.name for row in found.rows} == {"tokens"}
    assert sorted((row.low, row.high, row.n) for row in found.rows) == [
        (0, 21, 88),
        (22, 44, 92),
        (45, 66, 88),
        (67, 89, 92),
    ]


def test_and_in_characters_where_any_is_missing(make_run, make_choices, cut):
    rows = make_choices("A" * 80, "A" * 80)
    rows[1:] = [replace(row, prompt_tokens=7) for row in rows[1:]]
    found = cut(pair(make_run(rows), make_run(rows)), by=("prompt length",), prompt=lambda i: "x" * i)
    assert {row.name for row in found.rows} == {"characters"}
    assert sum(row.n for row in found.rows) == 80


def test_solutions_go_by_their_steps_and_long_ones_together(paired, cut):
    """0 to 8 steps, 40 each; the smallest size asked for is 60."""
    found = cut(
        paired(*damaged("chess")), by=("steps",), min_n=60, target=lambda i: "<<1+1=2>>" * (i % 9) + "#### 2"
    )
    assert [(row.low, row.high, row.n) for row in found.rows] == [(7, 8, 80)]
    assert found.skipped == {"steps": 7}


def test_targets_without_any_step_are_not_cut(paired, cut):
    found = cut(paired(*damaged("chess")), by=("steps",), target="42")
    assert found.rows == ()
    assert "not-cut" in codes(found)


def test_positions_count_from_one_and_only_where_one_choice_is_right(paired, cut):
    golds = {0: (0,), 1: (2,), 2: (), 3: (0, 1), 4: (2,), 5: (2,)}
    found = cut(paired(*damaged("chess")), by=("choice position",), golds=lambda i: golds[i % 6])
    assert sorted((row.low, row.n) for row in found.rows) == [(1, 60), (3, 180)]


def test_only_tasks_with_choices_have_positions_and_margins(paired, cut):
    found = cut(
        paired(*damaged("chess"), kind="generation"),
        by=("choice position", "margin"),
        golds=lambda i: (i % 2,),
    )
    assert found.rows == ()


def test_each_tag_is_cut_by_and_who_lacks_it_is_in_no_part(paired, cut):
    def tags(index):
        return {"topic": topic(index)} | ({"hard": "yes"} if index < 90 else {})

    found = cut(paired(*damaged("chess")), by=("tag",), tags=tags)
    parts = {(row.name, row.value): row.n for row in found.rows}
    assert parts == {**{("topic", one): 60 for one in TOPICS}, ("hard", "yes"): 90}


def test_a_part_that_is_the_whole_task_is_none(paired, cut):
    found = cut(paired(*damaged("chess")), by=("tag",), tags={"language": "en"})
    assert (found.rows, found.skipped) == ((), {})
    assert found.warnings[0].data == {"by": ["tag"]}


def test_small_parts_are_left_out_and_counted(paired, cut):
    found = cut(paired(*damaged("chess")), tags=lambda i: {"id": f"t{max(i, 40)}"}, cluster=lambda i: f"c{i}")
    assert [(row.name, row.n) for row in found.rows if row.by == "tag"] == [("id", 41)]
    assert found.skipped == {"tag": N - 41, "cluster": N}


# ── margins ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def rerun(make_run, make_choices):
    """Two equally good models whose margins differ by nothing but noise."""
    rng = np.random.default_rng(6)
    quality = rng.normal(0.5, 1, N)

    def run(model):
        margin = quality + rng.normal(0, 0.5, N)
        rows = make_choices(["A" if one > 0 else "B" for one in margin], "A" * N)
        return make_run(
            [replace(row, gold_margin=float(one)) for row, one in zip(rows, margin, strict=True)], model=model
        )

    return pair(run("demo-v1"), run("demo-v2"))


def test_margins_are_described_and_never_tested(rerun, cut):
    """An answer that was right by little can only be lost: even a rerun would seem to be worse there."""
    found = cut(rerun, by=("margin",))
    assert [row.n for row in found.rows] == [36] * 10
    assert [row.low for row in found.rows] == sorted(row.low for row in found.rows)
    barely = next(row for row in found.rows if row.low > 0)
    assert barely.estimates["delta"].high < 0
    assert all(math.isnan(row.p_worse) and math.isnan(row.p_concentrated_holm) for row in found.rows)
    assert not marked(found)
    assert "margin-regresses" in codes(found)


def test_margins_stand_last_and_cost_the_other_parts_nothing(rerun, cut):
    both, alone = (cut(rerun, by=by, tags=tagged) for by in (("tag", "margin"), ("tag",)))
    assert [row.by for row in both.rows] == ["tag"] * 6 + ["margin"] * 10
    assert [row.p_worse_holm for row in both.rows[:6]] == [row.p_worse_holm for row in alone.rows]


# ── scores, clusters, repeats ────────────────────────────────────────────────────────────────────


@pytest.fixture
def scored(make_run, make_scores, make_task):
    """Pairs on a bounded scale, where summaries of chess lose a fifth of their score."""
    rng = np.random.default_rng(7)
    old = rng.uniform(0.3, 0.9, N)
    new = np.clip(old + rng.normal(0, 0.05, N), 0, 1)
    inside = np.array([topic(index) == "chess" for index in range(N)])
    new[inside] -= 0.2
    task = make_task("sums", kind="generation", scale="bounded", metric="rouge1")
    runs = (make_run(make_scores(side), task=task) for side in (old, new))
    return pair(*runs), old, new, inside


def test_scores_have_means_with_intervals_and_a_sign_flip_test(scored, cut):
    pairs, old, new, inside = scored
    first = cut(pairs, by=("tag",), tags=tagged).rows[0]
    assert (first.value, first.worse, first.concentrated) == ("chess", True, True)
    assert first.estimates["old"].value == pytest.approx(old[inside].mean())
    assert first.estimates["delta"].value == pytest.approx((new - old)[inside].mean())
    assert first.estimates["delta"].method == "miller-t"
    assert first.estimates["nfr"].value == pytest.approx((new < old)[inside].mean())
    assert first.p_worse == pytest.approx(
        sign_flip((new - old)[inside], np.random.default_rng(1))[0], abs=1e-3
    )


def test_the_digits_of_a_part_do_not_depend_on_what_else_is_cut(scored, cut):
    pairs = scored[0]
    few, many = (cut(pairs, by=by, tags=tagged) for by in (("tag",), ("tag", "prompt length")))
    p = {row.value: row.p_worse for row in many.rows if row.by == "tag"}
    assert {row.value: row.p_worse for row in few.rows} == p


def test_clusters_are_the_unit_of_every_other_cut(paired, cut):
    """30 items lost together, in one cluster, are one event; spread over the part they are many."""
    old = np.ones(N, dtype=bool)
    new = old.copy()
    new[[index for index in range(N) if topic(index) == "food"][:30]] = False
    together = {"cluster": lambda i: "one" if topic(i) == "food" and i < 180 else f"c{i // 12}"}
    alone = cut(paired(old, new), by=("tag",), tags=tagged)
    clustered = cut(paired(old, new), by=("tag",), tags=tagged, **together)
    assert [row.value for row in alone.rows if row.concentrated] == ["food"]
    assert marked(clustered) == []
    assert "clustered" in codes(clustered)


def test_a_cluster_that_is_a_part_is_looked_at_as_it_is(paired, cut):
    old = np.ones(N, dtype=bool)
    new = old.copy()
    new[:15] = False
    found = cut(paired(old, new), by=("cluster",), cluster=lambda i: f"c{i // 30:02}")
    assert (found.rows[0].value, found.rows[0].n) == ("c00", 30)
    assert marked(found) == [("c00", True, True)]


def test_an_instance_counts_once_however_often_it_was_asked(make_run, make_choices, cut):
    rows = [replace(row, repeat=repeat) for row in make_choices("A" * 60, "A" * 60) for repeat in range(3)]
    runs = make_run(rows), make_run(rows, model="demo-v2")
    table = {"tags": lambda i: {"half": "ab"[i < 15]}}
    found = cut(pair(*runs), by=("tag",), min_n=20, **table)
    assert [(row.value, row.n) for row in found.rows] == [("a", 135)]
    assert found.skipped == {"tag": 1}


def test_an_instance_that_is_lost_each_time_it_was_asked_is_lost_once(make_run, make_choices, cut):
    """Two of thirty instances, lost ten times each: nothing is proven by asking often."""

    def run(lost, **changes):
        rows = make_choices(["B" if i in lost else "A" for i in range(60)], "A" * 60)
        return make_run([replace(row, repeat=repeat) for row in rows for repeat in range(10)], **changes)

    table = {"tags": lambda i: {"half": "ab"[i < 30]}}
    found = cut(pair(run(()), run((0, 1), model="demo-v2")), by=("tag",), **table)
    first = found.rows[0]
    assert (first.value, first.n, first.estimates["nfr"].value) == ("b", 300, pytest.approx(2 / 30))
    assert first.p_concentrated > 0.05
    assert not marked(found)


def test_rare_numbers_of_steps_are_put_together_by_instances_not_answers(make_run, make_choices, cut):
    """Five instances of four steps were asked ten times each, and are too few nevertheless."""
    rows = [replace(row, repeat=repeat) for row in make_choices("A" * 60, "A" * 60) for repeat in range(10)]
    target = {"target": lambda i: "<<1+1=2>>" * (4 if i < 5 else 3 if i < 30 else 2)}
    found = cut(pair(make_run(rows), make_run(rows, model="demo-v2")), by=("steps",), **target)
    assert sorted((row.low, row.high, row.n) for row in found.rows) == [(2, 2, 300), (3, 4, 300)]
    assert found.skipped == {}


# ── what is not known ────────────────────────────────────────────────────────────────────────────


def test_without_instances_there_are_lengths_in_tokens_and_that_is_said(paired):
    pairs = paired(*damaged("chess"))
    found = slices(summarise(pairs), pairs, None)
    assert {row.by for row in found.rows} == {"prompt length"}
    assert [(one.code, one.data) for one in found.warnings] == [("items-unknown", {"hashed": False})]


def test_a_run_that_stores_hashes_is_cut_by_the_hashes_of_its_tags(paired, cut):
    pairs = paired(*damaged("chess"), old_run={"text": False})
    found = cut(pairs, prompt=None, target=None, tags=lambda i: {"topic": f"sha256:{topic(i)}"})
    assert found.rows[0].value == "sha256:chess"
    assert found.rows[0].concentrated
    assert {row.by for row in found.rows} == {"tag", "prompt length"}
    assert ("items-unknown", {"hashed": True}) in [(one.code, one.data) for one in found.warnings]


def test_imported_items_may_bear_tags_and_no_prompts(paired, cut):
    found = cut(paired(*damaged("chess")), prompt=None, target=None, tags=tagged)
    assert found.rows[0].value == "chess"
    assert codes(found) == []


def test_tags_that_are_empty_cut_nothing(paired, cut):
    found = cut(paired(*damaged("chess")), by=("tag",), tags=lambda _: {})
    assert (found.rows, codes(found)) == ((), ["not-cut"])


def test_only_what_was_asked_for_by_name_is_missed(paired, cut):
    assert "not-cut" not in codes(cut(paired(*damaged("chess"))))
    assert codes(cut(paired(*damaged("chess")), by=("tag", "cluster", "prompt length"))) == ["not-cut"]


# ── the whole table ──────────────────────────────────────────────────────────────────────────────


def test_pooled_rows_are_not_cut_and_all_of_it_is_after_the_fact(paired):
    pairs = {name: paired(*damaged("chess"), name=name) for name in ("one", "two")}
    comparison = assemble(list(pairs.values()), groups={"both": ["one", "two"]}, worst=0)
    found = sliced(comparison, pairs, {}, min_n=30)
    assert [task.whole.task.name for task in found.tasks] == ["one", "two"]
    assert found.tasks[0].whole is comparison.tasks[0]
    assert [one.code for one in found.warnings] == ["parts-after-the-fact"]
    assert found.min_n == 30


def test_parts_sum_to_the_whole(paired, cut):
    pairs = paired(*damaged("egypt"))
    found = cut(pairs, tags=tagged)
    lost = int(judged(pairs).lost().sum())
    for by in ("tag", "prompt length"):
        rows = [row for row in found.rows if row.by == by]
        assert sum(row.n for row in rows) == N
        assert round(sum(row.estimates["nfr"].value * row.n for row in rows)) == lost
