"""Weight and tokenizer files: which belong to a model, and what their hashes are, without loading them."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from regress.errors import ModelError
from regress.identity import canonical_json, file_hash, sequence_hash, text_hash
from regress.remembered import Remembered

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
# fields that change with every save and never an answer
_VOLATILE = {"transformers_version", "_name_or_path", "chat_template", "name_or_path", "_from_model_config"}
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_BYTES |= {"F8_E4M3": 1, "F8_E5M2": 1}


def weight_files(folder: Path, *, allow_bin: bool) -> tuple[list[Path], bool]:
    """The files of a model's weights, and whether they are pickled.

    Raises:
        ModelError: If there are none, if some are missing, or if they are pickled and may not be.
    """
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


def adapter_files(folder: Path) -> list[Path]:
    """The files of a PEFT adapter's weights.

    Raises:
        ModelError: If the folder holds no adapter in safetensors.
    """
    files = sorted(folder.glob("adapter_model*.safetensors"))
    if not files or not (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder} is not a PEFT adapter", allowed="adapter_config.json and adapter_model.safetensors"
        )
    return files


def tokenizer_hash(folder: Path) -> str:
    """Hash of all files that decide how text becomes tokens.

    Raises:
        ModelError: If the folder holds no tokenizer.
    """
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
        f"{file.name}={stable_json(file) if file.suffix == '.json' else file_hash(file)}" for file in files
    )


def stable_json(path: Path) -> str:
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


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One tensor of a safetensors file."""

    dtype: str
    """Its type in safetensors' words, for example `BF16`."""
    bytes: int
    """Its size."""

    @property
    def elements(self) -> int:
        """Number of its elements; those of a type not known here count as a byte each."""
        return self.bytes // _BYTES.get(self.dtype, 1)


def elements(file: Path) -> int:
    """Number of parameters in a safetensors file, from its header.

    Raises:
        ModelError: If the file is no safetensors file, or is cut off.
    """
    return sum(tensor.elements for tensor in tensors(file).values())


def tensors(file: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by name, from its header alone.

    Raises:
        ModelError: If the file is no safetensors file, or is cut off.
    """
    try:
        with open(file, "rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            data = file.stat().st_size - 8 - length
            if data < 0:
                raise ValueError("its header is longer than the file")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        spans = {name: tensor["data_offsets"] for name, tensor in header.items()}
        if max((end for _, end in spans.values()), default=0) != data:
            raise ValueError("it is cut off")
        return {
            name: Stored(dtype=str(header[name]["dtype"]), bytes=end - start)
            for name, (start, end) in spans.items()
        }
    except (struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"{file} is not a safetensors file ({error})", do="Fetch or save it again."
        ) from None


def weight_hash(file: Path) -> str:
    """sha256 of a weight file: from the hub cache's blob name, else remembered, else read."""
    blob = file.resolve()
    if blob.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", blob.name):
        return blob.name
    stat = blob.stat()
    key = f"{blob}|{stat.st_size}|{stat.st_mtime_ns}"
    memory = Remembered("weights")
    if (known := memory.get(key)) is None:
        known = file_hash(blob)
        memory.put(key, known)
    return known
