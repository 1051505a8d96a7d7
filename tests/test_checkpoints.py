"""From a model's name to files, and what can be said of them without loading any."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from regress import checkpoints, weights
from regress.checkpoints import check, local_files, read_config, resolve
from regress.config import Alias
from regress.errors import ModelError, UnknownName
from regress.identity import file_hash
from regress.weights import weight_hash


def safetensors(**tensors: bytes) -> bytes:
    """A safetensors file of one-dimensional float32 tensors."""
    header: dict[str, Any] = {}
    start = 0
    for name, content in tensors.items():
        end = start + len(content)
        header[name] = {"dtype": "F32", "shape": [len(content) // 4], "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(tensors.values())


FILES: Mapping[str, bytes] = {
    "config.json": b'{"model_type": "llama", "dtype": "bfloat16"}',
    "tokenizer.json": b'{"model": {"vocab": {"a": 0}}}',
    "tokenizer_config.json": b'{"bos_token": "<s>"}',
    "model.safetensors": safetensors(a=b"\0" * 8, b=b"\1" * 4),
}


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """A model folder; null leaves a file out."""

    def make(name: str = "mine", **changes: bytes | None) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for path, content in {
            **FILES,
            **{key.replace("__", "."): value for key, value in changes.items()},
        }.items():
            if content is not None:
                (folder / path).write_bytes(content)
        return folder

    return make


def resolved(folder: Path, **options: Any) -> checkpoints.Checkpoint:
    return resolve(str(folder), {}, **options)


# ── what a checkpoint says ───────────────────────────────────────────────────────────────────────


def test_a_local_folder(model: Callable[..., Path]) -> None:
    folder = model()
    found = resolved(folder)
    assert (found.name, found.source, found.folder) == (str(folder), str(folder), folder)
    assert (found.revision, found.adapter, found.pickled) == (None, None, False)
    assert (found.parameters, found.dtype, found.quantization) == (3, "bfloat16", None)
    assert found.weight_bytes == len(FILES["model.safetensors"])


def test_a_copy_is_the_same_model(model: Callable[..., Path]) -> None:
    one, copy = resolved(model("one")), resolved(model("copy"))
    assert (one.fingerprint, one.tokenizer) == (copy.fingerprint, copy.tokenizer)


@pytest.mark.parametrize(
    ("file", "content", "changed"),
    [
        ("model__safetensors", safetensors(a=b"\0" * 8, b=b"\2" * 4), {"fingerprint"}),
        ("config__json", b'{"model_type": "llama", "dtype": "bfloat16", "rope_theta": 2}', {"fingerprint"}),
        ("generation_config__json", b'{"repetition_penalty": 2.0}', {"fingerprint"}),
        ("tokenizer__json", b'{"model": {"vocab": {"b": 0}}}', {"tokenizer"}),
        ("tokenizer_config__json", b'{"bos_token": "</s>"}', {"tokenizer"}),
        ("config__json", b'{"dtype": "bfloat16", "model_type": "llama", "transformers_version": "9"}', set()),
        ("tokenizer_config__json", b'{"bos_token": "<s>", "chat_template": "{{ x }}"}', set()),
        ("README__md", b"# mine", set()),
    ],
)
def test_what_changes_an_answer_changes_a_hash_and_nothing_else_does(
    file: str, content: bytes, changed: set[str], model: Callable[..., Path]
) -> None:
    """A chat template is hashed where it is applied; what each save rewrites is not."""
    before, after = resolved(model("before")), resolved(model("after", **{file: content}))
    differing = {
        name for name in ("fingerprint", "tokenizer") if getattr(before, name) != getattr(after, name)
    }
    assert differing == changed


def test_quantisation_is_what_the_checkpoint_declares(model: Callable[..., Path]) -> None:
    config = b'{"quantization_config": {"quant_method": "gptq", "bits": 4}}'
    found = resolved(model(config__json=config))
    assert (found.quantization, found.dtype) == ("gptq", "float32")


def test_sharded_weights_count_all_shards(model: Callable[..., Path]) -> None:
    shards = {f"model-0000{i}-of-00002.safetensors": safetensors(**{f"t{i}": b"\0" * 4 * i}) for i in (1, 2)}
    index = {"weight_map": {f"t{i}": name for i, name in enumerate(shards, 1)}}
    folder = model(model__safetensors=None)
    for name, content in {**shards, "model.safetensors.index.json": json.dumps(index).encode()}.items():
        (folder / name).write_bytes(content)
    before = resolved(folder)
    assert before.parameters == 3
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors(t2=b"\1" * 8))
    assert resolved(folder).fingerprint != before.fingerprint
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks model-00002-of-00002\.safetensors, one of the 2 files"):
        resolved(folder)


def test_of_several_copies_of_the_weights_the_one_that_is_loaded_counts(model: Callable[..., Path]) -> None:
    """A folder may also hold a `model.fp16.safetensors`; transformers reads `model.safetensors`."""
    folder = model()
    before = resolved(folder)
    (folder / "model.fp16.safetensors").write_bytes(safetensors(a=b"\0" * 4))
    assert resolved(folder) == before


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def test_an_alias_is_remembered_by_its_name(model: Callable[..., Path]) -> None:
    folder = model()
    found = resolve("mine", {"mine": Alias(model=str(folder))})
    assert (found.name, found.source) == ("mine", str(folder))
    assert found.fingerprint == resolved(folder).fingerprint


def test_a_slip_in_an_alias_gets_the_nearest_one() -> None:
    for ask in (resolve, check):
        with pytest.raises(UnknownName, match=r"unknown model 'lama1'; did you mean 'llama1'"):
            ask("lama1", {"llama1": Alias(model="a/b"), "phi1": Alias(model="c/d")})


def test_a_slip_in_a_path_gets_the_nearest_one(model: Callable[..., Path]) -> None:
    folder = model("stories")
    for ask in (resolve, check):
        with pytest.raises(UnknownName, match=r"unknown model folder .*storys'; did you mean '.*stories'"):
            ask(str(folder.with_name("storys")), {})


@pytest.mark.parametrize("name", ["a b", "a/b/c d", "what?", "@v1", "+x", "x+"])
def test_what_cannot_be_a_name(name: str) -> None:
    for ask in (resolve, check):
        with pytest.raises(UnknownName):
            ask(name, {})


def test_a_file_is_no_model(model: Callable[..., Path]) -> None:
    file = model() / "model.safetensors"
    for ask in (resolve, check):
        with pytest.raises(ModelError, match="is a file"):
            ask(str(file), {})


def test_the_files_of_a_local_model_are_listed_without_reading_any(
    model: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    base, added = model(), adapter()
    listed = local_files(f"{base}+{added}", {})
    assert listed is not None
    assert {file.parent for file in listed} == {base, added}
    assert len(listed) == len(FILES) + 2
    assert local_files("some/repository", {}) is None


# ── adapters ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., Path]:
    def make(
        name: str = "lora", weights: bytes = safetensors(a=b"\0" * 4), config: bytes = b'{"r": 8}'
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(weights)
        (folder / "adapter_config.json").write_bytes(config)
        return folder

    return make


def test_base_and_adapter(model: Callable[..., Path], adapter: Callable[..., Path]) -> None:
    base, added = model(), adapter()
    found = resolve(f"{base}+{added}", {})
    assert (found.source, found.adapter, found.adapter_folder) == (str(base), str(added), added)
    assert found.fingerprint != resolved(base).fingerprint
    assert found.tokenizer == resolved(base).tokenizer


def test_another_adapter_is_another_model(model: Callable[..., Path], adapter: Callable[..., Path]) -> None:
    base = model()
    kinds = [adapter("a"), adapter("b", weights=safetensors(a=b"\1" * 4)), adapter("c", config=b'{"r": 9}')]
    assert len({resolve(f"{base}+{kind}", {}).fingerprint for kind in kinds}) == 3


def test_an_alias_may_name_an_adapter(model: Callable[..., Path], adapter: Callable[..., Path]) -> None:
    base, added = model(), adapter()
    by_alias = resolve("tuned", {"tuned": Alias(model=str(base), adapter=str(added))})
    assert by_alias.fingerprint == resolve(f"{base}+{added}", {}).fingerprint


def test_a_folder_whose_name_holds_a_plus_is_that_folder(model: Callable[..., Path]) -> None:
    assert resolved(model("a+b")).adapter is None


def test_an_adapter_without_its_files(model: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for ask in (resolve, check):
        with pytest.raises(ModelError, match="empty is not a PEFT adapter"):
            ask(f"{model(ask.__name__)}+{tmp_path / 'empty'}", {})


# ── what cannot be used ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config__json": None}, r"has no config\.json"),
        ({"config__json": b"{"}, r"config\.json is not JSON"),
        ({"config__json": b"[]"}, r"config\.json is not a JSON object"),
        ({"model__safetensors": None}, "has no weights"),
        ({"tokenizer__json": None}, "has no tokenizer"),
        ({"model__safetensors": None, "pytorch_model__bin": b"x"}, r"only pickled weights .*--allow-bin"),
    ],
)
def test_a_folder_that_cannot_be_used(
    changes: dict[str, bytes | None], said: str, model: Callable[..., Path]
) -> None:
    folder = model(**changes)
    for ask in (resolve, check):
        with pytest.raises(ModelError, match=said):
            ask(str(folder), {})


WHOLE = FILES["model.safetensors"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        struct.pack("<Q", 10**9),
        struct.pack("<Q", 2) + b"[]",
        WHOLE[:-1],
        WHOLE[:30],
        WHOLE + b"x",
    ],
)
def test_a_damaged_safetensors_file(content: bytes, model: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="is not a safetensors file"):
        resolved(model(model__safetensors=content))


def test_a_damaged_index(model: Callable[..., Path]) -> None:
    folder = model(model__safetensors=None)
    (folder / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="is not an index of weights"):
        resolved(folder)


def test_pickled_weights_where_they_are_allowed(model: Callable[..., Path]) -> None:
    folder = model(model__safetensors=None, pytorch_model__bin=b"x" * 7)
    found = resolved(folder, allow_bin=True)
    assert (found.pickled, found.parameters, found.weight_bytes) == (True, None, 7)
    assert resolve("mine", {"mine": Alias(model=str(folder), allow_bin=True)}).pickled
    (folder / "model.safetensors").write_bytes(FILES["model.safetensors"])
    assert not resolved(folder, allow_bin=True).pickled


# ── hashes that are remembered ───────────────────────────────────────────────────────────────────


def test_a_weight_file_is_read_once(model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file = model() / "model.safetensors"
    first = weight_hash(file)
    assert first == file_hash(file)

    def unread(path: Path) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(weights, "file_hash", unread)
    assert weight_hash(file) == first
    with pytest.raises(AssertionError, match="read again"):
        weight_hash(shutil.copy(file, file.with_name("model-copy.safetensors")))


def test_other_bytes_of_the_same_size_are_read_again(model: Callable[..., Path]) -> None:
    file = model() / "model.safetensors"
    first = weight_hash(file)
    file.write_bytes(safetensors(a=b"\0" * 8, b=b"\2" * 4))
    assert weight_hash(file) == file_hash(file) != first


def test_the_hub_cache_already_knows(tmp_path: Path) -> None:
    """There a large file's name is its hash."""
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"not that hash")
    link = tmp_path / "snapshots" / "model.safetensors"
    link.parent.mkdir()
    link.symlink_to(blob)
    assert weight_hash(link) == "ab" * 32


def test_a_home_that_cannot_be_written_costs_time_only(
    model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    file = model() / "model.safetensors"
    assert weight_hash(file) == weight_hash(file) == file_hash(file)


def test_a_damaged_memory_is_forgotten(model: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "cache" / "regress").mkdir(parents=True)
    (tmp_path / "cache" / "regress" / "weights.json").write_text("{")
    file = model() / "model.safetensors"
    assert weight_hash(file) == file_hash(file)
    assert weight_hash(file) == file_hash(file)


def test_read_config(model: Callable[..., Path]) -> None:
    assert read_config(model()) == {"model_type": "llama", "dtype": "bfloat16"}
