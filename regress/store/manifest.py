"""The small JSON files of a run: `spec.json`, written first, and `manifest.json`, written last.

Both are read by people and by later versions of regress, so unknown fields are ignored and a newer
schema is named rather than guessed at.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from regress.errors import DamagedRun, NewerSchema
from regress.identity import plain, rebuilt, run_fingerprint, strict, task_fingerprint
from regress.schema import SCHEMA_VERSION
from regress.types import Manifest, RunSpec

SPEC, MANIFEST = "spec.json", "manifest.json"

Record = TypeVar("Record")


def write_spec(folder: Path, spec: RunSpec) -> None:
    """Write what is about to be asked into `folder`, all or nothing."""
    _write_json(
        folder / SPEC,
        {"schema": SCHEMA_VERSION, "fingerprint": run_fingerprint(spec), "spec": strict(spec)},
    )


def read_spec(folder: Path) -> RunSpec:
    """Read what a run was asked.

    Raises:
        DamagedRun: If the file is missing, is not JSON, or is not what was written.
        NewerSchema: If a later version of regress wrote it.
    """
    document = _read_json(folder / SPEC)
    written: Any = document.get("spec")
    spec = _record(RunSpec, written, folder / SPEC)  # refuses what is no spec at all
    # another regress may have fields that this one lacks, keyed or only recorded: one reading must fit
    if not any(_is_sealed(reading, document.get("fingerprint")) for reading in (plain(spec), written)):
        raise DamagedRun(
            f"{folder / SPEC} does not match its own fingerprint",
            do="It was edited or damaged; delete the run with `regress runs rm` and evaluate again.",
        )
    return spec


def _is_sealed(spec: Mapping[str, Any], seal: object) -> bool:
    """Whether a spec in JSON form has the hash that was written beside it; its task has one of its own."""
    task = spec["task"]
    return run_fingerprint(spec) == seal and task["fingerprint"] in ("", task_fingerprint(task))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare the run in `folder` complete, all or nothing."""
    _write_json(folder / MANIFEST, {"schema": SCHEMA_VERSION, **strict(manifest)})


def read_manifest(folder: Path) -> Manifest | None:
    """Read when a run was finished; None if it is not.

    Raises:
        DamagedRun: If the file is not JSON or lacks a field.
        NewerSchema: If a later version of regress wrote it.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    return _record(Manifest, _read_json(path), path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name to write to; on leaving, the file is whole under its own, and survives a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    yield temporary
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        # a model's folder may have a name that is no UTF-8
        temporary.write_text(text + "\n", encoding="utf-8", errors="surrogatepass")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except FileNotFoundError:
        raise DamagedRun(f"{path} is missing", do="This folder is not a run of regress.") from None
    except ValueError as error:
        raise DamagedRun(
            f"{path} is not JSON ({error})",
            do="It was damaged; delete the run with `regress runs rm` and evaluate again.",
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise DamagedRun(f"{path} does not say which schema it follows", do="It was not written by regress.")
    if document["schema"] > SCHEMA_VERSION:
        raise NewerSchema(
            f"{path} follows schema {document['schema']}",
            allowed=f"schema {SCHEMA_VERSION} and older",
            do="A later regress wrote it; upgrade this one.",
        )
    return document


def _record(cls: type[Record], data: Any, path: Path) -> Record:
    """Build a (nested) dataclass from JSON, ignoring fields that it does not know."""
    try:
        return rebuilt(cls, data)
    except (TypeError, ValueError) as error:
        raise DamagedRun(
            f"{path} lacks something a run needs ({error})",
            do="It was damaged; delete the run with `regress runs rm` and evaluate again.",
        ) from None
