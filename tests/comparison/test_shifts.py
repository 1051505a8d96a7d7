"""Answers and texts as wholes: what changed, whether by chance, and which of it is said."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from regress.comparison.judged import judged
from regress.comparison.rows import summarise
from regress.comparison.shifts import divergence, shifts, written
from regress.comparison.table import assemble
from regress.pairing import pair

PLAIN = "He has {} apples and 3 pears, so he has fruit enough for the week."


@pytest.fixture
def compared(make_run, make_choices, make_task):
    """Pairs of two runs with these answers; with `texts`, the outputs of either side, of generations."""

    def build(old, new, *, texts=None, stored=(True, True), **task):
        spec = make_task(**({"kind": "generation"} if texts else {}) | task)
        sides = [make_choices(answers, ["A"] * len(answers)) for answers in (old, new)]
        if texts:
            sides = [
                [dataclasses.replace(row, output=text) for row, text in zip(rows, side, strict=True)]
                for rows, side in zip(sides, texts, strict=True)
            ]
        models = ("demo-v1", "demo-v2")
        return pair(
            *(
                make_run(rows, task=spec, model=name, text=text)
                for rows, name, text in zip(sides, models, stored, strict=True)
            )
        )

    return build


@pytest.fixture
def generated(compared):
    """Pairs of generations with these outputs."""

    def build(old, new, **task):
        answers = ["A", "B"] * (len(old) // 2) + ["A"] * (len(old) % 2)
        return compared(answers, answers, texts=(old, new), **task)

    return build


def found(pairs, instances=None):
    texts = written(pairs)
    return {shift.measure: shift for shift in shifts(pairs, judged(pairs, instances), texts)}


def said(pairs):
    return [notice.data for notice in summarise(pairs).warnings if notice.code == "degenerate"]


def values(shift):
    return (shift.old, shift.new)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def test_the_answer_that_the_new_side_gives_most_is_counted_on_both(compared):
    """41 of 100 answered B, 93 do now: 52 answers went to B and none went away."""
    pairs = compared("B" * 41 + "A" * 59, "B" * 93 + "A" * 7)
    one = found(pairs)["commonest"]
    assert (one.answer, *values(one)) == ("B", 0.41, 0.93)
    two_answers = 2
    mid_p = stats.binom.pmf(0, 52, 0.5)  # twice, less once for what was observed
    assert one.p_differs == pytest.approx(two_answers * mid_p, rel=1e-6, abs=0)
    assert one.degenerate


def test_the_entropy_of_answers_falls_as_they_become_alike(compared):
    one = found(compared("B" * 41 + "A" * 59, "B" * 93 + "A" * 7))["entropy"]
    assert values(one) == pytest.approx((0.9765, 0.36592), abs=5e-5)
    assert one.answer is None
    assert one.degenerate


def test_answers_that_hardly_repeat_have_no_entropy(compared):
    numbers = [str(i) for i in range(100)]
    assert set(found(compared(numbers, numbers[::-1]))) == {"commonest"}


def test_what_can_be_read_is_not_how_often_it_can(compared):
    """A side that mends its format gives every answer more often; the distribution of answers is the same."""
    mended = found(compared([None] * 60 + ["A", "B"] * 40, ["A", "B"] * 70))
    assert values(mended["commonest"]) == (0.5, 0.5)
    assert values(mended["entropy"]) == (1, 1)


def test_clusters_that_go_one_way_together_prove_less(compared, make_instances, make_run, make_choices):
    pairs = compared("AB" * 50, "B" * 60 + "AB" * 20)
    table = make_instances(
        make_run(make_choices("A" * 100, "A" * 100)), cluster=lambda index: f"c{index // 20}"
    )
    alone, together = found(pairs), found(pairs, table)
    for measure in ("commonest", "entropy"):
        assert values(alone[measure]) == values(together[measure])
        assert together[measure].p_differs > alone[measure].p_differs
    assert alone["commonest"].degenerate
    assert not together["commonest"].degenerate


def test_measures_are_adjusted_for_each_other(compared):
    both = found(compared("A" * 55 + "B" * 45, "A" * 70 + "B" * 30))
    p = sorted(shift.p_differs for shift in both.values())
    assert sorted(shift.p_holm for shift in both.values()) == pytest.approx([2 * p[0], max(2 * p[0], p[1])])


def test_likelihoods_and_answers_that_only_the_task_can_read_have_no_distribution(compared):
    assert found(compared("AB", "AB", kind="likelihood")) == {}
    assert found(
        compared("AB", "AB", kind="generation", scorer={"kind": "lm-eval"}, texts=("ab", "ab"))
    ).keys() == {"output", "length", "empty", "refusal", "repetition", "runaway"}


# ── texts ────────────────────────────────────────────────────────────────────────────────────────


def test_texts_are_measured_on_both_sides(generated):
    old = [PLAIN.format(i) for i in range(40)]
    new = [
        *old[:20],
        *[""] * 5,
        *[" \n"] * 5,
        *["I’m sorry, but I cannot help with that."] * 6,
        *["no " * 40] * 4,
    ]
    made = found(generated(old, new))
    assert values(made["empty"]) == (0, 0.25)
    assert values(made["refusal"]) == (0, 0.15)
    assert values(made["repetition"]) == (0, 0.1)
    assert values(made["length"]) == (15, (15 * 20 + 8 * 6 + 40 * 4) / 40)
    assert made["empty"].p_differs == pytest.approx(0.5**10)


def test_lengths_are_compared_pair_by_pair(generated):
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 60, (2, 50))
    pairs = generated(*(["word " * n for n in side] for side in lengths))
    assert found(pairs)["length"].p_differs == pytest.approx(stats.ttest_rel(*lengths).pvalue)


def test_texts_of_clusters_that_go_one_way_together_prove_less(generated, make_instances, make_run):
    pairs = generated([PLAIN] * 60, [""] * 20 + [PLAIN] * 40)
    table = make_instances(make_run(pairs.old), cluster=lambda index: f"c{index // 10}")
    alone, together = found(pairs), found(pairs, table)
    for measure in ("empty", "length"):
        assert values(alone[measure]) == values(together[measure])
        assert together[measure].p_differs > 0.1 > 1e-5 > alone[measure].p_differs


def test_texts_are_taken_apart_in_batches_that_do_not_show(generated, monkeypatch):
    old, new = ([f"{word} {i % 7}" * (i % 5) for i in range(23)] for word in ("one", "two"))
    pairs = generated(old, new)
    whole, apart = summarise(pairs), []
    monkeypatch.setattr("regress.comparison.shifts._BATCH", 4)
    apart = summarise(pairs)
    assert (apart.shifts, apart.divergence) == (whole.shifts, whole.divergence)


def test_where_texts_part_is_counted_on_those_that_do(generated):
    one = divergence(written(generated(["a b c", "a b", "a  b", "x"], ["a b d", "a b", "a b", "y z"])))
    assert (one.equal, one.median_word, one.n) == (0.5, 1, 4)
    same = divergence(written(generated(["a", "b"], ["a", "b "])))
    assert same.equal == 1
    assert math.isnan(same.median_word)


def test_each_flip_says_where_its_texts_part(compared):
    pairs = compared("AAB", "BBB", texts=(["so 1 a", "so 2", "x"], ["so 1 b", "so  2", "y"]))
    assert [flip.parted for flip in summarise(pairs).worst] == [2, None]
    assert written(pairs).first_words.to_pylist() == [2, None, 0]


def test_pairs_without_a_text_on_both_sides_are_left_out(generated):
    pairs = generated(["a b", None, "c", "d"], ["a c", "b", None, "d"])
    assert divergence(written(pairs)).n == 2
    assert written(pairs).first_words.to_pylist() == [1, None, None, None]


def test_hashes_are_no_texts(compared):
    texts = (["sha256:0", "sha256:1"], ["sha256:2", "sha256:1"])
    for stored in ((False, False), (True, False)):
        pairs = compared("AA", "BB", texts=texts, stored=stored)
        row = summarise(pairs)
        assert row.divergence is None
        assert [flip.parted for flip in row.worst] == [None, None]
        assert {shift.measure for shift in row.shifts} <= {"commonest", "entropy"}


def test_of_hashed_answers_the_share_is_known_and_not_what_they_say(compared):
    hashed = compared("A" * 400, "B" * 400, stored=(False, False))
    (one,) = said(hashed)
    assert (one["new"], one["answer"]) == (1, None)
    assert found(compared("A" * 400, "B" * 400, stored=(True, False))) == {}


def test_choices_have_no_texts_of_their_own(compared):
    row = summarise(compared("AB" * 10, "BA" * 10))
    assert row.divergence is None
    assert {shift.measure for shift in row.shifts} == {"commonest", "entropy"}
    assert [flip.parted for flip in row.worst] == [None] * 3


def test_nothing_is_said_of_nothing(compared):
    assert found(compared([None, None], ["A", "B"])) == {}


# ── what is said ─────────────────────────────────────────────────────────────────────────────────


def test_one_answer_to_everything_is_said_once_and_by_name(compared):
    """Neither again as less varied answers nor as answers that are all alike."""
    row = summarise(compared("AB" * 200, "B" * 390 + "A" * 10))
    assert [notice.code for notice in row.warnings] == ["degenerate"]
    assert row.warnings[0].data == {
        "measure": "commonest",
        "old": 0.5,
        "new": 0.975,
        "answer": "B",
        "kind": "choice",
        "all_read": True,
    }


def test_answers_that_were_all_alike_before_are_still_said(compared):
    codes = [
        (notice.code, notice.data.get("side"))
        for notice in summarise(compared("A" * 400, "A" * 400)).warnings
    ]
    assert codes == [("constant-answers", "old"), ("constant-answers", "new")]
    old = [notice.data.get("side") for notice in summarise(compared("A" * 400, "B" * 400)).warnings]
    assert old == ["old", None]


def test_answers_on_what_both_sides_read_are_said_to_be_that(compared):
    (one,) = said(compared([None] * 10 + ["A", "B"] * 200, ["B"] * 410))
    assert (one["old"], one["all_read"]) == (0.5, False)


def test_fewer_kinds_of_answers_are_said_where_none_is_given_to_half(compared):
    (one,) = said(compared("ABCDEFGH" * 50, "ABC" * 133 + "A"))
    assert one["measure"] == "entropy"
    assert (one["old"], one["new"]) == pytest.approx((3, math.log2(3)), abs=1e-4)


@pytest.mark.parametrize(
    ("measure", "output"),
    [
        ("length", "So {}."),
        ("empty", " "),
        ("refusal", "I'm sorry, but I cannot say how much fruit he has and what for."),
        ("repetition", "He has apples. " * 5),
        ("runaway", "He has {} apples, as anybody could count.\n\nQuestion: And how many pears has he?"),
    ],
)
def test_texts_that_degenerate_are_said(generated, measure, output):
    old = [PLAIN.format(i) for i in range(400)]
    new = [output.format(i) for i in range(400)]
    worse = new if measure == "length" else new[:40] + old[40:]
    (one,) = said(generated(old, worse, generation={"until": ["Question:"]}))
    assert one["measure"] == measure
    assert one["old"] < one["new"] or measure == "length"


def test_one_text_for_most_instances_is_named_though_no_answer_can_be_read_in_it(generated):
    old = [PLAIN.format(i) for i in range(400)]
    (one,) = (each for each in said(generated(old, ["no"] * 360 + old[360:])) if each["measure"] == "output")
    assert (one["old"], one["new"], one["answer"]) == (0, 0.9, "no")


def test_a_text_that_few_outputs_share_is_kept_to_itself(generated):
    old = [PLAIN.format(i) for i in range(400)]
    assert "output" not in found(generated(old, old))


def test_what_gets_better_is_no_finding(generated, compared):
    old = [PLAIN.format(i) for i in range(400)]
    assert said(generated(["I cannot say, and I will not say what is not mine to say"] * 400, old)) == []
    assert said(compared("A" * 380 + "B" * 20, "AB" * 200)) == []


def test_few_answers_prove_nothing_however_alike(generated, compared):
    assert said(compared("ABABAB", "BBBBBB")) == []
    assert said(generated(["one two three four five six seven"] * 4, [""] * 4)) == []


def test_an_update_that_changes_answers_at_random_shifts_nothing(compared):
    """A third of the answers is drawn anew from the same distribution; two tests a task, adjusted."""
    rng, rejected, sooner = np.random.default_rng(0), 0, []
    for _ in range(200):
        share = rng.dirichlet(np.full(4, 2.0))
        old, again = rng.choice(list("ABCD"), (2, 120), p=share)
        new = np.where(rng.random(120) < 1 / 3, again, old)
        shifted = found(compared(old.tolist(), new.tolist())).values()
        rejected += min(shift.p_holm for shift in shifted) < 0.05
        sooner += [shift for shift in shifted if shift.degenerate]
    assert rejected <= 0.05 * 200 + 2 * math.sqrt(0.05 * 0.95 * 200)
    assert sooner == []


def test_pooled_rows_have_none(compared):
    pairs = [compared("AB" * 20, "BB" * 20, name=name) for name in "ab"]
    *_, pooled = assemble(pairs, groups={"both": ["a", "b"]}).tasks
    assert (pooled.shifts, pooled.divergence) == ((), None)
