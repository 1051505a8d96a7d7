"""From a model's name to weights and tokenizer on disk, and to a spec that says what they are.

A name is an alias, a hub id, `id@revision`, a local folder, or `base+adapter` (PEFT). Nothing here
loads weights: hashes come from the hub cache where it has them, else from the files, remembered
by path, size and modification time.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress import hub
from regress.config import Alias
from regress.errors import ModelError, UnknownName
from regress.identity import canonical_json, file_hash, sequence_hash, text_hash

CONFIG, GENERATION_CONFIG = "config.json", "generation_config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
SMALL_FILES = (
    *TOKENIZER_FILES,
    CONFIG,
    GENERATION_CONFIG,
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
    "*.tiktoken",
)
# fields that change with every save and never an answer
_VOLATILE = {"transformers_version", "_name_or_path", "chat_template", "name_or_path", "_from_model_config"}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_BYTES |= {"F8_E4M3": 1, "F8_E5M2": 1}
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model's files on this disk, and what can be said of them without loading them."""

    name: str
    """What the user called it."""
    source: str
    """Hub id or local folder."""
    folder: Path
    """Where the files lie."""
    revision: str | None
    """Commit of the hub repository; null for local folders."""
    adapter: str | None
    """Adapter as named; null if none."""
    adapter_folder: Path | None
    """Where the adapter's files lie."""
    config: Mapping[str, Any]
    """The model's `config.json`."""
    fingerprint: str
    """Hash of weights, adapter, and the configuration that the forward pass and generation read."""
    tokenizer: str
    """Hash of the tokenizer's files."""
    weight_bytes: int
    """Size of the weights as stored."""
    parameters: int | None
    """Number of parameters; null where the format does not tell without unpickling."""
    pickled: bool
    """Whether the weights are `.bin` files, to be read with `weights_only=True`."""

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
    base, adapter = _split_adapter(name, aliases)
    alias = aliases.get(base)
    source = alias.model if alias else base
    revision = alias.revision if alias else None
    adapter = adapter or (alias.adapter if alias else None)
    allow_bin = allow_bin or bool(alias and alias.allow_bin)
    folder, source, revision = _locate(source, revision, aliases, allow_bin=allow_bin)
    adapter_folder = None
    if adapter:
        adapter_folder, adapter, _ = _locate(adapter, None, aliases, allow_bin=False)
    source = alias.shown if alias and alias.shown else source
    return _inspect(name, source, folder, revision, adapter, adapter_folder, allow_bin=allow_bin)


def check(name: str, aliases: Mapping[str, Alias], *, allow_bin: bool = False) -> None:
    """Raise what `resolve` would raise, as far as that can be said without fetching anything."""
    base, adapter = _split_adapter(name, aliases)
    alias = aliases.get(base)
    allow_bin = allow_bin or bool(alias and alias.allow_bin)
    repository, revision = _named(alias.model if alias else base, alias.revision if alias else None, aliases)
    if revision is _LOCAL:
        folder = Path(repository).expanduser()
        read_config(folder)
        _weight_files(folder, allow_bin=allow_bin)
        _tokenizer_hash(folder)
    else:
        hub.check_model(repository, revision, small_files=SMALL_FILES, allow_bin=allow_bin)
    if adapter := adapter or (alias.adapter if alias else None):
        repository, revision = _named(adapter, None, aliases)
        if revision is _LOCAL:
            _adapter_files(Path(repository).expanduser())
        else:
            hub.check_model(repository, revision, small_files=SMALL_FILES, allow_bin=False)


def local_files(name: str, aliases: Mapping[str, Alias]) -> list[Path] | None:
    """The files of a model that lies in local folders, without fetching or reading any; else null.

    Their sizes and times tell cheaply whether a stored run is still about the same bytes.
    """
    base, adapter = _split_adapter(name, aliases)
    alias = aliases.get(base)
    folders = [Path(alias.model if alias else base).expanduser()]
    if adapter := adapter or (alias.adapter if alias else None):
        folders.append(Path(adapter).expanduser())
    if not all(folder.is_dir() for folder in folders):
        return None
    return [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]


def _split_adapter(name: str, aliases: Mapping[str, Alias]) -> tuple[str, str | None]:
    if name in aliases or Path(name).expanduser().is_dir() or "+" not in name:
        return name, None
    base, _, adapter = name.partition("+")
    if not base or not adapter:
        raise UnknownName("model", name, aliases, do="An adapter is named as `base+adapter`.")
    return base, adapter


_LOCAL = "local"


