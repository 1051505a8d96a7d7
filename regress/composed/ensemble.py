"""Several models that answer together: `ensemble.json` names them, and says how their answers become one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from regress.composed.description import found_from, read_json, relative_to
from regress.errors import ModelError

FILE = "ensemble.json"
_SCHEMA = 1
By = Literal["mean", "product", "vote"]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One of the models."""

    model: str
    """Folder, or hub id with its commit (`id@revision`)."""
    fingerprint: str | None = None
    """What it was when the ensemble was made; null if nobody wrote it down."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Models that answer together."""

    by: By
    """`mean`: the mean of probabilities. `product`: their geometric mean, the mean of logs. `vote`: what most
    of them answer."""
    weights: tuple[float, ...]
    """What each counts; they sum to 1."""
    members: tuple[Member, ...]
    """The models, at least two."""
    path: Path = field(default=Path(FILE), compare=False)
    """The file that says so."""


def ensemble(folder: Path) -> Ensemble | None:
    """The ensemble that a folder describes; null where it describes none.

    Raises:
        ModelError: If the description cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    document = read_json(path)
    try:
        return _read(path, document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{path} does not describe an ensemble ({error})",
            allowed=f"schema {_SCHEMA}, by, two members or more, as many weights",
        ) from None


def describe_ensemble(folder: Path, made: Ensemble) -> None:
    """Write `ensemble.json`; members in folders are written relative to `folder`."""
    document = {
        "schema": _SCHEMA,
        "by": made.by,
        "weights": made.weights,
        "members": [
            {"model": _written(each.model, folder), "fingerprint": each.fingerprint} for each in made.members
        ],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8", errors="surrogatepass")


def shares(weights: tuple[float, ...] | None, count: int) -> tuple[float, ...]:
    """Weights that sum to 1; equal ones where none are given.

    Raises:
        ValueError: If there are not `count` of them, or they make no mean.

    >>> shares(None, 4), shares((3.0, 1.0), 2)
    ((0.25, 0.25, 0.25, 0.25), (0.75, 0.25))
    """
    given = weights or (1.0,) * count
    if len(given) != count or not all(math.isfinite(each) and each > 0 for each in given):
        raise ValueError(f"weights {list(given)} for {count} members")
    return tuple(each / sum(given) for each in given)


def _read(path: Path, document: Mapping[str, Any]) -> Ensemble:
    if document["schema"] != _SCHEMA or document["by"] not in get_args(By):
        raise ValueError(f"schema {document['schema']}, by {document['by']}")
    members = tuple(
        Member(model=found_from(path.parent, str(each["model"])), fingerprint=each.get("fingerprint"))
        for each in document["members"]
    )
    if len(members) < 2:
        raise ValueError(f"{len(members)} members")
    weights = document.get("weights")
    return Ensemble(
        by=document["by"],
        weights=shares(tuple(map(float, weights)) if weights else None, len(members)),
        members=members,
        path=path,
    )


def _written(model: str, folder: Path) -> str:
    return relative_to(Path(model), folder) if Path(model).is_dir() else model
