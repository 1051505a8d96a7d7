"""Layer maps end to end: what is measured, what is written, what is refused; on stories260k in order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from regress import cli
from regress.errors import RegressError
from regress.workflows.layers import layers
from regress.workflows.progress import Advanced, Started

pytestmark = pytest.mark.models

DOUBLED = (0, 0, 1, 1, 2, 2, 3, 3, 4, 4)


@pytest.fixture
def text(tmp_path: Path) -> str:
    file = tmp_path / "text.txt"
    file.write_text("Tom has 3 apples and 4 pears. How many fruits does Tom have?\nTom has 7 fruits.\n")
    return str(file)


def test_the_identity_map_measures_what_the_model_does_digit_for_digit(text: str) -> None:
    found = layers("demo-v2", maps=[(0, 1, 2, 3)], text=text)
    (same,) = found.maps
    assert same.layers == found.base.layers
    assert same.surprisal == found.base.surprisal
    assert found.base.perplexity == math.exp(found.base.surprisal)


def test_all_maps_of_a_depth_are_tried_the_best_first(text: str) -> None:
    events: list[Any] = []
    found = layers("demo-v2", text=text, progress=events.append)
    assert {len(each.layers) for each in found.maps} == {8}  # twice as many as it has
    values = [each.surprisal for each in found.maps]
    assert values == sorted(values)
    assert len(values) > 3
    (started,) = [event for event in events if isinstance(event, Started)]
    done = [event.done for event in events if isinstance(event, Advanced)]
    assert done == [*range(1, started.total), started.total]


def test_a_map_given_is_tried_beside_those_of_the_depth(text: str) -> None:
    found = layers("demo-v2", depth=3, maps=[(1, 0)], text=text)
    assert {len(each.layers) for each in found.maps} == {2, 3}
    assert {each.name for each in found.maps if len(each.layers) == 2} == {"given"}


def test_the_command_prints_a_table_and_writes_numbers_and_picture(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["layers", "demo-v2", "--text", text, "--map", "[0-1,1]", "--out", str(tmp_path)]
    assert cli.run(words) == 0
    folder = tmp_path / "layers" / "demo-v2"
    printed = capsys.readouterr().out
    assert "0,1,1  given" in printed
    assert str(folder) in printed.replace("\n", "")
    document = json.loads((folder / "layers.json").read_text())
    assert document["schema"] == "regress.layers/1"
    assert [each["layers"] for each in document["maps"]] == [[0, 1, 1]]
    assert (folder / "layers.png").read_bytes().startswith(b"\x89PNG")
    assert cli.run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == document


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"depth": 0}, "depth is 0"),
        ({"maps": [(0, 4)]}, "names layer 4, and the model has 4"),
        ({"maps": [()]}, "without layers"),
        ({"maps": [(0,)], "engine": "dummy"}, "does not hand out"),
    ],
)
def test_what_makes_no_model_is_refused(given: dict[str, Any], said: str, text: str) -> None:
    with pytest.raises(RegressError, match=said):
        layers("demo-v2", text=text, **given)


@pytest.mark.shared
def test_on_a_trained_model_the_order_is_the_published_one(stories: Path) -> None:
    """The model as it is < the stack repeated < each layer doubled in its place."""
    found = layers(str(stories))
    by_map = {each.layers: each.perplexity for each in found.maps}
    stacked, doubled = by_map[(0, 1, 2, 3, 4) * 2], by_map[DOUBLED]
    assert found.base.perplexity < stacked < doubled
    assert stacked == min(by_map.values())
