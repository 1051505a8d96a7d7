"""Several versions in a terminal: every cell, its notes, and no line wider than asked for."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from regress.views.matrix.terminal import render
from regress.views.numbers import percent

NAMES = ("v1", "v2", "v3")


def lines_after(text: str, heading: str) -> list[str]:
    """The lines of the table below the line that begins with `heading`."""
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(heading)) + 1
    return lines[start : lines.index("", start)]


def test_a_cell_is_what_the_row_loses_where_the_column_takes_its_place(make_matrix):
    matrix = make_matrix(NAMES)
    head, *rows = lines_after(render(matrix), "toy · acc · 40 instances")
    assert head.split()[-3:] == ["1", "2", "3"]
    for old, row in enumerate(rows):
        number, name, level, *cells = row.split()
        assert (number, name) == (str(old + 1), NAMES[old])
        assert level == percent(matrix.tasks[0].standings[old].accuracy.value)
        expected = [
            "·" if old == new else percent(matrix.tasks[0].pair(old, new).estimates["nfr"].value)
            for new in range(3)
        ]
        assert cells == expected


def test_the_history_goes_from_each_version_to_the_next(make_matrix):
    matrix = make_matrix(NAMES)
    _, first, *rest = lines_after(render(matrix), "toy: each after the one before")
    assert first.rstrip().endswith(("█", *"▏▎▍▌▋▊▉"))
    for new, row in enumerate(rest, 1):
        step = matrix.tasks[0].pair(new - 1, new).estimates
        nfr = f"{percent(step['nfr'].value)}  {percent(step['nfr'].low)} to {percent(step['nfr'].high)}"
        assert row.endswith(nfr)


def test_a_bar_is_as_long_as_the_share(make_matrix):
    matrix = make_matrix(NAMES)
    _, *rows = lines_after(render(matrix, width=120), "toy: each after the one before")
    for row, standing in zip(rows, matrix.tasks[0].standings, strict=True):
        assert row.count("█") == int(20 * standing.accuracy.value + 1 / 16)


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("size", [2, 6, 14])
def test_no_line_is_wider_than_asked_for_and_every_column_is_there(make_matrix, width, size):
    text = render(make_matrix([f"a-rather-long-name-of-version-{i}" for i in range(size)]), width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    heads = re.findall(r"old ↓  new → +right((?: +\d+)+)$", text, re.MULTILINE)
    assert [int(number) for head in heads for number in head.split()] == list(range(1, size + 1))


def test_many_versions_stand_in_several_tables_with_every_row(make_matrix):
    text = render(make_matrix([f"v{i}" for i in range(14)]))
    assert len(re.findall(r"^14  v13 ", text, re.MULTILINE)) > 2 + 2


def test_a_refused_cell_bears_the_letter_of_the_note_that_says_why(make_matrix):
    text = render(make_matrix(NAMES, without=[1]))
    _, *rows = lines_after(text, "sums · rouge1 · 40 instances")
    assert rows[1].split() == ["2", "v2", "(a)", "(a)", "·", "(a)"]
    assert rows[0].split()[-2] == "(a)"
    assert "(a)  sums: v2 has no run of sums." in text
    _, *steps = lines_after(text, "sums: each after the one before")
    assert steps[1].split() == ["2", "v2", "(a)", "(a)", "(a)"]
    assert steps[2].split()[-2:] == ["(a)", "(a)"]


def test_scores_without_bounds_have_no_bar_and_no_percent(make_matrix):
    text = render(make_matrix(NAMES, scale="unbounded"), width=140)
    table = "\n".join(lines_after(text, "sums: each after the one before"))
    assert not set(table) & set("█▏▎▍▌▋▊▉")
    assert re.search(r"v1 +0\.\d{4} ", table)


def test_what_is_hostile_is_visible_and_harmless(make_matrix, hostile_text):
    names = ["v1", hostile_text, "你好 🙂" * 20]
    text = render(make_matrix(names, name=f"toy {hostile_text}", metric=hostile_text))
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "�" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\ud800-\udfff]", text)


def test_colours_change_nothing_but_colours(make_matrix):
    plain, inked = (render(make_matrix(NAMES), color=color, where="reports") for color in (False, True))
    assert re.sub(r"\x1b\[\d+m", "", inked) == plain
    assert inked != plain
    assert "\x1b" not in plain


def test_demo_items_are_said_to_be_that(make_matrix):
    assert render(make_matrix(NAMES, data="demo")).startswith(
        "3 versions, each against each (demo items, not the benchmarks)\n"
    )
