"""From a plan to a checkpoint on disk: tensor by tensor, shard by shard, all or nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from regress.errors import UpdateError
from regress.updates.evaluate import evaluate
from regress.updates.expressions import Old, Tensor, elements
from regress.updates.numbers import BYTES
from regress.updates.planning import Plan
from regress.updates.stored import StoredModel
from regress.weights import TOKENIZER_FILES

SHARD = 2**31
"""Bytes of a file of weights at most, unless one tensor is larger: what is in memory while writing."""
_COPIED = (
    *TOKENIZER_FILES,
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
)

Models = Mapping[str, StoredModel]
"""The models that a plan reads from, by label."""


def reader(models: Models) -> Callable[[Old], torch.Tensor]:
    """Hands out tensors of the models at hand."""
    return lambda old: models[old.model].tensor(old.name)


def state(plan: Plan, models: Models, seed: int, dtype: str | None = None) -> dict[str, torch.Tensor]:
    """All tensors of the new model in memory, by their names on disk."""
    kind = getattr(torch, dtype or plan.dtype)
    read = reader(models)
    return {name: _rounded(evaluate(tensor, read, seed), kind) for name, tensor in plan.tensors.items()}


def _rounded(value: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    return (value.to(kind) if value.is_floating_point() else value).contiguous()


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` to write into; on leaving, it is `out`; on any error, it is gone.

    Raises:
        UpdateError: If there is something at `out` already, or nothing can be written there.
    """
    require_free(out)
    out = out.resolve()  # a link to an empty folder keeps leading there
    above = [parent for parent in out.parents if not parent.exists()]
    folder = _beside(out)
    try:
        yield folder
        _readable(folder)
        require_free(out)
        if out.is_dir():
            out.rmdir()
        folder.rename(out)
    except SafetensorError as error:
        raise UpdateError(f"the weights of {out.name} cannot be written ({error})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in above:
            with contextlib.suppress(OSError):  # there is something in it
                parent.rmdir()


def _beside(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{out.name[:50]}.", dir=out.parent))
    except OSError as error:
        raise UpdateError(
            f"no folder can be made in {out.parent} ({error.strerror})", do="Name another."
        ) from None


def _readable(folder: Path) -> None:
    """Modes as any program's files have them; what makes temporary ones leaves them to their owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
    for file in folder.rglob("*"):
        file.chmod((0o777 if file.is_dir() else 0o666) & ~mask)


def require_free(out: Path) -> None:
    """Refuse a target that holds anything.

    Raises:
        UpdateError: If `out` is a file, a folder that is not empty, or a whole disk.
    """
    if out.is_mount():
        raise UpdateError(
            f"{out} is where a disk is mounted, which cannot be put into place as a whole",
            do="Name a folder in it.",
        )
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise UpdateError(
            f"{out} is there already", allowed="a folder that does not exist or is empty", do="Name another."
        )


def write_model(plan: Plan, models: Models, folder: Path, seed: int) -> None:
    """Write configuration, weights and tokenizer of the new model into `folder`.

    At most one shard's tensors are in memory.

    Raises:
        UpdateError: If they do not fit on the disk.
    """
    free = shutil.disk_usage(folder).free
    if plan.bytes > free:
        raise UpdateError(
            f"the new model takes {plan.bytes:,} bytes, and {free:,} are free on the disk of {folder.parent}",
            do="Make room, or name a folder on another disk.",
        )
    config = json.dumps(dict(plan.config), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(config, encoding="utf-8")
    _write_weights(plan, models, folder, seed)
    copy_files(models["old"].folder, folder)


def copy_files(old: Path, new: Path) -> None:
    """Tokenizer, chat template and generation settings, as they are."""
    for name in _COPIED:
        if (old / name).is_file():
            shutil.copyfile(old / name, new / name)
    for tiktoken in old.glob("*.tiktoken"):
        shutil.copyfile(tiktoken, new / tiktoken.name)


def _write_weights(plan: Plan, models: Models, folder: Path, seed: int) -> None:
    read, kind = reader(models), getattr(torch, plan.dtype)
    shards = _shards(plan.tensors, BYTES[plan.dtype])
    places: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = _shard_name(number, len(shards))
        tensors = {name: _rounded(evaluate(plan.tensors[name], read, seed), kind) for name in names}
        save_file(_unshared(tensors), folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(names, file)
    if len(shards) > 1:
        index: dict[str, Any] = {"metadata": {"total_size": plan.bytes}, "weight_map": places}
        path = folder / "model.safetensors.index.json"
        path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _unshared(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """safetensors refuses two names of one memory; what is evaluated twice rarely is."""
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if tensor.data_ptr() in seen:
            tensors[name] = tensor.clone()
        seen.add(tensor.data_ptr())
    return tensors


def _shards(tensors: Mapping[str, Tensor], size: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    filled = 0
    for name, tensor in tensors.items():
        needed = elements(tensor.shape) * size
        if shards[-1] and filled + needed > SHARD:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += needed
    return shards


def _shard_name(number: int, total: int) -> str:
    return "model.safetensors" if total == 1 else f"model-{number:05}-of-{total:05}.safetensors"
