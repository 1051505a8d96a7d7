"""Why stored answers flipped: each rule by an example, and what counts as no evidence."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.comparison.flips import flips
from regress.comparison.judged import judged
from regress.comparison.kinds import before_new_prompt, causes
from regress.comparison.rows import summarise
from regress.comparison.table import assemble
from regress.pairing import pair
from regress.scoring.score import score
from regress.types import FLIP_KINDS, NoiseFloor, Reruns

STRICT, FLEXIBLE = "exact_match/strict-match", "exact_match/flexible-extract"
FILTERS = {
    "strict-match": {"regex_pattern": r"#### (\-?[0-9\.\,]+)"},
    "flexible-extract": {"group_select": -1, "regex_pattern": r"(-?[$0-9.,]{2,})|(-?[0-9]+)"},
}
GSM8K = {
    "kind": "text",
    "filters": [
        {"name": name, "filter": [{"function": "regex", **options}, {"function": "take_first"}]}
        for name, options in FILTERS.items()
    ],
    "metrics": [
        {
            "metric": "exact_match",
            "function": "exact_match",
            "ignore_case": True,
            "ignore_punctuation": False,
            "regexes_to_ignore": [",", r"\$", "(?s).*#### ", r"\.$"],
        }
    ],
}
ROUGE = {
    "kind": "text",
    "filters": [{"name": "none", "filter": [{"function": "take_first"}]}],
    "metrics": [{"metric": "rouge1", "function": "rouge", "stemmer": True}],
}
UNTIL = {"until": ["Question:", "</s>"]}
PROMPT = "Question: What is 1 + 1?\nAnswer: #### 2\n\nQuestion: What is 40 + 2?\nAnswer:"
RIGHT = " 40 + 2 = 42\n#### 42"
WRONG = " 40 + 2 = 41\n#### 41"
ON = "\n\nQuestion: What is 5 + 2?\nAnswer: 5 + 2 = 7\n#### 7"


@pytest.fixture(scope="session")
def sums(make_task):
    """GSM8K's task, judged by a metric, with other fields as given."""

    def task(metric=STRICT, **changes):
        fields = {"kind": "generation", "scorer": GSM8K, "generation": UNTIL, "metric": metric}
        return make_task("sums", **(fields | changes))

    return task


@pytest.fixture(scope="session")
def side(make_run, make_prediction):
    """A run with these outputs, really judged by its task's scorer.

    `changes` are fields of its rows, what is stored instead of what was judged too; lists have one a row.
    """

    def run(outputs, task, model="demo-v1", target="#### 42", spec=None, **changes):
        scorer, rows = GSM8K if task.scale == "binary" else ROUGE, []
        for i, output in enumerate(outputs):
            targets = [target] if isinstance(target, str) else target
            found = vars(score(scorer, task.metric, outputs=[output], targets=targets))
            fields = {name: value[i] if isinstance(value, list) else value for name, value in changes.items()}
            rows.append(make_prediction(f"id{i}", **{"index": i, "output": output, **found, **fields}))
        return make_run(rows, task=task, model=model, **(spec or {}))

    return run


@pytest.fixture
def why(side, sums, make_instances):
    """The kind of a flip between two outputs; null where nothing flipped."""

    def found(
        old,
        new,
        *,
        target="#### 42",
        stored=None,
        prompt=PROMPT,
        known=True,
        task=None,
        new_row=None,
        **changes,
    ):
        task = task or sums()
        first = side([old], task, target=target, **changes)
        second = side([new], task, model="demo-v2", target=target, **(new_row or changes))
        stored = stored or (target if isinstance(target, str) else json.dumps(target))
        instances = make_instances(first, target=stored, prompt=prompt) if known else None
        pairs = pair(first, second)
        (code,) = causes(pairs, judged(pairs, instances), instances).codes
        return None if code < 0 else FLIP_KINDS[code]

    return found


# ── runaway ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("marker", ["\n\nQuestion: What is 5 + 2? 7", "</s> 7"])
def test_an_answer_that_goes_on_and_is_right_without_that_is_runaway(why, sums, marker):
    flexible = sums(FLEXIBLE)
    assert why(RIGHT, RIGHT + marker, task=flexible) == "runaway"
    assert why(RIGHT + marker, RIGHT, task=flexible) == "runaway"


def test_a_line_with_the_label_of_the_prompts_last_block_begins_a_new_prompt(why, sums):
    task = sums(FLEXIBLE, generation={})
    assert why(RIGHT, RIGHT + ON, task=task) == "runaway"
    # strictly read, these are right
    assert why(RIGHT, RIGHT + "\n\nProblem: What is 5 + 2?", task=task) == "format"
    assert why(RIGHT, RIGHT + " by Question: 7", task=task) == "format"


