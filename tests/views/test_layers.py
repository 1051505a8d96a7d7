"""Layer maps in words: every map with its cost, bars in order, hostile names made visible."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from regress.changes import LayerMaps, MappedLayers
from regress.views.layers import picture, render, to_json


def mapped(name: str, layers: tuple[int, ...], perplexity: float) -> MappedLayers:
    return MappedLayers(name=name, layers=layers, perplexity=perplexity, surprisal=math.log(perplexity))


@pytest.fixture
def found() -> LayerMaps:
    """The published figures of a model of four layers."""
    return LayerMaps(
        model="stories",
        base=mapped("as it is", (0, 1, 2, 3), 4.41),
        maps=(
            mapped("stack again", (0, 1, 2, 3, 0, 1, 2, 3), 8.84),
            mapped("each repeated", (0, 0, 1, 1, 2, 2, 3, 3), 26.15),
        ),
        text="text.txt",
        tokens=1234,
        window=512,
        parameters=1000,
    )


def test_every_map_has_its_perplexity_its_cost_and_a_bar_as_long(found: LayerMaps) -> None:
    lines = render(found).splitlines()
    base, stacked, doubled = lines[3:6]
    assert base.split() == ["0-3", "as", "it", "is", "4.410", "–"]
    assert stacked.startswith("0-3,0-3          stack again    8.840  +0.6954")
    assert doubled.startswith("0,0,1,1,2,2,3,3  each repeated  26.15   +1.780")
    assert stacked.count("█") == 6  # 16 · 0.6954 / 1.7800 is 6.25
    assert doubled.count("█") == 16


def test_no_line_is_wider_than_asked(found: LayerMaps) -> None:
    long = replace(found, maps=(mapped("given", tuple([0, 2] * 60), 9.0), *found.maps))
    assert max(map(cell_len, render(long, width=80).splitlines())) <= 80
    assert "0,2,0,2" in render(long, width=None)


def test_a_map_that_reads_better_than_the_model_has_no_bar(found: LayerMaps) -> None:
    better = replace(found, maps=(mapped("given", (0, 1), 4.0),))
    assert "−0.09758" in render(better)
    assert "█" not in render(better)


def test_names_that_act_on_a_terminal_are_made_visible(found: LayerMaps) -> None:
    assert "\x1b" not in render(replace(found, model="a\x1b[2Jb", text="c\x1b[0m"))


def test_json_holds_every_digit_and_null_for_what_is_undefined(found: LayerMaps) -> None:
    endless = replace(found, maps=(replace(found.maps[0], perplexity=math.inf),))
    document = json.loads(to_json(endless))
    assert document["base"]["perplexity"] == 4.41
    assert document["maps"][0]["perplexity"] is None
    assert document["maps"][0]["layers"] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_the_picture_shows_each_layer_number_and_each_perplexity(found: LayerMaps) -> None:
    from regress.plots.layer_maps import layer_maps

    left, right = layer_maps(found).axes
    assert [text.get_text() for text in left.texts] == list("01230123012300112233")
    assert [text.get_text() for text in right.texts] == ["4.41", "8.84", "26.1"]
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    assert ends == pytest.approx([8.84, 26.15])
    drawn = picture(found)
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
