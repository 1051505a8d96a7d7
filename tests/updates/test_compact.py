"""Compact models: layers in memory once, adapters beside them; and what becomes of them as old models."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from regress.checkpoints import resolve
from regress.errors import Unsupported
from regress.updates.compact import parted
from regress.updates.make import make
from regress.updates.opening import planned
from regress.updates.steps.adapt import Adapt
from regress.updates.steps.cast import Cast
from regress.updates.steps.drop import Drop
from regress.updates.steps.grow import Grow
from regress.updates.steps.layers import Layers

pytestmark = pytest.mark.models

TEXTS = ("Janet has three apples and buys four more.", "He sat")
MAP = (0, 1, 1, 2, 0)
TIED = Layers(map=MAP, tied=True)
Made = Callable[..., tuple[Path, Any]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Make a model by steps in the folder called `name`; it is verified."""

    def make_one(old: Path, *steps: Any, name: str = "new", **further: Any) -> tuple[Path, Any]:
        out = tmp_path / name
        return out, make(resolve(str(old), {}), steps, out, texts=TEXTS, **further)

    return make_one


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def compute(folder: Path, ids: Any) -> Any:
    import torch

    from regress.updates.loading import load

    with torch.no_grad():
        return load(resolve(str(folder), {}), "float32")(ids).logits


@pytest.mark.parametrize("family", ["llama", "gpt_neo", "qwen2", "gpt2"])
def test_shared_layers_are_small_on_disk_and_compute_what_copies_do(
    family: str, make_model: Any, made: Made, ids: Any
) -> None:
    """The map and no weight is written; bit for bit the model is the one whose layers are copied."""
    import torch

    old = make_model(family)
    folder, update = made(old, TIED)
    copied, _ = made(old, Layers(map=MAP), name="copied")
    assert names(folder) == ["README.md", "composition.json", "update.json"]
    assert update.check.round_trip
    assert update.plan.after.parameters == update.plan.before.parameters
    assert torch.equal(compute(folder, ids), compute(copied, ids))


def test_layers_left_out_count_no_more(make_model: Any, made: Made) -> None:
    old = make_model("llama")
    _, fewer = made(old, Layers(map=(0, 0, 2), tied=True))
    _, dropped = made(old, Drop(layers=(1,)), name="dropped")
    assert fewer.plan.after.parameters == dropped.plan.after.parameters


def test_an_adapter_on_the_old_model_is_a_folder_of_pefts(make_model: Any, made: Made, ids: Any) -> None:
    """Which transformers loads by itself, and regress by its name or as base+adapter."""
    import torch
    from transformers import AutoModelForCausalLM

    old = make_model("llama")
    folder, update = made(old, Adapt())
    assert names(folder) == ["README.md", "adapter_config.json", "adapter_model.safetensors", "update.json"]
    assert update.claim == "identical"
    assert update.check.identical
    found = resolve(str(folder), {})
    assert found.fingerprint == resolve(f"{old}+{folder}", {}).fingerprint
    with torch.no_grad():
        theirs = AutoModelForCausalLM.from_pretrained(str(folder)).eval()(ids).logits
    assert torch.equal(theirs, compute(old, ids))


def test_the_seed_decides_the_random_half(make_model: Any, made: Made) -> None:
    old = make_model("llama")
    folders = [made(old, Adapt(), name=f"seed-{n}", seed=seed)[0] for n, seed in enumerate((1, 1, 2))]
    weights = [(folder / "adapter_model.safetensors").read_bytes() for folder in folders]
    assert weights[0] == weights[1] != weights[2]


def test_what_stands_on_no_stored_model_brings_its_base(make_model: Any, made: Made) -> None:
    old = make_model("llama")
    folder, update = made(old, Grow(mlp="1.5x"), TIED, Adapt(kind="ia3"))
    assert names(folder) == ["README.md", "adapter", "base", "composition.json", "update.json"]
    assert json.loads((folder / "composition.json").read_text())["base"] == "./base"
    assert update.check.round_trip
    moved = folder.rename(folder.parent / "moved")
    assert resolve(str(moved), {}).layers == MAP


def test_so_does_a_model_stored_in_another_type(make_model: Any, made: Made) -> None:
    folder, update = made(make_model("llama"), TIED, dtype="bfloat16")
    assert update.check.round_trip
    assert resolve(str(folder), {}).dtype == "bfloat16"


