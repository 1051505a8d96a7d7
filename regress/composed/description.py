"""The folder of a composed model: `composition.json` names the base, says the map, and where the adapter is.

A folder of PEFT's is read as one too: an adapter on the base that its `adapter_config.json` names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regress.errors import ModelError

FILE, ADAPTER_FILE = "composition.json", "adapter_config.json"
ADAPTER, BASE = "adapter", "base"
"""Folders inside that of a composed model: its adapter, and its base where that is nowhere else."""
_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What a model is put together from."""

    base: str
    """Folder, or hub id."""
    revision: str | None = None
    """Commit of the hub repository; null for folders."""
    fingerprint: str | None = None
    """Fingerprint of the base that it was made for; null if nobody wrote it down."""
    layers: tuple[int, ...] | None = None
    """For each layer the base's layer that it is; null for the base's layers as they are."""
    adapter: str | None = None
    """Folder of the PEFT adapter; null for none."""


def composition(folder: Path) -> Composition | None:
    """What the model in `folder` is put together from; null for an ordinary checkpoint.

    Raises:
        ModelError: If the description cannot be read.
    """
    if (folder / FILE).is_file():
        return _described(folder, read_json(folder / FILE))
    if (folder / ADAPTER_FILE).is_file() and not (folder / "config.json").exists():
        return _adapter(folder, read_json(folder / ADAPTER_FILE))
    return None


def describe(folder: Path, made: Composition) -> None:
    """Write `composition.json`; a base in a folder is written relative to `folder`."""
    base = made.base if made.revision else relative_to(Path(made.base), folder)
    document: dict[str, Any] = {
        "schema": _SCHEMA,
        "base": base,
        "revision": made.revision,
        "fingerprint": made.fingerprint,
        "layers": made.layers,
        "adapter": None if made.adapter is None else relative_to(Path(made.adapter), folder),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", errors="surrogatepass")


def relative_to(path: Path, folder: Path) -> str:
    """A path as it is written into a file in `folder`: with a dot in front, which no hub id begins with."""
    found = Path(os.path.relpath(path, folder)).as_posix()
    return found if found.startswith(".") else f"./{found}"


def found_from(folder: Path, name: str) -> str:
    """What a name in a file in `folder` is: a folder, if it begins with a dot, or a hub id.

    Raises:
        ModelError: If the folder is not there.
    """
    if not name.startswith("."):
        return name
    found = os.path.normpath(folder / name)
    if not Path(found).is_dir():
        raise ModelError(
            f"{folder} is put together from {found}, which is not there", do="Move them together."
        )
    return found


def _described(folder: Path, document: Mapping[str, Any]) -> Composition:
    base, layers, adapter = document.get("base"), document.get("layers"), document.get("adapter")
    numbers = layers is None or (isinstance(layers, list) and all(type(each) is int for each in layers))
    named = isinstance(base, str) and base and (adapter is None or isinstance(adapter, str))
    if document.get("schema") != _SCHEMA or not numbers or not named:
        raise ModelError(
            f"{folder / FILE} does not describe a model",
            allowed=f"schema {_SCHEMA}, a base, layers as numbers, a folder with an adapter",
        )
    return Composition(
        base=found_from(folder, str(base)),
        revision=document.get("revision"),
        fingerprint=document.get("fingerprint"),
        layers=None if layers is None else tuple(layers),
        adapter=None if adapter is None else found_from(folder, adapter),
    )


def _adapter(folder: Path, document: Mapping[str, Any]) -> Composition:
    base = document.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"{folder} is a PEFT adapter that does not say which model it belongs to",
            do=f"Name both: BASE+{folder}.",
        )
    return Composition(base=base, revision=document.get("revision"), adapter=str(folder))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: If it holds none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error})") from None
    if not isinstance(document, dict):
        raise ModelError(f"{path} is not a JSON object")
    return document