def test_an_answer_that_is_wrong_before_it_goes_on_is_the_models(why, sums):
    assert why(RIGHT, WRONG + ON) == "answer"
    assert why(RIGHT, WRONG + ON, task=sums(FLEXIBLE)) == "answer"


def test_an_extractor_that_stops_at_the_first_answer_is_not_misled(why):
    """Strictly read, both outputs give 42: nothing flipped."""
    assert why(RIGHT, RIGHT + ON) is None


@pytest.mark.parametrize(
    "task_changes", [{"scorer": {"kind": "lm-eval"}}, {"scorer": {}}, {"scorer": {"kind": "text"}}]
)
def test_where_it_cannot_be_judged_again_that_it_goes_on_decides(why, sums, task_changes):
    assert why(RIGHT, WRONG + ON, task=sums(FLEXIBLE, **task_changes)) == "runaway"


@pytest.mark.parametrize("target", ['["42"', "null", '["#### 42", 1]'])
def test_a_reference_that_only_looks_like_a_list_is_a_text(why, target):
    assert why(RIGHT, WRONG + ON, target="#### 42", stored=target) == "answer"


def test_without_the_reference_it_cannot_be_judged_again(why):
    assert why(RIGHT, WRONG + ON, known=False) == "runaway"


def test_where_the_whole_is_not_judged_as_it_was_what_comes_before_says_nothing(why):
    """Stored as wrong, now judged right as a whole: it was read from something else."""
    stored = {"correct": False, "score": 0.0, "scores": {}}
    assert why(RIGHT, RIGHT + ON, new_row=stored) == "runaway"
    assert why(RIGHT, " it is 41\n\nQuestion: 40 + 2?" + RIGHT, new_row=stored) == "runaway"
    assert why(RIGHT, RIGHT, new_row=stored) == "answer"


@pytest.mark.parametrize(("target", "kind"), [(["40", "42"], "runaway"), (["40", "41"], "answer")])
def test_several_references_are_stored_as_a_json_list_and_one_is_enough(why, sums, target, kind):
    """The old answer is right whatever the reference; the new one where 42, before it goes on, is in it."""
    old = f" #### {target[1]}"
    assert why(old, RIGHT + ON, target=target, task=sums(FLEXIBLE)) == kind


@pytest.mark.parametrize("output", ["Question: 41", "\n</s> #### 41", "  \nQuestion: #### 41"])
def test_with_no_answer_before_it_an_output_goes_on_into_nothing(why, output):
    assert why(RIGHT, output, known=False) in ("answer", "unreadable")
    assert before_new_prompt(output, ["Question:", "</s>"], PROMPT) is None


def test_what_comes_first_of_stop_strings_and_labels_ends_the_answer():
    output = " 4 </s> 5\nQuestion: 6"
    assert before_new_prompt(output, ["Question:", "</s>"], PROMPT) == " 4 "
    assert before_new_prompt(output, ["7"], PROMPT) == " 4 </s> 5\n"


@pytest.mark.parametrize(
    ("prompt", "output", "before"),
    [
        ("### Dialogue: a\nSummary:", " b\n### Dialogue: c", " b\n"),
        ("Q: a\nA: b\n\nQ: c\nA:", " d\n  Q: e", " d\n"),
        ("How many of 12:30 are left?", " none\nHow many of 12: what", None),
        ("No label at all", " b\nNo label at all", None),
        ("Review question: a", " b\nReview question: c", " b\n"),
        ("", " b\n\nQuestion: c", None),
    ],
)
def test_a_label_is_up_to_three_words_and_a_colon(prompt, output, before):
    assert before_new_prompt(output, [], prompt) == before


def test_one_stop_string_may_be_given_bare(why, sums):
    assert why(RIGHT, RIGHT + " STOP 7", task=sums(FLEXIBLE, generation={"until": "STOP"})) == "runaway"


@pytest.mark.parametrize(("text", "kind"), [(True, "runaway"), (False, "answer")])
def test_hashes_go_on_into_nothing(side, sums, text, kind):
    """What is stored holds a stop string: in a text it is one, in a hash it is chance."""
    task = sums(generation={"until": ["a"]}, scorer={"kind": "lm-eval"})
    sides = (
        side([output], task, output="01a2", spec={"text": text}, model=model)
        for output, model in ((RIGHT, "demo-v1"), (WRONG, "demo-v2"))
    )
    pairs = pair(*sides)
    assert FLIP_KINDS[causes(pairs, judged(pairs)).codes[0]] == kind


