"""What a model's name stands for, before anything is fetched: a base, an adapter, a map of layers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from regress.composed.description import Composition, composition
from regress.composed.ensemble import Ensemble, ensemble
from regress.config import Alias
from regress.errors import ModelError, UnknownName

LOCAL = "local"
"""In the place of a revision: it is a folder."""
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a name stands for, before anything is looked for."""

    base: str
    """Folder or hub id."""
    revision: str | None
    """Commit, branch or tag of the hub repository; null for the newest, and for folders."""
    adapter: str | None
    """Folder or hub id of the adapter; null for none."""
    allow_bin: bool
    """Whether pickled weights may be read."""
    shown: str | None
    """What the source is called instead of where it lies."""
    layers: tuple[int, ...] | None = None
    """For each layer the base's layer that it is; null for the base's own."""
    fingerprint: str | None = None
    """What the base must be; null for whatever it is."""
    described_in: str | None = None
    """The folder that says how the model is put together."""


def ensemble_named(name: str, aliases: Mapping[str, Alias]) -> Ensemble | None:
    """The ensemble that goes by a name; null where one model does.

    Raises:
        ModelError: If its description cannot be read.
    """
    return ensemble(Path(aliases[name].model if name in aliases else name).expanduser())


def parts_of(name: str, aliases: Mapping[str, Alias], *, allow_bin: bool = False) -> Parts:
    """What the name of one model stands for.

    Raises:
        UnknownName: If it cannot be a name.
        ModelError: If it is that of several models, or says two things.
    """
    base, adapter = _split_adapter(name, aliases)
    alias = aliases.get(base)
    parts = Parts(
        base=alias.model if alias else base,
        revision=alias.revision if alias else None,
        adapter=adapter or (alias.adapter if alias else None),
        allow_bin=allow_bin or bool(alias and alias.allow_bin),
        shown=alias.shown if alias else None,
    )
    if (together := ensemble_named(base, aliases)) is not None:
        raise ModelError(
            f"{name} is an ensemble of {len(together.members)} models",
            allowed="one model",
            do="`regress evaluate`, `compare` and `gate` run ensembles.",
        )
    made = composition(Path(parts.base).expanduser())
    return parts if made is None else _composed(parts, made)


def _composed(parts: Parts, made: Composition) -> Parts:
    """The parts of a model that a folder puts together; an adapter may be put on one that has none."""
    if parts.adapter and made.adapter:
        raise ModelError(
            f"{parts.base} has an adapter ({made.adapter}), and {parts.adapter} was named too",
            allowed="one adapter",
        )
    if composition(Path(made.base).expanduser()) is not None:
        raise ModelError(
            f"{parts.base} is put together from {made.base}, which is no checkpoint but put together itself",
            allowed="a base with weights of its own",
            do="Make a checkpoint of it: `regress update`.",
        )
    return replace(
        parts,
        base=made.base,
        revision=made.revision,
        adapter=parts.adapter or made.adapter,
        shown=parts.shown or (parts.base if made.layers else None),
        layers=made.layers,
        fingerprint=made.fingerprint,
        described_in=parts.base,
    )


def _split_adapter(name: str, aliases: Mapping[str, Alias]) -> tuple[str, str | None]:
    if name in aliases or Path(name).expanduser().is_dir() or "+" not in name:
        return name, None
    base, _, adapter = name.partition("+")
    if not base or not adapter:
        raise UnknownName("model", name, aliases, do="An adapter is named as `base+adapter`.")
    return base, adapter


def place_named(source: str, revision: str | None, aliases: Mapping[str, Alias]) -> tuple[str, str | None]:
    """What a source names: a folder and `LOCAL`, or a hub repository and the revision asked for.

    Raises:
        UnknownName: If there is no such folder, or it is like a short name.
        ModelError: If it is a file.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return source, LOCAL
    if folder.is_file():
        raise ModelError(f"{source} is a file", allowed="a folder with config.json and weights")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        siblings = [str(path) for path in folder.parent.glob("[!._]*") if path.is_dir()]
        raise UnknownName("model folder", source, siblings)
    repository, _, given = source.partition("@")
    if not _HUB_ID.fullmatch(repository) or ("/" not in repository and _nearest(repository, aliases)):
        raise UnknownName("model", source, aliases, do="`regress models` lists the short names.")
    return repository, given or revision


def _nearest(name: str, known: Iterable[str]) -> bool:
    return bool(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6))
