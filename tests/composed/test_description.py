"""What a folder says of a model that is put together, and what is made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regress.checkpoints import check, local_files, resolve
from regress.composed.description import Composition, composition, describe
from regress.demo.pair import model_folder
from regress.errors import ModelError, RegressError

MAP = (0, 1, 1, 0)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A copy of a built-in model."""
    return Path(shutil.copytree(model_folder("demo-v2"), tmp_path / "models" / "base"))


@pytest.fixture
def compose(base: Path, tmp_path: Path) -> Callable[..., Path]:
    """Describe a model on `base` in the folder called `name`."""

    def make(name: str = "deep", **parts: Any) -> Path:
        folder = tmp_path / "models" / name
        folder.mkdir()
        fingerprint = resolve(str(base), {}).fingerprint
        parts = {"base": str(base), "fingerprint": fingerprint, "layers": MAP, **parts}
        describe(folder, Composition(**parts))
        return folder

    return make


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder that looks like an adapter."""
    folder = tmp_path / "models" / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(
        (8).to_bytes(8, "little") + b"{}      "  # an empty one
    )
    return folder


def configured(adapter: Path, **config: Any) -> Path:
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    return adapter


def test_what_is_written_is_read_again(compose: Callable[..., Path], base: Path) -> None:
    folder = compose()
    found = composition(folder)
    assert found == Composition(
        base=str(base), fingerprint=resolve(str(base), {}).fingerprint, layers=MAP, adapter=None
    )


def test_an_ordinary_checkpoint_is_not_put_together(base: Path, tmp_path: Path) -> None:
    assert composition(base) is None
    assert composition(tmp_path / "nowhere") is None


def test_it_resolves_to_the_files_of_its_base(compose: Callable[..., Path], base: Path) -> None:
    folder = compose()
    found, plain = resolve(str(folder), {}), resolve(str(base), {})
    assert (found.name, found.source, found.folder, found.layers) == (str(folder), str(folder), base, MAP)
    assert found.config == {**plain.config, "num_hidden_layers": 4}
    assert found.tokenizer == plain.tokenizer
    assert found.fingerprint != plain.fingerprint
    assert plain.layers is None
    check(str(folder), {})


def test_other_maps_are_other_models(compose: Callable[..., Path]) -> None:
    names = [compose("a"), compose("b", layers=(0, 0, 1)), compose("c")]
    prints = [resolve(str(folder), {}).fingerprint for folder in names]
    assert prints[0] == prints[2] != prints[1]


def test_folder_and_base_can_be_moved_together(
    compose: Callable[..., Path], base: Path, tmp_path: Path
) -> None:
    compose()
    before = resolve(str(tmp_path / "models" / "deep"), {}).fingerprint
    moved = shutil.move(tmp_path / "models", tmp_path / "elsewhere")
    assert resolve(str(Path(moved) / "deep"), {}).fingerprint == before


def test_a_base_that_has_changed_is_refused(compose: Callable[..., Path], base: Path) -> None:
    folder = compose()
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.5}))
    with pytest.raises(ModelError, match="was made for other weights"):
        resolve(str(folder), {})


def test_the_adapter_lies_inside_or_is_named_but_not_both(
    compose: Callable[..., Path], adapter: Path
) -> None:
    configured(adapter)
    bare, with_one = compose("bare"), compose("with-one", adapter=str(adapter))
    inside, named = resolve(str(with_one), {}), resolve(f"{bare}+{adapter}", {})
    assert inside.adapter_folder == named.adapter_folder == adapter
    assert inside.fingerprint == named.fingerprint != resolve(str(bare), {}).fingerprint
    with pytest.raises(ModelError, match="one adapter"):
        resolve(f"{with_one}+{adapter}", {})


def test_a_folder_of_pefts_is_its_base_with_the_adapter(base: Path, adapter: Path) -> None:
    configured(adapter, base_model_name_or_path=str(base))
    found = resolve(str(adapter), {})
    assert (found.folder, found.adapter_folder, found.layers) == (base, adapter, None)
    assert found.fingerprint == resolve(f"{base}+{adapter}", {}).fingerprint


def test_one_that_names_no_base_says_how_to_name_both(adapter: Path) -> None:
    configured(adapter, base_model_name_or_path=None)
    with pytest.raises(ModelError, match="does not say which model it belongs to"):
        resolve(str(adapter), {})


def test_all_files_that_decide_are_watched(compose: Callable[..., Path], base: Path, adapter: Path) -> None:
    folder = compose(adapter=str(configured(adapter)))
    files = local_files(str(folder), {})
    assert files is not None
    assert {base / "config.json", adapter / "adapter_config.json", folder / "composition.json"} <= set(files)


def test_a_base_that_is_put_together_itself_is_refused(compose: Callable[..., Path]) -> None:
    again = compose("again", base=str(compose()), fingerprint=None)
    with pytest.raises(ModelError, match="put together itself"):
        resolve(str(again), {})


@pytest.mark.parametrize(
    "document",
    ["{", "[]", "{}", '{"schema": 2, "base": "./b"}', '{"schema": 1, "base": "./b", "layers": [0, "1"]}',
     '{"schema": 1, "base": "./b", "layers": [true]}', '{"schema": 1, "base": 3}'],
)  # fmt: skip
def test_a_broken_description_is_an_error_that_names_the_file(tmp_path: Path, document: str) -> None:
    (tmp_path / "composition.json").write_text(document)
    with pytest.raises(ModelError, match=r"composition\.json"):
        resolve(str(tmp_path), {})


def test_a_map_that_the_base_has_no_layers_for_is_refused(compose: Callable[..., Path]) -> None:
    with pytest.raises(RegressError, match="names layer 9"):
        resolve(str(compose(layers=(0, 9))), {})
