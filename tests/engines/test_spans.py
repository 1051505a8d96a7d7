"""Windows over a text: every token is measured once, with enough before it, and nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.engines.spans import Span, begun_alike, spans

TEXTS = st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=12)


def measured(n, size, stride, *, begun=True, known=0):
    found = spans(n, size, stride, begun=begun, known=known)
    return [place for one in found for place in range(one.first, one.stop)]


def test_windows_by_hand():
    assert list(spans(10, 6, 3, begun=False)) == [Span(0, 1, 6), Span(3, 6, 9), Span(6, 9, 10)]
    assert list(spans(10, 6, 3, begun=True)) == [Span(0, 0, 6), Span(3, 6, 9), Span(6, 9, 10)]


def test_windows_that_do_not_overlap_leave_out_what_nothing_stands_before():
    assert measured(9, 3, 3, begun=False) == [1, 2, 4, 5, 7, 8]
    assert measured(9, 3, 3) == list(range(9))


@pytest.mark.parametrize(
    ("n", "begun", "expected"), [(0, True, []), (1, False, []), (1, True, [0]), (2, False, [1])]
)
def test_a_text_of_hardly_any_token(n, begun, expected):
    assert measured(n, 4, 2, begun=begun) == expected


@given(st.data(), st.integers(0, 60), st.integers(2, 12), st.booleans())
def test_every_token_is_measured_once(data, n, size, begun):
    stride = data.draw(st.integers(1, size - 1))
    known = data.draw(st.integers(0, n))
    assert measured(n, size, stride, begun=begun, known=known) == list(
        range(max(known, 0 if begun else 1), n)
    )


@given(st.data(), st.integers(0, 60), st.integers(2, 12), st.booleans())
def test_a_window_is_no_longer_than_asked_and_shows_enough_before(data, n, size, begun):
    stride = data.draw(st.integers(1, size - 1))
    for one in spans(n, size, stride, begun=begun):
        assert 0 <= one.start <= one.first < one.stop <= n
        assert one.stop - one.start <= size
        assert one.start == 0 or one.first - one.start >= size - stride


@given(st.integers(0, 40), st.integers(0, 40))
def test_where_windows_lie_does_not_depend_on_how_long_the_text_is(n, more):
    """So that texts that begin alike are measured alike there."""
    short, long = (list(spans(length, 8, 4, begun=True)) for length in (n, n + more))
    for one, other in zip(short, long, strict=False):
        assert (one.start, one.first) == (other.start, other.first)


@given(TEXTS)
def test_what_is_left_of_texts_that_begin_alike_is_every_beginning_once(texts):
    """As a tree of tokens has one node for each beginning."""
    nodes = {tuple(text[:end]) for text in texts for end in range(1, len(text) + 1)}
    kept = [
        tuple(text[: end + 1])
        for text, alike in zip(texts, begun_alike(texts), strict=True)
        for end in range(alike, len(text))
    ]
    assert len(kept) == len(set(kept))
    assert set(kept) == nodes
