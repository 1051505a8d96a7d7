import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len

from regress.types import Comparison
from regress.views.terminal import render

NAMES = ("full", "judged", "settings", "unknowns", "hostile")
WHERE = "reports/demo-v1..demo-v2"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "wide"), [(80, False), (140, True)])
def test_the_table_looks_as_it_did(
    name: str, width: int, wide: bool, request: pytest.FixtureRequest, golden: Any
) -> None:
    shown = render(request.getfixturevalue(name), width=width, wide=wide, where=WHERE)
    golden(f"{name}.{width}.txt", shown)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "wide"), [(60, False), (80, False), (100, False), (140, True)])
def test_no_line_is_wider_than_asked(
    name: str, width: int, wide: bool, request: pytest.FixtureRequest
) -> None:
    shown = render(request.getfixturevalue(name), width=width, wide=wide, where="/long" * 60)
    assert max(map(cell_len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_the_text_can_act_on_a_terminal(name: str, request: pytest.FixtureRequest) -> None:
    shown = render(request.getfixturevalue(name), where="a\x1b[2Jb")
    categories = {unicodedata.category(character) for character in shown.replace("\n", "")}
    assert not {category for category in categories if category[0] == "C"}
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_markup_of_models_is_shown_and_not_read(hostile: Comparison) -> None:
    assert "[red]markup[/red]" in render(hostile)


def test_color_changes_the_looks_and_not_the_text(full: Comparison) -> None:
    colored = render(full, color=True)
    assert "\x1b[1m" in colored
    assert re.sub(r"\x1b\[\d+m", "", colored) == render(full)


def test_old_and_new_answers_stand_side_by_side(full: Comparison) -> None:
    line = next(line for line in render(full).splitlines() if "38" in line and "42" in line)
    assert line.split() == ["old", "42", "new", "38"]


def test_an_ordinary_table_keeps_long_names_short_and_numbers_whole(full: Comparison) -> None:
    task = replace(full.tasks[0], task=replace(full.tasks[0].task, name="mmlu_flan_cot_zeroshot_" * 4))
    row = next(line for line in render(replace(full, tasks=(task,))).splitlines() if "…  400" in line)
    assert row.split()[1:] == ["400", "42.0", "55.5", "+13.5", "3.0", "16.5", "12.0", "1–4"]


def test_a_comparison_without_tasks_can_be_shown(full: Comparison) -> None:
    assert "task" in render(replace(full, tasks=()))
