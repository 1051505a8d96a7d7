"""Where a configuration is silent, or older than transformers 5, it is read as transformers reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress.errors import Unsupported
from regress.updates.families.family import all_names, completed
from regress.updates.families.known import FAMILIES
from regress.updates.planning import plan
from regress.updates.steps.grow import Grow
from regress.updates.stored import open_model

pytestmark = pytest.mark.models

_SIZES = {
    "vocab_size": 40000, "hidden_size": 64, "intermediate_size": 80, "num_hidden_layers": 4,
    "num_attention_heads": 32, "max_position_embeddings": 128,
}  # fmt: skip
_LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
_LONG = {"type": "longrope", "short_factor": [1.0] * 3, "long_factor": [2.0] * 3}
SILENT: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{f"{kind}, says nothing": (kind, {}) for kind in FAMILIES},
    **{
        f"{kind}, says sizes": (kind, _SIZES)
        for kind in ("llama", "mistral", "qwen2", "qwen3", "mixtral", "phi3", "granite", "gpt_neox")
    },
    **{
        f"{kind}, null heads of keys": (kind, {**_SIZES, "num_key_value_heads": None})
        for kind in ("llama", "qwen2", "phi3", "granite")
    },
    "llama, rope_theta": ("llama", {**_SIZES, "rope_theta": 5e5}),
    "llama, old rope_scaling": (
        "llama", {**_SIZES, "rope_scaling": {"type": "linear", "factor": 2.0}},
    ),
    "llama, llama3": ("llama", {**_SIZES, "rope_theta": 5e5, "rope_scaling": _LLAMA3}),
    "llama, both forms": (
        "llama",
        {**_SIZES, "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5,
         "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}},
    ),
    "llama, tied": ("llama", {**_SIZES, "tie_word_embeddings": True}),
    "mistral, no window": ("mistral", {**_SIZES, "sliding_window": None, "rope_theta": 1e6}),
    "mixtral, other name of experts": ("mixtral", {**_SIZES, "num_experts": 3}),
    "qwen2, windows": ("qwen2", {**_SIZES, "use_sliding_window": True, "max_window_layers": 2}),
    "qwen2, window not in use": ("qwen2", {**_SIZES, "sliding_window": 16, "max_window_layers": 2}),
    "qwen3, listed layers": (
        "qwen3",
        {**_SIZES, "use_sliding_window": True,
         "layer_types": ["full_attention", "sliding_attention"] * 2},
    ),
    "phi3, partly rotated, long": (
        "phi3",
        {**_SIZES, "num_attention_heads": 8, "partial_rotary_factor": 0.75, "rope_scaling": _LONG,
         "original_max_position_embeddings": 32},
    ),
    "gpt2, names of others": (
        "gpt2",
        {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 8,
         "max_position_embeddings": 128, "n_ctx": 128},
    ),
    "gpt_neo, names of others": (
        "gpt_neo",
        {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 8,
         "attention_types": [[["global", "local"], 2]],
         "attention_layers": ["global", "local", "global", "local"]},
    ),
    "gpt_neox, old rotary settings": (
        "gpt_neox", {**_SIZES, "num_attention_heads": 8, "rotary_pct": 0.5, "rotary_emb_base": 5000},
    ),
    "gpt_neox, new rotary settings": (
        "gpt_neox",
        {**_SIZES, "num_attention_heads": 8,
         "rope_parameters": {"rope_type": "default", "rope_theta": 7e3, "partial_rotary_factor": 1.0}},
    ),
    "opt, post-norm": ("opt", {"do_layer_norm_before": False, "hidden_size": 96, "word_embed_proj_dim": 96}),
}  # fmt: skip


@pytest.mark.parametrize("case", SILENT)
def test_the_architecture_is_the_one_of_the_completed_configuration(case: str) -> None:
    from transformers import AutoConfig

    kind, config = SILENT[case]
    family = FAMILIES[kind]
    theirs = AutoConfig.for_model(kind, **config).to_dict()
    ours = completed(family, config)
    assert family.architecture(ours) == family.architecture(completed(family, theirs))
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert ours[name] == theirs[name]


@pytest.mark.parametrize("case", [case for case, (kind, _) in SILENT.items() if kind != "mixtral"])
def test_its_tensors_are_those_that_the_class_makes(case: str) -> None:
    """Mixtral's experts are one tensor in memory and many on disk; a round trip shows that they are known."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, config = SILENT[case]
    family = FAMILIES[kind]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config))
    whole = completed(family, config)
    architecture = family.architecture(whole)
    made = {name for name, _ in model.named_parameters()}
    if kind == "gpt_neox":  # is called so on disk only
        made = {family.head if name == "lm_head.weight" else name for name in made}
    assert set(all_names(family, architecture, whole)) == made


