"""From a model's name to weights and tokenizer on disk, and to a spec that says what they are.

A name is an alias, a hub id, `id@revision`, a local folder, or `base+adapter` (PEFT); a folder may also
be that of an adapter, or say how a model is put together (`regress.composed`). Nothing here loads
weights: hashes come from the hub cache where it has them, else from the files, remembered by path,
size and modification time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regress import hub
from regress.composed.settings import mapped_settings
from regress.config import Alias
from regress.errors import ModelError
from regress.identity import sequence_hash
from regress.named import LOCAL, Parts, ensemble_named, parts_of, place_named
from regress.weights import (
    TOKENIZER_FILES,
    adapter_files,
    elements,
    stable_json,
    tokenizer_hash,
    weight_files,
    weight_hash,
)

CONFIG, GENERATION_CONFIG = "config.json", "generation_config.json"
SMALL_FILES = (
    *TOKENIZER_FILES,
    CONFIG,
    GENERATION_CONFIG,
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    "*.tiktoken",
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model's files on this disk, and what can be said of them without loading them."""

    name: str
    """What the user called it."""
    source: str
    """Hub id or local folder."""
    folder: Path
    """Where the files lie."""
    home: Path
    """The folder that was named, with what is recorded of the model: that of the files, or of what it is put
    together from."""
    revision: str | None
    """Commit of the hub repository; null for local folders."""
    adapter: str | None
    """Adapter as named; null if none."""
    adapter_folder: Path | None
    """Where the adapter's files lie."""
    layers: tuple[int, ...] | None
    """For each layer the one in the files that it is; null for the files' own."""
    config: Mapping[str, Any]
    """The model's `config.json`, of as many layers as the map has."""
    fingerprint: str
    """Hash of weights, map, adapter, and the configuration that the forward pass and generation read."""
    tokenizer: str
    """Hash of the tokenizer's files."""
    weight_bytes: int
    """Size of the weights as stored."""
    parameters: int | None
    """Number of parameters; null where the format does not tell without unpickling."""
    pickled: bool
    """Whether the weights are `.bin` files, to be read with `weights_only=True`."""

    @property
    def composed(self) -> bool:
        """Whether it is put together from more than one checkpoint's files."""
        return self.layers is not None or self.adapter_folder is not None

    @property
    def dtype(self) -> str:
        """The weight type that the checkpoint declares, float32 if it declares none."""
        return str(self.config.get("dtype") or self.config.get("torch_dtype") or "float32")

    @property
    def quantization(self) -> str | None:
        """The quantisation method that the checkpoint declares; null if none."""
        declared = self.config.get("quantization_config") or {}
        return declared.get("quant_method") if isinstance(declared, dict) else None


def resolve(name: str, aliases: Mapping[str, Alias], *, allow_bin: bool = False) -> Checkpoint:
    """Find, and if need be fetch, the model called `name`.

    Raises:
        UnknownName: If there is no such alias or folder, with the nearest ones.
        HubError: If the hub cannot be reached or refuses.
        ModelError: If the files are there but cannot be used.
    """
    parts = parts_of(name, aliases, allow_bin=allow_bin)
    folder, source, revision = _locate(parts.base, parts.revision, aliases, allow_bin=parts.allow_bin)
    adapter, adapter_folder = parts.adapter, None
    if adapter:
        adapter_folder, adapter, _ = _locate(adapter, None, aliases, allow_bin=False)
    parts = replace(parts, base=parts.shown or source, revision=revision, adapter=adapter)
    return _inspect(name, parts, folder, adapter_folder)


