"""What `apply` leaves on disk: a whole model with its record, or nothing; and the old one as it was."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from safetensors import SafetensorError

from regress.checkpoints import resolve
from regress.errors import ModelError, Unsupported, UpdateError
from regress.identity import file_hash
from regress.updates import build
from regress.updates.draft import Change, Draft
from regress.updates.make import make
from regress.updates.record import read_record
from regress.updates.steps.extend import Extend
from regress.updates.steps.grow import Grow
from regress.updates.steps.insert import Insert
from regress.updates.steps.moe import Moe
from regress.updates.stored import open_model

pytestmark = pytest.mark.models

TEXTS = ("Janet has three apples and buys four more. How many has she?", "He sat")
Make = Callable[..., Path]
COMPOSED = (
    Grow(mlp="1.5x", heads=8, kv_heads=4),
    Insert(every=2),
    Moe(experts=3),
    Grow(hidden=64, head_dim=12),
    Insert(layers=(0,)),
)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: file_hash(path) for path in folder.iterdir() if path.is_file()}


def test_a_recipe_of_everything_computes_the_same(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    before = contents(old)
    update = make(resolve(str(old), {}), COMPOSED, tmp_path / "made" / "new", texts=TEXTS)
    assert update.claim == "same"
    assert update.check.holds
    assert update.check.round_trip
    assert update.check.generation
    assert update.check.same_top == 1
    assert update.check.kld < 1e-9
    assert contents(old) == before
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["new"]


def test_and_anybody_can_load_it(make_model: Make, tmp_path: Path, logits: Any, ids: Any) -> None:
    import torch

    old = make_model("llama")
    make(resolve(str(old), {}), COMPOSED, tmp_path / "new", texts=TEXTS)
    before, after = logits(old, ids), logits(tmp_path / "new", ids)
    assert (before - after).abs().max() < 1e-4 * before.std()
    assert torch.equal(before.argmax(-1), after.argmax(-1))
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config["model_type"] == "mixtral"
    assert config["architectures"] == ["MixtralForCausalLM"]


def test_tokenizer_and_generation_settings_come_along(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    make(resolve(str(old), {}), [Insert(every=3)], tmp_path / "new", texts=TEXTS)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / "new" / name).read_bytes() == (old / name).read_bytes()


def test_the_record_says_what_was_done_to_what(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    update = make(resolve(str(old), {}), [Grow(mlp=64)], tmp_path / "new", seed=7, texts=TEXTS)
    record = read_record(tmp_path / "new")
    assert record is not None
    assert record["check"] == update.check
    assert record["claim"].name == "same"
    assert record["seed"] == 7
    assert record["plan"]["steps"][0]["step"] == "grow:mlp=64"
    assert record["old"]["sha256"] == {"model.safetensors": file_hash(old / "model.safetensors")}
    assert record["old"]["fingerprint"] == resolve(str(old), {}).fingerprint
    assert read_record(old) is None


def test_a_claim_under_conditions_is_recorded_with_them_and_certifies_nothing_beyond(
    make_model: Make, tmp_path: Path
) -> None:
    from regress.updates.record import brief

    old = make_model("mistral")
    update = make(resolve(str(old), {}), [Extend(window=5)], tmp_path / "new", texts=TEXTS)
    assert (update.claim, update.plan.conditions) == ("same", ("texts of at most 5 tokens",))
    remembered = brief(tmp_path / "new")
    assert remembered is not None
    assert remembered["terms"] == ["texts of at most 5 tokens"]
    assert remembered["max_error"] is None
    make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "deeper", texts=TEXTS)
    remembered = brief(tmp_path / "deeper")
    assert remembered is not None
    assert (remembered["terms"], remembered["max_error"]) == ([], 0.0)


def test_weights_of_several_types_keep_all_their_digits(
    make_model: Make, edit_weights: Any, tmp_path: Path
) -> None:
    """Norms are often kept in float32 beside matrices in bfloat16; unread buffers do not count."""
    old = make_model("llama", dtype="bfloat16")
    edit_weights(old, copied("model.norm.weight", to="model.layers.0.self_attn.rotary_emb.inv_freq"))
    edit_weights(old, wider("model.layers.0.self_attn.rotary_emb.inv_freq"))
    assert open_model(old).dtype == "bfloat16"
    edit_weights(old, wider("model.norm.weight"))
    assert open_model(old).dtype == "float32"
    update = make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert (update.claim, update.plan.after.dtype) == ("identical", "float32")


def wider(name: str) -> Callable[[dict[str, Any]], None]:
    """Give a tensor in float32, with digits that bfloat16 has not."""

    def change(tensors: dict[str, Any]) -> None:
        tensors[name] = tensors[name].float() * 1.0001

    return change


def test_the_same_recipe_and_seed_make_the_same_bytes(make_model: Make, tmp_path: Path) -> None:
    old = resolve(str(make_model("llama")), {})
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make(old, COMPOSED, tmp_path / name, seed=seed, texts=TEXTS)
    one, same, other = (contents(tmp_path / name)["model.safetensors"] for name in "abc")
    assert one == same != other


def test_shards_hold_what_one_file_would(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logits: Any, ids: Any
) -> None:
    import torch

    old = make_model("llama")
    make(resolve(str(old), {}), [Grow(mlp=64)], tmp_path / "whole", texts=TEXTS)
    monkeypatch.setattr(build, "SHARD", 50_000)
    make(resolve(str(old), {}), [Grow(mlp=64)], tmp_path / "pieces", texts=TEXTS)
    assert len(list((tmp_path / "pieces").glob("model-*.safetensors"))) > 3
    assert torch.equal(logits(tmp_path / "whole", ids), logits(tmp_path / "pieces", ids))
    make(resolve(str(tmp_path / "pieces"), {}), [Insert(every=1)], tmp_path / "again", texts=TEXTS)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_number_format_costs_what_it_costs(dtype: str, make_model: Make, tmp_path: Path) -> None:
    old = resolve(str(make_model("llama")), {})
    exact = make(old, [Insert(every=1)], tmp_path / "exact", texts=TEXTS)
    rounded = make(old, [Insert(every=1)], tmp_path / "rounded", dtype=dtype, texts=TEXTS)
    assert (exact.claim, rounded.claim) == ("identical", "near")
    assert 0 < rounded.check.kld < 1e-2
    size = (tmp_path / "rounded" / "model.safetensors").stat().st_size
    assert size == pytest.approx((tmp_path / "exact" / "model.safetensors").stat().st_size / 2, rel=0.05)


def test_what_loses_digits_is_stored_in_float32(make_model: Make, tmp_path: Path) -> None:
    """√½ is no number of bfloat16, and ½ is."""
    old = resolve(str(make_model("llama", dtype="bfloat16")), {})
    doubled = make(old, [Grow(hidden=64)], tmp_path / "x2", texts=TEXTS)
    quadrupled = make(old, [Grow(hidden=128)], tmp_path / "x4", texts=TEXTS)
    assert (doubled.plan.after.dtype, quadrupled.plan.after.dtype) == ("float32", "bfloat16")
    assert (doubled.claim, quadrupled.claim) == ("same", "same")
    damaged = make(old, [Grow(hidden=64)], tmp_path / "x2b", dtype="bfloat16", texts=TEXTS)
    assert damaged.claim == "near"
    assert damaged.check.kld > 1000 * quadrupled.check.kld


# ── what cannot be done, and leaves nothing ──────────────────────────────────────────────────────


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("there", ["a file", "a folder with a file"])
def test_a_target_that_holds_something_is_left_alone(there: str, make_model: Make, tmp_path: Path) -> None:
    old, out = make_model("llama"), tmp_path / "new"
    kept = out if there == "a file" else out / "mine.txt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(UpdateError, match="is there already"):
        make(resolve(str(old), {}), [Insert(every=1)], out, texts=TEXTS)
    assert kept.read_text() == "mine"


def test_an_empty_target_is_filled(make_model: Make, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    make(resolve(str(make_model("llama")), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert (tmp_path / "new" / "update.json").is_file()


def test_a_link_to_an_empty_folder_is_filled_and_stays(make_model: Make, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "new").symlink_to("real")
    make(resolve(str(make_model("llama")), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert (tmp_path / "new").is_symlink()
    assert (tmp_path / "real" / "update.json").is_file()


def test_a_file_in_the_way_is_named(make_model: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UpdateError, match=r"no folder can be made in .*file .*exists"):
        make(resolve(str(make_model("llama")), {}), [Insert(every=1)], tmp_path / "file" / "new")


def test_a_whole_disk_is_no_target(make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not be replaced by the finished folder, which would be noticed only in the end."""
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    (tmp_path / "disk").mkdir()
    with pytest.raises(UpdateError, match="where a disk is mounted"):
        make(resolve(str(make_model("llama")), {}), [Insert(every=1)], tmp_path / "disk")


