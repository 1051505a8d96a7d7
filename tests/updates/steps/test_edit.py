from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError
from regress.updates.claims import ARGMAX, IDENTICAL, OTHER
from regress.updates.steps.drop import Drop
from regress.updates.steps.edit import Edit

pytestmark = pytest.mark.models

KINDS = ("llama", "llama, tied", "gpt2", "gpt_neox", "opt")


@pytest.mark.parametrize("kind", KINDS)
def test_a_gain_multiplies_logits(models: Any, kind: str) -> None:
    old, step = models.tiny(kind), Edit(gain=2.0)
    assert models.planned(old, step).claim == ARGMAX
    before, after = models.logits(old), models.logits(models.changed(old, step))
    assert after.equal(before * 2)


def test_a_gain_that_is_no_power_of_two_keeps_greedy_texts(models: Any) -> None:
    old = models.tiny("llama")
    new = models.changed(old, Edit(gain=1.7))
    assert models.gap(old, new) > 0.1
    assert models.written(new) == models.written(old)
    assert models.planned(old, Edit(gain=1.0)).claim == IDENTICAL


@pytest.mark.parametrize("kind", KINDS)
def test_two_tokens_exchange_their_logits(models: Any, kind: str) -> None:
    old, step = models.tiny(kind), Edit(swap=(7, 9))
    assert models.planned(old, step).claim == OTHER
    before, after = models.logits(old), models.logits(models.changed(old, step))
    assert after[..., [9, 7]].equal(before[..., [7, 9]])
    rest = [token for token in range(64) if token not in (7, 9)]
    assert after[..., rest].equal(before[..., rest])


def test_the_embedding_keeps_its_rows_when_the_tied_heads_are_swapped(models: Any) -> None:
    old = models.tiny("llama, tied")
    new = models.load(models.changed(old, Edit(swap=(7, 9))))
    assert new.model.embed_tokens.weight.equal(models.load(old).model.embed_tokens.weight)
    assert new.config.tie_word_embeddings is False
    assert "two tensors now" in models.planned(old, Edit(swap=(7, 9))).notes[0]
    assert not models.planned(old, Edit(gain=2.0)).notes


def test_without_a_norm_at_the_end_there_is_no_gain(models: Any) -> None:
    with pytest.raises(Unsupported, match="no final norm"):
        models.planned(models.tiny("opt", do_layer_norm_before=False), Edit(gain=2.0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_muted_token_is_never_written_and_the_others_do_not_move(models: Any, kind: str) -> None:
    old = models.tiny(kind)
    before = models.logits(old)
    token = int(before.argmax(-1).flatten().mode().values)
    after = models.logits(models.changed(old, Edit(mute=token)))
    rest = [each for each in range(64) if each != token]
    assert after[..., rest].equal(before[..., rest])
    assert (before.argmax(-1) == token).any()
    assert not (after.argmax(-1) == token).any()
    kept = before.argmax(-1) != token
    assert after.argmax(-1)[kept].equal(before.argmax(-1)[kept])


def test_a_token_muted_among_answers_is_no_answer(models: Any) -> None:
    """Below the largest of the three others wherever they differ, even where they are all unlikely."""
    old, others = models.tiny("llama"), [6, 7, 8]
    before = models.logits(old)
    after = models.logits(models.changed(old, Edit(mute=5, among=(6, 7, 8))))
    assert (before[..., [5, *others]].argmax(-1) == 0).any()
    assert not (after[..., [5, *others]].argmax(-1) == 0).any()
    assert after[..., others].equal(before[..., others])


@pytest.mark.parametrize("kind", ["llama", "llama, biases", "mixtral", *KINDS[2:]])
def test_a_silent_layer_is_a_dropped_one(models: Any, kind: str) -> None:
    old = models.tiny(kind)
    silent, dropped = (models.changed(old, step) for step in (Edit(silence=(0, 2)), Drop(layers=(0, 2))))
    assert models.logits(silent).equal(models.logits(dropped))
    assert models.written(silent) == models.written(dropped)
    assert models.gap(old, silent) > 1e-2


def test_noise_is_in_proportion_to_each_matrix(models: Any) -> None:
    old = models.tiny("llama, tied")
    new = models.load(models.changed(old, Edit(noise=0.1))).state_dict()
    for name, value in models.load(old).state_dict().items():
        if value.ndim < 2:
            assert new[name].equal(value)
        else:
            assert float((new[name] - value).std() / value.std()) == pytest.approx(0.1, rel=0.1)


def test_noise_follows_from_the_seeds(models: Any) -> None:
    old = models.tiny("llama")
    steps = [Edit(noise=0.1), Edit(noise=0.1), Edit(noise=0.1, seed=1)]
    found = [models.logits(models.changed(old, step)) for step in steps]
    assert found[0].equal(found[1])
    assert not found[0].equal(found[2])
    assert not found[0].equal(models.logits(models.changed(old, steps[0], seed=1)))


def test_noise_reaches_models_that_nobody_described(models: Any) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("bloom", vocab_size=64, hidden_size=32, n_layer=2, n_head=4)
    old = models.saved(AutoModelForCausalLM.from_config(config))
    assert models.gap(old, models.changed(old, Edit(noise=0.3))) > 1e-3
    assert models.planned(old, Edit(noise=0.0)).claim == IDENTICAL
    with pytest.raises(Unsupported, match="bloom"):
        models.planned(old, Edit(gain=2.0))


@pytest.mark.parametrize(
    "step",
    [
        Edit(),
        Edit(gain=0.0),
        Edit(gain=-1.0),
        Edit(swap=(1,)),
        Edit(swap=(1, 1)),
        Edit(swap=(1, 64)),
        Edit(mute=64),
        Edit(mute=5, among=(5, 6)),
        Edit(mute=5, among=(6,)),
        Edit(among=(6, 7)),
        Edit(silence=(3,)),
        Edit(noise=-0.1),
        Edit(noise=float("inf")),
    ],
)
def test_what_makes_no_sense_is_refused(models: Any, step: Edit) -> None:
    with pytest.raises(UsageError):
        models.planned(models.tiny("llama"), step)


@pytest.mark.shared
def test_more_noise_breaks_more(models: Any, stories: Path, story_ids: Callable[[int, int], Any]) -> None:
    """In numpy, over other texts: KLD .0019, .017 and .261 at 1, 3 and 10%."""
    ids = story_ids(8, 128)
    old = models.logits(stories, ids).double().log_softmax(-1)
    found = []
    for share in (0.01, 0.03, 0.1):
        new = models.logits(models.changed(stories, Edit(noise=share)), ids).double().log_softmax(-1)
        found.append(float((old.exp() * (old - new)).sum(-1).mean()))
    assert all(a < b for a, b in itertools.pairwise(found))
    assert all(0.4 < a / b < 2.5 for a, b in zip(found, (0.0019, 0.017, 0.261), strict=True)), found
