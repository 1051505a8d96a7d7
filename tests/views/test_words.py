"""A word diff as people read one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from regress.metrics.words import word_diff
from regress.views.listing import wrap
from regress.views.words import inked, marked

OLD, NEW = "so in all he has 16 - 3 = 13 eggs left", "so in all he has 16 - 3 = 7 big eggs left"
LOOSE = st.text(st.sampled_from("ab [-]{+}\x1b\n"), max_size=30)


def test_old_words_and_new_ones_are_marked() -> None:
    assert marked(word_diff(OLD, NEW)) == "so in all he has 16 - 3 = [-13-]{+7 big+} eggs left"


def test_only_the_words_beside_a_change_are_kept() -> None:
    assert marked(word_diff(OLD, NEW), context=1) == "… = [-13-]{+7 big+} eggs …"
    assert marked(word_diff("a 1 b c d e 2 f", "a 3 b c d e 4 f"), context=1) == (
        "a [-1-]{+3+} b … e [-2-]{+4+} f"
    )
    assert marked(word_diff("a b c", "a b"), context=0) == "… [-c-]"


def test_where_there_are_no_more_words_beside_a_change_none_is_left_out() -> None:
    for context in range(3, 7):
        assert marked(word_diff("a b c 1", "a b c 3"), context=context) == "a b c [-1-]{+3+}"
        assert marked(word_diff("1 a b c", "3 a b c"), context=context) == "[-1-]{+3+} a b c"


def test_a_long_change_is_cut_on_both_sides() -> None:
    assert marked(word_diff("a b c d", "w x"), longest=2) == "[-a b …-]{+w x+}"


def test_equal_texts_have_no_marks() -> None:
    assert marked(word_diff("a b", "a b")) == "a b"
    assert marked([]) == ""


def test_words_of_a_model_are_made_harmless(hostile_text: str) -> None:
    assert not any(control in marked(word_diff("a", hostile_text)) for control in "\x1b\x07\u202e")


def set_off(lines: list[str]) -> list[str]:
    return list(inked(lines, old=lambda text: f"<{text}>", new=str.upper))


def test_a_mark_may_go_on_in_the_next_line() -> None:
    assert set_off(["is [-13 big", "eggs-]{+7+} now"]) == ["is <[-><13 big>", "<eggs><-]>{+7+} now"]


@given(LOOSE, LOOSE, st.integers(4, 20))
def test_ink_changes_no_text_whatever_marks_it_holds(old: str, new: str, width: int) -> None:
    lines = wrap(marked(word_diff(old, new)), width)
    assert list(inked(lines, old=lambda text: text, new=lambda text: text)) == lines
