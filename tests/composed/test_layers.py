"""Mapped layers: as if copied, bit for bit, and written on with a cache; but in memory once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from regress.errors import Unsupported, UsageError

pytestmark = pytest.mark.models

MAP = (0, 1, 1, 2, 0)
ATTENTION = r".*\.(q_proj|c_attn|query_key_value)"


def copied(model: Any, layers: Sequence[int]) -> Any:
    """The same by copying, as a checkpoint holds it: a state dict renamed and loaded into a fresh model."""
    import torch

    from regress.composed.layers import deeper, layer_list

    made = type(model)(deeper(model.config, layers)).eval()
    name, _ = layer_list(model)
    old = model.state_dict()

    def source(key: str) -> str:
        return re.sub(rf"^({re.escape(name)})\.(\d+)", lambda m: f"{m[1]}.{layers[int(m[2])]}", key)

    with torch.no_grad():
        made.load_state_dict({key: old[source(key)].clone() for key in made.state_dict()})
    return made


def written(model: Any, ids: Any, *, cache: bool) -> list[int]:
    text = model.generate(
        ids[:1, :20], max_new_tokens=16, min_new_tokens=16, do_sample=False, use_cache=cache, pad_token_id=0
    )
    tokens: list[int] = text[0, 20:].tolist()
    return tokens


def storages(model: Any) -> set[int]:
    return {parameter.data_ptr() for parameter in model.parameters()}


def test_the_identity_map_is_the_model_bit_for_bit(model: Any, ids: Any) -> None:
    import torch

    from regress.composed.layers import tied

    same = tied(model, (0, 1, 2))
    assert torch.equal(same(ids).logits, model(ids).logits)
    assert same.config.to_dict() == model.config.to_dict()


def test_shared_layers_compute_what_copied_ones_do_bit_for_bit(model: Any, ids: Any) -> None:
    import torch

    from regress.composed.layers import tied

    made, copy = tied(model, MAP), copied(model, MAP)
    assert torch.equal(made(ids).logits, copy(ids).logits)
    assert not torch.allclose(made(ids).logits, model(ids).logits, atol=0.1)


def test_they_write_the_same_with_a_cache_and_without(model: Any, ids: Any) -> None:
    """Two layers of one number would share a slot of the cache, and write nonsense."""
    from regress.composed.layers import tied

    made, copy = tied(model, MAP), copied(model, MAP)
    assert written(made, ids, cache=True) == written(copy, ids, cache=True) == written(made, ids, cache=False)


def test_every_weight_is_in_memory_once(model: Any) -> None:
    from regress.composed.layers import tied
    from regress.engines.storage import weighed

    made = tied(model, MAP)
    assert storages(made) == storages(model)
    size = weighed(made)
    assert size.parameters == weighed(model).parameters
    assert size.materialised == weighed(copied(model, MAP)).materialised > size.parameters


def test_layers_left_out_are_not_kept(model: Any) -> None:
    from regress.composed.layers import tied

    assert storages(tied(model, (2, 0))) < storages(model)


def test_the_model_itself_stays_as_it_was(model: Any, ids: Any) -> None:
    import torch

    from regress.composed.layers import tied

    before, config = model(ids).logits, model.config.to_dict()
    tied(model, MAP)
    assert torch.equal(model(ids).logits, before)
    assert model.config.to_dict() == config


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks for it
@pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False")  # and corrects it
def test_each_place_gets_an_adapter_of_its_own(model: Any, ids: Any) -> None:
    """Teaching the adapter of one place something leaves those of the places that share its weights alone."""
    import torch
    from peft import LoraConfig, get_peft_model

    from regress.composed.layers import layer_list, tied

    plain = tied(model, MAP)
    around = get_peft_model(tied(model, MAP), LoraConfig(r=2, target_modules=ATTENTION))
    assert torch.equal(around(ids).logits, plain(ids).logits)
    name, _ = layer_list(plain)
    halves = {key: each for key, each in around.named_parameters() if "lora_B" in key}
    by_place = [
        [each for key, each in halves.items() if f"{name}.{place}." in key] for place in range(len(MAP))
    ]
    assert all(map(len, by_place))
    assert len({each.data_ptr() for each in halves.values()}) == len(halves) == sum(map(len, by_place))
    with torch.no_grad():
        by_place[3][0].fill_(0.5)
    assert not torch.equal(around(ids).logits, plain(ids).logits)
    assert not any(bool(each.any()) for place in (0, 1, 2, 4) for each in by_place[place])


@pytest.mark.parametrize(
    ("layers", "said"), [((), "without layers"), ((0, 3), "names layer 3"), ((-1,), "-1")]
)
def test_a_map_of_layers_that_are_not_there_is_refused(
    make: Callable[..., Any], layers: tuple[int, ...], said: str
) -> None:
    from regress.composed.layers import tied

    with pytest.raises(UsageError, match=said):
        tied(make("llama"), layers)


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx = True"),
        ("qwen3_moe", {"mlp_only_layers": [1]}, r"mlp_only_layers = \[1\]"),
        (
            "qwen3_moe",
            {"decoder_sparse_step": 2},
            r"model.layers.1.mlp would be another one at its new place .its parts",
        ),
    ],
)
def test_a_layer_that_would_be_another_elsewhere_is_refused(
    make: Callable[..., Any], kind: str, config: dict[str, Any], said: str
) -> None:
    """What the configuration does not list by layer is found on the modules that it makes."""
    from regress.composed.layers import tied

    with pytest.raises(Unsupported, match=said):
        tied(make(kind, **config), (0, 0, 1, 2))


def test_settings_that_a_layer_gets_from_its_place_are_noticed(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A family that keeps the kind of attention on its modules, and not in the configuration."""
    from regress.composed.layers import tied

    model = make("llama")
    model.model.layers[1].self_attn.window = 8
    for layer in (0, 2):
        model.model.layers[layer].self_attn.window = 16
    made = type(model).__init__

    def with_windows(self: Any, config: Any) -> None:
        made(self, config)
        for place, layer in enumerate(self.model.layers):
            layer.self_attn.window = 8 if place == 1 else 16

    monkeypatch.setattr(type(model), "__init__", with_windows)
    with pytest.raises(Unsupported, match="window 16 instead of 8"):
        tied(model, (0, 1, 1, 2))