def train(adapter: Path) -> None:
    """Give every weight of an adapter a random value, another at every place."""
    import torch
    from safetensors.torch import load_file, save_file

    file = adapter / "adapter_model.safetensors"
    draw = torch.Generator().manual_seed(0)
    tensors = {
        name: each + 0.3 * torch.randn(each.shape, generator=draw) for name, each in load_file(file).items()
    }
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("kind", ["lora", "ia3"])
@pytest.mark.parametrize("family", ["llama", "gpt_neo"])
def test_as_an_old_model_layers_are_copied_and_then_each_gets_its_adapter_merged(
    family: str, kind: Any, make_model: Any, made: Made, ids: Any, logits: Any
) -> None:
    """Adapters of places that share weights differ; merging into shared weights would add them all."""
    folder, _ = made(make_model(family), TIED, Adapt(kind=kind))
    untrained = compute(folder, ids)
    train(folder / "adapter")
    trained = compute(folder, ids)
    flat, update = made(folder, name="flat")
    assert update.claim == "same"
    assert update.check.holds
    plain = logits(flat, ids)  # loads as any checkpoint
    assert float((plain - trained).abs().max() / trained.std()) < 5e-5  # large random weights
    assert float((untrained - trained).abs().max() / trained.std()) > 0.1


def test_steps_go_on_from_it(make_model: Any, made: Made) -> None:
    folder, _ = made(make_model("llama"), TIED)
    _, grown = made(folder, Grow(mlp="1.5x"), name="grown")
    assert grown.claim == "same"
    assert grown.check.certified == 1.0
    again, _ = made(folder, Layers(map=(4, 0), tied=True), name="again")
    assert names(again) == ["README.md", "base", "composition.json", "update.json"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((TIED, Cast(dtype="bfloat16")), "cast cannot change a model with layers that share weights"),
        ((Adapt(), Grow(mlp="2x")), "grow cannot change a model with an adapter beside the weights"),
        ((Adapt(), TIED), "layers cannot change a model with an adapter"),
        ((Adapt(), Adapt(kind="ia3")), "adapt cannot change a model with an adapter"),
        ((TIED, TIED), "layers cannot change a model with layers that share weights"),
    ],
)
def test_only_an_adapter_follows_shared_layers_and_nothing_an_adapter(
    steps: Sequence[Any], said: str, make_model: Any
) -> None:
    with pytest.raises(Unsupported, match=said):
        planned(resolve(str(make_model("llama")), {}), steps)


def test_what_a_checkpoint_holds_stays_one() -> None:
    steps = [Adapt(merge=True), Layers(map=MAP), Grow(mlp="2x")]
    parts = parted(steps)
    assert not parts.compact
    assert parts.stored == tuple(steps)
    assert parted([]).stored == ()


def test_through_the_whole_harness_it_answers_as_its_copies_do_with_fewer_weights(tmp_path: Path) -> None:
    """Choices and texts, by the local engine; what runs record tells the difference in memory."""
    import regress
    from regress.demo.pair import model_folder
    from regress.workflows.update import apply

    old = str(model_folder("demo-v2"))
    for name, tied in (("tied", True), ("copied", False)):
        apply(old, [Layers(map=(0, 1, 1, 2, 3), tied=tied)], tmp_path / name, texts=TEXTS)
    given = {"tasks": ["piqa", "gsm8k"], "limit": 12, "data": "demo", "store": tmp_path / "runs"}
    found = regress.compare(str(tmp_path / "copied"), str(tmp_path / "tied"), **given)
    for task in given["tasks"]:
        frame = found.flips(task, quadrant=None)
        assert len(frame) == 12
        assert list(frame["old_answer"]) == list(frame["new_answer"])
    copied, tied = (
        json.loads(next((tmp_path / "runs" / name).glob("piqa@*/manifest.json")).read_text())["recorded"]
        for name in ("copied", "tied")
    )
    assert copied["fallback"] == tied["fallback"] == {}
    sizes = copied["footprint"], tied["footprint"]
    assert sizes[1]["parameters"] < sizes[0]["parameters"]
    assert sizes[1]["materialised"] == sizes[0]["materialised"]
    assert sizes[1]["cache_bytes"] == sizes[0]["cache_bytes"]
