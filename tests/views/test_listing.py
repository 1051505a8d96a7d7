from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from regress.views.listing import clip, pad, table, wrap

TEXT = st.text(alphabet="ab é你🙂\u0301 -", max_size=60)


def test_a_listing_has_a_line_a_row_and_numbers_to_the_right() -> None:
    shown = table(["run", "rows", "size"], [["demo-v1/piqa", "400", "1.2 MB"], ["a/gsm8k", "10,042", "–"]])
    assert shown.splitlines() == [
        "run             rows    size",
        "demo-v1/piqa     400  1.2 MB",
        "a/gsm8k       10,042       –",
    ]


def test_a_listing_without_rows_is_its_header() -> None:
    assert table(["run", "rows"], []) == "run  rows"


def test_the_widest_text_gives_way_and_numbers_stay_whole() -> None:
    shown = table(["run", "rows"], [["x" * 200, "10,042"]], width=80)
    assert shown.splitlines()[1] == "x" * 71 + "…  10,042"


def test_what_is_piped_is_not_cut() -> None:
    assert "x" * 200 in table(["run", "rows"], [["x" * 200, "10,042"]], width=None)


def test_a_listing_shows_no_control_characters() -> None:
    assert "\x1b" not in table(["run"], [["\x1b[2Jgone\nnext"]])
    assert len(table(["run"], [["a\nb"]]).splitlines()) == 2


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=5))
def test_no_listing_is_wider_than_asked(rows: list[tuple[str, str, str]]) -> None:
    for line in table(["name", "date", "complete"], rows, width=40).splitlines():
        assert cell_len(line) <= 40


@given(TEXT, st.integers(min_value=1, max_value=30), st.booleans())
def test_padding_fills_exactly_the_cells_asked_for(text: str, width: int, right: bool) -> None:
    assert cell_len(pad(text, width, right)) == width
    assert cell_len(clip(text, width)) <= width


@given(TEXT, st.integers(min_value=2, max_value=30))
def test_wrapping_keeps_every_word_within_the_width(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
