"""Pairs become rows of the table: which estimates, which flips, which notices, and what is pooled."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import pyarrow as pa
import pytest

from regress.comparison.flips import flips
from regress.comparison.rows import summarise
from regress.comparison.table import assemble
from regress.errors import UsageError
from regress.pairing import pair
from regress.types import Difference, Notice, Subset

GOLD = "AAAABBBBCCCCDDDDABCD"
OLD = "AAAAABBBCACCDDBAABCA"
NEW = "ABAAABBCCBCCDDCAABDB"


@pytest.fixture
def toy(make_run, make_choices):
    """The discrete toy oracle as pairs."""
    return pair(make_run(make_choices(OLD, GOLD)), make_run(make_choices(NEW, GOLD), model="demo-v2"))


@pytest.fixture
def smooth(make_run, make_scores, make_task):
    """The smooth toy oracle as pairs."""
    task = make_task("sums", kind="generation", scale="bounded", metric="rouge1")
    old, new = make_scores([0.5, 0.2, 0.9, 0.4, 0.3]), make_scores([0.6, 0.2, 0.7, 0.4, 0.8])
    return pair(make_run(old, task=task), make_run(new, task=task, model="demo-v2"))


@pytest.fixture
def same(make_run, make_choices, make_task):
    """Pairs of two runs with these predictions, or answers, for a task with these fields."""

    def paired(old, new=None, *, old_run=None, new_run=None, **task):
        if isinstance(old, str):
            old, new = make_choices(old, "A" * len(old)), make_choices(new or old, "A" * len(old))
        sides = ((old, old_run, "demo-v1"), (new or old, new_run, "demo-v2"))
        one, other = (
            make_run(rows, task=make_task(**task), **({"model": model} | (run or {})))
            for rows, run, model in sides
        )
        return pair(one, other)

    return paired


def values(estimates):
    return {name: estimate.value for name, estimate in estimates.items()}


def codes(warnings):
    return [notice.code for notice in warnings]


def data(row, code):
    """What one notice of a row says."""
    (found,) = [notice.data for notice in row.warnings if notice.code == code]
    return found


# ── estimates ────────────────────────────────────────────────────────────────────────────────────


def test_binary_toy_oracle(toy):
    row = summarise(toy, old_path="a", new_path="b")
    assert values(row.estimates) == pytest.approx(
        {
            "old": 0.75,
            "new": 0.6,
            "delta": -0.15,
            "nfr": 0.15,
            "pfr": 0.0,
            "nfr_mc": 0.3,
            "btc": 0.8,
            "bec": 0.625,
            "nfi": 0.375,
            "relative_nfr": 0.5,
            "churn": 0.3,
            "model_nfr": 0.15,
            "model_pfr": 0.0,
        },
        abs=1e-15,
    )
    assert row.n == row.counts.n == 20
    assert (row.old_path, row.new_path) == ("a", "b")
    assert row.old_fingerprint != row.new_fingerprint


def test_bounded_toy_oracle(smooth):
    row = summarise(smooth)
    assert row.counts is None
    assert values(row.estimates) == pytest.approx(
        {
            "old": 0.46,
            "new": 0.54,
            "delta": 0.08,
            "nfr": 0.2,
            "pfr": 0.4,
            "nfr_tau": 0.2,
            "pfr_tau": 0.4,
            "m_g": 0.3,
            "m_r": 0.2,
            "churn": 0.6,
            "model_nfr": 0.2,
            "model_pfr": 0.4,
        },
        abs=1e-12,
    )


def test_unbounded_scores_have_no_tolerance_and_likelihoods_no_answers(make_scores, same):
    rows = make_scores([-3.0, -2.0], answer=None)
    row = summarise(same(rows, rows, kind="likelihood", scale="unbounded", higher_is_better=False))
    assert not {"nfr_tau", "pfr_tau"} & set(row.estimates)
    assert math.isnan(row.estimates["churn"].value)
    assert math.isnan(row.estimates["m_g"].value)


def test_an_estimate_rests_on_its_denominator(toy, smooth):
    binary, scored = summarise(toy).estimates, summarise(smooth).estimates
    rests = {name: estimate.n for name, estimate in binary.items() if estimate.n != 20}
    assert rests == {"btc": 15, "bec": 8, "nfi": 8}
    assert (scored["m_g"].n, scored["m_r"].n, scored["nfr"].n) == (2, 1, 5)


def test_rates_on_readable_items_leave_out_what_either_side_could_not_read(make_choices, same):
    old, new = make_choices(["A", None, "A", "B"], "AAAA"), make_choices([None, "A", "A", "A"], "AAAA")
    row = summarise(same(old, new))
    assert row.estimates["nfr"].value == 0.25
    assert (row.readable["nfr"].value, row.readable["nfr"].n) == (0.0, 2)
    assert row.readable["pfr"].value == 0.5
    assert set(row.readable) == set(row.estimates)
    assert (row.old_side.unreadable, row.new_side.unreadable) == (1, 1)


def test_nothing_readable_is_undefined(make_choices, same):
    row = summarise(same(make_choices([None], "A")))
    assert row.readable["nfr"].n == 0
    assert math.isnan(row.readable["nfr"].value)


def test_repeats_count_pairs_but_rest_on_instances(make_prediction, same):
    def rows(*right):
        return [
            make_prediction(
                "xxyy"[i], index=i // 2, repeat=i % 2, answer=str(hit), correct=hit, score=float(hit)
            )
            for i, hit in enumerate(right)
        ]

    row = summarise(same(rows(True, True, True, False), rows(True, False, False, False)))
    assert (row.n, row.estimates["nfr"].n, row.estimates["btc"].n) == (4, 2, 2)
    assert row.estimates["nfr"].value == 0.5
    assert data(row, "repeats") == {"repeats": 2}


# ── flips ────────────────────────────────────────────────────────────────────────────────────────


def test_worst_flips_of_choices_fell_furthest(make_choices, same):
    def rows(answers, margins):
        made = make_choices(answers, "AAAAA")
        return [dataclasses.replace(row, gold_margin=m) for row, m in zip(made, margins, strict=True)]

    old, new = rows("AAAAB", [1, 9, 1, 2, -1]), rows("BBABB", [-1, -2, 1, -1, -99])
    worst = summarise(same(old, new)).worst
    assert [(flip.index, flip.delta) for flip in worst] == [(1, -11.0), (3, -3.0), (0, -2.0)]
    assert {flip.quadrant for flip in worst} == {"negative flip"}


def test_worst_flips_without_a_margin_come_by_index(make_choices, same):
    pairs = same("AAAA", "BABB", kind="generation")
    assert [flip.index for flip in summarise(pairs, worst=2).worst] == [0, 2]


def test_margins_that_nobody_knows_come_last(make_choices, same):
    old, new = make_choices("AA", "AA", gold_margin=1.0), make_choices("BB", "AA", gold_margin=-1.0)
    new[0] = dataclasses.replace(new[0], gold_margin=None)
    worst = summarise(same(old, new)).worst
    assert [flip.index for flip in worst] == [1, 0]
    assert math.isnan(worst[1].delta)


def test_worst_flips_of_scores_fell_furthest(make_scores, same):
    pairs = same(
        make_scores([0.5, 0.9, 0.2]), make_scores([0.4, 0.1, 0.8]), scale="bounded", kind="generation"
    )
    assert [(f.index, round(f.delta, 6)) for f in summarise(pairs).worst] == [(1, -0.8), (0, -0.1)]


def test_flips_carry_the_texts_whatever_the_order_of_the_instances(
    toy, make_run, make_choices, make_instances
):
    table = make_instances(make_run(make_choices(OLD, GOLD)), target=lambda i: GOLD[i])
    parts = pa.concat_tables([table.slice(12), table.slice(0, 12)])
    flip = summarise(toy, instances=parts, worst=1).worst[0]
    assert flip.prompt == f"Q{flip.index}"
    assert flip.target == GOLD[flip.index]
    assert (flip.old_answer, flip.new_answer) == (OLD[flip.index], NEW[flip.index])
    assert (flip.old_output, flip.new_output) == (f"says {flip.old_answer}", f"says {flip.new_answer}")
    assert summarise(toy, worst=1).worst[0].prompt is None


def test_every_pair_lies_in_one_quadrant(toy):
    found = [flip.quadrant for flip in flips(toy)]
    assert len(found) == 20
    assert found.count("negative flip") == 3
    assert found.count("both wrong different") == 3


def test_an_unchanged_score_lies_in_no_quadrant(smooth):
    assert [(f.index, f.quadrant) for f in flips(smooth)] == [
        (0, "positive flip"),
        (2, "negative flip"),
        (4, "positive flip"),
    ]


# ── notices ──────────────────────────────────────────────────────────────────────────────────────


def test_an_ordinary_comparison_says_nothing(same):
    assert summarise(same("ABC" * 100)).warnings == ()


def test_few_items_are_said(same):
    assert data(summarise(same("A" * 299)), "few-items") == {"n": 299, "minimum": 300}


def test_settings_that_differ_are_said(same):
    row = summarise(same("A" * 300, new_run={"engine": {"batch_size": 8}}))
    assert data(row, "setting-differs") == {"field": "engine.batch_size", "old": 1, "new": 8}


def test_truncated_and_unreadable_answers_are_counted_for_each_side(make_choices, same):
    old = make_choices(["A", None, "A"], "AAA", finish="stop", left_truncated=7)
    new = make_choices("AAA", "AAA", finish="length")
    row = summarise(same(old, new, kind="generation"))
    assert (row.old_side.truncated, row.new_side.truncated) == (0, 3)
    assert data(row, "unreadable") == {"old": 1, "new": 0, "n": 3}
    assert data(row, "truncated") == {"old": 0, "new": 3, "n": 3}
    assert data(row, "left-truncated") == {"old": 3, "new": 0, "n": 3}


def test_truncation_that_an_engine_hides_is_unknown_not_zero(make_choices, same):
    told, hidden = make_choices("AA", "AA", finish="stop"), make_choices("AA", "AA")
    row = summarise(same(told, [told[0], hidden[1]], kind="generation"))
    assert (row.old_side.truncated, row.new_side.truncated) == (0, None)
    assert data(row, "truncation-unknown") == {"side": "new"}


def test_choices_cannot_be_truncated(same):
    row = summarise(same("AA"))
    assert row.old_side.truncated is None
    assert "truncation-unknown" not in codes(row.warnings)


def test_a_reduced_answer_length_is_said_once(same):
    reduced = {"settings": {"max_gen_toks_reduced": {"asked": 256, "used": 64}}}
    row = summarise(same("ABC" * 100, new_run={"engine": reduced}))
    assert row.warnings == (
        Notice(code="max-tokens-reduced", data={"side": "new", "asked": 256, "used": 64}),
    )


def test_a_limit_is_no_sample_unless_it_takes_everything(same):
    limited = {"subset": Subset(limit=2)}
    assert data(summarise(same("AA", old_run=limited, new_run=limited, n=9)), "limit-not-sample") == {
        "limit": 2,
        "n": 9,
    }
    whole = summarise(same("AA", old_run=limited, new_run=limited, n=2))
    assert "limit-not-sample" not in codes(whole.warnings)


def test_negated_and_per_document_metrics_are_said(make_scores, same):
    rows = make_scores([-3.0, -2.0])
    spec = {"kind": "likelihood", "scale": "unbounded", "metric": "ppl", "higher_is_better": False}
    row = summarise(same(rows, rows, **spec))
    assert data(row, "metric-negated") == data(row, "per-document") == {"metric": "ppl"}


def test_a_model_compared_with_itself_is_said(same):
    same_model = {"model": "demo-v1"}
    assert "same-run" in codes(summarise(same("A", new_run=same_model)).warnings)
    elsewhere = {**same_model, "recorded": {"device": "cuda"}}
    assert "same-run" in codes(summarise(same("A", new_run=elsewhere)).warnings)
    rerun = {**same_model, "replica": 1}
    assert "same-run" not in codes(summarise(same("A", new_run=rerun)).warnings)


def test_other_tokens_for_the_same_prompt_are_said_where_nothing_explains_them(
    make_choices, make_model, same
):
    def shown(*hashes, **fields):
        rows = make_choices("A" * len(hashes), "A" * len(hashes), **fields)
        return [dataclasses.replace(row, shown_hash=one) for row, one in zip(rows, hashes, strict=True)]

    old, new = shown("s", "s", "s", None), shown("s", "t", "u", "v")
    assert data(summarise(same(old, new)), "shown-differs") == {"n_different": 2, "n": 4}
    assert "shown-differs" not in codes(summarise(same(old, old)).warnings)
    for setting in ("tokenizer", "chat_template", "system"):
        explained = {"model": make_model(**{setting: "other"})}
        assert "shown-differs" not in codes(summarise(same(old, new, new_run=explained)).warnings)
    cut = shown("s", "t", "u", "v", left_truncated=3)
    assert "shown-differs" not in codes(summarise(same(old, cut)).warnings)


def test_other_tokens_for_another_prompt_are_no_surprise(make_run, make_choices):
    old = make_choices("AA", "AA", shown_hash="s")
    new = make_choices("AA", "AA", shown_hash="t", prompt_hash="other")
    pairs = pair(make_run(old), make_run([old[0], new[1]]), allow=["prompts"])
    assert "shown-differs" not in codes(summarise(pairs).warnings)


def test_hidden_weights_are_never_taken_for_the_same(make_model, same):
    hidden = {"model": make_model(fingerprint=None)}
    assert "same-run" not in codes(summarise(same("A", old_run=hidden, new_run=hidden)).warnings)


# ── the whole table ──────────────────────────────────────────────────────────────────────────────


def test_what_all_tasks_share_is_said_once(same):
    other = {"engine": {"batch_size": 8}}
    demo = [same("ABC" * 100, name=name, data="demo", new_run=other) for name in ("a", "b")]
    comparison = assemble(demo)
    assert codes(comparison.warnings) == ["demo-items", "setting-differs"]
    assert [row.warnings for row in comparison.tasks] == [(), ()]
    mixed = assemble([demo[0], same("ABC" * 100, name="c")])
    assert mixed.warnings == ()
    assert codes(mixed.tasks[0].warnings) == ["demo-items", "setting-differs"]


def test_what_all_tasks_have_too_few_of_stays_on_their_rows(same):
    comparison = assemble([same("A", name="a"), same("A", name="b")])
    assert [codes(row.warnings) for row in comparison.tasks] == [["few-items"]] * 2


def test_models_paths_and_instances_reach_their_rows(toy, make_run, make_choices, make_instances):
    table = make_instances(make_run(make_choices(OLD, GOLD)))
    comparison = assemble([toy], instances={"toy": table}, paths={"toy": ("x", "y")}, worst=1)
    (row,) = comparison.tasks
    assert (comparison.old.name, comparison.new.name) == ("demo-v1", "demo-v2")
    assert (row.old_path, row.new_path) == ("x", "y")
    assert len(row.worst) == 1
    assert row.worst[0].prompt


def test_overridden_refusals_make_it_a_comparison_of_settings(make_run, make_choices, make_task):
    rows = make_choices("AB", "AA")
    tasks = {name: make_task(name) for name in "ab"}
    pairs = [
        pair(
            make_run(rows, task=task),
            make_run(rows, task=dataclasses.replace(task, scorer={"regex": ["x"]})),
            allow=["scorer"],
        )
        for task in tasks.values()
    ]
    assert assemble(pairs).settings_compared == (
        Difference(field="task.scorer", old={}, new={"regex": ["x"]}),
    )


def test_a_group_pools_pairs_not_rates_after_its_last_member(same):
    pairs = [same("AAAA", "BAAA", name="a"), same("B", name="c"), same("AA", "BB", name="b")]
    table = assemble(pairs, groups={"ab": ["a", "b"]}).tasks
    assert [row.task.name for row in table] == ["a", "c", "b", "ab"]
    pooled = table[-1]
    assert pooled.members == ("a", "b")
    assert pooled.estimates["nfr"].value == 3 / 6
    assert pooled.n == pooled.counts.n == pooled.estimates["nfr"].n == 6
    assert pooled.worst == ()
    assert (pooled.old_path, pooled.old_fingerprint) == (None, None)
    assert codes(pooled.warnings) == ["few-items", "few-discordant"]


def test_a_pooled_row_adds_up_the_sides(make_choices, same):
    rows = make_choices(["A", None], "AA", finish="length")
    pairs = [same(rows, name=name, kind="generation") for name in ("a", "b")]
    pooled = assemble(pairs, groups={"ab": ["a", "b"]}).tasks[-1]
    assert (pooled.old_side.unreadable, pooled.old_side.truncated) == (2, 4)
    assert pooled.readable["old"].n == 2


def test_members_keep_their_instances_apart_even_with_the_same_ids(make_prediction, same):
    rows = [make_prediction("x", repeat=r, answer="A", correct=True, score=1.0) for r in (0, 1)]
    pooled = assemble([same(rows, name="a"), same(rows, name="b")], groups={"ab": ["a", "b"]}).tasks[-1]
    assert (pooled.n, pooled.estimates["old"].n) == (4, 2)


def test_absent_members_are_said(same):
    comparison = assemble([same("A", name="a")], groups={"ab": ["a", "b"], "cd": ["c", "d"]})
    assert data(comparison.tasks[-1], "pool-partial") == {"group": "ab", "missing": ["b"]}
    assert comparison.warnings == (
        Notice(code="pool-skipped", data={"group": "cd", "reason": "no member was compared"}),
    )


def test_scales_and_scores_that_do_not_mix_are_not_pooled(make_scores, same):
    rows = make_scores([0.5])
    rouge, bleu = (
        same(rows, rows, name=name, kind="generation", scale="bounded", metric=name)
        for name in ("rouge", "bleu")
    )
    comparison = assemble(
        [same("A", name="a"), rouge, bleu], groups={"x": ["a", "rouge"], "y": ["rouge", "bleu"]}
    )
    assert len(comparison.tasks) == 3
    assert [notice.data for notice in comparison.warnings] == [
        {"group": "x", "reason": "scales differ"},
        {"group": "y", "reason": "metrics differ"},
    ]


def test_nothing_heavier_than_numpy_and_pyarrow_is_imported():
    """scipy.special is light; scipy.stats alone takes a second."""
    script = "import sys, regress.comparison.table, regress.pairing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"pandas", "scipy.stats", "statsmodels", "torch", "transformers", "lm_eval", "datasets"} & set(
        done.stdout.split()
    )


def test_nothing_to_compare_is_refused():
    with pytest.raises(UsageError, match="nothing to compare"):
        assemble([])


def test_where_only_the_task_can_read_answers_no_word_is_said_of_how_wrong_ones_changed(
    make_run, make_choices, make_task
) -> None:
    task = make_task(kind="generation", scorer={"kind": "lm-eval"})
    old, new = (make_run(make_choices(answers, gold="AAB"), task=task) for answers in ("ABA", "BAC"))
    row = summarise(pair(old, new))
    assert row.estimates["nfr"].value == pytest.approx(1 / 3)
    assert math.isnan(row.estimates["nfr_mc"].value)
    assert math.isnan(row.estimates["churn"].value)
    assert "answers-unknown" in [notice.code for notice in row.warnings]
