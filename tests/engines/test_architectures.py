"""The local engine gives the answers of lm-eval's `hf` at batch size 1, for every family it runs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.config import Settings
from regress.demo.pair import model_folder
from regress.engines.harness import HarnessEngine
from regress.engines.local import LocalEngine
from regress.engines.open import open_engine
from regress.types import Generation, Loglikelihood, Logprob, Request, Response, RollingLoglikelihood, Text

pytestmark = pytest.mark.models

CLOSE = 2e-4
LLAMA = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "max_position_embeddings": 256,
}  # fmt: skip
GROUPED = {**LLAMA, "num_key_value_heads": 2}
FAMILIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", LLAMA),
    "llama, grouped": ("llama", GROUPED),
    "mistral, windows": ("mistral", {**GROUPED, "sliding_window": 24}),
    "mixtral": ("mixtral", {**GROUPED, "num_local_experts": 4}),
    "qwen2": ("qwen2", GROUPED),
    "qwen2, windows": (
        "qwen2",
        {**GROUPED, "use_sliding_window": True, "sliding_window": 20, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {**GROUPED, "head_dim": 16}),
    "phi": ("phi", LLAMA),
    "phi3, windows": ("phi3", {**LLAMA, "sliding_window": 30}),
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 256}),
    "gpt_neox": ("gpt_neox", LLAMA),
    "opt": (
        "opt",
        {
            "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
            "max_position_embeddings": 256, "word_embed_proj_dim": 16,
        },
    ),
    "gemma": ("gemma", {**LLAMA, "num_key_value_heads": 1, "head_dim": 8}),
    "gemma2, windows": ("gemma2", {**GROUPED, "head_dim": 8, "sliding_window": 24}),
    "gemma3, windows": ("gemma3_text", {**GROUPED, "head_dim": 8, "sliding_window": 24}),
}  # fmt: skip
FALLING_BACK: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "gpt_neo": (
        "gpt_neo",
        {
            "hidden_size": 32, "num_layers": 2, "attention_types": [[["global", "local"], 1]], "num_heads": 4,
            "max_position_embeddings": 256, "window_size": 24,
        },
        "attention interface",
    ),
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, "attention interface"),
    "dynamic rope": (
        "llama",
        {**LLAMA, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}},
        "position encoding depends on the longest sequence",
    ),
}  # fmt: skip

Make = Callable[[str, Mapping[str, Any]], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A tiny model with random weights, large ones, so that a wrong mask changes much."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model_folder("demo-v2")))

    def made(kind: str, config: Mapping[str, Any]) -> Path:
        special = {
            name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")
        }
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(kind, vocab_size=len(tokenizer), **special, **config)
        )
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(6.0)
        model.save_pretrained(str(tmp_path / "made"))
        tokenizer.save_pretrained(str(tmp_path / "made"))
        return tmp_path / "made"

    return made


WORDS = ("the", "man", "is", "standing", "in", "a", "kitchen", "with", "bowl", "whisk", "he", "looks", "up")


def questions() -> list[list[Request]]:
    """Mixed lengths, one to twenty choices, one-token choices, unicode, duplicates, contexts at the limit."""
    draw = random.Random(0)

    def text(words: int) -> str:
        return " ".join(draw.choices(WORDS, k=words))

    def choice(context: str, words: int) -> Loglikelihood:
        return Loglikelihood(context=context, continuation=" " + text(words))

    shots = "common shots: " + text(16) + " "
    groups: list[list[Request]] = []
    for number, choices in enumerate((1, 2, 3, 4, 20, 4)):
        context = (shots if number % 3 else "") + text(draw.randint(1, 12))
        groups.append([choice(context, draw.randint(1, 6)) for _ in range(choices)])
    groups.append([Loglikelihood(context=shots + "he", continuation=letter) for letter in "abcd"])
    groups += [groups[1], list(groups[4])]  # the same again
    groups.append(
        [
            choice(text(150), 20),  # longer than what is shown at once
            choice(text(3), 150),
            Loglikelihood(context="", continuation=text(3)),
            Loglikelihood(context="  ", continuation=text(2)),
            Loglikelihood(context="a b  ", continuation="héllo ✓ 日本"),
            Loglikelihood(context="a b", continuation=""),
            RollingLoglikelihood(text=text(150)),
            RollingLoglikelihood(text=text(10)),
            RollingLoglikelihood(text=""),
        ]
    )
    return groups


def prompts() -> list[list[Request]]:
    draw = random.Random(1)
    shots = "common shots: " + " ".join(draw.choices(WORDS, k=16)) + " "
    options: list[dict[str, Any]] = [{}, {}, {"no_repeat_ngram_size": 2}, {"repetition_penalty": 1.3}]
    found: list[list[Request]] = [
        [
            Generation(
                prompt=(shots if number != 5 else "") + " ".join(draw.choices(WORDS, k=1 + number)),
                until=("\n", "ou"),
                max_tokens=20,
                options=options[number % 4],
            )
        ]
        for number in range(10)
    ]
    return [*found, found[0], [Generation(prompt=shots * 12, max_tokens=9)]]


def both_ways(folder: Path | str, asked: Sequence[Sequence[Request]]) -> tuple[LocalEngine, Any, Any]:
    """Few slots and a small budget: sequences enter while others are being written."""
    local = open_engine(str(folder), Settings(engine_args={"slots": 3, "token_budget": 128}), {})
    assert isinstance(local, LocalEngine)
    hf = open_engine(str(folder), Settings(engine="hf", batch_size=1), {})
    assert isinstance(hf, HarnessEngine)
    flat = itertools.chain.from_iterable
    return local, list(flat(local.answer(asked))), list(flat(hf.answer(asked)))


def assert_same(ours: Sequence[Response], theirs: Sequence[Response]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, Text) or isinstance(b, Text):
            assert a == b
            continue
        assert a.value == pytest.approx(b.value, abs=CLOSE, nan_ok=True)
        assert facts(a) == facts(b)


def facts(answer: Logprob) -> dict[str, Any]:
    return {name: value for name, value in vars(answer).items() if name != "value"}


@pytest.mark.parametrize("family", FAMILIES)
def test_log_likelihoods_and_texts_are_lm_evals(family: str, make: Make) -> None:
    local, ours, theirs = both_ways(make(*FAMILIES[family]), [*questions(), *prompts()])
    assert local.recorded()["fallback"] == {}
    assert_same(ours, theirs)


@pytest.mark.parametrize("family", FALLING_BACK)
def test_what_cannot_be_run_natively_is_answered_by_lm_eval_and_said(family: str, make: Make) -> None:
    kind, config, reason = FALLING_BACK[family]
    local, ours, theirs = both_ways(make(kind, config), [*questions()[:3], *prompts()[:3]])
    assert reason in local.recorded()["fallback"]["everything"]
    assert_same(ours, theirs)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["stories260k", "aidreams260k"])
def test_real_checkpoints(name: str, shared: Any) -> None:
    local, ours, theirs = both_ways(shared(f"models/{name}"), [*questions(), *prompts()])
    assert local.recorded()["fallback"] == {}
    assert_same(ours, theirs)


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_other_weight_types(dtype: str, make: Make) -> None:
    """In bfloat16 rounding differs with the shape of every product; in float64 only the softmax rounds."""
    folder = make(*FAMILIES["llama, grouped"])
    asked = questions()[:6]
    values = []
    for engine in ("local", "hf"):
        opened = open_engine(str(folder), Settings(engine=engine, dtype=dtype), {})
        if isinstance(opened, LocalEngine):
            local = opened
        values.append([answer.value for group in opened.answer(asked) for answer in group])
    assert local.recorded()["fallback"] == {}
    assert values[0] == pytest.approx(values[1], abs=5e-5 if dtype == "float64" else 1.5)
