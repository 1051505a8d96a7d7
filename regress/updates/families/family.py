"""What a family is: it reads its own tensors and configuration as canonical ones, and writes them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from regress.errors import Unsupported
from regress.updates.draft import Architecture, Draft
from regress.updates.expressions import Tensor
from regress.updates.families.rotary import without_old_keys

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One `model_type` of transformers."""

    name: str
    """transformers' `model_type`."""
    title: str
    """As people write it."""
    model_class: str
    """transformers' class, for `config.json`."""
    defaults: Mapping[str, Any]
    """What transformers takes where `config.json` is silent."""
    architecture: Callable[[Mapping[str, Any]], Architecture]
    """Reads a completed configuration; raises `Unsupported` for what it cannot describe."""
    names: Callable[[Architecture, Mapping[str, Any]], dict[str, str]]
    """Canonical name by name on disk, of exactly the tensors that a completed configuration asks for.

    An output projection of its own is left out; `head` names it.
    """
    settings: Callable[[Draft], dict[str, Any]]
    """What `config.json` says about a draft; raises `Unsupported` for what the family cannot express."""
    unpack: Callable[[Draft], dict[str, Tensor]] = lambda draft: dict(draft.tensors)
    """Tensors by canonical names of a draft that has them fused or turned; its configuration is completed."""
    pack: Callable[[Draft], dict[str, Tensor]] = lambda draft: dict(draft.tensors)
    """The inverse of `unpack`."""
    fit: Callable[[Draft], Draft] = lambda draft: draft
    """The same function in the form that the family can express, as far as there is one."""
    head: str = "lm_head.weight"
    """Name on disk of the output projection, which a tied model may store though it is the embedding."""
    prefix: str = ""
    """What names of tensors begin with in the causal model and may lack in a stored base model."""
    ignored: tuple[str, ...] = ()
    """Endings of names of buffers that older versions stored and nothing reads."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of settings, and the ones meant."""
    kinds: tuple[str, str] | None = None
    """What `config.json` calls layers without and with a sliding window; null where it lists none."""
    window: bool = False
    """Whether all layers can have a sliding window though none are listed."""
    fresh: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a new configuration that only training reads, all switched off."""


def completed(family: Family, config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with every setting that transformers would add."""
    return {
        **family.defaults,
        **{family.aliases.get(key, key): value for key, value in config.items()},
    }


def all_names(family: Family, architecture: Architecture, config: Mapping[str, Any]) -> dict[str, str]:
    """Canonical name by name on disk, of exactly the tensors that a completed configuration asks for."""
    head = {} if architecture.tied else {family.head: "head.weight"}
    return family.names(architecture, config) | head


def read(family: Family, config: Mapping[str, Any], tensors: Mapping[str, Tensor], dtype: str) -> Draft:
    """A stored model as a draft.

    Raises:
        Unsupported: If the configuration, or a tensor, is not one that the family knows, or one is missing.
    """
    whole = completed(family, config)
    architecture = family.architecture(whole)
    names = all_names(family, architecture, whole)
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
    if missing := [name for name, canonical in names.items() if canonical not in found]:
        raise Unsupported(f"this {family.title} checkpoint lacks {_listed(missing)}")
    stored = Draft(
        model_type=family.name, config=whole, tensors=found, architecture=architecture, dtype=dtype
    )
    return replace(stored, config=config, tensors=family.unpack(stored))


def write(family: Family, draft: Draft) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """`config.json` and tensors as the family stores them.

    Raises:
        Unsupported: If the family cannot express the draft.
    """
    draft = family.fit(draft)
    kept = {key: value for key, value in draft.config.items() if key not in family.aliases}
    config = {
        **without_old_keys(kept),
        "model_type": family.name,
        "architectures": [family.model_class],
        **family.settings(draft),
    }
    asked = all_names(family, draft.shape, completed(family, config))
    names = {canonical: name for name, canonical in asked.items()}
    packed = family.pack(draft)
    if strange := sorted(set(packed) - set(names)):
        raise Unsupported(f"{family.title} models have no {_listed(strange)}")
    if missing := sorted(set(names) - set(packed)):
        raise Unsupported(f"{family.title} models need {_listed(missing)}, and this one has none")
    return config, {names[canonical]: tensor for canonical, tensor in packed.items()}


def _listed(names: list[str]) -> str:
    return names[0] + (f", and {len(names) - 1} more such tensors" if len(names) > 1 else "")