def test_what_does_not_fit_on_the_disk_is_not_begun(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    with pytest.raises(UpdateError, match=r"the new model takes [\d,]{25,} bytes, and [\d,]+ are free"):
        make(resolve(str(old), {}), [Grow(mlp=10**20)], tmp_path / "made" / "here" / "new", texts=TEXTS)
    assert left(tmp_path) == [old.name]


def test_a_disk_that_fills_up_is_told(
    make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_model("llama")

    def failing(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device")

    monkeypatch.setattr(build, "save_file", failing)
    with pytest.raises(UpdateError, match=r"weights of new cannot be written .*No space left"):
        make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert left(tmp_path) == [old.name]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interruption_leaves_nothing(
    error: BaseException, make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_model("llama")
    before = contents(old)
    written: list[Path] = []

    def failing(tensors: Any, path: Path, **_: Any) -> None:
        written.append(path)
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(build, "save_file", failing)
    with pytest.raises(type(error)):
        make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert written
    assert left(tmp_path) == [old.name]
    assert contents(old) == before


def test_pickled_weights_are_refused(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    (old / "model.safetensors").rename(old / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only pickled weights"):
        make(resolve(str(old), {}, allow_bin=True), [Insert(every=1)], tmp_path / "new")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "modeling.Mine"}}, "Python code of its own"),
        ({"quantization_config": {"quant_method": "gptq"}}, "stored quantised"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
    ],
)
def test_checkpoints_that_are_no_plain_weights_are_refused(
    change: dict[str, Any], says: str, make_model: Make, tmp_path: Path
) -> None:
    old = make_model("llama")
    edit(old, change)
    with pytest.raises(Unsupported, match=says):
        make(resolve(str(old), {}), [Insert(every=1)], tmp_path / "new")
    assert left(tmp_path) == [old.name]


def edit(folder: Path, change: dict[str, Any]) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))


