"""An answer is found to have ended as soon as its text holds a stop string, however tokens spell it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from regress.engines.stopping import Stopper

END = 0
PIECES = [b"", b"a", b"b", b"ab", b"\n", b" Q", b":", b"Q:", "é".encode()[:1], "é".encode()[1:], b"ba\n", b""]


def decode(ids: Sequence[int]) -> str:
    """As byte-level tokenizers do: pieces of characters, and tokens that spell nothing, are there too."""
    return b"".join(PIECES[token] for token in ids).decode("utf-8", errors="replace")


def plainly(written: Sequence[int], until: Sequence[str], longest: int) -> bool:
    text = decode(written)
    return written[-1] == END or len(written) >= longest or any(word in text for word in until if word)


stops = st.lists(st.sampled_from(["\n", "Q:", "ab", "bab", "é", "éa", "", "a\nb"]), max_size=3)


tokens_that_spell = st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=30).filter(
    lambda tokens: tokens.count(11) <= 4
)


@given(tokens_that_spell, stops, st.integers(1, 40))
def test_it_ends_where_reading_everything_again_says_so(
    tokens: list[int], until: list[str], longest: int
) -> None:
    stopper = Stopper(decode, until, {END}, longest)
    for count in range(1, len(tokens) + 1):
        written = tokens[:count]
        expected = plainly(written, until, longest)
        assert stopper.ended(written) == expected
        if expected:
            break


def test_a_stop_string_after_many_tokens_that_spell_nothing_is_cut_later_not_lost() -> None:
    """The one case that is missed: the answer goes on, up to its longest length at most."""
    stopper = Stopper(decode, ["ab"], {END}, 100)
    spread = [1, *[11] * 20, 2]
    assert decode(spread) == "ab"
    assert not stopper.ended(spread)
    assert stopper.ended([1] * 100)


def test_only_tokens_that_could_end_a_stop_string_are_looked_at() -> None:
    asked: list[list[int]] = []

    def noting(ids: Sequence[int]) -> str:
        asked.append(list(ids))
        return decode(ids)

    stopper = Stopper(noting, ["Q:"], {END}, 1000)
    for count in range(1, 200):
        stopper.ended([1] * count)
    assert asked == [[1]]
    assert stopper.ended([*[1] * 200, 7])
