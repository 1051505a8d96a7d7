"""What a family is: it reads its own tensors and configuration as canonical ones, and writes them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Architecture, Draft
from regress.updates.expressions import Old, Tensor

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One `model_type` of transformers."""

    name: str
    """transformers' `model_type`."""
    title: str
    """As people write it."""
    architecture: Callable[[Mapping[str, Any]], Architecture]
    """Reads the configuration; raises `Unsupported` for what it cannot describe."""
    names: Callable[[Architecture, Mapping[str, Any]], dict[str, str]]
    """Canonical name by name on disk, of exactly the tensors that a configuration asks for."""
    config: Callable[[Draft], dict[str, Any]]
    """Writes the configuration; raises `Unsupported` for what the family cannot express."""
    unpack: Callable[[Architecture, dict[str, Tensor]], dict[str, Tensor]] = lambda _, tensors: tensors
    """Undoes fusing and turning, after renaming; the identity where there is none."""
    pack: Callable[[Architecture, dict[str, Tensor]], dict[str, Tensor]] = lambda _, tensors: tensors
    """The inverse of `unpack`, before renaming."""
    head: str
    """Name on disk of the output projection, which a tied model may store a second time."""
    prefix: str = ""
    """What names of tensors begin with in the causal model and may lack in a stored base model."""
    ignored: tuple[str, ...] = ()
    """Endings of names of buffers that older versions stored and nothing reads."""


def read(family: Family, config: Mapping[str, Any], tensors: Mapping[str, Old], dtype: str) -> Draft:
    """A stored model as a draft.

    Raises:
        Unsupported: If the configuration, or a tensor, is not one that the family knows.
    """
    architecture = family.architecture(config)
    names = family.names(architecture, config)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        canonical = names.get(name) or names.get(family.prefix + name)
        if canonical is not None:
            found[canonical] = tensor
        elif not (name.endswith(family.ignored) or (architecture.tied and name == family.head)):
            raise Unsupported(
                f"this {family.title} checkpoint has a tensor {name} of shape {list(tensor.shape)}, "
                "which is not known to belong to such a model"
            )
    found = family.unpack(architecture, found)
    return Draft(model_type=family.name, config=config, tensors=found, architecture=architecture, dtype=dtype)


def write(family: Family, draft: Draft) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """`config.json` and tensors as the family stores them.

    Raises:
        Unsupported: If the family cannot express the draft.
    """
    config = family.config(draft)
    names = {canonical: name for name, canonical in family.names(draft.shape, config).items()}
    packed = family.pack(draft.shape, dict(draft.tensors))
    if strange := sorted(set(packed) - set(names)):
        raise Unsupported(
            f"{family.title} models have no {strange[0]}"
            + (f", and {len(strange) - 1} more such tensors" if len(strange) > 1 else "")
        )
    if missing := sorted(set(names) - set(packed)):
        raise Unsupported(f"a {family.title} model needs {missing[0]}, and this one has none")
    return config, {names[canonical]: tensor for canonical, tensor in packed.items()}


def require(holds: bool, what: str, *, allowed: str | None = None, do: str | None = None) -> None:
    """Refuse what a family cannot express.

    Raises:
        Unsupported: Unless `holds`.
    """
    if not holds:
        raise Unsupported(what, allowed=allowed, do=do)