# ── the other rules ──────────────────────────────────────────────────────────────────────────────


def test_an_answer_cut_off_at_the_longest_length_is_truncated(why):
    assert why(RIGHT, WRONG, finish="length") == "truncated"
    assert why(WRONG, RIGHT, finish="length") == "truncated"
    assert why(RIGHT, " 40 + 2 is", finish="length") == "truncated"


@pytest.mark.parametrize("finish", ["stop", None])
def test_what_ended_by_itself_or_nobody_knows_how_is_not(why, finish):
    assert why(RIGHT, WRONG, finish=finish) == "answer"


def test_only_the_wrong_side_matters(side, sums):
    task = sums()
    old, new = side([RIGHT], task, finish="length"), side([WRONG], task, model="demo-v2", finish="stop")
    pairs = pair(old, new)
    assert FLIP_KINDS[causes(pairs, judged(pairs)).codes[0]] == "answer"


def test_an_answer_that_nobody_could_read_is_unreadable(why):
    assert why(RIGHT, " it is forty-one") == "unreadable"
    assert why(" the answer: 42", RIGHT) == "unreadable"


def test_an_answer_that_only_another_extractor_reads_right_is_a_matter_of_format(why):
    assert why(RIGHT, " 40 - 2 #### 38, no: it is 42") == "format"
    assert why(RIGHT, " 40 - 2 #### 38, no: it is 39") == "answer"


def test_scores_of_another_metric_are_no_other_extractor(make_run, make_choices):
    """`acc` and `acc_norm` choose differently; neither reads what the other chose."""
    pairs = pair(
        make_run(make_choices("A", "A", scores={"acc": 1.0, "acc_norm": 1.0})),
        make_run(make_choices("B", "A", scores={"acc": 0.0, "acc_norm": 1.0}), model="demo-v2"),
    )
    assert summarise(pairs).kinds.negative == {"answer": 1}


def test_an_unreadable_answer_excuses_the_model_only_where_another_extractor_finds_it_right(side, sums):
    old = side([RIGHT, RIGHT, RIGHT], sums())
    new = side([" it is 42", " it is 41", " none"], sums(), model="demo-v2")
    row = summarise(pair(old, new))
    assert row.kinds.negative == {"unreadable": 3}
    assert (row.kinds.recoverable, row.kinds.not_the_models) == (1, 1)
    assert row.estimates["nfr"].value == 1.0
    assert row.estimates["model_nfr"].value == pytest.approx(2 / 3)


# ── coin tosses ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def near_ties(make_run, make_choices):
    """Two lost answers: one 0.05 from a tie, the other far from it on both sides."""

    def run(answers, margins, model):
        rows = zip(make_choices(answers, "AAA"), margins, strict=True)
        return make_run([replace(row, gold_margin=margin) for row, margin in rows], model=model)

    return pair(run("AAA", [0.05, 3.0, 2.0], "demo-v1"), run("BBA", [-2.0, -2.0, 2.0], "demo-v2"))


def floor(margin, moved=0.1):
    stack = np.array([margin, np.array(margin) + moved])
    return NoiseFloor(
        reruns={
            "rerun": Reruns(kind="rerun", correct=stack > 0, score=(stack > 0).astype(float), margin=stack)
        }
    )


def test_a_flip_with_a_margin_inside_the_noise_is_a_coin_toss(near_ties):
    row = summarise(near_ties, columns=judged(near_ties, old_floor=floor([0.05, 3.0, 2.0])))
    assert row.kinds.negative == {"coin toss": 1, "answer": 1}
    assert row.estimates["model_nfr"].value == row.estimates["robust_nfr"].value == pytest.approx(1 / 3)


def test_without_a_stored_floor_there_are_no_coin_tosses(near_ties):
    assert summarise(near_ties).kinds.negative == {"answer": 2}


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def summaries(make_task):
    return make_task("chat", kind="generation", scale="bounded", metric="rouge1", scorer=ROUGE)


def test_on_score_scales_the_wrong_side_is_the_lower_one(why, summaries):
    target, worse = "Ann will buy apples and tea", "Ann will buy cake"
    assert why(target, worse, target=target, task=summaries) == "answer"
    assert why(target, worse, target=target, task=summaries, finish="length") == "truncated"
    assert why(worse, target, target=target, task=summaries, finish="length") == "truncated"
    assert why(worse, worse, target=target, task=summaries, finish="length") is None


