import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.views.untrusted import REPLACEMENT, head, tail, visible, visible_lines


@pytest.mark.parametrize(
    "hidden",
    [
        "\x00",
        "\x07",
        "\x1b",
        "\x7f",
        "\x9b",
        "\xad",
        "\u061c",
        "\u200b",
        "\u200d",
        "\u202e",
        "\u2066",
        "\u2800",
        "\u3164",
        "\ue000",
        "\ufeff",
        "\udc80",
        "\U000e0041",
    ],
)
def test_a_character_that_acts_or_hides_leaves_a_visible_mark(hidden: str) -> None:
    assert visible(f"a{hidden}b") == f"a{REPLACEMENT}b"


def test_what_people_write_stays_as_it_is() -> None:
    text = "Größe ≥ 3 €, 你好, नमस्ते, السلام, 🙂, x̄²"
    assert visible(text) == text


def test_marks_do_not_climb_over_the_lines_above() -> None:
    assert visible("Z" + "\u0334" * 9) == "Z" + "\u0334" * 3 + REPLACEMENT * 6


def test_line_ends_of_every_kind_become_one_space() -> None:
    assert visible("a\r\n\u2028\u2029\v\f\x85\tb") == "a b"


@given(st.text(alphabet=st.characters(codec=None)))
def test_nothing_visible_is_a_control_character(text: str) -> None:
    shown = visible(text)
    assert not any(unicodedata.category(character)[0] == "C" for character in shown)
    assert visible(shown) == shown


@given(st.text(alphabet="ab \n\x1b\u0301é你", max_size=300), st.integers(min_value=2, max_value=20))
def test_an_excerpt_is_no_longer_than_allowed_and_says_when_it_was_cut(text: str, limit: int) -> None:
    whole = visible(text)
    for excerpt in (head(text, limit), tail(text, limit)):
        assert len(excerpt) <= limit
        assert "…" in excerpt or excerpt == whole


def test_an_excerpt_of_a_huge_text_looks_at_a_small_part_of_it() -> None:
    assert head("x" * 10_000_000, 5) == "xxxx…"
    assert tail("x" * 10_000_000, 5) == "…xxxx"


@given(st.text(alphabet=st.characters(codec=None)))
def test_lines_are_kept_and_nothing_in_them_acts_or_hides(text: str) -> None:
    lines = visible_lines(text)
    assert len(lines) == 1 + len(re.findall("\r\n|\r|\n", text))
    assert not any(
        unicodedata.category(one)[0] == "C" or one in "\u2028\u2029" for line in lines for one in line
    )
    assert "\n".join(visible_lines("\n".join(lines))) == "\n".join(lines)


def test_indentation_is_kept() -> None:
    assert visible_lines("if a:\n\tb  = 1\r\n  c") == ["if a:", "    b  = 1", "  c"]
