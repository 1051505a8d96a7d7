"""How answers changed as a whole: each measure by a worked example, and what is enough to matter."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from regress.metrics.shifts import (
    COMMONEST_ROSE,
    COMMONEST_SHARE,
    LONGEST_PERIOD,
    SELDOM,
    SHORTEST_LOOP,
    TIMES,
    commonest,
    entropy,
    loops,
    matters,
    refuses,
    repeat,
    surprisal,
)

CODES = st.lists(st.integers(0, 5), min_size=1, max_size=50)


def loop(text):
    return bool(loops(pa.array([text], pa.string()))[0])


def refusal(text):
    return bool(refuses(pa.array([text], pa.string()))[0])


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def test_the_commonest_answer_is_the_first_of_several():
    assert commonest([3, 1, 1, 3]) == 1
    assert commonest([]) == -1


def test_entropy_of_worked_examples():
    """41 % no and 59 % yes; 93 % no; four choices alike."""
    assert entropy([0] * 41 + [1] * 59) == pytest.approx(0.97650, abs=5e-6)
    assert entropy([0] * 93 + [1] * 7) == pytest.approx(0.36592, abs=5e-6)
    assert entropy(list(range(4)) * 10) == 2
    assert entropy([7] * 10) == 0
    assert math.isnan(entropy([]))


@given(CODES)
def test_entropy_is_scipys_and_lies_between_none_and_all_different(codes):
    _, counts = np.unique(codes, return_counts=True)
    assert entropy(codes) == pytest.approx(stats.entropy(counts, base=2), abs=1e-12)
    assert 0 <= entropy(codes) <= math.log2(len(counts)) + 1e-12


@given(CODES, st.permutations(range(6)))
def test_entropy_does_not_care_what_answers_are_called(codes, names):
    assert entropy([names[code] for code in codes]) == pytest.approx(entropy(codes), abs=1e-12)


@given(CODES)
def test_rarer_answers_are_more_surprising(codes):
    bits, counts = surprisal(codes), np.bincount(codes)[codes]
    assert (np.diff(bits[np.argsort(counts)]) <= 1e-12).all()


def test_a_distribution_is_spoken_of_where_answers_repeat():
    assert repeat([0, 1] * SELDOM, [0] * 2 * SELDOM)
    assert not repeat([0, 1] * SELDOM, [2] * 2 * SELDOM)
    assert not repeat([], [])


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "I cannot answer that.",
        "I can't do this",
        "I can’t do this",
        "  *I’m sorry, but I can't help with that.*",
        "I am very sorry, but no.",
        "Sorry, but this is private.",
        "Sorry. I cannot say.",
        "I apologize, but I am not able to",
        "My apologies, however",
        "UNFORTUNATELY, I AM UNABLE TO HELP",
        "As an AI language model, I have no opinion.",
        "As a large language model I",
        "I'm just an AI",
        "I must respectfully decline.",
        "But I cannot",
        "I don't feel comfortable saying that",
    ],
)
def test_what_begins_like_a_refusal(text):
    assert refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "I can do that.",
        "I am sorry to hear that.",
        "Sorry I'm late.",
        "I cantilever the beam",
        "As an aid to memory",
        "As an assistant professor, she",
        "Unfortunately the train was late.",
        "He said: I cannot answer.",
        "Tom has 40 apples. I cannot",
        "I can’t wait to see it.",
        "I cannot believe it!",
    ],
)
def test_what_does_not(text):
    assert not refusal(text)


def test_an_unknown_text_is_neither_a_refusal_nor_a_loop():
    unknown = pa.array([None], pa.string())
    assert not refuses(unknown).any()
    assert not loops(unknown).any()


# ── loops ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "Let me see. " + "Tom has 40 apples. " * 3,
        "Tom has 40 apples. Tom  has 40\napples. Tom has 40 apples. Tom has",
        "!" * SHORTEST_LOOP,
        "so " * 20,
        "0" * 500,
        "你好，" * 12,
        "A whole sentence, said thrice, is not what anybody asked for. " * 3,
        "x" * LONGEST_PERIOD + " and so on and on" * 3,
    ],
)
def test_texts_that_end_in_a_loop(text):
    assert loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!" * (SHORTEST_LOOP - 1),
        "very, very, very good",
        "Tom has 40 apples. " * 2 + "Tom has",
        "Tom has 40 apples. " * 5 + "So he has 200.",
        "1 + 1 = 2 2 + 1 = 3 3 + 1 = 4 4 + 1 = 5",
    ],
)
def test_texts_that_do_not(text):
    assert not loop(text)


def slow_loop(text):
    """By the definition, one period after the other."""
    end = " " + " ".join(text.split())
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(TIMES * period, SHORTEST_LOOP)
        last = end[-length:]
        if len(end) >= length and last[period:] == last[:-period]:
            return True
    return False


@given(
    st.text("ab \n", max_size=40),
    st.text("ab ", min_size=1, max_size=LONGEST_PERIOD + 5),
    st.integers(1, 2 * SHORTEST_LOOP),
    st.text("ab", max_size=2),
)
def test_loops_are_found_as_defined(start, phrase, times, end):
    text = start + phrase * times + end
    assert loop(text) == slow_loop(text)


def test_each_text_is_judged_by_itself():
    texts = ["ha " * 30, "short", None, "!" * 64, ""]
    assert loops(pa.array(texts)).tolist() == [True, False, False, True, False]
    assert loops(pa.array([], pa.string())).tolist() == []


# ── what matters ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("measure", "old", "new", "enough"),
    [
        ("commonest", COMMONEST_SHARE - COMMONEST_ROSE, COMMONEST_SHARE, True),
        ("commonest", 0.45, 0.54, False),
        ("commonest", 0.10, 0.45, False),
        ("commonest", 0.93, 0.41, False),
        ("entropy", 1.0, 0.75, True),
        ("entropy", 2.0, 1.6, False),
        ("entropy", 0.3, 0.06, False),
        ("entropy", 0.4, 1.0, False),
        ("length", 48.0, 12.0, True),
        ("length", 12.0, 48.0, True),
        ("length", 48.0, 24.0, False),
        ("length", 1.0, 4.0, False),
        ("empty", 0.0, 0.02, True),
        ("empty", 0.02, 0.0, False),
        ("refusal", 0.01, 0.025, False),
        ("repetition", 0.10, 0.12, True),
    ],
)
def test_what_is_enough_to_matter(measure, old, new, enough):
    assert matters(measure, old, new) == enough
