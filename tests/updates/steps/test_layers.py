from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import UsageError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.steps.layers import Layers

pytestmark = pytest.mark.models


@pytest.mark.parametrize("kind", ["llama, tied", "qwen2", "mixtral"])
def test_the_identity_map_keeps_every_bit(models: Any, kind: str) -> None:
    old = models.tiny(kind)
    step = Layers(map=(0, 1, 2))
    assert models.planned(old, step).claim == IDENTICAL
    assert models.logits(models.changed(old, step)).equal(models.logits(old))


def test_new_layer_i_is_old_layer_map_i(models: Any) -> None:
    """As if the layers of the loaded model had been put in that order by hand."""
    import torch

    old = models.tiny("llama")
    step = Layers(map=(2, 0, 0, 1))
    plan = models.planned(old, step)
    assert (plan.claim, plan.config["num_hidden_layers"]) == (OTHER, 4)
    model = models.load(old)
    hidden = model.model.embed_tokens(models.ids())
    positions = torch.arange(hidden.shape[1])[None]
    turns = model.model.rotary_emb(hidden, positions)
    mask = torch.full((1, 1, hidden.shape[1], hidden.shape[1]), -torch.inf).triu(1)
    with torch.no_grad():
        for source in step.map:
            hidden = model.model.layers[source](
                hidden, attention_mask=mask, position_embeddings=turns, position_ids=positions
            )
        expected = model.lm_head(model.model.norm(hidden))
    new = models.changed(old, step)
    assert float((models.logits(new) - expected).abs().max()) < 1e-4
    assert models.written(new) == models.written(new, cache=False)


def test_each_layer_keeps_its_kind_of_attention(models: Any) -> None:
    old = models.tiny("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=1)
    config = models.planned(old, Layers(map=(1, 0, 2, 0))).config
    assert config["layer_types"] == [
        "sliding_attention",
        "full_attention",
        "sliding_attention",
        "full_attention",
    ]


def test_tied_layers_are_copies_in_an_ordinary_checkpoint(models: Any) -> None:
    old = models.tiny("llama")
    tied = models.planned(old, Layers(map=(0, 1, 1, 2), tied=True))
    copied = models.planned(old, Layers(map=(0, 1, 1, 2)))
    assert dict(tied.tensors) == dict(copied.tensors)
    assert "others: 1." in tied.notes[0]
    assert not copied.notes


@pytest.mark.parametrize("places", [(), (0, 3), (-1,)])
def test_maps_that_name_no_layer_are_refused(models: Any, places: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        models.planned(models.tiny("llama"), Layers(map=places))


@pytest.mark.shared
def test_a_stack_repeated_whole_breaks_less_than_each_layer_doubled(
    models: Any, stories: Path, story_ids: Callable[[int, int], Any]
) -> None:
    """Perplexities: one layer doubled < SOLAR-like < stacked < each layer doubled."""
    maps = [(0, 1, 2, 2, 3, 4), (0, 1, 2, 3, 1, 2, 3, 4), (*range(5), *range(5)),
            (0, 0, 1, 1, 2, 2, 3, 3, 4, 4)]  # fmt: skip
    ids = story_ids(8, 128)
    losses = [models.loss(models.changed(stories, Layers(map=each)), ids) for each in maps]
    assert all(a < b for a, b in itertools.pairwise([models.loss(stories, ids), *losses])), losses
