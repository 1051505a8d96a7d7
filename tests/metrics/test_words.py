"""Where two texts part, and what became of their words."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.metrics.words import WINDOW, counts, first_divergence, first_divergences, split, word_diff

# few words, so that texts share some; every kind of white space
WORDS = st.lists(st.sampled_from(["a", "b", "b.", "é", "你好", "\u200b"]), max_size=12)
SPACE = st.sampled_from([" ", "\n", "\t ", "\u3000", "\x1c", "\x85", "\xa0 "])
TEXTS = st.builds(
    lambda words, space, ends: ends + space.join(words) + ends, WORDS, SPACE, st.sampled_from(["", " ", "\n"])
)
LONG = st.lists(st.sampled_from("ab"), max_size=3 * WINDOW).map(" ".join)


def operations(diff):
    return [(operation, len(old), len(new)) for operation, old, new in diff]


# ── the first word in which they part ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("16 - 3 = 13", "16 - 3 = 7", 4),
        ("a b", "a b", None),
        ("a  b\n", " a\tb", None),
        ("a b c", "a b", 2),
        ("", "a", 0),
        ("", " \n", None),
        ("Ab", "ab", 0),
    ],
)
def test_the_first_word_in_which_texts_part(old, new, place):
    assert first_divergence(old, new) == place


@given(TEXTS, TEXTS)
def test_parting_knows_no_sides(old, new):
    assert first_divergence(old, new) == first_divergence(new, old)
    assert first_divergence(old, old) is None


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_columns_part_as_their_texts_do(pairs):
    columns = (
        [split(pa.array(side, pa.string())) for side in zip(*pairs, strict=True)]
        if pairs
        else [split(pa.array([], pa.string()))] * 2
    )
    singly = [first_divergence(old, new) for old, new in pairs]
    assert first_divergences(*columns).tolist() == [-1 if place is None else place for place in singly]
    assert counts(columns[0]).tolist() == [len(old.split()) for old, _ in pairs]


def test_an_unknown_text_has_no_words():
    unknown, known = split(pa.array([None, None], pa.string())), split(pa.array(["a b", ""]))
    assert counts(unknown).tolist() == [0, 0]
    assert first_divergences(unknown, known).tolist() == [0, -1]


# ── word diff ────────────────────────────────────────────────────────────────────────────────────


def test_words_are_kept_replaced_deleted_and_inserted():
    diff = word_diff("so he has 13 eggs and milk now", "he has 7 eggs and milk and tea now")
    assert diff == [
        ("delete", ("so",), ()),
        ("equal", ("he", "has"), ("he", "has")),
        ("replace", ("13",), ("7",)),
        ("equal", ("eggs", "and", "milk"), ("eggs", "and", "milk")),
        ("insert", (), ("and", "tea")),
        ("equal", ("now",), ("now",)),
    ]


def test_of_texts_with_the_same_words_all_is_equal():
    assert operations(word_diff("a b", " a\nb")) == [("equal", 2, 2)]
    assert word_diff("", " ") == []


@given(st.one_of(TEXTS, LONG), st.one_of(TEXTS, LONG))
def test_a_diff_holds_the_words_of_both_texts_and_parts_where_they_do(old, new):
    diff = word_diff(old, new)
    assert [word for _, words, _ in diff for word in words] == old.split()
    assert [word for _, _, words in diff for word in words] == new.split()
    for operation, before, after in diff:
        assert (operation == "equal") == (before == after)
        assert {"delete": not after, "insert": not before}.get(operation, bool(before and after))
    place = first_divergence(old, new)
    head = len(diff[0][1]) if diff and diff[0][0] == "equal" else 0
    assert head == (len(old.split()) if place is None else place)


@given(TEXTS, TEXTS)
def test_texts_that_share_a_word_keep_one(old, new):
    kept = sum(before for operation, before, _ in operations(word_diff(old, new)) if operation == "equal")
    assert bool(kept) == bool(set(old.split()) & set(new.split()))


def test_long_texts_are_aligned_through_what_was_put_in():
    old = [f"w{i}" for i in range(20 * WINDOW)]
    new = ["x", *old[1:700], *["more"] * (WINDOW // 2), *old[700:1500], "y", *old[1501:]]
    diff = operations(word_diff(" ".join(old), " ".join(new)))
    assert diff == [
        ("replace", 1, 1),
        ("equal", 699, 699),
        ("insert", 0, WINDOW // 2),
        ("equal", 800, 800),
        ("replace", 1, 1),
        ("equal", len(old) - 1501, len(old) - 1501),
    ]


def test_loops_do_not_take_long():
    """Unbounded, these two would take minutes: every word of one is every other of the other."""
    diff = word_diff("a " * 2000 + "b", "c " + "a b " * 1000)
    assert sum(len(old) for _, old, _ in diff) == 2001
