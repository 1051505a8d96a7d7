"""`update.json` and the model card: what was done to which model, stored beside the new weights."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regress.changes import Check, Update
from regress.checkpoints import Checkpoint
from regress.errors import UpdateError
from regress.identity import plain, rebuilt, strict
from regress.updates.claims import Claim, claim_of
from regress.weights import weight_files, weight_hash

if TYPE_CHECKING:  # a record is read where torch is not needed
    from regress.updates.build import Models

RECORD = "update.json"
_VERSIONS = ("torch", "transformers", "safetensors", "numpy", "peft")


def write_record(
    folder: Path, update: Update, claim: Claim, *, old: Checkpoint, others: Models, seed: int
) -> None:
    """Write `update.json` and a short README into the new model's folder."""
    import torch

    document = {
        "schema": 1,
        "old": {
            "name": old.name,
            "origin": origin(old.folder) or old.name,
            "revision": old.revision,
            "fingerprint": old.fingerprint,
            "sha256": _hashes(weight_files(old.folder, allow_bin=False)[0]),
        },
        "others": {name: _hashes(model.files.values()) for name, model in others.items() if name != "old"},
        "seed": seed,
        "versions": {name: _version(name) for name in ("regress-harness", *_VERSIONS)},
        "machine": {"architecture": platform.machine(), "cpu": torch.backends.cpu.get_cpu_capability()},
        "claim": {**plain(claim), "level": claim.name},
        "plan": plain(update.plan),
        "check": plain(update.check),
    }
    text = json.dumps(strict(document), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8", errors="surrogatepass")
    (folder / "README.md").write_text(_card(update), encoding="utf-8", errors="replace")


def read_record(folder: Path) -> dict[str, Any] | None:
    """What `update.json` says of the model in `folder`, check, claim and steps read; null without one.

    Raises:
        UpdateError: If the file is not what `regress update` writes.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        return {
            **document,
            "check": rebuilt(Check, document["check"]),
            "steps": [str(line["step"]) for line in document["plan"]["steps"]],
            "claim": claim_of(**document["claim"]),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise UpdateError(f"{path} is not a record of `regress update` ({error})") from None


def origin(folder: Path) -> str | None:
    """What the first model was called that the updates up to `folder` began with; null if none is known."""
    record = read_record(folder)
    return None if record is None else str(record["old"].get("origin", record["old"]["name"]))


def _without_paths(step: str) -> str:
    """A step as typed, or its verb alone where it names files of this machine: runs are passed on."""
    return step.partition(":")[0] if "/" in step or "\\" in step else step


def brief(folder: Path) -> dict[str, Any] | None:
    """What runs of the model in `folder` remember of how it was made; null where it was not made here.

    What was measured under conditions says nothing of texts that do not meet them.
    """
    record = read_record(folder)
    if record is None:
        return None
    return {
        "claim": record["claim"].name,
        "steps": list(map(_without_paths, record["steps"])),
        "terms": list(record["claim"].terms),
        "old": record["old"]["fingerprint"],
        "max_error": None if record["claim"].terms else record["check"].max_error,
    }


def _hashes(files: Iterable[Path]) -> dict[str, str]:
    return {file.name: weight_hash(file) for file in sorted(set(files))}


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _card(update: Update) -> str:
    steps = "\n".join(f"    {line.step}" for line in update.plan.steps) or "    (nothing)"
    return (
        f"Made by `regress update` from another model; `{RECORD}` says which, how, and what was measured.\n\n"
        f"{steps}\n\nClaim: {update.plan.claim}. "
        "Licence and limits are those of the model it was made from.\n"
    )
