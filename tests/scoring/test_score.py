"""The one entry judges stored outputs as the benchmark judges them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.scoring.choice import brier_score, chosen, gold_margin, units
from regress.scoring.score import key, score

CHOICE = {"kind": "choice", "metrics": ["acc", "acc_norm"]}
GSM8K = {
    "kind": "text",
    "filters": [
        {"name": "strict-match", "filter": [{"function": "regex"}, {"function": "take_first"}]},
        {
            "name": "flexible-extract",
            "filter": [
                {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                {"function": "take_first"},
            ],
        },
    ],
    "metrics": [
        {
            "metric": "exact_match",
            "function": "exact_match",
            "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"],
        }
    ],
}
STRICT = "exact_match/strict-match"
ROUGE = {
    "kind": "text",
    "filters": [{"name": "none", "filter": [{"function": "take_first"}]}],
    "metrics": [{"metric": kind, "function": "rouge", "stemmer": True} for kind in ("rouge1", "rougeL")],
}


def gsm8k(output: str, target: str = "... #### 1000"):
    return score(GSM8K, STRICT, outputs=[output], targets=[target])


def test_a_right_number_is_right_however_it_is_written() -> None:
    judged = gsm8k("so #### 1,000.")
    assert (judged.answer, judged.status, judged.correct, judged.score) == ("1000", "scored", True, 1.0)


def test_the_headline_is_strict_and_the_other_reading_is_kept() -> None:
    judged = gsm8k("The answer is 1000")
    assert (judged.answer, judged.status, judged.correct, judged.score) == (None, "unparsable", False, 0.0)
    assert judged.scores == {STRICT: 0.0, "exact_match/flexible-extract": 1.0}


@pytest.mark.parametrize("output", ["", "I do not know", "#### ", "#### ,"])
def test_an_answer_that_cannot_be_read_is_not_right(output: str) -> None:
    judged = gsm8k(output)
    assert (judged.answer, judged.status, judged.correct) == (None, "unparsable", False)


def test_what_the_benchmark_counts_as_right_was_an_answer_even_a_fallback() -> None:
    steps = [{"function": "regex", "regex_pattern": "[AB]", "fallback": "A"}, {"function": "take_first"}]
    scorer = {
        "kind": "text",
        "filters": [{"name": "none", "filter": steps}],
        "metrics": [{"metric": "exact_match", "function": "exact_match"}],
    }
    judged = score(scorer, "exact_match", outputs=["?"], targets=["A"])
    assert (judged.answer, judged.status, judged.correct) == ("A", "scored", True)


def test_a_summary_has_a_score_and_is_neither_right_nor_wrong() -> None:
    judged = score(ROUGE, "rouge1", outputs=[" A cat sat. "], targets=["the cat sat"])
    assert (judged.answer, judged.status, judged.correct) == ("A cat sat.", "scored", None)
    assert judged.score == judged.scores["rouge1"] == pytest.approx(2 / 3)
    assert set(judged.scores) == {"rouge1", "rougeL"}


def test_a_blank_summary_is_unreadable_and_scores_nothing() -> None:
    judged = score(ROUGE, "rouge1", outputs=[" \n"], targets=["the cat sat"])
    assert (judged.answer, judged.status, judged.correct, judged.score) == (None, "unparsable", None, 0.0)


def choose(logprobs, golds, *, headline="acc", choices=("a", "bb", "cccc")):
    return score(CHOICE, headline, logprobs=logprobs, choices=choices, golds=golds)


def test_choices_are_compared_by_sums_or_per_character() -> None:
    assert choose([-2.0, -3.0, -4.0], [0]).answer == "0"
    by_length = choose([-2.0, -3.0, -4.0], [0], headline="acc_norm")
    assert (by_length.answer, by_length.correct, by_length.gold_margin) == ("2", False, -1.0)
    assert by_length.scores == {"acc": 1.0, "acc_norm": 0.0}


@pytest.mark.parametrize(("gold", "right"), [(0, True), (1, False)])
def test_the_first_of_equals_is_chosen_so_a_margin_of_zero_does_not_tell(gold: int, right: bool) -> None:
    judged = choose([-1.0, -1.0, -9.0], [gold])
    assert (judged.gold_margin, judged.correct) == (0.0, right)


@given(
    st.lists(st.floats(-50, -0.1), min_size=3, max_size=3),
    st.integers(0, 2),
    st.sampled_from(CHOICE["metrics"]),
)
def test_right_iff_the_margin_is_positive_but_for_ties(
    logprobs: list[float], gold: int, headline: str
) -> None:
    judged = choose(logprobs, [gold], headline=headline)
    assert judged.gold_margin is not None
    assert judged.correct == (judged.answer == str(gold)) == bool(judged.scores[headline])
    if judged.gold_margin != 0:
        assert judged.correct == (judged.gold_margin > 0)


def test_several_right_choices_any_of_them_will_do() -> None:
    judged = choose([-3.0, -1.0, -2.0], [0, 1])
    assert (judged.correct, judged.gold_margin) == (True, 1.0)


@pytest.mark.parametrize("golds", [[], [0, 1, 2]])
def test_without_a_wrong_and_a_right_choice_there_is_no_margin(golds: list[int]) -> None:
    judged = choose([-1.0, -2.0, -3.0], golds)
    assert (judged.gold_margin, judged.correct) == (None, bool(golds))


def test_a_choice_without_characters_gives_no_margin_per_character() -> None:
    values = units("acc_norm", [-1.0, -2.0], ["", "ab"])
    assert values[0] == -math.inf
    assert chosen(values) == 1
    assert gold_margin(values, [1]) is None


def test_bytes_and_mutual_information() -> None:
    assert list(units("acc_bytes", [-4.0, -4.0], ["éé", "ab"])) == [-1.0, -2.0]
    assert list(units("acc_mutual_info", [-4.0, -4.0], ["a", "b"], [-5.0, -3.0])) == [1.0, -1.0]


def test_the_brier_score_is_negated_so_that_higher_is_better() -> None:
    scorer = {"kind": "choice", "metrics": ["brier_score"]}
    judged = score(scorer, "brier_score", logprobs=[-1.0, -1.0], choices=["a", "b"], golds=[0])
    assert (judged.score, judged.scores, judged.correct) == (-0.5, {"brier_score": 0.5}, None)
    assert brier_score([0.0, -800.0], 0) == 0.0


def test_greedy_exact_match_of_a_choice() -> None:
    scorer = {"kind": "choice", "metrics": ["exact_match"]}
    for greedy in ([True, False], [False, False]):
        judged = score(
            scorer, "exact_match", logprobs=[-1.0, -2.0], choices=["a", "b"], golds=[0], greedy=greedy
        )
        assert judged.correct == greedy[0]
        assert judged.gold_margin is None


def test_a_scorer_that_is_code_or_has_another_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="'lm-eval' cannot be run"):
        score({"kind": "lm-eval"}, "acc")
    with pytest.raises(ValueError, match="not 'f1'"):
        choose([-1.0, -2.0, -3.0], [0], headline="f1")
    with pytest.raises(ValueError, match="unknown function 'bleu'"):
        score({**ROUGE, "metrics": [{"metric": "b", "function": "bleu"}]}, "b", outputs=["x"], targets=["y"])
    with pytest.raises(ValueError, match="cannot choose by 'acc_mutual_info'"):
        units("acc_mutual_info", [-1.0], ["a"])


def test_a_filter_names_the_metric_unless_it_is_none() -> None:
    assert (key("acc", "none"), key("acc", "strict")) == ("acc", "acc/strict")
