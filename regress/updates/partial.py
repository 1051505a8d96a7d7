"""Old weights in a model of another configuration: which of them fit, by their names on disk.

transformers' own way (`strict=False`, `ignore_mismatched_sizes=True`) fills what does not fit with random
numbers and says so in a log line at most; here it is the result.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from regress.errors import UpdateError, first_line
from regress.updates.disk_names import stored_state
from regress.updates.expressions import Shape

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


@dataclass(frozen=True, kw_only=True)
class Partial:
    """Which tensors of a new model come from an old one; names as on disk, each in exactly one place."""

    loaded: Mapping[str, Shape]
    """In both, of one shape."""
    missing: Mapping[str, Shape]
    """In the new model only."""
    unexpected: Mapping[str, Shape]
    """In the old model only; they are dropped."""
    mismatched: Mapping[str, tuple[Shape, Shape]]
    """In both, of the old and of another new shape; the old numbers are dropped."""

    @property
    def complete(self) -> bool:
        """Whether everything old was loaded, and everything new is old."""
        return not (self.missing or self.unexpected or self.mismatched)

    def sentences(self) -> tuple[str, ...]:
        """The report in words, every tensor named; those of several layers together."""
        kept = f"{len(self.loaded)} tensors are loaded."
        shapes = {name: f"{list(old)} → {list(new)}" for name, (old, new) in self.mismatched.items()}
        return (
            kept,
            *_listed(
                "are missing in the old model and get the class's own random start", _plain(self.missing)
            ),
            *_listed("have another shape and get the class's own random start", shapes),
            *_listed("have no place in the new model and are dropped", _plain(self.unexpected)),
        )


def fit(old: Mapping[str, Shape], new: Mapping[str, Shape]) -> Partial:
    """The report on tensors `old` in a model that asks for `new`.

    >>> report = fit({"a": (2,), "b": (3,), "c": (4,)}, {"b": (3,), "c": (5,), "d": (6,)})
    >>> report.loaded, report.missing, report.unexpected, report.mismatched
    ({'b': (3,)}, {'d': (6,)}, {'a': (2,)}, {'c': ((4,), (5,))})
    """
    both = [name for name in new if name in old]
    return Partial(
        loaded={name: new[name] for name in both if old[name] == new[name]},
        missing={name: shape for name, shape in new.items() if name not in old},
        unexpected={name: shape for name, shape in old.items() if name not in new},
        mismatched={name: (old[name], new[name]) for name in both if old[name] != new[name]},
    )


def asked_for(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Names on disk and shapes of what a configuration's causal language model needs; no memory is used.

    Raises:
        UpdateError: If transformers cannot make such a model.
    """
    with torch.device("meta"):
        model = _made(config)
    return {name: tuple(tensor.shape) for name, tensor in stored_state(model, values=False).items()}


@functools.lru_cache(maxsize=1)
def started(config: str, seed: int) -> dict[str, torch.Tensor]:
    """A new model as its class starts it, in float32, by names on disk.

    Args:
        config: Its configuration as JSON.
        seed: Decides all random numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return stored_state(_made(json.loads(config)).float())


def _made(config: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {key: value for key, value in config.items() if key not in ("model_type", "auto_map")}
    try:
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **settings))
    except Exception as error:  # transformers raises what it likes
        raise UpdateError(
            f"transformers makes no causal language model of this configuration ({first_line(error)})",
            allowed="a config.json with a model_type that it knows",
        ) from error


def _plain(shapes: Mapping[str, Shape]) -> dict[str, str]:
    return {name: str(list(shape)) for name, shape in shapes.items()}


def _listed(what: str, shapes: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence, or none; names that differ in the layer's number alone are told together.

    >>> _listed("are gone", {"h.0.w": "[2]", "h.1.w": "[2]", "e": "[3]"})
    ('3 tensors are gone: h.{0,1}.w [2], e [3].',)
    """
    if not shapes:
        return ()
    groups: dict[tuple[str, str], list[str]] = {}
    for name, shape in shapes.items():
        number = _NUMBER.search(name)
        pattern = _NUMBER.sub("{}", name, count=1)
        groups.setdefault((pattern, shape), []).append(number[0] if number else "")
    told = [
        f"{pattern.replace('{}', _braced(numbers), 1)} {shape}"
        for (pattern, shape), numbers in groups.items()
    ]
    return (f"{len(shapes)} tensors {what}: {', '.join(told)}.",)


def _braced(numbers: list[str]) -> str:
    return numbers[0] if len(numbers) == 1 else "{" + ",".join(numbers) + "}"