def test_a_summary_is_runaway_where_it_scores_higher_without_what_follows(why, make_task, summaries):
    target, prompt = "Ann will buy apples and tea", "Dialogue:\nAnn: hi\nSummary:"
    on = "\nDialogue:\nBob: no one here said any of it\nSummary: Bob is"
    asked = {"target": target, "task": summaries, "prompt": prompt}
    assert why(target, "Ann will buy apples" + on, **asked) == "runaway"
    # the tail has the words that the summary lacks
    assert why(target, "Ann will" + "\nDialogue: buy apples and", **asked) == "answer"


def test_a_lower_is_better_metric_is_compared_in_its_own_direction(make_run, make_prediction, make_task):
    task = make_task(kind="generation", scale="unbounded", metric="wer/strict", higher_is_better=False)

    def run(value, other, model):
        scores = {"wer/strict": value, "wer/loose": other}
        return make_run(
            [make_prediction("x", score=-value, scores=scores, output="x")], task=task, model=model
        )

    def kinds(loose):
        return summarise(pair(run(0.1, 0.1, "demo-v1"), run(0.5, loose, "demo-v2"))).kinds.negative

    assert kinds(loose=0.1) == {"format": 1}
    assert kinds(loose=0.7) == {"answer": 1}


def test_likelihoods_are_no_answers_and_have_no_kinds(make_run, make_scores, make_task):
    task = make_task(kind="likelihood", scale="unbounded", metric="nll")
    old, new = (make_run(make_scores([score], answer=None), task=task) for score in (-1.0, -2.0))
    row = summarise(pair(old, new))
    assert row.kinds is None
    assert not {"model_nfr", "model_pfr"} & set(row.estimates)


# ── in a row ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mixed(side, sums):
    """40 instances: 5 unreadable but right, 5 cut off, 5 answered differently, 5 gained, 20 unchanged."""
    old = [RIGHT] * 15 + [WRONG] * 5 + [RIGHT] * 20
    new = [" it is 42"] * 5 + [WRONG] * 10 + [RIGHT] * 25
    finish = ["length" if 5 <= i < 10 else "stop" for i in range(40)]
    return pair(side(old, sums()), side(new, sums(), model="demo-v2", finish=finish))


def test_kinds_sum_to_the_quadrants_and_rates_count_what_is_left(mixed):
    row = summarise(mixed)
    assert row.kinds.negative == {"truncated": 5, "unreadable": 5, "answer": 5}
    assert sum(row.kinds.negative.values()) == row.counts.negative_flips
    assert sum(row.kinds.positive.values()) == row.counts.positive_flips == 5
    own = row.estimates["model_nfr"]
    assert (own.value, own.n, own.method) == (5 / 40, 40, "wilson")
    assert own.low < own.value < own.high
    assert row.estimates["model_pfr"].value == row.estimates["pfr"].value
    assert row.readable["model_nfr"].value == 5 / 35


OUTPUTS = st.sampled_from([RIGHT, WRONG, " it is 42", " none", RIGHT + ON, WRONG + " 42", ""])


@given(
    st.lists(st.tuples(OUTPUTS, OUTPUTS, st.sampled_from(["stop", "length", None])), min_size=1, max_size=12)
)
def test_whatever_is_written_kinds_sum_to_the_flips_and_excuse_no_more_than_there_are(side, sums, rows):
    old, new, finish = (list(column) for column in zip(*rows, strict=True))
    row = summarise(pair(side(old, sums()), side(new, sums(), model="demo-v2", finish=finish)))
    assert sum(row.kinds.negative.values()) == row.counts.negative_flips
    assert sum(row.kinds.positive.values()) == row.counts.positive_flips
    nfr, own = (row.estimates[name].value for name in ("nfr", "model_nfr"))
    assert own <= nfr
    assert own == pytest.approx(nfr - row.kinds.not_the_models / row.n)
    assert row.estimates["model_pfr"].value <= row.estimates["pfr"].value


def test_with_clusters_the_rate_of_the_models_own_flips_has_their_interval(mixed, make_instances, make_run):
    instances = make_instances(make_run(mixed.old), cluster=lambda i: str(i % 8))
    own = summarise(mixed, instances=instances).estimates["model_nfr"]
    assert (own.value, own.method) == (5 / 40, "korn-graubard")


def test_the_worst_flips_bear_their_kind(mixed):
    worst = summarise(mixed, worst=40).worst
    assert [flip.kind for flip in worst] == ["unreadable"] * 5 + ["truncated"] * 5 + ["answer"] * 5
    assert {flip.kind for flip in flips(mixed)} == {None}


def test_pooled_rows_have_no_kinds(mixed):
    pooled = next(row for row in assemble([mixed], groups={"all": ["sums"]}).tasks if row.members)
    assert pooled.kinds is None
    assert "model_nfr" not in pooled.estimates