def _named(source: str, revision: str | None, aliases: Mapping[str, Alias]) -> tuple[str, str | None]:
    """What a source names: a folder and `_LOCAL`, or a hub repository and the revision asked for."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return source, _LOCAL
    if folder.is_file():
        raise ModelError(f"{source} is a file", allowed="a folder with config.json and weights")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        siblings = [str(path) for path in folder.parent.glob("*") if path.is_dir()]
        raise UnknownName("model folder", source, siblings)
    repository, _, given = source.partition("@")
    if not _HUB_ID.fullmatch(repository) or ("/" not in repository and _nearest(repository, aliases)):
        raise UnknownName("model", source, aliases, do="`regress models` lists the short names.")
    return repository, given or revision


def _locate(
    source: str, revision: str | None, aliases: Mapping[str, Alias], *, allow_bin: bool
) -> tuple[Path, str, str | None]:
    repository, asked = _named(source, revision, aliases)
    if asked is _LOCAL:
        return Path(repository).expanduser(), repository, None
    path, commit = hub.fetch_model(repository, asked, small_files=SMALL_FILES, allow_bin=allow_bin)
    return path, repository, commit


def _nearest(name: str, known: Iterable[str]) -> bool:
    return bool(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6))


def _inspect(
    name: str,
    source: str,
    folder: Path,
    revision: str | None,
    adapter: str | None,
    adapter_folder: Path | None,
    *,
    allow_bin: bool,
) -> Checkpoint:
    config = read_config(folder)
    weights, pickled = _weight_files(folder, allow_bin=allow_bin)
    hashes = [f"{file.name}={weight_hash(file)}" for file in weights]
    if adapter_folder:
        hashes += [f"adapter/{file.name}={weight_hash(file)}" for file in _adapter_files(adapter_folder)]
        hashes.append("adapter/" + _stable_json(adapter_folder / "adapter_config.json"))
    settings = [_stable_json(folder / CONFIG), _stable_json(folder / GENERATION_CONFIG)]
    return Checkpoint(
        name=name,
        source=source,
        folder=folder,
        revision=revision,
        adapter=adapter,
        adapter_folder=adapter_folder,
        config=config,
        fingerprint=sequence_hash([*hashes, *settings]),
        tokenizer=_tokenizer_hash(folder),
        weight_bytes=sum(file.stat().st_size for file in weights),
        parameters=None if pickled else sum(_elements(file) for file in weights),
        pickled=pickled,
    )


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


def _weight_files(folder: Path, *, allow_bin: bool) -> tuple[list[Path], bool]:
    if safe := _one_set(folder, "model", ".safetensors"):
        return safe, False
    pickled = _one_set(folder, "pytorch_model", ".bin")
    if pickled and allow_bin:
        return pickled, True
    if pickled:
        raise ModelError(
            f"{folder} has only pickled weights ({pickled[0].name})",
            allowed="safetensors",
            do="Convert them, or say --allow-bin to read them with weights_only=True.",
        )
    raise ModelError(f"{folder} has no weights", allowed="model*.safetensors")


def _one_set(folder: Path, stem: str, suffix: str) -> list[Path]:
    """The files of one copy of the weights, as transformers chooses it where a folder holds several."""
    if (whole := folder / f"{stem}{suffix}").exists():
        return [whole]
    index = folder / f"{stem}{suffix}.index.json"
    if not index.exists():
        return sorted(folder.glob(f"{stem}*{suffix}"))
    try:
        named = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} is not an index of weights ({error})", do="Fetch it again.") from None
    if missing := [name for name in named if not (folder / name).exists()]:
        raise ModelError(
            f"{folder} lacks {missing[0]}, one of the {len(named)} files that {index.name} names",
            do="Fetch or copy the model again.",
        )
    return [folder / name for name in named]


def _adapter_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("adapter_model*.safetensors"))
    if not files or not (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder} is not a PEFT adapter", allowed="adapter_config.json and adapter_model.safetensors"
        )
    return files


def _tokenizer_hash(folder: Path) -> str:
    files = [folder / name for name in TOKENIZER_FILES if (folder / name).exists()]
    files += sorted(folder.glob("*.tiktoken"))
    vocabulary = [
        file for file in files if file.name not in ("tokenizer_config.json", "special_tokens_map.json")
    ]
    if not vocabulary:
        raise ModelError(
            f"{folder} has no tokenizer",
            allowed="tokenizer.json, tokenizer.model, or vocab files",
            do="Save the tokenizer into the same folder with `save_pretrained`.",
        )
    return sequence_hash(
        f"{file.name}={_stable_json(file) if file.suffix == '.json' else file_hash(file)}" for file in files
    )


def _stable_json(path: Path) -> str:
    """A JSON file without the fields that every save rewrites; its absence is a value too."""
    if not path.exists():
        return f"{path.name}: none"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return file_hash(path)
    if isinstance(document, dict):
        document = {key: value for key, value in document.items() if key not in _VOLATILE}
    try:
        return text_hash(canonical_json(document), digits=64)
    except ValueError:
        return file_hash(path)


def _elements(file: Path) -> int:
    """Number of parameters in a safetensors file, from its header."""
    try:
        with open(file, "rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            data = file.stat().st_size - 8 - length
            if data < 0:
                raise ValueError("its header is longer than the file")
            header = json.loads(stream.read(length))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        spans = [(*tensor["data_offsets"], _BYTES.get(tensor["dtype"], 1)) for tensor in tensors]
        if max((end for _, end, _ in spans), default=0) != data:
            raise ValueError("it is cut off")
    except (struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{file} is not a safetensors file ({error})", do="Fetch or save it again."
        ) from None
    return sum((end - start) // size for start, end, size in spans)


def weight_hash(file: Path) -> str:
    """sha256 of a weight file: from the hub cache's blob name, else remembered, else read."""
    blob = file.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return blob.name
    stat = blob.stat()
    key = f"{blob}|{stat.st_size}|{stat.st_mtime_ns}"
    memory = _Memory()
    if (known := memory.get(key)) is None:
        known = file_hash(blob)
        memory.put(key, known)
    return known


class _Memory:
    """Hashes remembered between processes; losing it costs time, never truth."""

    def __init__(self) -> None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self._path = Path(cache) / "regress" / "weights.json"

    def get(self, key: str) -> str | None:
        value = self._read().get(key)
        return value if isinstance(value, str) else None

    def put(self, key: str, value: str) -> None:
        entries = {**self._read(), key: value}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".weights.{os.getpid()}")
            temporary.write_text(json.dumps(entries), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            return  # a read-only home is no reason to fail

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}
