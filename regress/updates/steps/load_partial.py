"""`load_partial`: the old weights in a model of another configuration, as far as names and shapes fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from regress.errors import UpdateError
from regress.updates.claims import IDENTICAL, OTHER
from regress.updates.draft import Change, Draft
from regress.updates.expressions import Computed, Shape, Tensor
from regress.updates.planning import draft as on_paper
from regress.updates.planning import written

if TYPE_CHECKING:
    from regress.updates.partial import Partial

_VOLATILE = ("transformers_version", "_name_or_path", "dtype", "torch_dtype", "architectures", "use_cache")
"""Settings that decide nothing about the function."""


@dataclass(frozen=True, kw_only=True)
class LoadPartial:
    """Keep the tensors whose names and shapes the new model asks for; start the others as its class does.

    Which tensor went which way is told in full, and stored with the new model.
    """

    verb: ClassVar[str] = "load_partial"

    config: str
    """The new model's config.json, or the folder it is in."""
    seed: int = 0
    """Decides the numbers of what is started anew."""

    def plan(self, draft: Draft) -> Change:
        """See `Step`; besides the configuration it reads nothing."""
        config = self._read()
        _, tensors = written(draft)
        report = _report(tensors, config)
        shapes = {**report.missing, **{name: new for name, (_, new) in report.mismatched.items()}}
        text = json.dumps(config, sort_keys=True)
        new: dict[str, Tensor] = {name: tensors[name] for name in report.loaded}
        new |= {name: Computed(Started(text, self.seed, name, shape), ()) for name, shape in shapes.items()}
        model = on_paper(config, new, draft.dtype)
        same = report.complete and _settings(model) == _settings(draft)
        return Change(
            draft=model,
            claim=IDENTICAL if same else OTHER,
            notes=report.sentences(),
        )

    def report(self, draft: Draft) -> Partial:
        """Which tensors are loaded, missing, unexpected or of another shape, by their names on disk.

        Raises:
            UpdateError: If the configuration cannot be read, or transformers knows no such model.
        """
        return _report(written(draft)[1], self._read())

    def _read(self) -> dict[str, Any]:
        path = Path(self.config).expanduser()
        path = path / "config.json" if path.is_dir() else path
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UpdateError(f"{path} cannot be read as a configuration ({error})") from None
        if not isinstance(config, dict) or "model_type" not in config:
            raise UpdateError(f"{path} names no model_type", allowed="a model's config.json")
        return config


def _report(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Partial:
    from regress.updates.partial import asked_for, fit

    return fit({name: tensor.shape for name, tensor in tensors.items()}, asked_for(config))


def _settings(draft: Draft) -> dict[str, Any]:
    """What of a configuration can decide about the function, as its family writes it."""
    return {key: value for key, value in written(draft)[0].items() if key not in _VOLATILE}


@dataclass(frozen=True)
class Started:
    """A tensor as the class of a configuration starts it."""

    config: str = field(repr=False)
    """As JSON."""
    seed: int
    name: str
    """By its name on disk."""
    of: Shape
    exact: bool = field(default=True, init=False)

    def shape(self, *shapes: Shape) -> Shape:
        """See `Operation`."""
        return self.of

    def run(self, *tensors: Any) -> Any:
        """See `Operation`."""
        from regress.updates.partial import started

        return started(self.config, self.seed)[self.name].double()
