"""Exact match equals lm-eval's; ROUGE equals the package's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.scoring.text import exact_match, normalise_answer, rouge

GSM8K = {"ignore_case": True, "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text(alphabet="aA1 ,$.#\0İß", max_size=8),
)
options = st.fixed_dictionaries(
    {},
    optional={
        "ignore_case": st.booleans(),
        "ignore_punctuation": st.booleans(),
        "ignore_numbers": st.booleans(),
        "regexes_to_ignore": st.lists(st.sampled_from([",", "\\$", "(?s).*#### ", "\\.$", "a+"]), min_size=1),
    },
)


@pytest.mark.models
@settings(deadline=None)  # the first call imports the oracle
@given(text=texts, reference=texts, chosen=options)
def test_exact_match_is_lm_evals(text: str, reference: str, chosen: dict[str, Any]) -> None:
    from lm_eval.api.metrics import exact_match_hf_evaluate

    theirs = exact_match_hf_evaluate(predictions=[text], references=[reference], **chosen)["exact_match"]
    assert exact_match(text, [reference], **chosen) == theirs


@pytest.mark.parametrize(
    ("text", "reference", "match"),
    [
        ("1,000", "... #### 1000", 1.0),
        ("$18.", "#### 18", 1.0),
        ("18.0", "#### 18", 0.0),
        ("[invalid]", "#### 18", 0.0),
    ],
)
def test_numbers_match_after_gsm8ks_normalisation(text: str, reference: str, match: float) -> None:
    assert exact_match(text, [reference], **GSM8K) == match


def test_one_matching_reference_is_enough() -> None:
    assert exact_match("b", ["a", "b"]) == 1.0
    assert exact_match("c", ["a", "b"]) == 0.0


@settings(deadline=None)  # the first call imports the oracle
@given(text=texts, chosen=options)
def test_normalising_twice_changes_no_verdict_about_itself(text: str, chosen: dict[str, Any]) -> None:
    assert exact_match(text, [text], **chosen) == 1.0
    assert normalise_answer(text) == text.rstrip("\0")


@pytest.mark.parametrize(
    ("kind", "f1"),
    [("rouge1", 6 / 7), ("rouge2", 2 / 5), ("rougeL", 6 / 7)],
)
def test_rouge_of_a_small_example_by_hand(kind: str, f1: float) -> None:
    # 'cats' is stemmed to 'cat': three of three words and three of four agree; one bigram of two and three
    assert rouge(kind, "the cat sat", "the cats sat down" if kind != "rouge2" else "the cats lay down") == (
        pytest.approx(f1)
    )


def test_without_the_stemmer_cats_are_not_a_cat() -> None:
    assert rouge("rouge1", "cat", "cats") == 1.0
    assert rouge("rouge1", "cat", "cats", stemmer=False) == 0.0


@pytest.mark.parametrize("blank", ["", " \n", "!?"])
def test_a_text_without_a_word_scores_nothing(blank: str) -> None:
    assert rouge("rouge1", blank, "the cat") == 0.0


@settings(deadline=None)  # the first call imports the oracle
@given(text=st.text(alphabet="ab c", max_size=20), reference=st.text(alphabet="ab c", max_size=20))
def test_rouge_lies_between_nothing_and_one_and_is_symmetric(text: str, reference: str) -> None:
    assert 0.0 <= rouge("rouge1", text, reference) <= 1.0
    assert rouge("rouge1", text, reference) == pytest.approx(rouge("rouge1", reference, text))
