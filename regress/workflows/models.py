"""Which models go by a name: the configured aliases and the built-in pair."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from regress.config import Alias, Config
from regress.demo import pair as demo
from regress.updates.record import origin


def known_models(config: Config) -> Mapping[str, Alias]:
    """Short names, the user's over the shipped ones over the built-in pair."""
    built_in = {name: Alias(model=str(demo.model_folder(name)), shown="built in") for name in demo.MODELS}
    return {**built_in, **config.aliases}


def default_data(models: list[str]) -> str:
    """Where items come from if nobody says: the demo's own if every model is a demo one or made from one."""
    return "demo" if all(map(_of_the_demo, models)) else "hub"


def _of_the_demo(name: str) -> bool:
    if demo.is_demo(name):
        return True
    folder = Path(name).expanduser()
    return folder.is_dir() and demo.is_demo(origin(folder) or "")
