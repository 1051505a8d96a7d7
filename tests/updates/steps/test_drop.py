from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import OTHER
from regress.updates.steps.drop import Drop
from regress.updates.steps.layers import Layers

pytestmark = pytest.mark.models


@pytest.mark.parametrize("layers", [(0,), (1,), (2,), (0, 2)])
def test_what_is_left_is_what_a_map_of_it_makes(models: Any, layers: tuple[int, ...]) -> None:
    old = models.tiny("llama")
    kept = tuple(layer for layer in range(3) if layer not in layers)
    dropped = models.planned(old, Drop(layers=layers))
    assert dropped.claim == OTHER
    assert dropped.config["num_hidden_layers"] == len(kept)
    assert dict(dropped.tensors) == dict(models.planned(old, Layers(map=kept)).tensors)
    new = models.changed(old, Drop(layers=layers))
    assert models.written(new) == models.written(new, cache=False)


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
def test_influence_is_one_minus_the_cosine_of_what_enters_and_leaves(models: Any, kind: str) -> None:
    import torch

    from regress.updates.steps.influence import influences

    model, texts = models.load(models.tiny(kind)), [models.ids(9)[:1], models.ids(5)[1:]]
    seen: list[list[Any]] = []
    for text in texts:
        with torch.no_grad():
            states = list(model(text, output_hidden_states=True).hidden_states[:-1])
        last: list[Any] = []
        handle = model.model.norm.register_forward_pre_hook(lambda _, args, last=last: last.append(args[0]))
        model(text)
        handle.remove()
        seen.append([*states, last[0].detach()])
    for layer, found in enumerate(influences(model, texts)):
        cosines = torch.cat(
            [torch.cosine_similarity(each[layer], each[layer + 1], dim=-1).flatten() for each in seen]
        )
        assert found == pytest.approx(1 - float(cosines.mean()), abs=1e-5)


def test_a_layer_that_adds_nothing_goes_first(models: Any) -> None:
    """Two silent layers of five: the others stay, and so does every bit."""
    from regress.updates.steps.insert import Insert

    old = models.tiny("llama")
    deeper = models.changed(old, Insert(layers=(1, 4)))
    step = Drop(n=2).settle(models.load(deeper), [models.ids()[:1]])
    assert step == Drop(layers=(1, 4))
    assert models.logits(models.changed(deeper, step)).equal(models.logits(old))


def test_on_paper_the_number_is_right_and_a_note_says_what_is_measured(models: Any) -> None:
    plan = models.planned(models.tiny("llama"), Drop(n=2))
    assert plan.config["num_hidden_layers"] == 1
    assert "measured" in plan.notes[0]


def test_chosen_layers_need_no_model() -> None:
    assert not Drop(layers=(1,)).measures
    assert Drop(n=1).measures


@pytest.mark.parametrize(
    "step",
    [
        Drop(),
        Drop(layers=(1,), n=1),
        Drop(layers=(3,)),
        Drop(layers=(1, 1)),
        Drop(layers=()),
        Drop(layers=(0, 1, 2)),
        Drop(n=3),
        Drop(n=0),
    ],
)
def test_what_leaves_no_model_or_names_no_layer_is_refused(models: Any, step: Drop) -> None:
    with pytest.raises(UsageError):
        models.planned(models.tiny("llama"), step)


def test_the_only_layer_stays(models: Any) -> None:
    with pytest.raises(Unsupported, match="only layer"):
        models.planned(models.tiny("llama", num_hidden_layers=1), Drop(n=1))


def test_nothing_is_measured_without_text(models: Any) -> None:
    with pytest.raises(UsageError, match="without text"):
        Drop(n=1).settle(models.load(models.tiny("llama")), [])


@pytest.mark.shared
def test_influences_and_losses_of_a_trained_model(
    models: Any, stories: Path, story_ids: Callable[[int, int], Any]
) -> None:
    """Measured before in numpy, over other texts of its own: .231, .140, .116, .121, .155."""
    from regress.updates.steps.influence import influences

    ids = story_ids(8, 128)
    found = influences(models.load(stories), [text[None] for text in ids])
    assert found == pytest.approx([0.231, 0.140, 0.116, 0.121, 0.155], rel=0.1)
    losses = [models.loss(models.changed(stories, Drop(layers=(layer,))), ids) for layer in range(5)]
    assert sorted(range(5), key=losses.__getitem__) == [2, 3, 4, 1, 0], losses
