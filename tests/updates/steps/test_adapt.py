"""New adapters change nothing; trained ones, merged, compute what PEFT computes beside the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.errors import ModelError, RegressError, Unsupported, UsageError
from regress.updates.steps.adapt import Adapt

pytestmark = [
    pytest.mark.models,
    # PEFT asks for it, and corrects it
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False"),
    pytest.mark.filterwarnings("ignore:Adapter 'default'"),
]
MERGED, ON_A_TRAINED_MODEL = 1e-4, 1e-5
"""Largest difference in standard deviations of the logits; large random weights magnify rounding."""
TARGETS: Mapping[str, tuple[list[str], list[str]]] = {
    "llama": (["q_proj", "v_proj", "down_proj"], ["down_proj"]),
    "qwen2": (["k_proj", "v_proj", "down_proj"], ["down_proj"]),
    "phi3": (["qkv_proj", "down_proj"], ["down_proj"]),
    "gpt2": (["c_attn", "mlp.c_proj"], ["mlp.c_proj"]),
    "gpt_neo": (["q_proj", "v_proj", "c_proj"], ["c_proj"]),
    "gpt_neox": (["query_key_value", "dense_4h_to_h"], ["dense_4h_to_h"]),
    "opt": (["q_proj", "k_proj", "fc2"], ["fc2"]),
}
"""Modules with an adapter, and those of which IA3 scales what goes in: with biases, fused, turned."""
Train = Callable[..., Path]


@pytest.fixture
def train(tmp_path: Path, load: Callable[..., Any]) -> Train:
    """Save an adapter of `kind` that seems to have learned something, for the model in a folder."""

    def trained(base: Path, kind: str = "lora", much: float = 0.3, **config: Any) -> Path:
        import torch
        from peft import IA3Config, LoraConfig, get_peft_model

        model = load(base)
        names, second = TARGETS[model.config.model_type]
        settings = {"target_modules": names, **config}
        made = IA3Config(feedforward_modules=second, **settings) if kind == "ia3" else LoraConfig(**settings)
        torch.manual_seed(0)
        around = get_peft_model(model, made)
        draw = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in around.parameters():
                if parameter.requires_grad:
                    parameter.add_(much * torch.randn(parameter.shape, generator=draw))
        folder = tmp_path / "adapter"
        around.save_pretrained(str(folder), save_embedding_layers=False)
        return folder

    return trained


@pytest.fixture
def merge(tmp_path: Path) -> Callable[..., Path]:
    """Merge an adapter into the model in a folder; the new one is verified."""

    def merged(base: Path, adapter: Path, *before: Any) -> Path:
        from regress.checkpoints import resolve
        from regress.updates.make import make

        steps = [*before, Adapt(load=str(adapter), merge=True)]
        make(resolve(str(base), {}), steps, tmp_path / "merged")
        return tmp_path / "merged"

    return merged


@pytest.fixture
def beside(load: Callable[..., Any], ids: Any) -> Callable[..., Any]:
    """Logits of a model with an adapter beside its weights, by PEFT."""

    def of(base: Path, adapter: Path) -> Any:
        import torch
        from peft import PeftModel

        with torch.no_grad():
            return PeftModel.from_pretrained(load(base), str(adapter)).eval()(ids).logits

    return of


def distance(a: Any, b: Any) -> float:
    return float((a - b).abs().max() / a.std())


@pytest.mark.parametrize("kind", ["lora", "ia3"])
@pytest.mark.parametrize("family", list(TARGETS))
def test_merged_and_beside_the_weights_it_computes_the_same(
    family: str, kind: str, make_model: Any, train: Train, merge: Any, beside: Any, logits: Any, ids: Any
) -> None:
    base = make_model(family)
    adapter = train(base, kind)
    expected = beside(base, adapter)
    assert distance(logits(base, ids), expected) > 0.1  # it has learned something
    assert distance(expected, logits(merge(base, adapter), ids)) < MERGED


@pytest.mark.shared
@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_so_it_does_on_a_trained_model(
    kind: str, stories: Path, train: Train, merge: Any, beside: Any, logits: Any, ids: Any
) -> None:
    adapter = train(stories, kind, 0.1)
    expected = beside(stories, adapter)
    assert distance(logits(stories, ids), expected) > 0.1
    assert distance(expected, logits(merge(stories, adapter), ids)) < ON_A_TRAINED_MODEL


@pytest.mark.parametrize(
    "config",
    [
        {"use_rslora": True, "r": 3, "lora_alpha": 5},
        {"rank_pattern": {"v_proj": 3}, "alpha_pattern": {"layers.1.self_attn.q_proj": 31}},
    ],
    ids=["rslora", "patterns"],
)
def test_scales_are_peft_s(
    config: dict[str, Any], make_model: Any, train: Train, merge: Any, beside: Any, logits: Any, ids: Any
) -> None:
    base = make_model("llama")
    adapter = train(base, **config)
    assert distance(beside(base, adapter), logits(merge(base, adapter), ids)) < MERGED


def test_it_is_merged_into_what_the_steps_before_made(
    make_model: Any, train: Train, merge: Any, beside: Any, logits: Any, ids: Any
) -> None:
    """Identity layers put behind all others leave the names that the adapter stands on."""
    from regress.updates.steps.insert import Insert

    base = make_model("llama")
    adapter = train(base)
    new = merge(base, adapter, Insert(layers=(3,)))
    assert distance(beside(base, adapter), logits(new, ids)) < MERGED


@pytest.mark.parametrize(("kind", "level"), [("lora", "identical"), ("ia3", "same")])
def test_a_new_adapter_changes_no_weight(kind: Any, level: str, draft_of: Any, make_model: Any) -> None:
    draft = draft_of(make_model("llama"))
    change = Adapt(kind=kind).plan(draft)
    assert change.draft == draft
    assert change.claim.name == level
    assert Adapt(kind=kind, merge=True).plan(draft).claim.name == "identical"


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neo", "gpt_neox", "opt", "qwen2", "mistral"])
@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_the_parameters_told_on_paper_are_those_that_peft_makes(
    family: str, kind: Any, make_model: Any, load: Any, draft_of: Any, tmp_path: Path
) -> None:
    from regress.composed.adapters import write_untrained

    folder = make_model(family)
    step = Adapt(kind=kind, rank=3)
    count = write_untrained(load(folder), step.settings, tmp_path / "made", base="", seed=0)
    assert f"has {count} parameters" in step.plan(draft_of(folder)).notes[0]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"use_dora": True}, "use_dora = True"),
        ({"bias": "lora_only"}, "bias = 'lora_only'"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"lora_bias": True, "target_modules": ["q_proj"]}, "lora_bias = True"),
        ({"target_modules": ["embed_tokens"]}, "lora_embedding"),
    ],
)
def test_what_is_no_plain_adapter_is_refused_with_the_reason(
    config: dict[str, Any], said: str, make_model: Any, train: Train, merge: Any
) -> None:
    base = make_model("llama", attention_bias=True)
    with pytest.raises(Unsupported, match=said):
        merge(base, train(base, **config))


def test_an_adapter_for_another_model_is_refused(make_model: Any, train: Train, merge: Any) -> None:
    adapter = train(make_model("llama"))
    with pytest.raises(Unsupported, match=r"made for another model: on model\.layers\.0\.mlp\.down_proj"):
        merge(make_model("llama", intermediate_size=40), adapter)
    with pytest.raises(Unsupported, match="has no such weight"):
        merge(make_model("gpt2"), adapter)


def test_an_adapter_of_another_kind_is_refused(make_model: Any, train: Train, merge: Any) -> None:
    base = make_model("llama")
    adapter = train(base)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "VERA"}))
    with pytest.raises(Unsupported, match="type VERA"):
        merge(base, adapter)


def test_a_folder_without_an_adapter_is_an_error(make_model: Any, merge: Any) -> None:
    base = make_model("llama")
    with pytest.raises(ModelError, match="not a PEFT adapter"):
        merge(base, base)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Adapt(load="x"), "load with merge=true"),
        (Adapt(load="x", merge=True, rank=4), "says itself"),
        (Adapt(rank=0), "make no adapter"),
        (Adapt(dropout=1.0), "make no adapter"),
        (Adapt(alpha=0.0), "make no adapter"),
        (Adapt(targets=("nobody",)), "no module called nobody"),
    ],
)
def test_arguments_that_make_no_sense(step: Adapt, said: str, draft_of: Any, make_model: Any) -> None:
    with pytest.raises(RegressError, match=said) as refusal:
        step.plan(draft_of(make_model("llama")))
    assert isinstance(refusal.value, UsageError | Unsupported)


def test_where_peft_knows_no_modules_they_must_be_named(draft_of: Any, make_model: Any) -> None:
    draft = draft_of(make_model("phi3"))
    with pytest.raises(Unsupported, match=r"targets=\[…\]"):
        Adapt().plan(draft)
    assert Adapt(targets=("qkv_proj",)).plan(draft).claim.name == "identical"