def test_a_family_that_nobody_described_keeps_its_structure(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    edit(old, {"model_type": "mamba"})
    with pytest.raises(Unsupported, match="needs to know how mamba models are built"):
        make(resolve(str(old), {}), [Grow(mlp=64)], tmp_path / "new")


def copied(name: str, to: str) -> Callable[[dict[str, Any]], None]:
    """Give a checkpoint a tensor a second time, by another name."""

    def change(tensors: dict[str, Any]) -> None:
        tensors[to] = tensors[name].clone()

    return change


def test_tensors_that_do_not_belong_are_named(make_model: Make, edit_weights: Any, tmp_path: Path) -> None:
    old = make_model("llama")
    edit_weights(old, copied("model.norm.weight", to="model.layers.0.self_attn.rel_bias"))
    with pytest.raises(Unsupported, match=r"a tensor model\.layers\.0\.self_attn\.rel_bias of shape \[32\]"):
        make(resolve(str(old), {}), [Grow(mlp=64)], tmp_path / "new")


def test_two_different_heads_of_a_tied_model_are_refused(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")  # stores its own head
    edit(old, {"tie_word_embeddings": True})
    with pytest.raises(UpdateError, match="stores two different ones"):
        make(resolve(str(old), {}), [Grow(mlp=64)], tmp_path / "new")


@pytest.mark.parametrize("damage", ["cut off", "no weights", "no config"])
def test_damaged_checkpoints_are_refused(damage: str, make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    spec = resolve(str(old), {})
    file = old / "model.safetensors"
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-1000])
    elif damage == "no weights":
        file.unlink()
    else:
        (old / "config.json").unlink()
    with pytest.raises(ModelError):
        make(spec, [Insert(every=1)], tmp_path / "new")
    assert left(tmp_path) == [old.name]


def test_a_model_without_a_tokenizer_is_checked_on_random_ids(make_model: Make, tmp_path: Path) -> None:
    old = make_model("llama")
    spec = resolve(str(old), {})
    for file in old.glob("tokenizer*"):
        file.unlink()
    update = make(spec, [Insert(every=1)], tmp_path / "new", texts=TEXTS)
    assert update.check.holds
    assert not list((tmp_path / "new").glob("tokenizer*"))


def test_a_tied_model_may_store_its_head_again(make_model: Make, edit_weights: Any, tmp_path: Path) -> None:
    old = make_model("llama", tie_word_embeddings=True)
    edit_weights(old, copied("model.embed_tokens.weight", to="lm_head.weight"))
    update = make(resolve(str(old), {}), [Grow(hidden=64)], tmp_path / "new", texts=TEXTS)
    assert update.check.holds


def test_a_step_of_ones_own_is_recorded_as_far_as_json_can_say_it(make_model: Make, tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Mine:
        verb: ClassVar[str] = "mine"
        how: Callable[[Draft], Change]
        often: int = 3

        def plan(self, draft: Draft) -> Change:
            return self.how(draft)

    mine = Mine(how=lambda draft: Change(draft=draft))
    make(resolve(str(make_model("llama")), {}), [mine], tmp_path / "new", texts=TEXTS)
    record = json.loads((tmp_path / "new" / "update.json").read_text())
    assert record["plan"]["steps"][0]["arguments"] == {"how": "function", "often": 3}