UNREADABLE: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "embeddings of another width": ("opt", {"word_embed_proj_dim": 512}, "word_embed_proj_dim"),
    "a second text": ("gpt2", {"add_cross_attention": True}, "add_cross_attention"),
    "layers that are not listed": ("gpt_neo", {"num_layers": 3}, "lists 24 layers in attention_types"),
    "half a head rotated": ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_described_is_refused_with_the_reason(case: str) -> None:
    kind, config, reason = UNREADABLE[case]
    family = FAMILIES[kind]
    with pytest.raises(Unsupported) as refusal:
        family.architecture(completed(family, config))
    assert reason in str(refusal.value)


Edit = Callable[[dict[str, Any]], None]


def _without_prefix(prefix: str) -> Edit:
    def edit(tensors: dict[str, Any]) -> None:
        for name in [name for name in tensors if name.startswith(prefix)]:
            tensors[name.removeprefix(prefix)] = tensors.pop(name)

    return edit


def _with(*names: str) -> Edit:
    def edit(tensors: dict[str, Any]) -> None:
        import torch

        tensors |= {name: torch.ones(1, 1, 4, 4) for name in names}

    return edit


def _with_head(tensors: dict[str, Any]) -> None:
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()


OLD_FORMS: Mapping[str, tuple[str, Edit]] = {
    "gpt2, as on the hub": ("gpt2", _without_prefix("transformer.")),
    "gpt2, masks": ("gpt2", _with("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias")),
    "gpt2, head stored again": ("gpt2", _with_head),
    "gpt_neo, masks": (
        "gpt_neo",
        _with("transformer.h.1.attn.attention.bias", "transformer.h.1.attn.attention.masked_bias"),
    ),
    "gpt_neox, masks": (
        "gpt_neox",
        _with(
            "gpt_neox.layers.0.attention.bias",
            "gpt_neox.layers.0.attention.masked_bias",
            "gpt_neox.layers.0.attention.rotary_emb.inv_freq",
        ),
    ),
    "opt, as on the hub": ("opt", _without_prefix("model.")),
    "llama, frequencies": ("llama", _with("model.layers.0.self_attn.rotary_emb.inv_freq")),
}  # fmt: skip


@pytest.mark.parametrize("form", OLD_FORMS)
def test_older_forms_of_tensors_are_understood(
    form: str,
    make_model: Callable[..., Path],
    edit_weights: Callable[..., None],
    weights: Callable[[Path], dict[str, Any]],
    update: Callable[..., Path],
) -> None:
    import torch

    kind, edit = OLD_FORMS[form]
    folder = make_model(kind)
    before = weights(folder)
    edit_weights(folder, edit)
    after = weights(update(folder))
    assert set(after) == set(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_other_names_of_settings_are_not_written_beside_their_own(
    make_model: Callable[..., Path], update: Callable[..., Path], difference: Callable[..., float]
) -> None:
    """transformers would read both, and either could win."""
    folder = make_model("gpt2")
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for other, name in (("hidden_size", "n_embd"), ("num_attention_heads", "n_head")):
        config[other] = config.pop(name)
    path.write_text(json.dumps(config), encoding="utf-8")
    new = update(folder, Grow(hidden=48, heads=6))
    written = json.loads((new / "config.json").read_text(encoding="utf-8"))
    assert (written["n_embd"], written["n_head"]) == (48, 6)
    assert not {"hidden_size", "num_attention_heads"} & set(written)
    assert difference(folder, new) < 1e-4


def test_a_tensor_that_does_not_belong_makes_the_model_unknown(
    make_model: Callable[..., Path], edit_weights: Callable[..., None]
) -> None:
    folder = make_model("gpt2")
    edit_weights(folder, _with("transformer.h.0.attn.gate.weight"))
    draft = open_model(folder).draft()
    assert draft.architecture is None
    assert "transformer.h.0.attn.gate.weight of shape [1, 1, 4, 4]" in str(draft.unknown)
    assert set(plan(draft, []).tensors) == set(draft.tensors)


def test_a_missing_tensor_makes_the_model_unknown(
    make_model: Callable[..., Path], edit_weights: Callable[..., None]
) -> None:
    folder = make_model("opt")
    edit_weights(folder, lambda tensors: tensors.pop("model.decoder.layers.1.fc2.bias"))
    draft = open_model(folder).draft()
    assert draft.architecture is None
    assert "lacks model.decoder.layers.1.fc2.bias" in str(draft.unknown)