def check(name: str, aliases: Mapping[str, Alias], *, allow_bin: bool = False) -> None:
    """Raise what `resolve` would raise, as far as that can be said without fetching anything."""
    parts = parts_of(name, aliases, allow_bin=allow_bin)
    repository, revision = place_named(parts.base, parts.revision, aliases)
    if revision is LOCAL:
        folder = Path(repository).expanduser()
        read_config(folder)
        weight_files(folder, allow_bin=parts.allow_bin)
        tokenizer_hash(folder)
    else:
        hub.check_model(repository, revision, small_files=SMALL_FILES, allow_bin=parts.allow_bin)
    if parts.adapter:
        repository, revision = place_named(parts.adapter, None, aliases)
        if revision is LOCAL:
            adapter_files(Path(repository).expanduser())
        else:
            hub.check_model(repository, revision, small_files=SMALL_FILES, allow_bin=False)


def local_files(name: str, aliases: Mapping[str, Alias]) -> list[Path] | None:
    """The files of a model that lies in local folders, without fetching or reading any; else null.

    Their sizes and times tell cheaply whether a stored run is still about the same bytes.
    """
    if (together := ensemble_named(name, aliases)) is not None:
        files = [local_files(member.model, aliases) for member in together.members]
        inside = [file for each in files for file in each or ()]
        return None if None in files else [together.path, *inside]
    parts = parts_of(name, aliases)
    named = [parts.base, parts.adapter, parts.described_in]
    folders = [Path(each).expanduser() for each in dict.fromkeys(named) if each]
    if not all(folder.is_dir() for folder in folders):
        return None
    return [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]


def _locate(
    source: str, revision: str | None, aliases: Mapping[str, Alias], *, allow_bin: bool
) -> tuple[Path, str, str | None]:
    repository, asked = place_named(source, revision, aliases)
    if asked is LOCAL:
        return Path(repository).expanduser(), repository, None
    path, commit = hub.fetch_model(repository, asked, small_files=SMALL_FILES, allow_bin=allow_bin)
    return path, repository, commit


def _inspect(name: str, parts: Parts, folder: Path, adapter_folder: Path | None) -> Checkpoint:
    config = read_config(folder)
    weights, pickled = weight_files(folder, allow_bin=parts.allow_bin)
    files = [f"{file.name}={weight_hash(file)}" for file in weights]
    settings = [stable_json(folder / CONFIG), stable_json(folder / GENERATION_CONFIG)]
    if parts.fingerprint not in (None, sequence_hash([*files, *settings])):
        raise ModelError(
            f"{name} was made for other weights than those that now lie in {folder}",
            do="Restore them, or make it again.",
        )
    return Checkpoint(
        name=name,
        source=parts.base,
        folder=folder,
        home=Path(parts.described_in).expanduser() if parts.described_in else folder,
        revision=parts.revision,
        adapter=parts.adapter,
        adapter_folder=adapter_folder,
        layers=parts.layers,
        config=config if parts.layers is None else {**config, **mapped_settings(config, parts.layers)},
        fingerprint=sequence_hash([*files, *_put_on(adapter_folder, parts.layers), *settings]),
        tokenizer=tokenizer_hash(folder),
        weight_bytes=sum(file.stat().st_size for file in weights),
        parameters=None if pickled else sum(elements(file) for file in weights),
        pickled=pickled,
    )


def _put_on(adapter: Path | None, layers: tuple[int, ...] | None) -> list[str]:
    """What a fingerprint says of an adapter and a map."""
    said = [] if layers is None else [f"layers={layers}"]
    if adapter is not None:
        said += [f"adapter/{file.name}={weight_hash(file)}" for file in adapter_files(adapter)]
        said.append("adapter/" + stable_json(adapter / "adapter_config.json"))
    return said


def read_config(folder: Path) -> dict[str, Any]:
    """A checkpoint's `config.json`.

    Raises:
        ModelError: If it is missing or not JSON.
    """
    path = folder / CONFIG
    if not path.exists():
        raise ModelError(
            f"{folder} has no {CONFIG}",
            allowed="a model in the Hugging Face layout, or a folder of stored runs",
            do="Save the model with `save_pretrained`.",
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object")
    return config
