"""Stored models: what their headers say, and their tensors one at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from regress.checkpoints import read_config
from regress.composed.description import ADAPTER_FILE, read_json
from regress.errors import ModelError, Unsupported, UpdateError
from regress.updates.draft import Draft
from regress.updates.expressions import Old, elements
from regress.updates.families.family import completed
from regress.updates.families.known import FAMILIES
from regress.updates.numbers import BYTES, holds
from regress.updates.planning import draft
from regress.weights import adapter_files, weight_files

_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A checkpoint in safetensors; only its headers are in memory."""

    folder: Path
    config: Mapping[str, Any]
    files: Mapping[str, Path]
    """The file that each tensor lies in."""
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]
    """Type of each tensor, as safetensors names it."""
    _open: dict[Path, Any] = field(default_factory=dict, repr=False, compare=False)

    def draft(self, model: str = "old") -> Draft:
        """The model on paper; `model` labels its tensors where several models are at hand."""
        old = {name: Old(name, shape, model) for name, shape in self.shapes.items()}
        return draft(self.config, old, self.dtype)

    @property
    def dtype(self) -> str:
        """The narrowest type that holds every weight, by torch's name."""
        family = FAMILIES.get(str(self.config.get("model_type")))
        buffers = family.ignored if family else ()
        there = {kind for name, kind in self.types.items() if kind in _TYPES and not name.endswith(buffers)}
        fitting = [dtype for dtype in _TYPES.values() if all(holds(dtype, _TYPES[kind]) for kind in there)]
        return min(fitting, key=BYTES.__getitem__) if there else "float32"

    @property
    def tokens(self) -> Any:
        """What its token ids stand for, as `tokenizer.json` says it; null where there is none."""
        path = self.folder / "tokenizer.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return document["model"]["vocab"], document.get("added_tokens")
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def parameters(self) -> int:
        """Number of stored parameters."""
        return sum(map(elements, self.shapes.values()))

    @property
    def bytes(self) -> int:
        """Bytes of the stored weights."""
        return sum(
            elements(shape) * BYTES.get(_TYPES.get(self.types[name], ""), 1)
            for name, shape in self.shapes.items()
        )

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, read now."""
        path = self.files[name]
        if path not in self._open:
            self._open[path] = safe_open(path, framework="pt")
        value: torch.Tensor = self._open[path].get_tensor(name)
        return value


def open_model(folder: Path) -> StoredModel:
    """Read a checkpoint's configuration and the headers of its weights.

    Raises:
        ModelError: If it has no safetensors, or they are damaged.
        Unsupported: If it brings Python code of its own, is quantised, or is not a causal language model.
    """
    config = read_config(folder)
    _refuse(folder, config)
    paths, _ = weight_files(folder, allow_bin=False)
    model = _with_headers(folder, config, paths)
    _require_one_head(model)
    return model


def open_adapter(folder: Path) -> StoredModel:
    """The same for an adapter of PEFT, whose configuration is `adapter_config.json`.

    Raises:
        ModelError: If there is none in safetensors, or it is damaged.
    """
    files = adapter_files(folder)
    return _with_headers(folder, read_json(folder / ADAPTER_FILE), files)


def _with_headers(folder: Path, config: Mapping[str, Any], paths: Sequence[Path]) -> StoredModel:
    files, shapes, types = dict[str, Path](), dict[str, tuple[int, ...]](), dict[str, str]()
    for path in paths:
        try:
            with safe_open(path, framework="pt") as stream:
                for name in stream.keys():  # noqa: SIM118  (not a dict)
                    piece = stream.get_slice(name)
                    files[name], shapes[name] = path, tuple(piece.get_shape())
                    types[name] = piece.get_dtype()
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{path} is not a safetensors file ({error})", do="Fetch or save it again."
            ) from None
    return StoredModel(folder=folder, config=config, files=files, shapes=shapes, types=types)


def _refuse(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("auto_map"):
        raise Unsupported(
            f"{folder} comes with Python code of its own (auto_map), which says how its weights are used",
            allowed="model types that transformers itself knows",
        )
    if config.get("quantization_config"):
        raise Unsupported(
            f"{folder} is stored quantised; its numbers are codes, not weights",
            do="Update the model that it was made from.",
        )
    if config.get("is_encoder_decoder"):
        raise Unsupported(f"{folder} is an encoder-decoder", allowed="causal language models")


def _require_one_head(model: StoredModel) -> None:
    """A tied model may store its output projection again, if it is the same."""
    heads = [name for name in ("lm_head.weight", "embed_out.weight") if name in model.files]
    tables = [
        name
        for name in model.files
        if name.endswith(("embed_tokens.weight", "wte.weight", "embed_in.weight"))
    ]
    family = FAMILIES.get(str(model.config.get("model_type")))
    settings = model.config if family is None else completed(family, model.config)
    if not (settings.get("tie_word_embeddings") and heads and tables):
        return
    if not torch.equal(model.tensor(heads[0]), model.tensor(tables[0])):
        raise UpdateError(
            f"{model.folder} says that output projection and embedding are one (tie_word_embeddings), "
            f"and stores two different ones ({heads[0]}, {tables[0]})",
            do="Set tie_word_embeddings to what is meant in its config.json.",
        )
