"""Two models side by side: one vocabulary or a clear refusal, and the same numbers however they are cut."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from regress.config import Settings
from regress.engines.spans import Span, spans
from regress.errors import EngineError, ModelError, NotComparable, UsageError
from regress.metrics.divergence import joined, positions

pytestmark = pytest.mark.models

TEXT = "Q: a b c d e f ax a b! b a. Q: c c c d b Stop a b c\nd e f a a b"


@pytest.fixture
def pair() -> Callable[..., Any]:
    """Two checkpoints, opened and loaded."""

    def open_both(old: Path, new: Path, **settings: Any) -> Any:
        from regress.engines.logits import LogitPair
        from regress.engines.open import open_model

        asked = Settings(device="cpu", **settings)
        return LogitPair(*(open_model(str(each), asked, {}) for each in (old, new)))

    return open_both


def measured(pair: Any, text: str = TEXT, size: int = 16, stride: int = 8) -> Any:
    ids = pair.encode(text)
    return joined(
        [
            positions(block.old, block.new, block.right)
            for span in spans(len(ids), size, stride, begun=bool(pair.lead))
            for block in pair.blocks(ids, span)
        ]
    )


def lengthened(folder: Path, rows: int, edit_weights: Callable[..., None]) -> Path:
    """The same checkpoint with `rows` more (random) rows of embeddings than its tokenizer has tokens."""
    import json

    import torch

    def resized(tensors: dict[str, Any]) -> None:
        for key in ("model.embed_tokens.weight", "lm_head.weight"):
            if key in tensors:
                generator = torch.Generator().manual_seed(5)
                more = torch.randn(rows, tensors[key].shape[1], generator=generator)
                tensors[key] = torch.cat([tensors[key], more / 10])

    edit_weights(folder, resized)
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] += rows
    (folder / "config.json").write_text(json.dumps(config))
    return folder


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def test_torch_has_the_same_numbers_from_one_forward_pass(make_checkpoint: Any, pair: Any) -> None:
    """An oracle with nothing in common: torch's `kl_div` and `nll_loss`, the whole text at once."""
    import torch
    from transformers import AutoModelForCausalLM

    old, new = make_checkpoint("old"), make_checkpoint("new", seed=1)
    both = pair(old, new)
    ids = both.encode(TEXT)
    found = measured(both, size=63)
    shown = torch.tensor([[*both.lead, *ids]])
    told = []
    for folder in (old, new):
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
        with torch.no_grad():
            told.append(torch.log_softmax(model(shown).logits[0, :-1].double(), dim=-1))
    kld = torch.nn.functional.kl_div(told[1], told[0], reduction="none", log_target=True).sum(dim=1)
    right = shown[0, 1:]
    assert len(found.kld) == len(ids)
    np.testing.assert_allclose(found.kld, kld.numpy(), rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(found.same_top, (told[0].argmax(1) == told[1].argmax(1)).numpy())
    for mine, theirs in ((found.old, told[0]), (found.new, told[1])):
        nll = torch.nn.functional.nll_loss(theirs, right, reduction="none")
        np.testing.assert_allclose(mine, -nll.numpy(), rtol=1e-6)


def test_small_blocks_give_what_one_block_gives(
    make_checkpoint: Any, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from regress.engines import logits

    both = pair(make_checkpoint("old"), make_checkpoint("new", seed=1))
    whole = measured(both)
    monkeypatch.setattr(logits, "BLOCK", 3 * both.vocabulary)
    ids = both.encode(TEXT)
    assert [len(block.right) for block in both.blocks(ids, Span(0, 0, 10))] == [3, 3, 3, 1]
    for name, vector in vars(measured(both)).items():
        np.testing.assert_array_equal(vector, getattr(whole, name))


def test_windows_that_show_everything_before_give_what_one_window_gives(
    make_checkpoint: Any, pair: Any
) -> None:
    """Cut elsewhere, a token sees the same tokens, so only rounding may differ."""
    both = pair(make_checkpoint("old"), make_checkpoint("new", seed=1))
    ids = both.encode(TEXT)
    whole = measured(both, size=63)
    parts = joined(
        [
            positions(block.old, block.new, block.right)
            for first, stop in ((0, 5), (5, 17), (17, len(ids)))
            for block in both.blocks(ids, Span(0, first, stop))
        ]
    )
    np.testing.assert_allclose(parts.kld, whole.kld, rtol=1e-3)
    np.testing.assert_allclose(parts.old, whole.old, rtol=1e-4)


def test_a_model_against_itself_is_exactly_zero(make_checkpoint: Any, pair: Any) -> None:
    folder = make_checkpoint()
    found = measured(pair(folder, folder))
    assert (found.kld == 0).all()
    assert found.same_top.all()
    assert (found.delta_p == 0).all()


def test_a_model_in_half_precision_is_read_as_float32(make_checkpoint: Any, pair: Any) -> None:
    """numpy has no bfloat16; and float64 models are not cut down to float32."""
    folder = make_checkpoint()
    low = measured(pair(folder, folder, dtype="bfloat16"))
    assert (low.kld == 0).all()
    both = pair(folder, folder, dtype="float64")
    (block,) = both.blocks(both.encode(TEXT), Span(0, 0, 3))
    assert (block.old != np.float64(np.float32(block.old))).any()
    assert both._logits(0, [1, 2]).dtype == np.float64


def test_closing_lets_the_models_go(make_checkpoint: Any, pair: Any) -> None:
    both = pair(make_checkpoint(), make_checkpoint())
    both.close()
    assert both._models == ()


# ── vocabularies ─────────────────────────────────────────────────────────────────────────────────


def test_rows_of_padding_are_left_out_and_what_they_got_is_told(
    make_checkpoint: Any, edit_weights: Any, pair: Any
) -> None:
    """The same model with 7 more rows: on the tokens that both have it is the same function."""
    old = make_checkpoint("old")
    new = lengthened(make_checkpoint("new"), 7, edit_weights)
    both = pair(old, new)
    ids = both.encode(TEXT)
    (block,) = both.blocks(ids, Span(0, 0, 20))
    assert block.old.shape == block.new.shape == (20, both.vocabulary)
    np.testing.assert_allclose(np.exp(block.new).sum(axis=1), 1)
    assert (measured(both).kld < 1e-10).all()
    assert (block.old_outside == 0).all()
    logits = both._logits(1, [*both.lead, *ids[:19]])
    expected = softmax(logits.astype(np.float64), axis=1)[:, both.vocabulary :].sum(axis=1)
    np.testing.assert_allclose(block.new_outside, expected, rtol=1e-5)
    assert expected.min() > 0.05


def test_tokens_added_at_the_end_are_no_other_vocabulary(
    make_checkpoint: Any, edit_weights: Any, pair: Any
) -> None:
    from transformers import AutoTokenizer

    old, new = make_checkpoint("old"), lengthened(make_checkpoint("new"), 2, edit_weights)
    longer = AutoTokenizer.from_pretrained(str(new))
    longer.add_tokens(["<think>", "</think>"])
    longer.save_pretrained(str(new))
    both = pair(old, new)
    assert (measured(both).kld < 1e-10).all()
    with pytest.raises(NotComparable, match=r"cut the same text differently: token 2 begins .*<think>"):
        both.encode("Q: a<think> b")


def test_an_id_that_stands_for_another_token_is_refused(make_checkpoint: Any, pieces: Any, pair: Any) -> None:
    old, new = make_checkpoint("old"), make_checkpoint("new")
    file = new / "tokenizer.json"
    text = file.read_text()
    assert '" a": ' in text
    file.write_text(text.replace('" a": ', '" A": '))
    with pytest.raises(
        NotComparable, match=r"1 ids stand for different tokens \(first: \d+, ' a' against ' A'\)"
    ):
        pair(old, new)


def test_tokenizers_that_begin_a_text_differently_are_refused(make_checkpoint: Any, pair: Any) -> None:
    import json

    old, new = make_checkpoint("old"), make_checkpoint("new")
    file = new / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["post_processor"] = None
    file.write_text(json.dumps(tokenizer))
    with pytest.raises(NotComparable, match=r"begin a text differently \(\['<s>'\] against \[\]\)"):
        pair(old, new)


@pytest.mark.shared
def test_two_models_with_tokenizers_of_one_size_but_other_tokens_are_refused(shared: Any, pair: Any) -> None:
    with pytest.raises(NotComparable, match="different vocabularies") as caught:
        pair(shared("models/stories260k"), shared("models/aidreams260k"))
    assert caught.value.field == "model.tokenizer"


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────


def test_logits_that_are_no_numbers_are_an_error(make_checkpoint: Any, edit_weights: Any, pair: Any) -> None:
    folder = make_checkpoint("broken")
    edit_weights(folder, lambda tensors: tensors["model.norm.weight"].fill_(math.nan))
    with pytest.raises(EngineError, match=r"the logits of .*broken are nan"):
        measured(pair(make_checkpoint("whole"), folder))


def test_an_engine_that_keeps_its_logits_is_refused(make_checkpoint: Any, pair: Any) -> None:
    with pytest.raises(
        UsageError, match=r"engine vllm does not hand out a model's logits\. Allowed: local, hf"
    ):
        pair(make_checkpoint(), make_checkpoint(), engine="vllm")


def test_a_model_that_does_not_write_on_is_refused(tmp_path: Path, tokenizer: Any, pair: Any) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=len(tokenizer), decoder_start_token_id=0, **sizes)
    T5ForConditionalGeneration(config).save_pretrained(str(tmp_path / "t5"))
    tokenizer.save_pretrained(str(tmp_path / "t5"))
    with pytest.raises(ModelError, match="t5 is no causal language model"):
        pair(tmp_path / "t5", tmp_path / "t5")
