"""Surprisal of texts, held against transformers' own loss and against a sum by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.errors import DataError, EngineError

pytestmark = pytest.mark.models

TEXT = " a b c d e f a x b a c c d . a b f e d c b a x x ."


@pytest.fixture
def loaded(make_checkpoint: Callable[..., Path]) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(make_checkpoint())
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_of_one_window_it_is_transformers_own_loss(loaded: tuple[Any, Any]) -> None:
    import torch

    from regress.engines.perplexity import surprisal, windows

    model, tokenizer = loaded
    text = windows(tokenizer, [TEXT], size=64)
    ids = torch.tensor([[*text.lead, *text.ids[0]]])
    assert len(text.windows) == 1
    assert text.tokens == ids.shape[1] - 1  # all but the start token
    assert surprisal(model, text) == pytest.approx(model(ids, labels=ids).loss.item(), rel=1e-6)


def test_windows_measure_every_token_once_with_half_a_window_before_it(loaded: tuple[Any, Any]) -> None:
    import torch

    from regress.engines.perplexity import surprisal, windows

    model, tokenizer = loaded
    text = windows(tokenizer, [TEXT], size=9)
    ids = text.ids[0]
    assert text.tokens == len(ids)
    assert len(text.windows) > 3
    total = 0.0
    for _, span in text.windows:
        shown = torch.tensor([[*text.lead, *ids[span.start : span.stop]]])
        logits = model(shown).logits[0].double().log_softmax(-1)
        for place in range(span.first, span.stop):
            total -= logits[place - span.start, ids[place]].item()  # the start token moves rows by one
    assert surprisal(model, text) == pytest.approx(total / len(ids), rel=1e-9)


def test_texts_that_begin_alike_are_measured_once_there(loaded: tuple[Any, Any]) -> None:
    from regress.engines.perplexity import windows

    _, tokenizer = loaded
    text = windows(tokenizer, [" a b c d", " a b c e", " a b c d"], size=64)
    assert text.tokens == 5


def test_logits_that_are_nan_are_an_error_and_no_perplexity(loaded: tuple[Any, Any]) -> None:
    import torch

    from regress.engines.perplexity import surprisal, windows

    model, tokenizer = loaded
    with torch.no_grad():
        model.lm_head.weight.fill_(math.nan)
    with pytest.raises(EngineError, match="nan"):
        surprisal(model, windows(tokenizer, [TEXT], size=64))


def test_texts_without_a_token_to_predict_are_refused(loaded: tuple[Any, Any]) -> None:
    from regress.engines.perplexity import windows

    with pytest.raises(DataError, match="no token to predict"):
        windows(loaded[1], [""], size=64)
