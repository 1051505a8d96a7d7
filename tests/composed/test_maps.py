"""Layer maps worth trying: the published ones, and sound ones for every depth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from regress.composed.maps import candidates

PUBLISHED = {
    (0, 1, 2, 3, 0, 1, 2, 3),
    (0, 1, 1, 1, 2, 2, 2, 3),
    (0, 1, 2, 2, 2, 2, 3, 3),
    (0, 1, 2, 2, 2, 3, 3, 3),
    (0, 0, 1, 1, 2, 2, 3, 3),
    (0, 1, 2, 3, 2, 3, 2, 3),
    (0, 1, 2, 2, 3, 3, 3, 3),
    (0, 1, 2, 2, 2, 2, 2, 3),
}


def test_all_published_maps_of_four_layers_to_eight_are_tried() -> None:
    assert set(candidates(4, 8)) >= PUBLISHED


def test_depth_up_scaling_as_published_is_tried() -> None:
    """SOLAR: of 32 layers the first 24, then the last 24."""
    assert candidates(32, 48)[(*range(24), *range(8, 32))] == "middle twice"


def test_fewer_layers_than_there_are() -> None:
    assert candidates(5, 3) == {
        (0, 1, 4): "middle left out",
        (0, 2, 4): "evenly thinned",
        (0, 1, 2): "first layers",
        (2, 3, 4): "last layers",
    }


@given(st.integers(1, 40), st.integers(1, 80))
def test_every_map_is_one_of_the_model_and_of_the_depth(count: int, depth: int) -> None:
    found = candidates(count, depth)
    assert found
    for layers in found:
        assert len(layers) == depth
        assert set(layers) <= set(range(count))
    assert len(set(found.values())) == len(found)
